"""Reading Whoosh's index: what `ranking` and the pages ask of one generation at one commit."""

from __future__ import annotations

import heapq
import math
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from itertools import islice
from operator import or_
from pathlib import Path

from msgspec import Struct
from whoosh import index
from whoosh.reading import SegmentReader

from yetan.api import Facet, SearchHit, SearchPage, SearchQuery
from yetan_search import ranking
from yetan_search.analysis import Analysis, Question
from yetan_search.documents import wanted_facets
from yetan_search.engine import understood
from yetan_search.generations import making_in
from yetan_search.lexicon import Lexicon
from yetan_search.ranking import Ranked
from yetan_search.synonyms import Synonyms
from yetan_search.whoosh_format import FACET_FIELDS, NO_DATE, microseconds
from yetan_search.whoosh_segments import Segments, bits, flags


class _Leaf(Struct, frozen=True):
    """A segment: its reader, the number of its first document, how many it has, and which of them are there still."""

    reader: SegmentReader
    first: int
    size: int
    present: int


class WhooshSnapshot:
    """One thread's view of a generation as it was at one commit."""

    def __init__(self, path: Path, lexicon: Lexicon, segments: Segments) -> None:
        self.path = path
        self.made = making_in(path)
        self._lexicon = lexicon
        self._segments = segments
        self._index = index.open_dir(str(path))
        self._commit = self._index.latest_generation()
        self._reader = self._index.reader()
        #: With those deleted since the last merge, which Whoosh counts among the holders of a term as well.
        self.documents: int = self._reader.doc_count_all()
        # The reader of an empty index has no segment.
        self._leaves = tuple(
            _leaf(reader, first) for reader, first in self._reader.leaf_readers() if reader.segment() is not None
        )

    def is_up_to_date(self) -> bool:
        """See `Snapshot.is_up_to_date`."""
        return bool(self._index.latest_generation() == self._commit)

    def close(self) -> None:
        """See `Snapshot.close`."""
        with suppress(Exception):
            self._reader.close()

    def count(self) -> int:
        """See `Snapshot.count`."""
        return int(self._reader.doc_count())

    def keys(self) -> frozenset[str]:
        """See `Snapshot.keys`."""
        return frozenset(stored["key"] for _, stored in self._reader.iter_docs())

    def search(self, query: SearchQuery, synonyms: Synonyms) -> SearchPage:
        """The hits of one page, and what is told about them."""
        asked = understood(query, self.made, synonyms, self._lexicon.sounds(), self.frequency)
        if not asked.question.characters:
            return SearchPage((), 0)
        ranked = ranking.rank(asked.question, asked.concepts, _Found(self, self._allowed(query, asked.question)))
        found = ranked.found(query.sort)
        return SearchPage(
            hits=tuple(
                SearchHit(self._key(document), ranked.scores[document], partial=document not in ranked.whole)
                for document in self._in_order(query, ranked, found)
            ),
            total=len(found),
            whole=len(ranked.whole),
            also_searched=asked.also_searched,
            guessed=ranked.guessed,
            facets=self._counts(query.facets, found) if query.facets else {},
        )

    def suggest(self, start: str, query: SearchQuery, limit: int) -> tuple[str, ...]:
        """The most frequent words that begin with `start`, among those that may be found."""
        words = self._lexicon.sounds().suggested(start, self.frequency)
        found = _Found(self, self._allowed(query, Question()))
        return tuple(islice((word for word in words if next(found.weights(word), None)), limit))

    def frequency(self, term: str) -> int:
        """How many documents hold `term`."""
        return int(self._reader.doc_frequency("terms", term))

    def postings(self, term: str) -> Iterator[tuple[_Leaf, Sequence[int], Sequence[float]]]:
        """The documents that hold `term`, segment by segment, with its weight in each; also those deleted since."""
        for leaf in self._leaves:
            yield leaf, *self._segments.postings(leaf.reader, term)

    def numbered(self, number: str) -> list[int]:
        """The documents known by `number`, as a set for each segment."""
        return self._holding("numbers", number)

    def _key(self, document: int) -> str:
        return str(self._reader.stored_fields(document)["key"])

    def _in_order(self, query: SearchQuery, ranked: Ranked, found: Collection[int]) -> list[int]:
        """The documents of the page asked for."""
        end = query.offset + query.limit
        if query.sort == "relevance":
            return heapq.nlargest(end, found, key=lambda each: (ranked.scores[each], each))[query.offset :]
        raised_at = [moment for leaf in self._leaves for moment in self._segments.column(leaf.reader, "raised_at")]
        if query.sort == "newest":
            return heapq.nlargest(end, found, key=lambda each: (raised_at[each], each))[query.offset :]
        # Without a date comes last, as in the other order.
        return heapq.nsmallest(end, found, key=lambda each: (raised_at[each] == NO_DATE, raised_at[each], each))[
            query.offset :
        ]

    def _counts(self, facets: Collection[Facet], found: Collection[int]) -> dict[Facet, Mapping[str, int]]:
        """How many of the documents `found` there are of each value."""
        counts: dict[Facet, Counter[str]] = {facet: Counter() for facet in facets}
        for leaf, documents in zip(self._leaves, self._by_segment(found), strict=True):
            if not documents:
                continue
            for facet, counted in counts.items():
                for value, holding in self._segments.values(leaf.reader, FACET_FIELDS[facet]).items():
                    if number := (holding & documents).bit_count():
                        counted[value] += number
        return dict(counts)

    def _by_segment(self, documents: Collection[int]) -> Iterator[int]:
        """Documents as a set for each segment."""
        in_order, start = sorted(documents), 0
        for leaf in self._leaves:
            end = start
            while end < len(in_order) and in_order[end] < leaf.first + leaf.size:
                end += 1
            yield bits(document - leaf.first for document in in_order[start:end])
            start = end

    def _allowed(self, query: SearchQuery, question: Question) -> list[int]:
        """The documents that may be found, as a set for each segment: all filters exact, all of them kept."""
        allowed = [leaf.present for leaf in self._leaves]
        filters = [("scopes", query.scopes), *((FACET_FIELDS[facet], each) for facet, each in wanted_facets(query))]
        for name, values in filters:
            allowed = [mine & held for mine, held in zip(allowed, self._holding(name, *values), strict=True)]
        if query.raised_from is not None or query.raised_until is not None:
            first = -math.inf if query.raised_from is None else microseconds(query.raised_from)
            end = math.inf if query.raised_until is None else microseconds(query.raised_until)
            for place, leaf in enumerate(self._leaves):
                moments = self._segments.column(leaf.reader, "raised_at")
                allowed[place] &= bits(
                    document for document, moment in enumerate(moments) if moment != NO_DATE and first <= moment < end
                )
        for phrase in question.quoted:
            allowed = self._containing(phrase, allowed)
        for phrase in question.without:
            held = self._containing(phrase, allowed)
            allowed = [mine & ~theirs for mine, theirs in zip(allowed, held, strict=True)]
        return allowed

    def _holding(self, name: str, *values: str) -> list[int]:
        """The documents that hold one of `values` in the field `name`."""
        return [
            reduce(or_, (self._segments.holding(leaf.reader, name, value) for value in values), 0)
            for leaf in self._leaves
        ]

    def _containing(self, phrase: str, within: list[int]) -> list[int]:
        """Those of the documents `within` in which `phrase` stands letter by letter."""
        for character in sorted(Analysis.characters(phrase), key=self.frequency):
            held = (bits(documents) for _, documents, _ in self.postings(character))
            within = [mine & theirs for mine, theirs in zip(within, held, strict=True)]
        return [
            bits(document for document in _members(documents, leaf.size) if phrase in self._text(leaf, document))
            for leaf, documents in zip(self._leaves, within, strict=True)
        ]

    def _text(self, leaf: _Leaf, document: int) -> str:
        """The folded text of a document of a segment."""
        return zlib.decompress(leaf.reader.column_reader("text")[document]).decode()


