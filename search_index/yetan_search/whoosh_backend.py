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
import errno
import heapq
import math
import os
import shutil
import tempfile
import threading
import zlib
from array import array
from collections import OrderedDict
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from whoosh import fields, formats, index
from whoosh.analysis import IDAnalyzer
from whoosh.codec.whoosh3 import W3Codec, W3FieldWriter
from whoosh.columns import NumericColumn, VarBytesColumn
from whoosh.reading import SegmentReader
from whoosh.util.filelock import FileLock, try_for

from yetan.api import (
    Facet,
    IndexDamaged,
    SearchDocument,
    SearchHit,
    SearchPage,
    SearchQuery,
    SearchUnavailable,
    Vocabulary,
    reached,
)
from yetan_search import making, ranking
from yetan_search.analysis import Analysis, Question, fold, fold_number, simplified
from yetan_search.concepts import concepts_of, same_as
from yetan_search.documents import facets_of, text_of, weights_of, words_of
from yetan_search.highlight import highlight
from yetan_search.lexicon import Lexicon
from yetan_search.making import Making, making_of
from yetan_search.ranking import Ranked
from yetan_search.synonyms import Synonyms, synonyms_with

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

#: So many postings are kept in memory, 8 bytes each.
POSTINGS_HELD = 2_000_000

#: What the system says of files that are not there.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
_PREFIX = "generation-"
_POINTER = "current"
#: Beside a generation's own files: what it was made with, and its vocabulary.
_MADE = "made.json"
_WORDS = "words.tsv"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DATE = -(2**63)
#: The Whoosh field of each facet.
_FACET_FIELDS: Mapping[Facet, str] = {
    "unit": "units",
    "category": "categories",
    "state": "state",
    "kind": "kind",
    "matter": "matter",
    "year": "year",
}
#: How many words are looked at for a suggestion.
_SUGGESTIONS_TRIED = 200


def _schema() -> fields.Schema:
    exact = {name: fields.KEYWORD() for name in ("numbers", "scopes", *_FACET_FIELDS.values())}
    raised_at = fields.COLUMN(NumericColumn("q", default=_NO_DATE))
    text = fields.COLUMN(VarBytesColumn())
    key = fields.ID(stored=True, unique=True)
    return fields.Schema(key=key, terms=_WeightedTerms(), raised_at=raised_at, text=text, **exact)


