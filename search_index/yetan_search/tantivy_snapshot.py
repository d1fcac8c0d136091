"""Reading tantivy's index: it selects and counts, `candidates` ranks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import tantivy
from tantivy import Occur, Order, Query

from yetan.api import Facet, SearchPage, SearchQuery
from yetan_search.analysis import Question
from yetan_search.candidates import (
    Entry,
    Option,
    Part,
    Selection,
    Weights,
    page,
    parts_of,
    rough_worths,
    window,
)
from yetan_search.documents import wanted_facets
from yetan_search.engine import understood
from yetan_search.generations import making_in
from yetan_search.lexicon import Lexicon
from yetan_search.ranking import ENOUGH, NUMBER
from yetan_search.synonyms import Synonyms
from yetan_search.tantivy_format import letters, microseconds, schema

#: More values than any facet has.
_VALUES = 60_000


class TantivySnapshot:
    """One thread's view of a generation as it was at one commit."""

    def __init__(self, path: Path, lexicon: Lexicon) -> None:
        self.path = path
        self.made = making_in(path)
        self._lexicon = lexicon
        self._commit = _last_commit(path)
        self._schema = schema()
        self._searcher = tantivy.Index.open(str(path)).searcher()
        self.documents: int = self._searcher.num_docs

    def is_up_to_date(self) -> bool:
        """See `Snapshot.is_up_to_date`."""
        return _last_commit(self.path) == self._commit

    def close(self) -> None:
        """See `Snapshot.close`."""

    def count(self) -> int:
        """See `Snapshot.count`."""
        return self.documents

    def keys(self) -> frozenset[str]:
        """See `Snapshot.keys`."""
        return frozenset(key for key, _ in self._searcher.terms_with_prefix("key", "", Query.all_query()))

    def frequency(self, term: str) -> int:
        """How many documents hold `term`; those deleted since the last merge as well."""
        return self._searcher.doc_freq("terms", term)

    def search(self, query: SearchQuery, synonyms: Synonyms) -> SearchPage:
        """See `Snapshot.search`."""
        asked = understood(query, self.made, synonyms, self._lexicon.sounds(), self.frequency)
        if not asked.question.characters:
            return SearchPage((), 0)
        allowed = list(self._allowed(query, asked.question))
        parts, characters = parts_of(asked, self)
        selection = self._selected(query, asked.question, allowed, parts)
        if selection.total < ENOUGH:
            selection = self._selected(query, asked.question, allowed, (*parts, *characters))
        return page(query, asked, selection, self)

    def suggest(self, start: str, query: SearchQuery, limit: int) -> tuple[str, ...]:
        """See `Snapshot.suggest`."""
        allowed = list(self._allowed(query, Question()))
        words = self._lexicon.sounds().suggested(start, self.frequency)
        return tuple(islice((word for word in words if self._is_held(word, allowed)), limit))

    def _is_held(self, word: str, allowed: Sequence[tuple[Occur, Query]]) -> bool:
        held = Query.boolean_query([(Occur.Must, self._term("terms", word)), *allowed])
        return bool(self._searcher.search(held, 1, count=False).hits)

    def _selected(
        self, query: SearchQuery, question: Question, allowed: Sequence[tuple[Occur, Query]], parts: Sequence[Part]
    ) -> Selection:
        numbers = [Query.const_score_query(self._term("numbers", each), NUMBER) for each in question.numbers]
        needed = [_any_of(self._all_of(option.terms) for option in part.options) for part in parts if part.needed]
        all_needed = [Query.boolean_query([(Occur.Must, each) for each in needed])] if needed else []
        whole = Query.boolean_query([(Occur.Must, _any_of([*all_needed, *numbers])), *allowed])
        held = [Query.disjunction_max_query(list(self._worths(part.options))) for part in parts]
        found = Query.boolean_query([(Occur.Must, _any_of([*held, *numbers])), *allowed])
        wholes = _count(self._searcher.search(whole, 1))
        if query.sort != "relevance" and wholes:
            found = whole
        start, end = window(query)
        if query.sort == "relevance":
            result = self._searcher.search(found, end - start, offset=start)
        else:
            order = Order.Desc if query.sort == "newest" else Order.Asc
            result = self._searcher.search(found, end - start, offset=start, order_by_field="raised_at", order=order)
        entries = [self._entry(address) for _, address in result.hits]
        return Selection(entries, _count(result), wholes, {each: self._counts(found, each) for each in query.facets})

    def _entry(self, address: tantivy.DocAddress) -> Entry:
        document = self._searcher.doc(address)
        return Entry(document["key"][0], Weights(document["weights"][0]), document["numbers"])

    def _counts(self, found: Query, facet: Facet) -> dict[str, int]:
        asked = {"values": {"terms": {"field": facet, "size": _VALUES}}}
        buckets = self._searcher.aggregate(found, asked)["values"]["buckets"]
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}

    def _allowed(self, query: SearchQuery, question: Question) -> Iterator[tuple[Occur, Query]]:
        """What a document has to be to be found: all filters exact, all of them kept. Adds nothing to its worth."""
        for name, values in (("scopes", query.scopes), *wanted_facets(query)):
            yield Occur.Must, _worthless(Query.term_set_query(self._schema, name, sorted(values)))
        if query.raised_from is not None or query.raised_until is not None:
            first = None if query.raised_from is None else microseconds(query.raised_from)
            end = None if query.raised_until is None else microseconds(query.raised_until)
            upper = {} if end is None else {"include_upper": False}
            dated = Query.range_query(self._schema, "raised_at", tantivy.FieldType.Integer, first, end, **upper)
            yield Occur.Must, _worthless(dated)
        for occur, phrases in ((Occur.Must, question.quoted), (Occur.MustNot, question.without)):
            for phrase in phrases:
                yield occur, _worthless(self._phrase(phrase))

    def _phrase(self, phrase: str) -> Query:
        words: list[str | tuple[int, str]] = list(letters(phrase))
        return Query.phrase_query(self._schema, "text", words) if len(words) > 1 else self._term("text", phrase)

    def _worths(self, options: Iterable[Option]) -> Iterator[Query]:
        """The ways to hold a part of the query, each with what it is worth."""
        for option in options:
            for terms, worth in rough_worths(option):
                yield Query.const_score_query(self._all_of(terms), worth)

    def _all_of(self, terms: Sequence[str]) -> Query:
        if len(terms) == 1:
            return self._term("terms", terms[0])
        return Query.boolean_query([(Occur.Must, self._term("terms", term)) for term in terms])

    def _term(self, name: str, value: str) -> Query:
        return Query.term_query(self._schema, name, value, "basic")


def _count(result: tantivy.SearchResult) -> int:
    return int(result.count)  # type: ignore[attr-defined]  # The library's own stubs lack it.


def _any_of(queries: Iterable[Query]) -> Query:
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def _worthless(query: Query) -> Query:
    return Query.const_score_query(query, 0.0)


def _last_commit(path: Path) -> tuple[int, int]:
    """Differs after every commit: the file is replaced."""
    found = (path / "meta.json").stat()
    return found.st_ino, found.st_mtime_ns
