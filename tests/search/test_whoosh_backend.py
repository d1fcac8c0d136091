"""What the embedded search engine finds, keeps apart and survives."""

from __future__ import annotations

import asyncio
import gc
import shutil
import stat
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from yetan.api import (
    PUBLIC_SCOPE,
    SearchBackend,
    SearchDocument,
    SearchPage,
    SearchQuery,
    SearchUnavailable,
    person_scope,
    unit_scope,
)
from yetan_search import batches, generations, whoosh_backend
from yetan_search.whoosh_backend import WhooshBackend

Result = TypeVar("Result")
PUBLIC = frozenset({PUBLIC_SCOPE})
RAISED = datetime(2026, 3, 1, 8, tzinfo=UTC)

#: A county, and two villages under it.
COUNTY, EAST_VILLAGE, WEST_VILLAGE = 1, 2, 3

LAMP_TITLE = SearchDocument(
    "issue:1", "issue", "东村路灯不亮", "晚上出门看不见。", units=(EAST_VILLAGE, COUNTY), scopes=PUBLIC
)
LAMP_TEXT = SearchDocument(
    "issue:2",
    "issue",
    "西村夜里太黑",
    "村口没有路灯，老人摔倒过。",
    units=(WEST_VILLAGE, COUNTY),
    scopes=PUBLIC,
)
LAMP_REPLY = SearchDocument("issue:3", "issue", "道路太窄", "会车困难。", "修路时会一并安装路灯。", scopes=PUBLIC)
DEMOLITION = SearchDocument(
    "issue:4",
    "issue",
    "老屋拆迁补偿没有到账",
    numbers=("YT-2026-0012", "13800000000"),
    categories=(7, 70),
    state="open",
    raised_at=RAISED,
    scopes=PUBLIC,
)
ALL = (LAMP_TITLE, LAMP_TEXT, LAMP_REPLY, DEMOLITION)


async def each(*documents: SearchDocument) -> AsyncIterator[SearchDocument]:
    for document in documents:
        yield document


