"""`yetan plugin new` makes a plugin that works as made: built, installed, tested and checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yetan.cli.commands import application
from yetan.errors import Refused
from yetan.scaffold import new_plugin

PYTHON = sys.executable


def run(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A program of the environment these tests run in, `path` before its packages."""
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {}), "PYTHONSAFEPATH": "1"}
    return subprocess.run([PYTHON, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_a_plugin_works_as_made(tmp_path: Path) -> None:
    """As a stranger would: made, built, installed; its own tests pass, and the check finds nothing."""
    said = CliRunner().invoke(
        application, ["plugin", "new", "weekend_walks", "--title", "周末健步走", "--into", str(tmp_path)]
    )
    assert said.exit_code == 0, said.output
    folder, installed = tmp_path / "yetan-weekend-walks", tmp_path / "installed"
    assert [line.strip()[:2] for line in said.output.splitlines()[-3:]] == ["1.", "2.", "3."]

    pip = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    built = run(folder, "-m", *pip, "--target", str(installed), ".")
    assert built.returncode == 0, built.stderr

    checked = run(folder, "-m", "yetan", "plugin", "check", ".", "--json", path=installed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (report,) = json.loads(checked.stdout)["plugins"]
    assert (report["level"], report["findings"], report["unexamined"]) == ("gold", [], {})

    tested = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", path=installed)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "passed" in tested.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Walks", "用小写英文字母"),
        ("weekend-walks", "用小写英文字母"),
        ("1walk", "用小写英文字母"),
        ("class", "用小写英文字母"),
        ("w" * 31, "用小写英文字母"),
        ("supervision", "已经有插件用了"),
        ("search", "已经有插件用了"),  # yetan_search is a package here, whatever its plugins are called
        ("issue", "夜谈自己在用"),
        ("notices", "夜谈自己在用"),
        ("email", "Python 自带"),
    ],
)
def test_a_name_that_would_clash_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        new_plugin(name, "健步走", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_title_that_would_break_the_files_is_refused(tmp_path: Path) -> None:
    for title in ("", '健步走"', "a\\b", "<b>", "走\n走"):
        with pytest.raises(Refused, match="叫法"):
            new_plugin("weekend_walks", title, tmp_path)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "yetan-weekend-walks").mkdir()
    (tmp_path / "yetan-weekend-walks" / "README.md").write_text("mine")
    with pytest.raises(Refused, match="已经有了"):
        new_plugin("weekend_walks", "健步走", tmp_path)
    assert (tmp_path / "yetan-weekend-walks" / "README.md").read_text() == "mine"
