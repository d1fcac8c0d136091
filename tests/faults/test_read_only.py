"""Surroundings that take no writing: the start says which path, and what to do (F13)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from tests.faults.served import ServedTown

#: What can be closed, from the town's folder: all of it, or parts, which are then named together.
PLACES = (("var",), ("var/files", "var/index", "yetan.sqlite3"))
places = pytest.mark.parametrize("places", PLACES, ids=["the data folder", "what is in it"])
#: Root without the right to pass over modes.
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def town(served: ServedTown) -> ServedTown:
    (served.data / "files").mkdir(exist_ok=True)
    return served


def refused(town: ServedTown, places: Sequence[str], *before: str) -> None:
    """The site does not start, names each path and what to do, and leaves no traceback."""
    ended = town.command("serve", "--port", "1", before=before)
    assert ended.returncode == 2, ended.stderr
    for place in places:
        assert str(town.folder / place) in ended.stderr
    assert "写不了。请给运行服务的用户写入的权限" in ended.stderr
    assert "Traceback" not in ended.stderr


@places
def test_a_read_only_file_system_is_named(town: ServedTown, places: Sequence[str]) -> None:
    """Root ignores modes, but not this."""
    with ExitStack() as mounted:
        for place in places:
            path = town.folder / place
            if subprocess.run(["mount", "--bind", path, path], capture_output=True, check=False).returncode:
                pytest.skip("SKIPPED MOUNT: root alone can close a file system, and not in every container")
            mounted.callback(subprocess.run, ["umount", "-l", path], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        refused(town, places)


def heeds_modes() -> bool:
    """Whether modes count for a process that can be started here."""
    if os.geteuid() != 0:
        return True
    found = shutil.which(WITHOUT_RIGHTS[0])
    return found is not None and not subprocess.run([*WITHOUT_RIGHTS, "true"], capture_output=True).returncode


@places
def test_what_may_not_be_written_is_named(town: ServedTown, places: Sequence[str]) -> None:
    """Wrong modes; root is made to heed them."""
    if not heeds_modes():
        pytest.skip("SKIPPED RIGHTS: root cannot be made to heed modes here (Debian: util-linux)")
    for place in places:
        path = town.folder / place
        path.chmod(0o500 if path.is_dir() else 0o400)
    refused(town, places, *(WITHOUT_RIGHTS if os.geteuid() == 0 else ()))