def with_backend(directory: Path, work: Callable[[WhooshBackend], Awaitable[Result]]) -> Result:
    """Open the index in `directory`, do `work`, close it."""

    async def main() -> Result:
        backend = WhooshBackend(directory)
        await backend.open()
        try:
            return await work(backend)
        finally:
            await backend.close()

    return asyncio.run(main())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The folder of an index that holds `ALL`."""
    with_backend(tmp_path / "search", lambda backend: backend.apply(ALL, ()))
    return tmp_path / "search"


def ask(directory: Path, text: str, scopes: frozenset[str] = PUBLIC, **filters: object) -> SearchPage:
    query = replace(SearchQuery(text, scopes), **filters)  # type: ignore[arg-type]
    return with_backend(directory, lambda backend: backend.search(query))


def found(directory: Path, text: str, scopes: frozenset[str] = PUBLIC, **filters: object) -> list[int]:
    return [hit.id for hit in ask(directory, text, scopes, **filters).hits]


def test_it_is_a_search_backend(tmp_path: Path) -> None:
    assert isinstance(WhooshBackend(tmp_path), SearchBackend)


# What is found


def test_traditional_characters_find_simplified_text(directory: Path) -> None:
    page = ask(directory, "拆遷")
    assert [hit.id for hit in page.hits] == [4]
    assert page.also_searched == ("拆迁",)


def test_simplified_characters_find_traditional_text(directory: Path) -> None:
    document = SearchDocument("issue:9", "issue", "違章建築", scopes=PUBLIC)
    with_backend(directory, lambda backend: backend.apply([document], ()))
    page = ask(directory, "违章建筑")
    assert page.hits[0].id == 9
    assert page.also_searched == ()


def test_a_title_comes_before_a_text_and_a_text_before_a_reply(directory: Path) -> None:
    assert found(directory, "路灯")[:3] == [1, 2, 3]


def test_matching_all_of_a_query_is_better_and_not_needed(directory: Path) -> None:
    assert found(directory, "西村路灯")[0] == 2
    assert found(directory, "老屋拆迁停水停电")[0] == 4


def test_a_shared_character_saves_an_empty_page(directory: Path) -> None:
    assert 4 in found(directory, "房屋")


def test_what_nothing_shares_finds_nothing(directory: Path) -> None:
    assert ask(directory, "鲸鱼") == SearchPage((), 0)


@pytest.mark.parametrize("number", ["YT-2026-0012", "yt-2026-0012", "编号 ＹＴ-2026-0012", "13800000000"])
def test_a_number_is_found_whole(directory: Path, number: str) -> None:
    assert found(directory, number)[0] == 4


def test_a_part_of_a_number_is_not_found(directory: Path) -> None:
    assert found(directory, "1380000") == []


def test_pages_follow_each_other(directory: Path) -> None:
    whole = ask(directory, "路灯")
    pages = [ask(directory, "路灯", limit=1, offset=offset) for offset in range(whole.total)]
    assert [page.hits[0].key for page in pages] == [hit.key for hit in whole.hits]
    assert ask(directory, "路灯", offset=whole.total).hits == ()


# What is kept apart


def test_nobody_finds_what_their_scopes_do_not_read(tmp_path: Path) -> None:
    documents = [
        SearchDocument("issue:1", "issue", "路灯", scopes=frozenset({unit_scope(1)})),
        SearchDocument("issue:2", "issue", "路灯", numbers=("77",), scopes=frozenset({person_scope(1)})),
        SearchDocument("issue:3", "issue", "路灯", scopes=frozenset({unit_scope(11), person_scope(11)})),
        SearchDocument("issue:4", "issue", "路灯"),
    ]
    with_backend(tmp_path, lambda backend: backend.apply(documents, ()))
    assert found(tmp_path, "路灯", frozenset({PUBLIC_SCOPE})) == []
    assert found(tmp_path, "77", frozenset({unit_scope(1)})) == []
    assert found(tmp_path, "路灯", frozenset()) == []
    assert found(tmp_path, "路灯", frozenset({unit_scope(1)})) == [1]
    assert sorted(found(tmp_path, "路灯", frozenset({person_scope(1), unit_scope(11)}))) == [2, 3]


def test_a_county_finds_its_villages(directory: Path) -> None:
    assert found(directory, "路灯", unit=COUNTY) == [1, 2]
    assert found(directory, "路灯", unit=WEST_VILLAGE) == [2]
    assert found(directory, "路灯", unit=99) == []


def test_filters_are_exact_and_all_hold(directory: Path) -> None:
    assert found(directory, "拆迁", category=7, state="open", kinds=frozenset({"issue", "letter"})) == [4]
    assert found(directory, "拆迁", category=70) == [4]
    assert found(directory, "拆迁", category=0) == []
    assert found(directory, "拆迁", state="closed", category=7) == []
    assert found(directory, "拆迁", kinds=frozenset({"letter"})) == []


def test_dates_are_from_and_before(directory: Path) -> None:
    second = timedelta(seconds=1)
    assert found(directory, "拆迁", raised_from=RAISED, raised_until=RAISED + second) == [4]
    assert found(directory, "拆迁", raised_from=RAISED + second) == []
    assert found(directory, "拆迁", raised_until=RAISED) == []
    assert found(directory, "路灯", raised_until=RAISED) == []  # has no date


# What changes


def test_changes_are_seen_at_once(directory: Path) -> None:
    async def work(backend: WhooshBackend) -> None:
        query = SearchQuery("路灯", PUBLIC)
        assert [hit.id for hit in (await backend.search(query)).hits] == [1, 2, 3]
        await backend.apply([replace(LAMP_TITLE, title="东村停水")], ["issue:2"])
        assert [hit.id for hit in (await backend.search(query)).hits] == [3]
        assert await backend.keys() == {"issue:1", "issue:3", "issue:4"}
        assert await backend.count() == 3
        await backend.apply([LAMP_TITLE], ["issue:none"])
        assert (await backend.search(query)).hits[0].id == 1

    with_backend(directory, work)


def test_doing_it_twice_changes_nothing(directory: Path) -> None:
    before = ask(directory, "路灯")

    async def work(backend: WhooshBackend) -> int:
        await backend.apply([*ALL, LAMP_TITLE], ["issue:8"])
        await backend.apply(ALL, ["issue:8"])
        return await backend.count()

    assert with_backend(directory, work) == len(ALL)
    assert [hit.key for hit in ask(directory, "路灯").hits] == [hit.key for hit in before.hits]


def test_many_small_changes_keep_every_document_and_few_segments(tmp_path: Path) -> None:
    async def work(backend: WhooshBackend) -> SearchPage:
        for number in range(40):
            await backend.apply([SearchDocument(f"issue:{number}", "issue", "路灯", scopes=PUBLIC)], ())
            await backend.apply([SearchDocument("issue:0", "issue", f"路灯{number}", scopes=PUBLIC)], ())
        return await backend.search(SearchQuery("路灯", PUBLIC, limit=100))

    page = with_backend(tmp_path, work)
    assert sorted(hit.id for hit in page.hits) == list(range(40))
    assert page.total == 40
    assert len(list(tmp_path.glob("generation-*/*.seg"))) < 2 * whoosh_backend.SEGMENTS_OF_A_SIZE


def test_another_process_sees_changes_and_rebuilds(directory: Path) -> None:
    async def work(backend: WhooshBackend) -> None:
        other = WhooshBackend(directory)
        await other.open()
        query = SearchQuery("路灯", PUBLIC)
        assert (await other.search(query)).hits[0].id == 1
        await backend.apply((), ["issue:1"])
        assert (await other.search(query)).hits[0].id == 2
        await backend.rebuild(each(LAMP_REPLY))
        assert [hit.id for hit in (await other.search(query)).hits] == [3]
        await other.close()

    with_backend(directory, work)


# What goes wrong


@pytest.fixture
def _damaged() -> Iterator[None]:
    """Where opening fails, Whoosh leaves its files to the garbage collector, which warns of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def damage(directory: Path) -> None:
    """Overwrite what the index is made of."""
    for path in directory.glob("generation-*/*"):
        if path.suffix in {".seg", ".toc"}:
            path.write_bytes(path.read_bytes()[:20])


