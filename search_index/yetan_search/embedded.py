"""Engines that keep their index in files of the city's data folder: Whoosh, tantivy.

Their libraries block. So one thread writes, a few others search with a reader each, and nothing of it runs in the
event loop. The database is the truth: a damaged index answers nothing (`IndexDamaged`) until it is rebuilt, and
never keeps the site from starting.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field

from yetan.api import IndexBusy, IndexDamaged, SearchDocument, SearchPage, SearchQuery, SearchUnavailable, reached
from yetan_search.analysis import Analysis
from yetan_search.batches import batches
from yetan_search.documents import words_of
from yetan_search.engine import Engine
from yetan_search.generations import WORDS, Generations, list_files, making_in, write_making
from yetan_search.lexicon import Lexicon
from yetan_search.making import Making
from yetan_search.reading import Filling, Snapshot

Result = TypeVar("Result")
Changes = Mapping[str, SearchDocument | None]

#: How many searches run at the same time. The interpreter's lock leaves nothing to gain from more.
SEARCH_THREADS = 2
#: What the system says of files that are not there.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class _Rebuild(Struct):
    """A new generation being written, and what changed meanwhile: written last, so that nothing is lost."""

    path: Path
    filling: Filling
    made: Making
    lexicon: Lexicon
    keys: set[str] = field(default_factory=set)
    changes: dict[str, SearchDocument | None] = field(default_factory=dict)


class EmbeddedBackend(Engine, ABC):
    """A `SearchBackend` in the folder `directory`, which one process at a time writes and many read."""

    #: The files of a generation that the engine writes anew.
    changing_files: frozenset[str] = frozenset()

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._generations = Generations(directory)
        self._writing: ThreadPoolExecutor | None = None
        self._searching: ThreadPoolExecutor | None = None
        #: The reader of each searching thread, by the thread's number.
        self._snapshots: dict[int, Snapshot] = {}
        #: The rebuild under way. Touched by the writing thread alone.
        self._rebuild: _Rebuild | None = None
        #: The vocabulary of the generation that serves, with its folder.
        self._lexicon: tuple[Path, Lexicon] | None = None

    # What an engine does with its files, in the writing thread, the last one in a searching thread

    @abstractmethod
    def _create(self, generation: Path) -> None:
        """Make an empty index in the folder of a generation."""

    @abstractmethod
    def _is_empty(self, generation: Path) -> bool:
        """Whether a generation holds nothing."""

    @abstractmethod
    def _commit(self, generation: Path, changes: Changes, analysis: Analysis) -> None:
        """Write documents under their keys, or remove those whose document is None, in one commit."""

    @abstractmethod
    def _fill(self, generation: Path) -> Filling:
        """Begin to write to a new generation."""

    @abstractmethod
    def _snapshot_of(self, generation: Path, lexicon: Lexicon) -> Snapshot:
        """A generation as it is now, for one thread."""

    # The contract

    async def open(self) -> None:
        """Open the index, or make an empty one where there is none. A damaged one is left for `rebuild`."""
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="search-writing")
        self._searching = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="search")
        with suppress(SearchUnavailable):
            await self._write(lambda: self._generations.prepare(self._new_generation))

    async def close(self) -> None:
        """End the threads once their work is done, and release files and lock."""
        executors, self._writing, self._searching = (self._writing, self._searching), None, None
        for executor in filter(None, executors):
            await asyncio.to_thread(executor.shutdown)
        await asyncio.to_thread(self._discard)
        while self._snapshots:
            self._snapshots.popitem()[1].close()

    async def apply(self, upserts: Sequence[SearchDocument], deletes: Iterable[str]) -> None:
        """Replace or add `upserts` and remove the keys `deletes`, in one commit. A key in both is kept."""
        changes: dict[str, SearchDocument | None] = dict.fromkeys(deletes)
        changes.update((document.key, document) for document in upserts)
        if changes:
            await self._write(lambda: self._apply(changes))

    async def due(self) -> str:
        """See `SearchBackend.due`."""
        wanted = self._making
        return await self._read(lambda snapshot: snapshot.made.due(wanted))

    async def search(self, query: SearchQuery) -> SearchPage:
        """Answer a query. Without anything to look for in `query.text` nothing is found."""
        return await self._read(lambda snapshot: snapshot.search(query, self._synonyms))

    async def suggest(self, start: str, scopes: frozenset[str], kinds: frozenset[str], limit: int) -> tuple[str, ...]:
        """See `SearchBackend.suggest`."""
        return await self._read(lambda snapshot: snapshot.suggest(start, SearchQuery("", scopes, kinds=kinds), limit))

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        """Build a new generation while the old one serves and takes updates, then switch. Returns how many.

        Another process cannot write meanwhile: it is told `IndexBusy`, and comes back later.
        """
        await self._write(self._begin_rebuild)
        try:
            async for batch in batches(documents):
                count = await self._write(partial(self._add, batch))
                if progress:
                    progress(count)
            return await self._write(self._finish_rebuild)
        except BaseException:
            # Queued behind whatever the thread is at; a cancelled task could not wait for it.
            if self._writing:
                self._writing.submit(self._discard)
            raise

    async def count(self) -> int:
        """How many documents the index holds."""
        return await self._read(lambda snapshot: snapshot.count())

    async def keys(self) -> frozenset[str]:
        """The keys of all documents."""
        return await self._read(lambda snapshot: snapshot.keys())

    # Threads

    async def _write(self, work: Callable[[], Result]) -> Result:
        return await _run(self._writing, work)

    async def _read(self, work: Callable[[Snapshot], Result]) -> Result:
        return await _run(self._searching, lambda: work(self._snapshot()))

    # In a searching thread

    def _snapshot(self) -> Snapshot:
        """This thread's reader, of the index as it is now."""
        thread = threading.get_ident()
        while True:
            generation = self._generations.serving()
            snapshot = self._snapshots.get(thread)
            if snapshot and snapshot.path == generation and snapshot.is_up_to_date():
                return snapshot
            if snapshot:
                del self._snapshots[thread]
                snapshot.close()
            try:
                self._generations.check(generation)
                self._snapshots[thread] = self._snapshot_of(generation, self._lexicon_of(generation))
            except Exception:
                # A rebuild may have moved the name, and removed this generation, since it was read.
                if self._generations.serving() == generation:
                    raise

    def _lexicon_of(self, generation: Path) -> Lexicon:
        """The vocabulary of a generation, read once for all threads."""
        if self._lexicon is None or self._lexicon[0] != generation:
            self._lexicon = generation, Lexicon(generation / WORDS)
        return self._lexicon[1]

    # In the writing thread

    def _new_generation(self) -> Path:
        generation = self._generations.new(self._making)
        self._create(generation)
        list_files(generation, self.changing_files)
        return generation

    def _apply(self, changes: Changes) -> None:
        if self._rebuild:
            self._rebuild.changes.update(changes)
        with self._generations.locked():
            self._change(self._generations.serving(), changes)

    def _change(self, generation: Path, changes: Changes) -> None:
        self._generations.check(generation)
        analysis = self._made(generation).analysis
        upserts = [document for document in changes.values() if document]
        self._lexicon_of(generation).add(set().union(*(words_of(document, analysis) for document in upserts)))
        self._commit(generation, changes, analysis)
        list_files(generation, self.changing_files)
        reached("index.committed")

    def _made(self, generation: Path) -> Making:
        """What a generation is made with. One that holds nothing yet is made with what is known now."""
        made = making_in(generation)
        if made != self._making and self._is_empty(generation):
            made = self._making
            write_making(generation, made)
        return made

    def _begin_rebuild(self) -> None:
        if self._rebuild:
            raise IndexBusy("the search index is being rebuilt already")
        # The folder itself may be what was lost.
        self._generations.make_folder()
        self._generations.hold()
        try:
            path = self._new_generation()
            self._rebuild = _Rebuild(path, self._fill(path), making_in(path), Lexicon(path / WORDS))
        except BaseException:
            self._generations.release()
            raise

    def _add(self, batch: Sequence[SearchDocument]) -> int:
        rebuild = self._rebuild
        assert rebuild, "A rebuild adds documents between its begin and its end."
        rebuild.lexicon.add(set().union(*(words_of(document, rebuild.made.analysis) for document in batch)))
        for document in batch:
            if document.key not in rebuild.keys:
                rebuild.keys.add(document.key)
                rebuild.filling.add(document, rebuild.made.analysis)
        return len(rebuild.keys)

    def _finish_rebuild(self) -> int:
        rebuild = self._rebuild
        assert rebuild, "A rebuild ends once."
        reached("index.written")
        rebuild.filling.finish()
        list_files(rebuild.path, self.changing_files)
        if rebuild.changes:
            self._change(rebuild.path, rebuild.changes)
        self._generations.serve(rebuild.path)
        self._rebuild = None
        self._generations.release()
        return len(rebuild.keys)

    def _discard(self) -> None:
        """Give up a rebuild that did not finish."""
        if self._rebuild:
            rebuild, self._rebuild = self._rebuild, None
            with suppress(Exception):
                rebuild.filling.cancel()
            shutil.rmtree(rebuild.path, ignore_errors=True)
            self._generations.release()


async def _run(executor: ThreadPoolExecutor | None, work: Callable[[], Result]) -> Result:
    """Do `work` in a thread. Whatever goes wrong with the files of an index is `SearchUnavailable`."""
    if executor is None:
        raise SearchUnavailable("the search index is not open")

    def guarded() -> Result:
        try:
            return work()
        except SearchUnavailable:
            raise
        except BaseException as error:
            # Damaged files raise almost anything: EOFError, TypeError, struct.error, zlib.error, a panic of tantivy,
            # which is no Exception... What the system refuses, a full disk for one, is no damage: a rebuild would
            # meet it as well.
            refused = isinstance(error, OSError) and error.errno not in (None, *_GONE)
            kind = SearchUnavailable if refused else IndexDamaged
            raise kind(f"the search index cannot be read or written: {error!r}") from error

    return await asyncio.get_running_loop().run_in_executor(executor, guarded)