#: Documents of a segment, and the weight of a term in each.
_Run = tuple["array[int]", "array[float]"]


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
    """A `SearchBackend` in the folder `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        #: What an index is made with that is made now, and what the town calls the same.
        self._making = making_of(())
        self._synonyms = synonyms_with(())
        self._lock = FileLock(str(directory / "lock"))
        self._writing: ThreadPoolExecutor | None = None
        self._searching: ThreadPoolExecutor | None = None
        #: The reader of each searching thread, by the thread's number.
        self._snapshots: dict[int, _Snapshot] = {}
        #: The rebuild under way. Touched by the writing thread alone.
        self._rebuild: _Rebuild | None = None
        self._postings = _Postings()
        #: The vocabulary of the generation that serves, with its folder.
        self._lexicon: tuple[Path, Lexicon] | None = None

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

    def learn(self, vocabulary: Vocabulary) -> None:
        """See `SearchBackend.learn`."""
        self._making = making_of(vocabulary.words)
        self._synonyms = synonyms_with(vocabulary.synonyms)

    def same_as(self, word: str) -> tuple[str, ...]:
        """See `SearchBackend.same_as`."""
        return tuple(self._synonyms.of(fold(word)))

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
        question, also = _asked(self._making, self._synonyms, query)
        return highlight(text, question, also=also, length=length)

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
                self._snapshots[thread] = _Snapshot(generation, self._lexicon_of(generation), self._postings)
            except Exception:
                # A rebuild may have moved the name, and removed this generation, since it was read.
                if self._generation() == generation:
                    raise

    def _lexicon_of(self, generation: Path) -> Lexicon:
        """The vocabulary of a generation, read once for all threads."""
        if self._lexicon is None or self._lexicon[0] != generation:
            self._lexicon = generation, Lexicon(generation / _WORDS)
        return self._lexicon[1]

    def _generation(self) -> Path:
        """The folder of the generation that serves."""
        name = (self._directory / _POINTER).read_text(encoding="ascii")
        if not name.startswith(_PREFIX) or Path(name).name != name:
            raise IndexDamaged(f"{_POINTER!r} does not name a generation of the index")
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
        analysis = self._made(generation).analysis
        upserts = [document for document in changes.values() if document]
        self._lexicon_of(generation).add(set().union(*(words_of(document, analysis) for document in upserts)))
        writer = _writer(generation)
        try:
            with writer.searcher() as searcher:
                for key in changes:
                    writer.delete_by_term("key", key, searcher=searcher)
            for document in upserts:
                writer.add_document(**_fields(document, analysis))
            reached("index.written")
            writer.commit(mergetype=_merge_segments_of_a_size)
            reached("index.committed")
        except BaseException:
            with suppress(Exception):
                writer.cancel()
            raise

    def _made(self, generation: Path) -> Making:
        """What a generation is made with. One that holds nothing yet is made with what is known now."""
        made = _making_in(generation)
        if made != self._making and index.open_dir(str(generation)).is_empty():
            made = self._making
            (generation / _MADE).write_text(made.written(), encoding="utf-8")
        return made

    def _begin_rebuild(self) -> None:
        if self._rebuild:
            raise SearchUnavailable("the search index is being rebuilt already")
        # The folder itself may be what was lost.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock(LOCK_TIMEOUT)
        try:
            path = self._new_generation()
            self._rebuild = _Rebuild(path, _writer(path), _making_in(path), Lexicon(path / _WORDS))
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
        rebuild.lexicon.add(set().union(*(words_of(document, rebuild.made.analysis) for document in batch)))
        for document in batch:
            if document.key not in rebuild.keys:
                rebuild.keys.add(document.key)
                rebuild.writer.add_document(**_fields(document, rebuild.made.analysis))
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
        (Path(path) / _MADE).write_text(self._making.written(), encoding="utf-8")
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
    made: Making
    lexicon: Lexicon
    keys: set[str] = field(default_factory=set)
    changes: dict[str, SearchDocument | None] = field(default_factory=dict)


class _Snapshot:
    """One thread's view of a generation as it was at one commit; what `ranking` reads."""

    def __init__(self, path: Path, lexicon: Lexicon, postings: _Postings) -> None:
        self.path = path
        self.made = _making_in(path)
        self._lexicon = lexicon
        self._index = index.open_dir(str(path))
        self._commit = self._index.latest_generation()
        self._reader = self._index.reader()
        #: With those deleted since the last merge, which Whoosh counts among the holders of a term as well.
        self.documents: int = self._reader.doc_count_all()
        #: Each segment's reader, and the number of its first document. The reader of an empty index has no segment.
        self._leaves: list[tuple[SegmentReader, int]] = [
            (leaf, first) for leaf, first in self._reader.leaf_readers() if leaf.segment() is not None
        ]
        self._deleted = frozenset(
            first + document for leaf, first in self._leaves for document in leaf.segment().deleted_docs()
        )
        self._postings = postings
        self._holders: dict[tuple[str, str], frozenset[int]] = {}
        self._columns: dict[str, Any] = {}

    def is_up_to_date(self) -> bool:
        return bool(self._index.latest_generation() == self._commit)

    def close(self) -> None:
        with suppress(Exception):
            self._reader.close()

    def count(self) -> int:
        return int(self._reader.doc_count())

    def keys(self) -> frozenset[str]:
        return frozenset(stored["key"] for _, stored in self._reader.iter_docs())

    def search(self, query: SearchQuery, synonyms: Synonyms) -> SearchPage:
        """The hits of one page, and what is told about them."""
        analysis = self.made.analysis
        question = analysis.question(query.text).with_numbers(query.numbers)
        if not question.characters:
            return SearchPage((), 0)
        concepts = concepts_of(question, analysis, synonyms, self._lexicon.sounds(), self.frequency)
        ranked = ranking.rank(question, concepts, self, self._allowed(query))
        folded = simplified(query.text)
        found = ranked.found(query.sort)
        return SearchPage(
            hits=tuple(
                SearchHit(self._key(document), ranked.scores[document], partial=document not in ranked.whole)
                for document in self._in_order(query, ranked, found)
            ),
            total=len(found),
            whole=len(ranked.whole),
            also_searched=(folded,) if folded != query.text else (),
            guessed=ranked.guessed,
            facets={facet: self._counts(facet, found) for facet in query.facets},
        )

    def suggest(self, start: str, query: SearchQuery, limit: int) -> tuple[str, ...]:
        """The most frequent words that begin with `start`, among those that may be found."""
        start = fold(start).strip()
        if not start:
            return ()
        words = islice(dict.fromkeys(self._lexicon.sounds().beginning(start)), _SUGGESTIONS_TRIED)
        allowed = self._allowed(query)
        known = (word for word in sorted(words, key=lambda word: (-self.frequency(word), word)) if word != start)
        held = (word for word in known if any(document in allowed for document, _ in self.weights(word)))
        return tuple(islice(held, limit))

    def _key(self, document: int) -> str:
        return str(self._reader.stored_fields(document)["key"])

    def _in_order(self, query: SearchQuery, ranked: Ranked, found: Collection[int]) -> list[int]:
        """The documents of the page asked for."""
        end = query.offset + query.limit
        if query.sort == "relevance":
            return heapq.nlargest(end, found, key=lambda each: (ranked.scores[each], each))[query.offset :]
        raised_at = self._column("raised_at")
        first = heapq.nlargest if query.sort == "newest" else heapq.nsmallest
        return first(end, found, key=lambda each: (raised_at[each], each))[query.offset :]

    def _counts(self, facet: Facet, found: AbstractSet[int]) -> Mapping[str, int]:
        """How many of the documents `found` there are of each value."""
        name = _FACET_FIELDS[facet]
        values = [value.decode() for value in self._reader.lexicon(name)]
        counts = {value: len(self._holding(name, value) & found) for value in values}
        return {value: count for value, count in counts.items() if count}

    def _column(self, name: str) -> Any:
        if name not in self._columns:
            self._columns[name] = self._reader.column_reader(name)
        return self._columns[name]

    def text(self, document: int) -> str:
        """The folded text of a document."""
        return zlib.decompress(self._column("text")[document]).decode()

    def frequency(self, term: str) -> int:
        """How many documents hold `term`."""
        return int(self._reader.doc_frequency("terms", term))

    def weights(self, term: str) -> Iterator[tuple[int, float]]:
        """The documents that hold `term`, with its weight in each; those deleted since the last merge as well."""
        for leaf, first in self._leaves:
            documents, weights = self._postings.of(leaf, "terms", term)
            yield from zip([first + document for document in documents] if first else documents, weights, strict=True)

    def numbered(self, number: str) -> frozenset[int]:
        """The documents known by `number`."""
        return self._holding("numbers", number)

    def _allowed(self, query: SearchQuery) -> frozenset[int]:
        """The documents that may be found: all filters exact, all of them kept."""
        allowed = self._holding("scopes", *query.scopes) - self._deleted
        if query.kinds:
            allowed &= self._holding("kind", *query.kinds)
        wanted: Mapping[Facet, int | str | None] = {
            "unit": query.unit,
            "category": query.category,
            "state": query.state,
            "matter": query.matter,
            "year": query.year,
        }
        for facet, value in wanted.items():
            if value is not None:
                allowed &= self._holding(_FACET_FIELDS[facet], str(value))
        if query.raised_from is not None or query.raised_until is not None:
            first = -math.inf if query.raised_from is None else _microseconds(query.raised_from)
            end = math.inf if query.raised_until is None else _microseconds(query.raised_until)
            raised_at = self._column("raised_at")
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
                held = ((first, self._postings.of(leaf, name, value)[0]) for leaf, first in self._leaves)
                self._holders[name, value] = frozenset(
                    first + document for first, documents in held for document in documents
                )
        return frozenset().union(*(self._holders[name, value] for value in values))


