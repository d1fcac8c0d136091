"""What every engine does with changes, rebuilds and damage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.search.engines import (
    ALL,
    DEMOLITION,
    ENGINES,
    LAMP_REPLY,
    LAMP_TEXT,
    LAMP_TITLE,
    PUBLIC,
    Place,
    each,
    numbers,
    place_of,
)

from yetan.api import (
    IndexBusy,
    IndexDamaged,
    SearchBackend,
    SearchDocument,
    SearchPage,
    SearchQuery,
    SearchUnavailable,
    Vocabulary,
)


def lamp(number: int, title: str) -> SearchDocument:
    return SearchDocument(f"issue:{number}", "issue", title, scopes=PUBLIC)


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each engine in turn, without an index yet."""
    return place_of(request, tmp_path / "index")


@pytest.fixture
def filled(place: Place) -> Place:
    """The same with an index that holds `ALL`."""
    place.fill(*ALL)
    return place


def test_an_index_that_holds_nothing_yet_is_made_with_the_words_there_are(place: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        backend.learn(Vocabulary(words=("夜话坪",)))
        await backend.apply([lamp(1, "夜话坪路灯不亮")], ())
        assert await backend.due() == ""

    place.do(work)


def test_new_words_make_a_rebuild_due_and_it_is_asked_as_it_was_made_until_then(place: Place) -> None:
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

    place.do(work)


def test_what_an_index_was_made_with_stays_with_it(place: Place) -> None:
    async def make(backend: SearchBackend) -> None:
        backend.learn(Vocabulary(words=("夜话坪",)))
        await backend.rebuild(each(lamp(1, "夜话坪路灯不亮")))

    async def look(backend: SearchBackend) -> None:
        assert await backend.due() != ""
        backend.learn(Vocabulary(words=("夜话坪",)))
        assert await backend.due() == ""

    place.do(make)
    place.do(look)


def test_changes_are_seen_at_once(filled: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        query = SearchQuery("路灯", PUBLIC)
        assert [hit.id for hit in (await backend.search(query)).hits] == [1, 2, 3]
        await backend.apply([replace(LAMP_TITLE, title="东村停水")], ["issue:2"])
        assert [hit.id for hit in (await backend.search(query)).hits] == [3]
        assert await backend.keys() == {"issue:1", "issue:3", "issue:4"}
        assert await backend.count() == 3
        await backend.apply([LAMP_TITLE], ["issue:none"])
        assert (await backend.search(query)).hits[0].id == 1

    filled.do(work)


def test_doing_it_twice_changes_nothing(filled: Place) -> None:
    before = filled.ask("路灯")

    async def work(backend: SearchBackend) -> int:
        await backend.apply([*ALL, LAMP_TITLE], ["issue:8"])
        await backend.apply(ALL, ["issue:8"])
        return await backend.count()

    assert filled.do(work) == len(ALL)
    assert [hit.key for hit in filled.ask("路灯").hits] == [hit.key for hit in before.hits]


def test_another_process_sees_changes_and_rebuilds(filled: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        other = filled.engine()
        await other.open()
        query = SearchQuery("路灯", PUBLIC)
        assert (await other.search(query)).hits[0].id == 1
        await backend.apply((), ["issue:1"])
        assert (await other.search(query)).hits[0].id == 2
        await backend.rebuild(each(LAMP_REPLY))
        assert [hit.id for hit in (await other.search(query)).hits] == [3]
        await other.close()

    filled.do(work)


def test_a_rebuild_replaces_everything(filled: Place) -> None:
    told: list[int] = []

    async def work(backend: SearchBackend) -> frozenset[str]:
        assert await backend.rebuild(each(LAMP_TEXT, LAMP_REPLY, LAMP_TEXT), told.append) == 2
        return await backend.keys()

    assert filled.do(work) == {"issue:2", "issue:3"}
    assert told[-1] == 2


def test_the_old_index_serves_and_keeps_changing_during_a_rebuild(filled: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        query = SearchQuery("路灯", PUBLIC)

        async def documents() -> AsyncIterator[SearchDocument]:
            yield LAMP_TITLE
            yield LAMP_TEXT
            assert [hit.id for hit in (await backend.search(query)).hits] == [1, 2, 3]
            await backend.apply([replace(LAMP_TITLE, title="东村停水")], ["issue:2"])
            assert [hit.id for hit in (await backend.search(query)).hits] == [3]
            with pytest.raises(SearchUnavailable):
                await backend.rebuild(each())

        await backend.rebuild(documents())
        assert (await backend.search(query)).hits == ()
        assert await backend.keys() == {"issue:1"}

    filled.do(work)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_interrupted_rebuild_keeps_the_old_index(filled: Place, cancelled: bool) -> None:
    async def work(backend: SearchBackend) -> None:
        async def documents() -> AsyncIterator[SearchDocument]:
            yield LAMP_TEXT
            if cancelled:
                rebuilding.cancel()
                await asyncio.sleep(0)
            raise RuntimeError("the database went away")

        rebuilding = asyncio.create_task(backend.rebuild(documents()))
        with pytest.raises(asyncio.CancelledError if cancelled else RuntimeError):
            await rebuilding
        await backend.apply([replace(DEMOLITION, title="路灯修好了")], ())
        assert await backend.count() == len(ALL)
        assert 4 in [hit.id for hit in (await backend.search(SearchQuery("路灯", PUBLIC))).hits]

    filled.do(work)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_index_says_so_and_a_rebuild_repairs_it(filled: Place) -> None:
    """F24, P9. Where opening fails, Whoosh leaves its files to the garbage collector, which warns of it."""

    async def work(backend: SearchBackend) -> SearchPage:
        with pytest.raises(IndexDamaged):
            await backend.search(SearchQuery("路灯", PUBLIC))
        with pytest.raises(SearchUnavailable):
            await backend.apply([LAMP_TITLE], ())
        assert await backend.rebuild(each(*ALL)) == len(ALL)
        return await backend.search(SearchQuery("路灯", PUBLIC))

    for fault, happen in filled.faults().items():
        happen()
        assert numbers(filled.do(work)) == [1, 2, 3], fault


def test_a_closed_index_is_unavailable_and_opens_again(filled: Place) -> None:
    async def main() -> None:
        backend = filled.engine()
        with pytest.raises(SearchUnavailable):
            await backend.count()
        await backend.open()
        await backend.close()
        await backend.close()
        with pytest.raises(SearchUnavailable):
            await backend.search(SearchQuery("路灯", PUBLIC))
        await backend.open()
        assert await backend.count() == len(ALL)
        await backend.close()

    asyncio.run(main())


def test_searches_at_the_same_time_do_not_share_a_reader(filled: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        queries = [backend.search(SearchQuery("路灯", PUBLIC)) for _ in range(40)]
        pages = await asyncio.gather(*queries, backend.apply([LAMP_TITLE], ()))
        assert all([hit.id for hit in page.hits] == [1, 2, 3] for page in pages[:-1] if page)
        assert threading.active_count() > 1

    filled.do(work)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("search")]


def test_processes_that_start_and_write_at_once_lose_nothing(place: Place) -> None:
    """An index that one of them makes is no damage to the others; there is one writer at a time."""

    async def main() -> None:
        processes = [place.engine() for _ in range(3)]
        await asyncio.gather(*(each.open() for each in processes))
        assert [await each.count() for each in processes] == [0, 0, 0]
        await asyncio.gather(*(each.apply([lamp(number, "路灯")], ()) for number, each in enumerate(processes)))
        assert [await each.count() for each in processes] == [3, 3, 3]
        await asyncio.gather(*(each.close() for each in processes))

    asyncio.run(main())


def test_what_others_write_during_a_rebuild_is_there_afterwards_or_was_refused(filled: Place) -> None:
    async def work(backend: SearchBackend) -> None:
        other = filled.engine()
        await other.open()
        written: list[str] = []

        async def documents() -> AsyncIterator[SearchDocument]:
            yield LAMP_TITLE
            yield LAMP_TEXT
            with pytest.raises(IndexBusy):
                await other.rebuild(each())
            with suppress(IndexBusy):
                await other.apply([lamp(9, "西村路灯")], ["issue:2"])
                written.append("issue:9")

        await backend.rebuild(documents())
        assert await other.keys() == {"issue:1", "issue:9"} if written else {"issue:1", "issue:2"}
        await other.close()

    filled.do(work)
