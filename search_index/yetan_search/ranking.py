"""Which of the documents that share a term with a query come first.

A term's occurrences in title, place, text and reply are added with the weights of these parts, damped (the
tenth mention says little more than the third) and multiplied by how rare the term is (BM25F). A concept scores
once per document, by the best of its alternatives; it is as rare as all its holders together. How much of the
query a document covers then raises or lowers the sum: a boost, never a filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

from yetan_search.analysis import Question
from yetan_search.concepts import Concept

#: The parts of a document: what one occurrence of a term in it is worth, and how many terms it usually has.
#: They go into the index: after a change it is rebuilt.
PARTS = {"title": (6.0, 36), "place": (3.0, 20), "text": (1.0, 560), "reply": (0.3, 560)}
#: What the kinds of terms are worth beside each other.
WORD, PAIR, CHARACTER, MISTAKEN = 1.0, 0.3, 0.6, 0.1
#: A number known whole stands above everything else.
NUMBER = 1_000.0
#: Where words and pairs find fewer documents, those that only share single characters are shown as well.
ENOUGH = 20
#: A character that a larger share of all documents holds does not find any by itself: "路" says little of "路灯".
COMMON = 0.2
#: How soon repetition stops to count, and how much of the score hangs on the share of the query covered.
_DAMPING = 2.0
#: How much a part's length counts against the terms in it, from 0 to 1.
_LENGTH_NORMALISATION = 0.6
_COVERAGE = 0.6
#: How many guessed words the asker is told.
_GUESSES_TOLD = 3


class Frequencies(Protocol):
    """How common terms are in an index."""

    documents: int

    def frequency(self, term: str) -> int:
        """How many documents of the index hold `term`."""


class Postings(Frequencies, Protocol):
    """What ranking reads: how common terms are in the whole index, and who holds them of those that may be found."""

    def weights(self, term: str) -> Iterable[tuple[int, float]]:
        """The documents that may be found and hold `term`, with the weight that `weigh` gave it."""

    def numbered(self, number: str) -> AbstractSet[int]:
        """The documents that may be found and are known by `number`."""


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


class Ranked(Struct, frozen=True):
    """What a question finds: the score of each document, which of them hold all of it, and what was guessed."""

    scores: Mapping[int, float]
    whole: AbstractSet[int]
    guessed: tuple[str, ...] = ()

    def found(self, sort: str) -> AbstractSet[int]:
        """All that was found; sorted by date, only what holds the whole of the question, if anything does."""
        return self.whole if self.whole and sort != "relevance" else self.scores.keys()


def rank(question: Question, concepts: Sequence[Concept], postings: Postings) -> Ranked:
    """Score each document of `postings` that the question finds.

    What stands in quotation marks or behind a minus sign decides which documents may be found, before this.
    """
    places = {character: 1 << place for place, character in enumerate(question.characters)}
    scores: dict[int, float] = {}
    #: Which characters of the query each document covers, and which of its concepts: a bit each.
    covered: dict[int, int] = {}
    fulfilled: dict[int, int] = {}
    guessed: dict[str, int] = {}

    for number, concept in enumerate(concepts):
        best: dict[int, float] = {}
        for alternative in concept.alternatives:
            held = _held(alternative.terms, postings)
            for document, weight in held:
                value = alternative.worth * weight / (weight + _DAMPING)
                if value > best.get(document, 0.0):
                    best[document] = value
            if alternative.guess and held:
                guessed[alternative.text] = max(guessed.get(alternative.text, 0), len(held))
        rare = rarity_of(concept, postings)
        bits, bit = sum(places.get(character, 0) for character in concept.characters), 1 << number
        for document, value in best.items():
            scores[document] = scores.get(document, 0.0) + WORD * rare * value
            covered[document] = covered.get(document, 0) | bits
            fulfilled[document] = fulfilled.get(document, 0) | bit

    for pair in question.pairs:
        worth = PAIR * rarity(postings.frequency(pair), postings.documents)
        for document, weight in postings.weights(pair):
            scores[document] = scores.get(document, 0.0) + worth * weight / (weight + _DAMPING)

    # Single characters order what was found; they find more only where that is little.
    finding = finders(question.characters, postings) if len(scores) < ENOUGH else frozenset()
    rarities = {bit: rarity(postings.frequency(character), postings.documents) for character, bit in places.items()}
    mistaken = mistaken_in(concepts)
    for character, bit in sorted(places.items(), key=lambda each: each[0] not in finding):
        # The rare documents that happen to hold a wrong character are not what was meant.
        worth = (MISTAKEN if character in mistaken else CHARACTER) * rarities[bit]
        for document, weight in postings.weights(character):
            if character not in finding and document not in scores:
                continue
            scores[document] = scores.get(document, 0.0) + worth * weight / (weight + _DAMPING)
            covered[document] = covered.get(document, 0) | bit

    shares = _Shares(rarities)
    for document in scores:
        scores[document] *= 1 - _COVERAGE + _COVERAGE * shares.of(covered.get(document, 0))

    known = {document for number in question.numbers for document in postings.numbered(number)}
    for document in known:
        scores[document] = scores.get(document, 0.0) + NUMBER

    needed = sum(1 << number for number, concept in enumerate(concepts) if concept in needed_of(concepts))
    whole = known | {document for document, bits in fulfilled.items() if bits & needed == needed}
    best_guesses = sorted(guessed, key=lambda text: -guessed[text])[:_GUESSES_TOLD]
    return Ranked(scores, whole, tuple(best_guesses))


def finders(characters: Iterable[str], postings: Frequencies) -> frozenset[str]:
    """The characters that find documents by themselves: those that are not common, and all where there are no such."""
    found = {character: postings.frequency(character) for character in characters}
    common = max(ENOUGH, COMMON * postings.documents)
    telling = {character for character, holders in found.items() if 0 < holders <= common}
    return frozenset(telling or found)


def needed_of(concepts: Sequence[Concept]) -> tuple[Concept, ...]:
    """The concepts that a document holds which holds the whole question.

    A word inside another ("公积金" in "住房公积金", "路灯" in "红路灯") is part of it, and not asked for beside it.
    """
    texts = [concept.text for concept in concepts]
    inner = {text for text in texts for other in texts if text != other and text in other}
    return tuple(concept for concept in concepts if concept.text not in inner)


def mistaken_in(concepts: Sequence[Concept]) -> frozenset[str]:
    """The characters of a query that stand in a guess alone: somebody may have typed the wrong ones."""
    meant = {each for concept in concepts if not concept.is_guess for each in concept.characters}
    return frozenset(each for concept in concepts if concept.is_guess for each in concept.characters) - meant


def rarity(found: float, documents: int) -> float:
    """How much it says that a document is one of `found` among all: more where they are few (inverse frequency)."""
    return math.log(1 + max(documents - found + 0.5, 0.5) / (found + 0.5))


def rarity_of(concept: Concept, postings: Frequencies) -> float:
    """How rare a concept is. How many hold any of its alternatives is reckoned from the terms, as if by chance."""
    without = 1.0
    for alternative in concept.alternatives:
        if alternative.terms and postings.documents:
            holders = min(map(postings.frequency, alternative.terms))
            without *= 1 - min(holders / postings.documents, 1.0)
    return rarity(postings.documents * (1 - without), postings.documents)


class _Shares:
    """The share of the query that a set of its characters makes up, by how much each says."""

    def __init__(self, rarities: Mapping[int, float]) -> None:
        self._rarities = rarities
        self._whole = sum(rarities.values()) or 1.0
        self._known: dict[int, float] = {}

    def of(self, bits: int) -> float:
        if bits not in self._known:
            self._known[bits] = sum(worth for bit, worth in self._rarities.items() if bits & bit) / self._whole
        return self._known[bits]


def _held(terms: Sequence[str], postings: Postings) -> Sequence[tuple[int, float]]:
    """The documents that hold every one of `terms`, with the weight of the one they hold least."""
    if len(terms) == 1:
        return list(postings.weights(terms[0]))
    held: dict[int, float] | None = None
    for term in sorted(terms, key=postings.frequency):
        weights = postings.weights(term)
        if held is None:
            held = dict(weights)
        else:
            held = {document: min(weight, held[document]) for document, weight in weights if document in held}
        if not held:
            break
    return list((held or {}).items())