class _Postings:
    """The postings that were read last, of segments, which never change. Shared by the searching threads.

    Whoosh hands out postings one by one through several wrappers; a whole block at a time is five times faster.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str, str], _Run] = OrderedDict()
        self._size = 0

    def of(self, leaf: SegmentReader, name: str, value: str) -> _Run:
        """The documents of a segment that hold `value` in the field `name`, and with which weight."""
        key = (leaf.segment().segment_id(), name, value)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        run = self._read(leaf, name, value)
        with self._lock:
            if key not in self._held:
                self._held[key] = run
                self._size += len(run[0]) + 1
            while self._size > POSTINGS_HELD:
                self._size -= len(self._held.popitem(last=False)[1][0]) + 1
        return run

    @staticmethod
    def _read(leaf: SegmentReader, name: str, value: str) -> _Run:
        documents, weights = array("I"), array("f")
        if (name, value) in leaf:
            matcher = leaf._terms.matcher(name, value.encode(), leaf.schema[name].format)
            while matcher.is_active():
                matcher._read_ids()
                matcher._read_weights()
                documents.extend(matcher._ids)
                weights.extend(matcher._weights)
                matcher._next_block()
        return documents, weights


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
            # Damaged files raise almost anything: EOFError, TypeError, struct.error, zlib.error... What the system
            # refuses, a full disk for one, is no damage: a rebuild would meet it as well.
            refused = isinstance(error, OSError) and error.errno not in (None, *_GONE)
            kind = SearchUnavailable if refused else IndexDamaged
            raise kind(f"the search index cannot be read or written: {error!r}") from error

    return await asyncio.get_running_loop().run_in_executor(executor, guarded)


def _writer(generation: Path) -> Any:
    return index.open_dir(str(generation)).writer(codec=_Codec(), limitmb=_MEMORY_LIMIT)


@lru_cache(maxsize=32)
def _asked(made: Making, synonyms: Synonyms, query: str) -> tuple[Question, tuple[str, ...]]:
    """A query, analysed, and what says the same: once for all rows of a page."""
    question = made.analysis.question(query)
    return question, same_as(question, synonyms)


def _making_in(generation: Path) -> Making:
    """What a generation was made with; of one that does not say, nothing is known."""
    try:
        return making.read((generation / _MADE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Making("", ())


def _fields(document: SearchDocument, analysis: Analysis) -> dict[str, Any]:
    """What Whoosh is given of a document."""
    facets = facets_of(document)
    return {
        "key": document.key,
        "numbers": [folded for number in document.numbers if (folded := fold_number(number))],
        "scopes": list(document.scopes),
        "raised_at": _NO_DATE if document.raised_at is None else _microseconds(document.raised_at),
        "text": zlib.compress(text_of(document).encode()),
        "terms": weights_of(document, analysis),
        **{name: list(facets[facet]) for facet, name in _FACET_FIELDS.items()},
    }


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
