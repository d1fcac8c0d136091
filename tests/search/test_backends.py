"""What every engine does: the contract of `SearchBackend` beyond plain finding. A new engine joins `ENGINES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from yetan.api import (
    FACETS,
    PUBLIC_SCOPE,
    SearchBackend,
    SearchDocument,
    SearchPage,
    SearchQuery,
    Vocabulary,
    unit_scope,
)
from yetan_search.whoosh_backend import WhooshBackend

Result = TypeVar("Result")
Engine = Callable[[Path], SearchBackend]

ENGINES: dict[str, Engine] = {"whoosh": WhooshBackend}
PUBLIC = frozenset({PUBLIC_SCOPE})
DAY = datetime(2026, 3, 1, 8, tzinfo=UTC)


def lamp(number: int, title: str = "路灯不亮", **values: object) -> SearchDocument:
    given = SearchDocument(
        f"issue:{number}",
        "issue",
        title,
        units=(number % 2 + 2, 1),
        categories=(7,),
        state="open" if number % 3 else "closed",
        matter="problem",
        raised_at=DAY + timedelta(days=number),
        year=2026,
        scopes=PUBLIC,
    )
    return replace(given, **values)  # type: ignore[arg-type]


LAMPS = tuple(lamp(number) for number in range(1, 7))


async def each(*documents: SearchDocument) -> AsyncIterator[SearchDocument]:
    for document in documents:
        yield document


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
def run(engine: Engine, tmp_path: Path) -> Callable[[Callable[[SearchBackend], Awaitable[Result]]], Result]:
    """Do something with the engine open in its place."""

    def go(work: Callable[[SearchBackend], Awaitable[Result]]) -> Result:
        async def main() -> Result:
            backend = engine(tmp_path / "index")
            await backend.open()
            try:
                return await work(backend)
            finally:
                await backend.close()

        return asyncio.run(main())

    return go


Run = Callable[[Callable[[SearchBackend], Awaitable[object]]], object]


def numbers(page: SearchPage) -> list[int]:
    return [hit.id for hit in page.hits]


def test_results_are_counted_by_facet_within_scope_and_filters(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([*LAMPS, lamp(99, scopes=frozenset({unit_scope(1)}))], ())
        page = await backend.search(SearchQuery("路灯", PUBLIC, facets=frozenset(FACETS), limit=1))
        assert page.facets == {
            "unit": {"1": 6, "2": 3, "3": 3},
            "category": {"7": 6},
            "state": {"open": 4, "closed": 2},
            "kind": {"issue": 6},
            "matter": {"problem": 6},
            "year": {"2026": 6},
        }
        page = await backend.search(SearchQuery("路灯", PUBLIC, unit=2, state="open", facets=frozenset({"state"})))
        assert page.facets == {"state": {"open": page.total}}
        assert numbers(page) == [4, 2]
        await backend.apply([], ["issue:4"])
        page = await backend.search(SearchQuery("路灯", PUBLIC, unit=2, facets=frozenset({"unit"})))
        assert page.facets == {"unit": {"1": 2, "2": 2}}

    run(work)


def test_results_come_by_date_page_by_page(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([*LAMPS, lamp(7, "路边停水")], ())
        newest = SearchQuery("路灯", PUBLIC, sort="newest", limit=4)
        assert numbers(await backend.search(newest)) == [6, 5, 4, 3]
        assert numbers(await backend.search(replace(newest, offset=4))) == [2, 1]
        assert numbers(await backend.search(replace(newest, sort="oldest", limit=2))) == [1, 2]
        assert (await backend.search(newest)).total == 6

    run(work)


def test_where_nothing_holds_all_of_the_words_dates_sort_what_holds_some(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "电梯坏了"), lamp(2, "噪音太大")], ())
        page = await backend.search(SearchQuery("电梯 噪音", PUBLIC, sort="newest"))
        assert numbers(page) == [2, 1]
        assert page.whole == 0
        assert all(hit.partial for hit in page.hits)

    run(work)


def test_suggestions_are_words_that_the_asker_may_find(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "路灯不亮"), lamp(2, "路障倒了", scopes=frozenset({unit_scope(9)}))], ())
        assert await backend.suggest("路", PUBLIC, frozenset({"issue"}), 5) == ("路灯",)
        assert await backend.suggest("lu", PUBLIC, frozenset({"issue"}), 5) == ("路灯",)
        assert await backend.suggest("路", frozenset({unit_scope(9)}), frozenset(), 5) == ("路障",)
        assert await backend.suggest("路", PUBLIC, frozenset({"letter"}), 5) == ()
        assert await backend.suggest("", PUBLIC, frozenset(), 5) == ()

    run(work)


def test_words_lead_by_their_sound_as_soon_as_a_document_has_them(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        assert (await backend.search(SearchQuery("luohu", PUBLIC))).hits == ()
        await backend.apply([lamp(1, "新生儿落户")], ())
        page = await backend.search(SearchQuery("luohu", PUBLIC))
        assert (numbers(page), page.guessed) == ([1], ("落户",))
        await backend.rebuild(each(lamp(2, "户口迁移")))
        assert (await backend.search(SearchQuery("luohu", PUBLIC))).guessed == ()

    run(work)


def test_phrases_are_found_in_every_part_of_a_document(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        documents = [
            lamp(1, "灯坏了不亮"),
            lamp(2, text="说灯坏了。"),
            lamp(3, reply="已知灯坏了"),
            lamp(4, place="灯坏了街"),
            lamp(5, text="坏了，灯。"),
        ]
        await backend.apply(documents, ())
        page = await backend.search(SearchQuery('"灯坏了"', PUBLIC))
        assert sorted(numbers(page)) == [1, 2, 3, 4]
        assert sorted(numbers(await backend.search(SearchQuery('路灯 -"灯坏了"', PUBLIC)))) == [5]

    run(work)


def test_synonyms_hold_from_the_next_search_on(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "灯杆倒了")], ())
        query = SearchQuery("电桩子", PUBLIC)
        assert (await backend.search(query)).hits == ()
        backend.learn(Vocabulary(synonyms=(("电樁子", "灯杆"),)))
        assert numbers(await backend.search(query)) == [1]
        assert backend.highlight("新灯杆倒了", "电桩子", length=0) == (("新", False), ("灯杆", True), ("倒了", False))
        assert backend.same_as("电桩子") == ("灯杆",)
        backend.learn(Vocabulary())
        assert (await backend.search(query)).hits == ()
        assert "塞车" in backend.same_as("堵车")

    run(work)


def test_an_index_that_holds_nothing_yet_is_made_with_the_words_there_are(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        backend.learn(Vocabulary(words=("夜话坪",)))
        await backend.apply([lamp(1, "夜话坪路灯不亮")], ())
        assert await backend.due() == ""

    run(work)


def test_new_words_make_a_rebuild_due_and_it_is_asked_as_it_was_made_until_then(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, "夜话坪路灯不亮")], ())
        backend.learn(Vocabulary(words=("夜话坪",)))
        assert "夜话坪" in await backend.due()
        assert numbers(await backend.search(SearchQuery("夜话坪", PUBLIC))) == [1]
        await backend.apply([lamp(2, "夜话坪停水")], ())
        assert sorted(numbers(await backend.search(SearchQuery("夜话坪", PUBLIC)))) == [1, 2]
        await backend.rebuild(each(lamp(1, "夜话坪路灯不亮"), lamp(2, "夜话坪停水")))
        assert await backend.due() == ""
        backend.learn(Vocabulary())
        assert "去掉 1 个词" in await backend.due()

    run(work)


def test_what_an_index_was_made_with_stays_with_it(run: Run) -> None:
    async def make(backend: SearchBackend) -> None:
        backend.learn(Vocabulary(words=("夜话坪",)))
        await backend.rebuild(each(lamp(1, "夜话坪路灯不亮")))

    async def look(backend: SearchBackend) -> None:
        assert await backend.due() != ""
        backend.learn(Vocabulary(words=("夜话坪",)))
        assert await backend.due() == ""

    run(make)
    run(look)


def test_numbers_asked_for_besides_the_text_find_whole(run: Run) -> None:
    async def work(backend: SearchBackend) -> None:
        await backend.apply([lamp(1, numbers=("3/13900001234",))], ())
        assert (await backend.search(SearchQuery("13900001234", PUBLIC))).hits == ()
        query = SearchQuery("13900001234", PUBLIC, numbers=frozenset({"3/13900001234"}))
        assert numbers(await backend.search(query)) == [1]

    run(work)
