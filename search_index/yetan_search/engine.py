"""What every engine of this package knows in the same way: the town's vocabulary, and how a query is understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from msgspec import Struct

from yetan.api import SearchQuery, Vocabulary
from yetan_search.analysis import Question, fold, simplified
from yetan_search.concepts import Concept, concepts_of, same_as
from yetan_search.highlight import highlight
from yetan_search.making import Making, making_of
from yetan_search.pinyin import Sounds
from yetan_search.synonyms import Synonyms, synonyms_with


class Asked(Struct, frozen=True):
    """A query, understood: what it asks for letter by letter, its concepts, and itself in Simplified characters."""

    question: Question
    concepts: tuple[Concept, ...]
    also_searched: tuple[str, ...]


def understood(
    query: SearchQuery, made: Making, synonyms: Synonyms, sounds: Sounds, frequency: Callable[[str], int]
) -> Asked:
    """What `query` asks of an index that was `made` so. `frequency`: how many of its documents hold a term."""
    question = made.analysis.question(query.text).with_numbers(query.numbers)
    folded = simplified(query.text)
    return Asked(
        question,
        concepts_of(question, made.analysis, synonyms, sounds, frequency),
        (folded,) if folded != query.text else (),
    )


class Engine:
    """The part of a `SearchBackend` that needs no index."""

    def __init__(self) -> None:
        #: What an index is made with that is made now, and what the town calls the same.
        self._making = making_of(())
        self._synonyms = synonyms_with(())

    def learn(self, vocabulary: Vocabulary) -> None:
        """See `SearchBackend.learn`."""
        self._making = making_of(vocabulary.words)
        self._synonyms = synonyms_with(vocabulary.synonyms)

    def same_as(self, word: str) -> tuple[str, ...]:
        """See `SearchBackend.same_as`."""
        return tuple(self._synonyms.of(fold(word)))

    def highlight(self, text: str, query: str, *, length: int = 160) -> tuple[tuple[str, bool], ...]:
        """See `SearchBackend.highlight`."""
        question, also = _marked(self._making, self._synonyms, query)
        return highlight(text, question, also=also, length=length)


@lru_cache(maxsize=32)
def _marked(made: Making, synonyms: Synonyms, query: str) -> tuple[Question, Sequence[str]]:
    """A query, analysed, and what says the same: once for all rows of a page."""
    question = made.analysis.question(query)
    return question, same_as(question, synonyms)
