"""A search index that is lost, cut short, locked or altered: the database is searched, and the index mends itself."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.figures import keep, size

from yetan.app import build_app
from yetan.runtime import current
from yetan.search import SearchUnavailable
from yetan.searching import mending
from yetan.searching.service import Filters, search_desk
from yetan.testing import Town
from yetan.testing.town import HOST, Browser

TITLES = ("村口第一盏路灯不亮", "村口第二盏路灯不亮")
NOTICE = "搜索索引暂时用不了"
#: Alterations tried here; the soak tries more.
FLIPS = size("YETAN_SOAK_FLIPS", 40)


@pytest.fixture
def database_kind() -> str:
    """The files of the index do not depend on the database."""
    return "sqlite"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("whoosh",), "search": "whoosh"}


@pytest.fixture
def filled(town: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Two issues, in the index."""
    monkeypatch.setattr(mending, "PAUSE", 0.0)
    for title in TITLES:
        town.report(title=title)
    town.run_worker()
    return town


@pytest.fixture
def rebuilds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each rebuild that was begun, as it went."""
    begun: list[str] = []
    mend = mending._Mender.mend

    async def noted(mender: Any) -> None:
        begun.append("begun")
        await mend(mender)

    monkeypatch.setattr(mending._Mender, "mend", noted)
    return begun


def index_of(town: Town) -> Path:
    """The folder of the index."""
    return next(path for path in (town.folder / "var").rglob("current") if path.is_file()).parent


def search(town: Town) -> str:
    """The page of a search at the desk."""
    answer = town.browser("village").get("/desk/search", params={"q": "路灯"})
    assert answer.status_code == 200
    return words(answer.text)


def words(page: str) -> str:
    """What a page says; what was looked for is marked up."""
    return re.sub(r"</?mark[^>]*>", "", page)


def mended(town: Town) -> bool:
    """Wait for a rebuild under way; whether the index answers again."""

    async def wait() -> bool:
        mender = mending._mender
        assert mender is not None
        if mender.task is not None:
            await mender.task
        backend = current().search
        assert backend is not None
        try:
            return await backend.count() == len(TITLES)
        except SearchUnavailable:
            return False

    return town.do(wait)


def lose(index: Path) -> None:
    shutil.rmtree(index)


def lose_a_generation(index: Path) -> None:
    for folder in index.glob("generation-*"):
        shutil.rmtree(folder)


def cut_short(index: Path) -> None:
    for file in files_of(index):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(index: Path) -> None:
    for file in files_of(index):
        file.write_bytes(b"")


def garble_the_name(index: Path) -> None:
    (index / "current").write_bytes(b"\xff/../etc")


def files_of(index: Path) -> list[Path]:
    return sorted(path for path in index.rglob("*") if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize("fault", [lose, lose_a_generation, cut_short, empty, garble_the_name])
def test_a_damaged_index_is_told_and_mends_itself(
    filled: Town, rebuilds: list[str], fault: Callable[[Path], None]
) -> None:
    """F24, P9"""
    assert NOTICE not in search(filled)
    fault(index_of(filled))
    page = search(filled)
    assert NOTICE in page
    assert all(title in page for title in TITLES)
    assert filled.browser().get("/").status_code == 200
    assert mended(filled)
    page = search(filled)
    assert NOTICE not in page
    assert all(title in page for title in TITLES)
    assert len(rebuilds) == 1


def test_many_who_meet_the_damage_have_it_mended_once(filled: Town, rebuilds: list[str]) -> None:
    empty(index_of(filled))

    async def ask() -> None:
        act = await filled.act("village")
        found = await asyncio.gather(*(search_desk(act, "路灯", Filters()) for _ in range(20)))
        assert {(results.degraded, len(results.found)) for results in found} == {(True, 2)}

    filled.do(ask)
    assert mended(filled)
    assert len(rebuilds) == 1


def test_what_cannot_be_mended_is_not_tried_again_at_once(
    filled: Town, rebuilds: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No room for another generation, say."""
    monkeypatch.setattr(mending, "PAUSE", 60.0)

    async def no_room(*arguments: Any) -> int:
        raise SearchUnavailable("no space left on device")

    monkeypatch.setattr(type(filled.do(_backend)), "rebuild", no_room)
    empty(index_of(filled))
    for _ in range(3):
        assert NOTICE in search(filled)
        assert not mended(filled)
    assert len(rebuilds) == 1
    assert "could not be rebuilt, which is tried again later: no space left on device" in caplog.text


async def _backend() -> Any:
    return current().search


def test_an_event_meets_the_damage_as_well(filled: Town, rebuilds: list[str]) -> None:
    """Nobody searches; the worker has something to write. The delivery is made again and nothing is missing."""
    empty(index_of(filled))
    filled.report(title="村口第三盏路灯不亮")
    filled.run_worker()
    assert rebuilds
    filled.do(_mended)
    filled.clock.forward(minutes=5)
    filled.run_worker()
    page = search(filled)
    assert NOTICE not in page
    assert "村口第三盏路灯不亮" in page


async def _mended() -> None:
    assert mending._mender is not None
    assert mending._mender.task is not None
    await mending._mender.task


def test_an_index_lost_while_nobody_served_is_filled_again(
    town_database_url: str, tmp_path: Path, town_options: dict[str, Any], rebuilds: list[str]
) -> None:
    """A restored backup without its index: what it does not find is not believed."""
    first = Town(town_database_url, tmp_path, **town_options)
    with first.open():
        for title in TITLES:
            first.report(title=title)
        first.run_worker()
        folder = index_of(first)
        cookie = first.browser("village").cookies["yetan-session"]
    shutil.rmtree(folder)
    assert rebuilds == []
    with Browser(build_app(first.configuration, first.clock, worker=False), base_url=f"http://{HOST}") as browser:
        browser.cookies.set("yetan-session", cookie)
        page = words(browser.get("/desk/search", params={"q": "路灯"}).text)
        assert all(title in page for title in TITLES)
    assert len(rebuilds) == 1


# Whoosh leaves a file open when what it reads there makes no sense.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_bytes_altered_anywhere_break_no_page(filled: Town) -> None:
    """F24: each search is answered with 200, the damage mended by what met it, and the next one finds all again."""
    index = index_of(filled)
    chance = random.Random(24)
    whole = filled.folder / "whole"
    shutil.copytree(index, whole)
    for number in range(FLIPS):
        shutil.rmtree(index)
        shutil.copytree(whole, index)
        files = files_of(index)
        file = files[number % len(files)]
        data = bytearray(file.read_bytes())
        for _ in range(chance.choice((1, 1, 4, 16))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file.write_bytes(data)
        page = search(filled)
        if NOTICE in page:
            assert all(title in page for title in TITLES), file
            assert mended(filled), file
            assert NOTICE not in search(filled)
    keep("index_altered", alterations=FLIPS, answered_with_200=FLIPS)
