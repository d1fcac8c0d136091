"""Ranking for engines that find and count by themselves, but do not weigh as `ranking` does.

Such an engine selects the documents that come first by a rough score of what it knows of each term in a document: that
it is there, or that it is there strongly. These few hundred are then ranked exactly, by the weights stored with them;
the rest follows in the rough order. On the judged queries a hundred candidates already give what all of them do.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from zlib import crc32

from msgspec import Struct, field

from yetan.api import Facet, IndexDamaged, SearchHit, SearchPage, SearchQuery
from yetan_search import ranking
from yetan_search.engine import Asked
from yetan_search.ranking import Frequencies, mistaken_in, needed_of, rarity, rarity_of

#: So many documents are ranked exactly.
CANDIDATES = 200
#: What the rough score takes for a term that is held at all; and for one that is held with so much weight at least,
#: as in a title. Such a term is there once more, with a mark for each of these steps, which no term begins with.
HELD = 0.4
_STEPS = ((3.0, 0.65), (6.0, 0.78), (10.0, 0.86))
#: The other mark is an engine's own to use.
MARKS = "!#"

#: A weight as it is stored, the largest one, and the bytes of a term with its weight.
_VALUE = struct.Struct("e")
_LARGEST = 60_000.0
_SIZE = 6


class Option(Struct, frozen=True):
    """One way to hold a part of the query: all of `terms`, for so much."""

    terms: tuple[str, ...]
    worth: float


class Part(Struct, frozen=True):
    """A part of a query. A document holds it by any of its options; `needed` by those that hold the whole query."""

    options: tuple[Option, ...]
    needed: bool = False


class Entry(Struct, frozen=True):
    """A selected document: what is stored of it."""

    key: str
    weights: Weights
    numbers: Collection[str]


class Selection(Struct, frozen=True):
    """What an engine selected: the rows of `window`, in order, and how many there are in all."""

    entries: Sequence[Entry]
    total: int
    whole: int
    facets: Mapping[Facet, Mapping[str, int]] = field(default_factory=dict)


def parts_of(asked: Asked, terms: Frequencies) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """What finds documents, and what finds more where that is less than `ranking.ENOUGH`: single characters."""
    needed = needed_of(asked.concepts)
    parts = []
    for concept in asked.concepts:
        rare = rarity_of(concept, terms) * ranking.WORD
        options = (Option(each.terms, each.worth * rare) for each in concept.alternatives if each.terms)
        parts.append(Part(tuple(options), concept in needed))
    mistaken = mistaken_in(asked.concepts)
    for pair in asked.question.pairs:
        parts.append(Part((Option((pair,), ranking.PAIR * rarity(terms.frequency(pair), terms.documents)),)))
    finding = ranking.finders(asked.question.characters, terms)
    characters = [
        Part((Option((each,), worth * rarity(terms.frequency(each), terms.documents)),))
        for each in asked.question.characters
        if each in finding
        for worth in (ranking.MISTAKEN if each in mistaken else ranking.CHARACTER,)
    ]
    return tuple(part for part in parts if part.options), tuple(characters)


def window(query: SearchQuery) -> tuple[int, int]:
    """Which rows of its order an engine is asked for: from, and up to."""
    end = query.offset + query.limit
    return (0, max(end, CANDIDATES)) if _is_ranked(query) else (query.offset, end)


def page(query: SearchQuery, asked: Asked, selection: Selection, terms: Frequencies) -> SearchPage:
    """The page of a query, from what the engine selected."""
    ranked = ranking.rank(asked.question, asked.concepts, _Candidates(selection.entries, terms))
    order = list(range(len(selection.entries)))
    if _is_ranked(query):
        first = sorted(order[:CANDIDATES], key=lambda each: _by_number(selection.entries[each].key), reverse=True)
        order[:CANDIDATES] = sorted(first, key=lambda each: -ranked.scores.get(each, 0.0))
        order = order[query.offset : query.offset + query.limit]
    return SearchPage(
        hits=tuple(
            SearchHit(selection.entries[each].key, ranked.scores.get(each, 0.0), partial=each not in ranked.whole)
            for each in order
        ),
        total=selection.total,
        whole=selection.whole,
        also_searched=asked.also_searched,
        guessed=ranked.guessed,
        facets=selection.facets,
    )


def rough_terms(weights: Mapping[str, float]) -> Iterator[str]:
    """The terms of a document as such an engine indexes them."""
    for term, weight in weights.items():
        yield term
        for step, (least, _) in enumerate(_STEPS, 1):
            if weight >= least:
                yield MARKS[0] * step + term


def is_term(indexed: str) -> bool:
    """Whether that is a term as it stands in a document, without a mark."""
    return indexed[0] not in MARKS


def rough_worths(option: Option) -> Iterator[tuple[tuple[str, ...], float]]:
    """What such an engine looks up for an option: terms to be held together, and what that is worth."""
    yield option.terms, option.worth * HELD
    if len(option.terms) == 1:
        for step, (_, value) in enumerate(_STEPS, 1):
            yield (MARKS[0] * step + option.terms[0],), option.worth * value


def stored_weights(weights: Mapping[str, float]) -> bytes:
    """The weights of a document's terms, as they are stored beside it."""
    in_order = sorted((_number(term), weight) for term, weight in weights.items())
    values = (min(weight, _LARGEST) for _, weight in in_order)
    return array("I", (number for number, _ in in_order)).tobytes() + struct.pack(f"{len(in_order)}e", *values)


class Weights:
    """What `stored_weights` stored, in one reading: of hundreds of terms, a query asks for a few."""

    __slots__ = ("numbers", "values")

    def __init__(self, stored: bytes) -> None:
        count, rest = divmod(len(stored), _SIZE)
        if rest:
            raise IndexDamaged("the weights of a document are cut short")
        #: The numbers of the terms, in order, and their weights.
        self.numbers = array("I", stored[: 4 * count])
        self.values = stored[4 * count :]


def _number(term: str) -> int:
    """The number a term is stored under. That two of one document share it happens once in a million documents."""
    return crc32(term.encode())


def _by_number(key: str) -> tuple[int, str]:
    """Of two that are worth the same, the newer comes first: that of the higher number."""
    return len(key), key


def _is_ranked(query: SearchQuery) -> bool:
    return query.sort == "relevance" and query.offset < CANDIDATES


class _Candidates:
    """The selected documents, by their places, as `ranking` reads them."""

    def __init__(self, entries: Sequence[Entry], terms: Frequencies) -> None:
        self._entries = entries
        self.documents = terms.documents
        self.frequency = terms.frequency

    def weights(self, term: str) -> Iterator[tuple[int, float]]:
        number = _number(term)
        for place, entry in enumerate(self._entries):
            numbers = entry.weights.numbers
            at = bisect_left(numbers, number)
            if at < len(numbers) and numbers[at] == number:
                yield place, _VALUE.unpack_from(entry.weights.values, 2 * at)[0]

    def numbered(self, number: str) -> frozenset[int]:
        return frozenset(place for place, entry in enumerate(self._entries) if number in entry.numbers)
