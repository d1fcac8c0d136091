"""The embedded search engine: Whoosh, in a folder of its own.

The folder holds one generation of the index and a file naming it; a rebuild fills another generation beside
it and moves the name, so that there is always a whole index to read. The database is the truth: a damaged
index answers nothing (`SearchUnavailable`) until it is rebuilt, and never keeps the site from starting.

Whoosh is slow, blocks, and its readers may not be shared between threads. So one thread writes, a few others
search with a reader each, and nothing of it runs in the event loop. Whoosh also unpickles parts of its files:
the folder is closed to other users, and no index from elsewhere may be put there.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from whoosh import fields, formats, index
from whoosh.analysis import IDAnalyzer
from whoosh.codec.whoosh3 import W3Codec, W3FieldWriter
from whoosh.columns import NumericColumn
from whoosh.reading import SegmentReader
from whoosh.util.filelock import FileLock, try_for

from yetan.api import SearchDocument, SearchHit, SearchPage, SearchQuery, SearchUnavailable, reached
from yetan_search import ranking
from yetan_search.analysis import Analysis, Question, fold_number, simplified
from yetan_search.highlight import highlight

Result = TypeVar("Result")

#: How many searches run at the same time. More threads do not make Whoosh faster.
SEARCH_THREADS = 2
#: How many documents of a rebuild are written at a time; between them, updates get their turn.
BATCH = 100
#: How many documents of a rebuild go into one segment: a bound of the memory it takes (about 100 kB each).
SEGMENT = 2_000
#: More than a segment needs: what Whoosh puts aside on disk while writing doubles the time.
_MEMORY_LIMIT = 4_096
#: How long a write waits for another process that is writing, in seconds.
LOCK_TIMEOUT = 5.0
#: So many segments of about one size are merged into one, when next something is written. Big ones stay.
SEGMENTS_OF_A_SIZE = 8
BIG_SEGMENT = SEGMENTS_OF_A_SIZE**3

_PREFIX = "generation-"
_POINTER = "current"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DATE = -(2**63)


def _schema() -> fields.Schema:
    exact = {name: fields.KEYWORD() for name in ("kind", "numbers", "units", "categories", "state", "scopes")}
    raised_at = fields.COLUMN(NumericColumn("q", default=_NO_DATE))
    key = fields.ID(stored=True, unique=True)
    return fields.Schema(key=key, terms=_WeightedTerms(), raised_at=raised_at, **exact)


class _WeightedTerms(fields.FieldType):  # type: ignore[misc]
    """A Whoosh field of terms with the weights `ranking` gives them. Its name is written into every index."""

    def __init__(self) -> None:
        super().__init__(formats.Existence(), IDAnalyzer())

    def index(self, value: Mapping[str, float], **_: Any) -> Iterator[tuple[bytes, int, float, bytes]]:
        """Tuples of (term, frequency, weight, payload), as Whoosh asks for."""
        return ((term.encode(), 1, weight, b"") for term, weight in value.items())


class _FieldWriter(W3FieldWriter):  # type: ignore[misc]
    """Writes terms without asking for their field's length, for which Whoosh looks at the disk each time."""

    def add_postings(self, schema: fields.Schema, lengths: object, items: Iterable[Any]) -> None:
        """Write `items`; `lengths` are not needed, because the weights of `ranking` account for them."""
        super().add_postings(schema, None, items)


class _Codec(W3Codec):  # type: ignore[misc]
    """Whoosh's own file format without compression: it makes an index of short postings little smaller."""

    def __init__(self) -> None:
        super().__init__(compression=0)

    def field_writer(self, storage: Any, segment: Any) -> _FieldWriter:
        """What writes the terms of a segment."""
        return _FieldWriter(self, storage, segment)


