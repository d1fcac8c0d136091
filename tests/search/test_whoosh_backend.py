"""What becomes of the files of an index kept in a folder, and of Whoosh's segments."""

from __future__ import annotations

import random
import shutil
import stat
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.search.engines import ALL, LAMP_TEXT, LAMP_TITLE, PUBLIC, Folder, each, numbers
from whoosh.index import open_dir

from yetan.api import SearchBackend, SearchDocument, SearchPage, SearchQuery, SearchUnavailable
from yetan_search import batches, generations, whoosh_backend
from yetan_search.whoosh_backend import WhooshBackend

ROAD_LAMPS = tuple(SearchDocument(f"issue:{number}", "issue", "路灯", scopes=PUBLIC) for number in range(40))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The folder of an index that holds `ALL`."""
    folder = Folder(tmp_path / "index", WhooshBackend)
    folder.fill(*ALL)
    return folder


def test_many_small_changes_keep_every_document_and_few_segments(tmp_path: Path) -> None:
    folder = Folder(tmp_path, WhooshBackend)

    async def work(backend: SearchBackend) -> SearchPage:
        for number, document in enumerate(ROAD_LAMPS):
            await backend.apply([document], ())
            await backend.apply([SearchDocument("issue:0", "issue", f"路灯{number}", scopes=PUBLIC)], ())
        return await backend.search(SearchQuery("路灯", PUBLIC, limit=100))

    page = folder.do(work)
    assert sorted(numbers(page)) == list(range(40))
    assert page.total == 40
    assert len(list(tmp_path.glob("generation-*/*.seg"))) < 2 * whoosh_backend.SEGMENTS_OF_A_SIZE


# Where opening fails, Whoosh leaves its files to the garbage collector, which warns of it.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_byte_altered_anywhere_in_a_segment_is_found_when_a_process_opens_it(folder: Folder) -> None:
    """F24: it would otherwise find less without a word."""
    [segment] = folder.directory.glob("generation-*/*.seg")
    whole = segment.read_bytes()
    chance = random.Random(24)
    for place in chance.sample(range(len(whole)), 12):
        segment.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
        with pytest.raises(SearchUnavailable):
            folder.ask("路灯")
    segment.write_bytes(whole)
    assert folder.found("路灯") == [1, 2, 3]


def test_opening_an_index_takes_no_memory_for_what_nobody_asked_for(tmp_path: Path) -> None:
    """Every process of a large city holds readers of all of it."""
    folder = Folder(tmp_path, WhooshBackend)
    noise = random.Random(7).randbytes(100_000).hex()
    folder.fill(*(SearchDocument(f"issue:{number}", "issue", "路灯", noise, scopes=PUBLIC) for number in range(2)))
    [segment] = tmp_path.glob("generation-*/*.seg")
    assert segment.stat().st_size > 200_000
    index = open_dir(str(segment.parent))
    tracemalloc.start()
    try:
        with index.reader() as reader:
            texts = reader.column_reader("text")
            held, _ = tracemalloc.get_traced_memory()
            assert len(texts[0]) > 90_000
    finally:
        tracemalloc.stop()
    assert held < 100_000


def test_a_rebuild_larger_than_a_segment_finds_everything(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whoosh_backend, "SEGMENT", 3)
    monkeypatch.setattr(batches, "BATCH", 2)
    folder.do(lambda backend: backend.rebuild(each(*ROAD_LAMPS[:7])))
    assert sorted(folder.found("路灯")) == list(range(7))


def test_what_a_killed_rebuild_left_is_removed_when_the_index_opens(folder: Folder) -> None:
    [serving] = folder.directory.glob("generation-*")
    shutil.copytree(serving, folder.directory / "generation-left")
    assert folder.found("路灯") == [1, 2, 3]
    assert list(folder.directory.glob("generation-*")) == [serving]


def test_after_a_rebuild_only_the_new_generation_is_left(folder: Folder) -> None:
    folder.do(lambda backend: backend.rebuild(each(LAMP_TITLE)))
    assert len(list(folder.directory.glob("generation-*"))) == 1


def test_another_process_cannot_write_during_a_rebuild(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "LOCK_TIMEOUT", 0.0)

    async def work(backend: SearchBackend) -> None:
        other = folder.engine()

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

    folder.do(work)


def test_only_the_application_reads_the_files(folder: Folder) -> None:
    folder.directory.chmod(0o777)
    folder.do(lambda backend: backend.count())
    for path in (folder.directory, *folder.directory.glob("generation-*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