def lose(directory: Path) -> None:
    """Remove the index, leaving its name."""
    for path in directory.glob("generation-*"):
        shutil.rmtree(path)


def lose_the_name(directory: Path) -> None:
    (directory / "current").unlink()


def garble_the_name(directory: Path) -> None:
    (directory / "current").write_bytes(b"\xff../../elsewhere")


@pytest.mark.usefixtures("_damaged")
@pytest.mark.parametrize("fault", [damage, lose, lose_the_name, garble_the_name])
def test_a_damaged_index_says_so_and_a_rebuild_repairs_it(directory: Path, fault: Callable[[Path], None]) -> None:
    fault(directory)

    async def work(backend: WhooshBackend) -> SearchPage:
        with pytest.raises(SearchUnavailable):
            await backend.search(SearchQuery("路灯", PUBLIC))
        with pytest.raises(SearchUnavailable):
            await backend.apply([LAMP_TITLE], ())
        with pytest.raises(SearchUnavailable):
            await backend.count()
        assert await backend.rebuild(each(*ALL)) == len(ALL)
        return await backend.search(SearchQuery("路灯", PUBLIC))

    assert [hit.id for hit in with_backend(directory, work).hits] == [1, 2, 3]


@pytest.mark.usefixtures("_damaged")
def test_truncated_segments_never_raise_anything_else(directory: Path) -> None:
    [segment] = directory.glob("generation-*/*.seg")
    whole = segment.read_bytes()
    for size in range(0, len(whole), len(whole) // 40):
        segment.write_bytes(whole[:size] + b"\xa5" * (len(whole) - size))
        try:
            ask(directory, "路灯")
        except SearchUnavailable:
            continue


def test_a_rebuild_replaces_everything(directory: Path) -> None:
    told: list[int] = []

    async def work(backend: WhooshBackend) -> frozenset[str]:
        assert await backend.rebuild(each(LAMP_TEXT, LAMP_REPLY, LAMP_TEXT), told.append) == 2
        return await backend.keys()

    assert with_backend(directory, work) == {"issue:2", "issue:3"}
    assert told[-1] == 2
    assert len(list(directory.glob("generation-*"))) == 1


def test_a_rebuild_larger_than_a_segment_finds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whoosh_backend, "SEGMENT", 3)
    monkeypatch.setattr(batches, "BATCH", 2)
    documents = [SearchDocument(f"issue:{number}", "issue", "路灯", scopes=PUBLIC) for number in range(7)]
    with_backend(tmp_path, lambda backend: backend.rebuild(each(*documents)))
    assert sorted(found(tmp_path, "路灯")) == list(range(7))