class WhooshBackend:
    """A `SearchBackend` in the folder `directory`. `analysis` holds the town's own words, if it has any."""

    def __init__(self, directory: Path, analysis: Analysis | None = None) -> None:
        self._directory = directory
        self._analysis = analysis or Analysis()
        self._lock = FileLock(str(directory / "lock"))
        self._writing: ThreadPoolExecutor | None = None
        self._searching: ThreadPoolExecutor | None = None
        #: The reader of each searching thread, by the thread's number.
        self._snapshots: dict[int, _Snapshot] = {}
        #: The rebuild under way. Touched by the writing thread alone.
        self._rebuild: _Rebuild | None = None

    async def open(self) -> None:
        """Open the index, or make an empty one where there is none. A damaged one is left for `rebuild`."""
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="search-writing")
        self._searching = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="search")
        with suppress(SearchUnavailable):
            await self._write(self._prepare)

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

    async def search(self, query: SearchQuery) -> SearchPage:
        """Answer a query. Without anything to look for in `query.text` nothing is found."""
        question = self._analysis.question(query.text)
        if not question.characters:
            return SearchPage((), 0)
        hits, total = await self._read(lambda snapshot: snapshot.search(question, query))
        folded = simplified(query.text)
        return SearchPage(hits, total, also_searched=(folded,) if folded != query.text else ())

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        """Build a new generation while the old one serves and takes updates, then switch. Returns how many.

        Another process cannot write meanwhile: it is told `SearchUnavailable`, and comes back later.
        """
        await self._write(self._begin_rebuild)
        try:
            batch: list[SearchDocument] = []
            async for document in documents:
                batch.append(document)
                if len(batch) == BATCH:
                    await self._add_to_rebuild(batch, progress)
                    batch = []
            await self._add_to_rebuild(batch, progress)
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

    def highlight(self, text: str, query: str, *, length: int = 160) -> tuple[tuple[str, bool], ...]:
        """See `SearchBackend.highlight`."""
        return highlight(text, self._analysis.question(query), length=length)

    # Threads

    async def _write(self, work: Callable[[], Result]) -> Result:
        return await _run(self._writing, work)

    async def _read(self, work: Callable[[_Snapshot], Result]) -> Result:
        return await _run(self._searching, lambda: work(self._snapshot()))

    # In a searching thread

    def _snapshot(self) -> _Snapshot:
        """This thread's reader, of the index as it is now."""
        thread = threading.get_ident()
        while True:
            generation = self._generation()
            snapshot = self._snapshots.get(thread)
            if snapshot and snapshot.path == generation and snapshot.is_up_to_date():
                return snapshot
            if snapshot:
                del self._snapshots[thread]
                snapshot.close()
            try:
                self._snapshots[thread] = _Snapshot(generation)
            except Exception:
                # A rebuild may have moved the name, and removed this generation, since it was read.
                if self._generation() == generation:
                    raise

    def _generation(self) -> Path:
        """The folder of the generation that serves."""
        name = (self._directory / _POINTER).read_text(encoding="ascii")
        if not name.startswith(_PREFIX) or Path(name).name != name:
            raise SearchUnavailable(f"{_POINTER!r} does not name a generation of the index")
        return self._directory / name

    # In the writing thread

    def _prepare(self) -> None:
        """Close the folder to others, remove what an interrupted rebuild left, make an index if none is."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        with self._locked():
            if (self._directory / _POINTER).exists():
                self._remove_all_but(self._generation())
            elif not self._generations():
                self._serve(self._new_generation())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing; during a rebuild they are kept out already."""
        if self._rebuild:
            yield
            return
        self._take_lock(LOCK_TIMEOUT)
        try:
            yield
        finally:
            self._lock.release()

    def _take_lock(self, timeout: float) -> None:
        if not try_for(self._lock.acquire, timeout):
            raise SearchUnavailable("another process is writing to the search index")

    def _apply(self, changes: Mapping[str, SearchDocument | None]) -> None:
        if self._rebuild:
            self._rebuild.changes.update(changes)
        with self._locked():
            self._commit(self._generation(), changes)

    def _commit(self, generation: Path, changes: Mapping[str, SearchDocument | None]) -> None:
        """Write documents under their keys, or remove those whose document is None."""
        writer = _writer(generation)
        try:
            with writer.searcher() as searcher:
                for key in changes:
                    writer.delete_by_term("key", key, searcher=searcher)
            for document in filter(None, changes.values()):
                writer.add_document(**self._fields(document))
            reached("index.written")
            writer.commit(mergetype=_merge_segments_of_a_size)
            reached("index.committed")
        except BaseException:
            with suppress(Exception):
                writer.cancel()
            raise

    def _fields(self, document: SearchDocument) -> dict[str, Any]:
        """What Whoosh is given of a document."""
        return {
            "key": document.key,
            "kind": [document.kind],
            "numbers": [folded for number in document.numbers if (folded := fold_number(number))],
            "units": [str(unit) for unit in document.units],
            "categories": [str(category) for category in document.categories],
            "state": [document.state] if document.state else [],
            "scopes": list(document.scopes),
            "raised_at": _NO_DATE if document.raised_at is None else _microseconds(document.raised_at),
            "terms": ranking.weigh(
                {
                    "title": self._analysis.terms(document.title, brief=True),
                    "place": self._analysis.terms(document.place, brief=True),
                    "text": self._analysis.terms(document.text),
                    "reply": self._analysis.terms(document.reply),
                }
            ),
        }

    def _begin_rebuild(self) -> None:
        if self._rebuild:
            raise SearchUnavailable("the search index is being rebuilt already")
        self._take_lock(LOCK_TIMEOUT)
        try:
            path = self._new_generation()
            self._rebuild = _Rebuild(path, _writer(path))
        except BaseException:
            self._lock.release()
            raise

    async def _add_to_rebuild(self, batch: Sequence[SearchDocument], progress: Callable[[int], None] | None) -> None:
        count = await self._write(lambda: self._add(batch))
        if progress:
            progress(count)

    def _add(self, batch: Sequence[SearchDocument]) -> int:
        rebuild = self._rebuild
        assert rebuild, "A rebuild adds documents between its begin and its end."
        for document in batch:
            if document.key not in rebuild.keys:
                rebuild.keys.add(document.key)
                rebuild.writer.add_document(**self._fields(document))
                if len(rebuild.keys) % SEGMENT == 0:
                    rebuild.writer.commit(merge=False)
                    rebuild.writer = _writer(rebuild.path)
        return len(rebuild.keys)

    def _finish_rebuild(self) -> int:
        rebuild = self._rebuild
        assert rebuild, "A rebuild ends once."
        reached("index.written")
        rebuild.writer.commit(merge=False)
        if rebuild.changes:
            self._commit(rebuild.path, rebuild.changes)
        self._serve(rebuild.path)
        self._rebuild = None
        self._lock.release()
        return len(rebuild.keys)

    def _discard(self) -> None:
        """Give up a rebuild that did not finish."""
        if self._rebuild:
            rebuild, self._rebuild = self._rebuild, None
            with suppress(Exception):
                rebuild.writer.cancel()
            shutil.rmtree(rebuild.path, ignore_errors=True)
            self._lock.release()

    def _new_generation(self) -> Path:
        path = tempfile.mkdtemp(prefix=_PREFIX, dir=self._directory)
        index.create_in(path, _schema())
        return Path(path)

    def _serve(self, generation: Path) -> None:
        """Move the name to `generation`, in one step, and remove the others."""
        moved = self._directory / f"{_POINTER}.new"
        with moved.open("w", encoding="ascii") as file:
            file.write(generation.name)
            file.flush()
            os.fsync(file.fileno())
        moved.replace(self._directory / _POINTER)
        reached("index.switched")
        self._remove_all_but(generation)

    def _generations(self) -> list[Path]:
        return list(self._directory.glob(f"{_PREFIX}*"))

    def _remove_all_but(self, generation: Path) -> None:
        for path in self._generations():
            if path != generation:
                shutil.rmtree(path, ignore_errors=True)


