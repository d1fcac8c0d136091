"""What was compiled stays for the next start, and is believed only where it is whole and of the same source."""

from __future__ import annotations

from pathlib import Path

import pytest

from yetan import compiled
from yetan.compiled import CompiledFiles


@pytest.fixture(autouse=True)
def another_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of earlier ones but what is in files."""
    monkeypatch.setattr(compiled, "_MADE", {})


def start(folder: Path) -> CompiledFiles:
    compiled._MADE.clear()
    return CompiledFiles(folder)


def test_the_next_start_finds_it(tmp_path: Path) -> None:
    start(tmp_path / "compiled").keep("board", b"{{ title }}", b"code")
    assert start(tmp_path / "compiled").find("board", b"{{ title }}") == b"code"
    assert start(tmp_path / "compiled").find("board", b"{{ number }}") is None
    assert [path.name for path in (tmp_path / "compiled").iterdir()] == ["board"]


def test_a_damaged_one_is_not_believed(tmp_path: Path) -> None:
    start(tmp_path).keep("board", b"{{ title }}", b"code")
    whole = (tmp_path / "board").read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"x", b"", bytes(len(whole))):
        (tmp_path / "board").write_bytes(damaged)
        assert start(tmp_path).find("board", b"{{ title }}") is None


def test_a_folder_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "compiled").write_text("no folder")
    files = start(tmp_path / "compiled")
    files.keep("board", b"{{ title }}", b"code")
    assert files.find("board", b"{{ title }}") == b"code"
    assert start(tmp_path / "compiled").find("board", b"{{ title }}") is None