class _Found:
    """A snapshot narrowed to the documents that may be found; what `ranking` reads."""

    def __init__(self, snapshot: WhooshSnapshot, allowed: Sequence[int]) -> None:
        self._snapshot = snapshot
        self._allowed = allowed
        self._flags: dict[int, bytes] = {}
        self.documents = snapshot.documents
        self.frequency = snapshot.frequency

    def weights(self, term: str) -> Iterator[tuple[int, float]]:
        """The documents that may be found and hold `term`, with its weight in each."""
        for place, (leaf, documents, weights) in enumerate(self._snapshot.postings(term)):
            if not documents or not self._allowed[place]:
                continue
            if place not in self._flags:
                self._flags[place] = flags(self._allowed[place], leaf.size)
            allowed, first = self._flags[place], leaf.first
            yield from [
                (first + document, weight)
                for document, weight in zip(documents, weights, strict=True)
                if allowed[document]
            ]

    def numbered(self, number: str) -> frozenset[int]:
        """The documents that may be found and are known by `number`."""
        held = zip(self._snapshot._leaves, self._allowed, self._snapshot.numbered(number), strict=True)
        return frozenset(
            leaf.first + document for leaf, mine, theirs in held for document in _members(mine & theirs, leaf.size)
        )


def _leaf(reader: SegmentReader, first: int) -> _Leaf:
    size = reader.doc_count_all()
    return _Leaf(reader, first, size, (1 << size) - 1 & ~bits(sorted(reader.segment().deleted_docs())))


def _members(documents: int, size: int) -> list[int]:
    """The numbers of a set of a segment's documents."""
    return [document for document, inside in enumerate(flags(documents, size)) if inside] if documents else []