@dataclass
class _Rebuild:
    """A new generation being written, and what changed meanwhile: written last, so that nothing is lost."""

    path: Path
    writer: Any
    keys: set[str] = field(default_factory=set)
    changes: dict[str, SearchDocument | None] = field(default_factory=dict)


class _Snapshot:
    """One thread's view of a generation as it was at one commit; what `ranking` reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = index.open_dir(str(path))
        self._commit = self._index.latest_generation()
        self._reader = self._index.reader()
        #: With those deleted since the last merge, which Whoosh counts among the holders of a term as well.
        self.documents: int = self._reader.doc_count_all()
        self._holders: dict[tuple[str, str], frozenset[int]] = {}

    def is_up_to_date(self) -> bool:
        return bool(self._index.latest_generation() == self._commit)

    def close(self) -> None:
        with suppress(Exception):
            self._reader.close()

    def count(self) -> int:
        return int(self._reader.doc_count())

    def keys(self) -> frozenset[str]:
        return frozenset(stored["key"] for _, stored in self._reader.iter_docs())

    def search(self, question: Question, query: SearchQuery) -> tuple[tuple[SearchHit, ...], int]:
        """The hits of one page, and how many there are in all."""
        scores = ranking.rank(question, self, self._allowed(query))
        end = query.offset + query.limit
        best = heapq.nlargest(end, scores.items(), key=lambda item: (item[1], item[0]))[query.offset :]
        hits = (SearchHit(self._reader.stored_fields(document)["key"], score) for document, score in best)
        return tuple(hits), len(scores)

    def frequency(self, term: str) -> int:
        """How many documents hold `term`."""
        return int(self._reader.doc_frequency("terms", term))

    def weights(self, term: str) -> Iterator[tuple[int, float]]:
        """The documents that hold `term`, with its weight in each."""
        if ("terms", term) not in self._reader:
            return
        matcher = self._reader.postings("terms", term)
        while matcher.is_active():
            yield matcher.id(), matcher.weight()
            matcher.next()

    def numbered(self, number: str) -> frozenset[int]:
        """The documents known by `number`."""
        return self._holding("numbers", number)

    def _allowed(self, query: SearchQuery) -> frozenset[int]:
        """The documents that may be found: all filters exact, all of them kept."""
        allowed = self._holding("scopes", *query.scopes)
        if query.kinds:
            allowed &= self._holding("kind", *query.kinds)
        for name, value in (("units", query.unit), ("categories", query.category), ("state", query.state)):
            if value is not None:
                allowed &= self._holding(name, str(value))
        if query.raised_from is not None or query.raised_until is not None:
            first = -math.inf if query.raised_from is None else _microseconds(query.raised_from)
            end = math.inf if query.raised_until is None else _microseconds(query.raised_until)
            raised_at = self._reader.column_reader("raised_at")
            allowed = frozenset(
                document
                for document in allowed
                if (moment := raised_at[document]) != _NO_DATE and first <= moment < end
            )
        return allowed

    def _holding(self, name: str, *values: str) -> frozenset[int]:
        """The documents that hold one of `values` in the field `name`; remembered until the next commit."""
        for value in values:
            if (name, value) not in self._holders:
                held = (name, value) in self._reader
                documents = self._reader.postings(name, value).all_ids() if held else ()
                self._holders[name, value] = frozenset(documents)
        return frozenset().union(*(self._holders[name, value] for value in values))


async def _run(executor: ThreadPoolExecutor | None, work: Callable[[], Result]) -> Result:
    """Do `work` in a thread. Whatever goes wrong with the files of an index is `SearchUnavailable`."""
    if executor is None:
        raise SearchUnavailable("the search index is not open")

    def guarded() -> Result:
        try:
            return work()
        except SearchUnavailable:
            raise
        except Exception as error:
            # Damaged files raise almost anything: EOFError, TypeError, struct.error, zlib.error...
            raise SearchUnavailable(f"the search index cannot be read or written: {error!r}") from error

    return await asyncio.get_running_loop().run_in_executor(executor, guarded)


def _writer(generation: Path) -> Any:
    return index.open_dir(str(generation)).writer(codec=_Codec(), limitmb=_MEMORY_LIMIT)


def _merge_segments_of_a_size(writer: Any, segments: Sequence[Any]) -> list[Any]:
    """Keep segments few: merge those of about one size when there are many, and drop the empty ones."""
    kept = [segment for segment in segments if segment.doc_count() >= BIG_SEGMENT]
    sizes: dict[int, list[Any]] = {}
    for segment in segments:
        if 0 < segment.doc_count() < BIG_SEGMENT:
            sizes.setdefault(int(math.log(segment.doc_count(), SEGMENTS_OF_A_SIZE)), []).append(segment)
    for alike in sizes.values():
        if len(alike) < SEGMENTS_OF_A_SIZE:
            kept += alike
            continue
        for segment in alike:
            reader = SegmentReader(writer.storage, writer.schema, segment)
            writer.add_reader(reader)
            reader.close()
    return kept


def _microseconds(moment: datetime) -> int:
    """An aware moment as a number that sorts."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
