"""The tutorial, done as it says: every file written, every command run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "plugins" / "tutorial.md"
_FENCE = re.compile(
    r"^```(\{code-block\} python\n:caption: (?P<file>\S+?)(?P<end>, at its end)?\n|(?P<kind>\w+)\n)(?P<block>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: What a city needs besides the lines the tutorial adds.
_CITY = """
[city]
name = "石桥镇"

[unit_kinds.township]
label = "镇"
"""


class Desk:
    """Somebody's terminal: where they stand, and what they have installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installed = folder / "installed"
        self.installed.mkdir()
        self.city = folder / "city"
        self.city.mkdir()
        tools = folder / "bin"
        tools.mkdir()
        for name in ("python", "yetan"):
            call = sys.executable + (" -m yetan" if name == "yetan" else "")
            (tools / name).write_text(f'#!/bin/sh\nexec {call} "$@"\n')
            (tools / name).chmod(0o755)
        secret = {"YETAN_SECRET_KEY": "the secret of a town that stands for one test alone"}
        self.environment = {
            **os.environ,
            **secret,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.installed),
        }

    def type(self, line: str) -> None:
        """Do what a line says."""
        if line.startswith("cd "):
            self.folder = self.folder / line.removeprefix("cd ")
            return
        if line.startswith("pip install -e "):
            self._install()
            return
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    def _install(self) -> None:
        """What pip leaves behind for an editable package: it needs a network to be asked."""
        package = "yetan_lending"
        (self.installed / "lending.pth").write_text(str(self.folder))
        information = self.installed / f"{package}-0.1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
        (information / "entry_points.txt").write_text(f"[yetan.plugins]\nlending = {package}:plugin\n")
        self.environment["PYTHONPATH"] += f"{os.pathsep}{self.folder}"


def test_following_the_tutorial_ends_in_a_working_plugin(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    ran: list[str] = []
    for found in _FENCE.finditer(TUTORIAL.read_text(encoding="utf-8")):
        block = found["block"]
        if found["file"]:
            path = desk.folder / found["file"]
            before = path.read_text(encoding="utf-8") if found["end"] else ""
            path.write_text(f"{before}\n{block}".lstrip(), encoding="utf-8")
        elif found["kind"] == "toml":
            desk.folder = desk.city
            (desk.city / "yetan.toml").write_text(block.replace("\n[rules]", f"{_CITY}\n[rules]"), encoding="utf-8")
        elif found["kind"] == "sh":
            for line in block.splitlines():
                # The contract of the package as it was made is run by tests/scaffold.
                first = line == "python -m pytest" and line not in ran
                desk.environment["PYTEST_ADDOPTS"] = "--deselect tests/test_contract.py" if first else ""
                desk.type(line)
                ran.append(line)
    assert "yetan db upgrade" in ran
    assert "yetan plugin check" in ran
