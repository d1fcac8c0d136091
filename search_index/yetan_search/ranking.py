"""Which of the documents that share a term with a query come first.

Each term scores once per document: its occurrences in title, place, text and reply are added with the weights
of these parts, damped (the tenth mention says little more than the third) and multiplied by how rare the term
is (BM25F). How much of the query a document covers then raises or lowers the sum: a boost, never a filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from yetan_search.analysis import Question

#: The parts of a document: what one occurrence of a term in it is worth, and how many terms it usually has.
#: They go into the index: after a change it is rebuilt.
PARTS = {"title": (6.0, 36), "place": (3.0, 20), "text": (1.0, 560), "reply": (0.3, 560)}
#: What the kinds of terms are worth beside each other.
WORD, PAIR, CHARACTER = 1.0, 0.3, 0.5
#: A number known whole stands above everything else.
NUMBER = 1_000.0
#: Where words and pairs find fewer documents, those that only share single characters are shown as well.
ENOUGH = 20
#: How soon repetition stops to count, and how much of the score hangs on the share of the query covered.
_DAMPING = 1.2
#: How much a part's length counts against the terms in it, from 0 to 1.
_LENGTH_NORMALISATION = 0.6
_COVERAGE = 0.7


class Postings(Protocol):
    """What ranking reads from an index."""

    documents: int

    def frequency(self, term: str) -> int:
        """How many documents hold `term`."""

    def weights(self, term: str) -> Iterable[tuple[int, float]]:
        """The documents that hold `term`, with the weight that `weigh` gave it."""

    def numbered(self, number: str) -> AbstractSet[int]:
        """The documents known by `number`."""


def weigh(parts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """How strongly a document holds each of its terms. `parts`: the terms of each of `PARTS`, repeated."""
    weights: dict[str, float] = {}
    for part, (worth, usual_length) in PARTS.items():
        terms = parts[part]
        length = len(terms) / usual_length
        weight = worth / (1 - _LENGTH_NORMALISATION + _LENGTH_NORMALISATION * length)
        for term in terms:
            weights[term] = weights.get(term, 0.0) + weight
    return weights


def rank(question: Question, postings: Postings, allowed: AbstractSet[int]) -> dict[int, float]:
    """The score of each of the `allowed` documents that the question finds."""
    scores: dict[int, float] = {}

    def add(term: str, worth: float, within: AbstractSet[int]) -> list[int]:
        """Score the documents that hold `term`, and return them."""
        held = [(document, weight) for document, weight in postings.weights(term) if document in within]
        for document, weight in held:
            scores[document] = scores.get(document, 0.0) + worth * weight / (weight + _DAMPING)
        return [document for document, _ in held]

    for term in question.words:
        add(term, WORD * _rarity(term, postings), allowed)
    for term in question.pairs:
        add(term, PAIR * _rarity(term, postings), allowed)

    # Single characters order what was found; they find more only where that is little.
    within = frozenset(scores) if len(scores) >= ENOUGH else allowed
    rarities = {character: _rarity(character, postings) for character in question.characters}
    covered: dict[int, float] = {}
    for character, rarity in rarities.items():
        for document in add(character, CHARACTER * rarity, within):
            covered[document] = covered.get(document, 0.0) + rarity
    whole = sum(rarities.values())
    for document in scores:
        scores[document] *= 1 - _COVERAGE + _COVERAGE * covered.get(document, 0.0) / whole

    for number in question.numbers:
        for document in postings.numbered(number) & allowed:
            scores[document] = scores.get(document, 0.0) + NUMBER
    return scores


def _rarity(term: str, postings: Postings) -> float:
    """How much it says that a document holds the term: more for rare terms (inverse document frequency)."""
    found = postings.frequency(term)
    return math.log(1 + (postings.documents - found + 0.5) / (found + 0.5))
