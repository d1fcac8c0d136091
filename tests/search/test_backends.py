"""What every engine finds, in which order, and what it counts. A new engine joins `tests.search.engines`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.search.engines import (
    ALL,
    COUNTY,
    ENGINES,
    PUBLIC,
    RAISED,
    WEST_VILLAGE,
    Place,
    place_of,
)

from yetan.api import (
    SearchBackend,
    SearchPage,
    SearchQuery,
)


@pytest.fixture(params=ENGINES, scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Each engine in turn, with an index that holds `ALL`; for tests that only look."""
    place = place_of(request, tmp_path_factory.mktemp("engine") / "index")
    place.fill(*ALL)
    return place


def test_traditional_characters_find_simplified_text(filled: Place) -> None:
    page = filled.ask("拆遷")
    assert [hit.id for hit in page.hits] == [4]
    assert page.also_searched == ("拆迁",)


def test_a_title_comes_before_a_text_and_a_text_before_a_reply(filled: Place) -> None:
    assert filled.found("路灯")[:3] == [1, 2, 3]


def test_matching_all_of_a_query_is_better_and_not_needed(filled: Place) -> None:
    assert filled.found("西村路灯")[0] == 2
    assert filled.found("老屋拆迁停水停电")[0] == 4


def test_a_shared_character_saves_an_empty_page(filled: Place) -> None:
    assert 4 in filled.found("房屋")


def test_what_nothing_shares_finds_nothing(filled: Place) -> None:
    assert filled.ask("鲸鱼") == SearchPage((), 0)


@pytest.mark.parametrize("number", ["YT-2026-0012", "yt-2026-0012", "编号 ＹＴ-2026-0012", "13800000000"])
def test_a_number_is_found_whole(filled: Place, number: str) -> None:
    assert filled.found(number)[0] == 4


def test_a_part_of_a_number_is_not_found(filled: Place) -> None:
    assert filled.found("1380000") == []


def test_pages_follow_each_other(filled: Place) -> None:
    whole = filled.ask("路灯")
    pages = [filled.ask("路灯", limit=1, offset=offset) for offset in range(whole.total)]
    assert [page.hits[0].key for page in pages] == [hit.key for hit in whole.hits]
    assert filled.ask("路灯", offset=whole.total).hits == ()


def test_a_county_finds_its_villages(filled: Place) -> None:
    assert filled.found("路灯", unit=COUNTY) == [1, 2]
    assert filled.found("路灯", unit=WEST_VILLAGE) == [2]
    assert filled.found("路灯", unit=99) == []


def test_filters_are_exact_and_all_hold(filled: Place) -> None:
    assert filled.found("拆迁", category=7, state="open", kinds=frozenset({"issue", "letter"})) == [4]
    assert filled.found("拆迁", category=70) == [4]
    assert filled.found("拆迁", category=0) == []
    assert filled.found("拆迁", state="closed", category=7) == []
    assert filled.found("拆迁", kinds=frozenset({"letter"})) == []


def test_dates_are_from_and_before(filled: Place) -> None:
    second = timedelta(seconds=1)
    assert filled.found("拆迁", raised_from=RAISED, raised_until=RAISED + second) == [4]
    assert filled.found("拆迁", raised_from=RAISED + second) == []
    assert filled.found("拆迁", raised_until=RAISED) == []
    assert filled.found("路灯", raised_until=RAISED) == []  # has no date


ODD = (
    "",
    "   ",
    "？！。",
    "*",
    "**",
    '"',
    "(路灯",
    "路灯)",
    "'",
    "AND OR NOT",
    "title:路灯",
    "\x00",
    "𠮷",
    "\ud800",
    "[a TO",
    "~^2",
    "路灯 不亮" * 2_000,
)


def test_an_odd_query_is_answered(filled: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        for text in ODD:
            page = await backend.search(SearchQuery(text, PUBLIC))
            assert page.total >= len(page.hits), text

    filled.do(work)