def test_the_old_index_serves_and_keeps_changing_during_a_rebuild(directory: Path) -> None:
    async def work(backend: WhooshBackend) -> None:
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

    with_backend(directory, work)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_interrupted_rebuild_keeps_the_old_index(directory: Path, cancelled: bool) -> None:
    async def work(backend: WhooshBackend) -> None:
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

    with_backend(directory, work)
    assert len(list(directory.glob("generation-*"))) == 1


def test_what_a_killed_rebuild_left_is_removed_when_the_index_opens(directory: Path) -> None:
    [serving] = directory.glob("generation-*")
    shutil.copytree(serving, directory / "generation-left")
    assert found(directory, "路灯") == [1, 2, 3]
    assert list(directory.glob("generation-*")) == [serving]


def test_another_process_cannot_write_during_a_rebuild(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "LOCK_TIMEOUT", 0.0)

    async def work(backend: WhooshBackend) -> None:
        other = WhooshBackend(directory)

        async def documents() -> AsyncIterator[SearchDocument]:
            yield LAMP_TITLE
            await other.open()  # leaves the half-built generation alone
            with pytest.raises(SearchUnavailable):
                await other.apply([LAMP_TEXT], ())
            assert (await other.search(SearchQuery("路灯", PUBLIC))).total == 3

        assert await backend.rebuild(documents()) == 1
        await other.apply([LAMP_TEXT], ())
        assert await backend.keys() == {"issue:1", "issue:2"}
        await other.close()

    with_backend(directory, work)


@pytest.mark.parametrize(
    "text",
    [
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
    ],
)
def test_an_odd_query_is_answered(directory: Path, text: str) -> None:
    page = ask(directory, text)
    assert page.total >= len(page.hits)


def test_odd_documents_are_found(tmp_path: Path) -> None:
    long = SearchDocument("issue:1", "issue", "\x00𠮷" + "x" * 100_000, "路灯不亮。" * 3_000, scopes=PUBLIC)
    with_backend(tmp_path, lambda backend: backend.apply([long], ()))
    assert found(tmp_path, "𠮷") == [1]
    assert found(tmp_path, "路灯") == [1]


def test_only_the_application_reads_the_files(directory: Path) -> None:
    for folder in (directory, *directory.glob("generation-*")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_open_to_others_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with_backend(tmp_path, lambda backend: backend.count())
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_closed_index_is_unavailable_and_opens_again(directory: Path) -> None:
    async def main() -> None:
        backend = WhooshBackend(directory)
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


def test_searches_at_the_same_time_do_not_share_a_reader(directory: Path) -> None:
    async def work(backend: WhooshBackend) -> None:
        queries = [backend.search(SearchQuery("路灯", PUBLIC)) for _ in range(40)]
        pages = await asyncio.gather(*queries, backend.apply([LAMP_TITLE], ()))
        assert all([hit.id for hit in page.hits] == [1, 2, 3] for page in pages[:-1] if page)
        assert threading.active_count() > 1

    with_backend(directory, work)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("search")]
