"""Words that say the same: those shipped, those of the town. A ring is a line of words, each stands for all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources

from yetan.api import rings_in
from yetan_search.analysis import fold

Ring = tuple[str, ...]

#: The longest word of a ring that is looked for in a query.
LONGEST = 12


@cache
def shipped() -> tuple[Ring, ...]:
    """The rings of synonyms.txt: what residents everywhere call what the administration calls otherwise."""
    return rings_in(resources.files("yetan_search").joinpath("synonyms.txt").read_text(encoding="utf-8"))


def synonyms_with(own: Iterable[Ring]) -> Synonyms:
    """The shipped rings and the town's `own`."""
    return _joined(tuple(own))


@lru_cache(maxsize=1)
def _joined(own: tuple[Ring, ...]) -> Synonyms:
    return Synonyms((*shipped(), *own))


class Synonyms:
    """Rings, joined: a word in two of them stands for the words of both."""

    def __init__(self, rings: Iterable[Ring] = ()) -> None:
        self._same: dict[str, tuple[str, ...]] = {}
        for ring in (tuple(map(fold, each)) for each in rings):
            for word in ring:
                others = (each for each in ring if each != word)
                self._same[word] = tuple(dict.fromkeys((*self._same.get(word, ()), *others)))

    def of(self, word: str) -> Sequence[str]:
        """What else is said for `word`."""
        return self._same.get(word, ())

    def inside(self, text: str) -> Iterator[tuple[int, str]]:
        """The words of rings that folded text holds, with their places."""
        for start in range(len(text)):
            for end in range(start + 2, min(start + LONGEST, len(text)) + 1):
                if text[start:end] in self._same:
                    yield start, text[start:end]
