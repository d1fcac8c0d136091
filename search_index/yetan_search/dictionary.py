"""The words that texts are cut into: jieba's, and a town's own.

words.tsv has a line for each word, in order, with the times it was counted. It is mapped into memory and searched where
it lies: nothing is read at the start, processes share what they look at, and each keeps of its own what it asked last.
"""

from __future__ import annotations

import math
import mmap
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib import resources

from msgspec import Struct

#: The Han characters, as a range of a regular expression.
HAN = "〇㐀-䶿一-鿿\U00020000-\U000323af"

HAN_RUN = re.compile(f"[{HAN}]+")
#: What a word can consist of. Other characters stand for themselves.
_RUN = re.compile(f"[{HAN}0-9a-z+#&._%-]+")
_LETTERS_AND_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
#: How often all words of words.tsv were counted together.
COUNTED = 60_101_964
#: The frequency of the town's own words: enough to win over the common words they are made of.
OWN_FREQUENCY = 20_000
#: So many characters, and pairs of them, are kept as they were read: some 200 bytes each.
_CHARACTERS_HELD, _PAIRS_HELD = 1 << 13, 1 << 15
#: So many runs of the texts last cut are kept, none longer than this.
_RUNS_HELD, _LONGEST_HELD = 1 << 9, 50
_UNLIKELIEST = -math.inf


class _Character(Struct, frozen=True):
    """How likely a character is as a word, what may follow it in longer ones, and where these are in the table."""

    likelihood: float
    followers: str
    places: range


class _Words(Struct, frozen=True):
    """The words that begin with a pair of characters, each with its likelihood, and how long they are."""

    likelihoods: dict[str, float]
    lengths: tuple[int, ...]


class Dictionary:
    """jieba's words and the folded `words` of a town."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._own: dict[str, list[str]] = defaultdict(list)
        for word in set(words):
            self._own[word[:1]].append(word)
        self._counted = math.log(COUNTED + OWN_FREQUENCY * sum(map(len, self._own.values())))
        self._character = lru_cache(_CHARACTERS_HELD)(self._read_character)
        self._beginning = lru_cache(_PAIRS_HELD)(self._read_beginning)
        #: By run, for each of its characters: asked for again by the words of the text that was cut, and by phrases
        #: that many people use.
        self._held = lru_cache(_RUNS_HELD)(self._read_run)

    def words(self, text: str) -> list[str]:
        """The words of two Han characters and more that folded text holds, inside and across each other too."""
        found = []
        for match in HAN_RUN.finditer(text):
            run = match[0]
            for start, longer in enumerate(self._seen(run)):
                found += [run[start:end] for end, _ in longer]
        return found

    def cut(self, text: str) -> list[str]:
        """Folded text as the likeliest words, with what stands between them character by character."""
        pieces: list[str] = []
        end = 0
        for match in _RUN.finditer(text):
            pieces += text[end : match.start()]
            pieces += self._likeliest(match[0])
            end = match.end()
        pieces += text[end:]
        return pieces

    def _likeliest(self, run: str) -> Iterator[str]:
        """Of all ways to cut a run into words the one whose frequencies have the greatest product."""
        size, held = len(run), self._seen(run)
        # How likely the best way from each place on is, and where its first word ends.
        best, ends = [0.0] * (size + 1), [0] * size
        for start in range(size - 1, -1, -1):
            likelihood, end = self._character(run[start]).likelihood + best[start + 1], start + 1
            for other_end, other in held[start]:
                if (other := other + best[other_end]) >= likelihood:
                    likelihood, end = other, other_end
            if likelihood == _UNLIKELIEST:
                likelihood = best[end] - self._counted
            best[start], ends[start] = likelihood, end
        start = letters = 0
        while start < size:
            end = ends[start]
            # Letters and digits that are no word of their own stay together.
            if end == start + 1 and run[start] in _LETTERS_AND_DIGITS:
                letters += 1
            else:
                if letters:
                    yield run[start - letters : start]
                    letters = 0
                yield run[start:end]
            start = end
        if letters:
            yield run[-letters:]

    def _seen(self, run: str) -> Sequence[Sequence[tuple[int, float]]]:
        """The words of two characters and more that begin at each character of a run."""
        return self._held(run) if len(run) <= _LONGEST_HELD else self._read_run(run)

    def _read_run(self, run: str) -> Sequence[Sequence[tuple[int, float]]]:
        return [self._longer(run, start) for start in range(len(run))]

    def _longer(self, run: str, start: int) -> Sequence[tuple[int, float]]:
        """The words of two characters and more that begin at a place, shortest first: their ends and likelihoods."""
        words = self._beginning(run[start : start + 2])
        if words is None:
            return ()
        likelihoods, left = words.likelihoods, len(run) - start
        return [
            (start + length, likelihoods[word])
            for length in words.lengths
            if length <= left and (word := run[start : start + length]) in likelihoods
        ]

    def _read_character(self, character: str) -> _Character:
        places = _places(character, range(len(_table())))
        words = self._frequencies(character, places)
        likelihood = self._likelihood(words[character]) if character in words else _UNLIKELIEST
        return _Character(likelihood, "".join({word[1] for word in words if len(word) > 1}), places)

    def _read_beginning(self, pair: str) -> _Words | None:
        """The words that begin with a pair of characters; None where none does."""
        first = self._character(pair[0])
        if len(pair) < 2 or pair[1] not in first.followers:
            return None
        words = self._frequencies(pair, _places(pair, first.places))
        likelihoods = {word: self._likelihood(frequency) for word, frequency in words.items()}
        return _Words(likelihoods, tuple(sorted({len(word) for word in words})))

    def _frequencies(self, beginning: str, places: range) -> dict[str, int]:
        """The words that begin so: those at `places` in the table and the town's own."""
        lines = _table()[places.start : places.stop].decode().splitlines()
        counted = {word: int(frequency) for word, _, frequency in (line.partition("\t") for line in lines)}
        own = (word for word in self._own.get(beginning[0], ()) if word.startswith(beginning))
        return counted | dict.fromkeys(own, OWN_FREQUENCY)

    def _likelihood(self, frequency: int) -> float:
        """The logarithm of a word's share in all that was counted."""
        return math.log(frequency) - self._counted


@cache
def _table() -> mmap.mmap:
    with resources.files("yetan_search").joinpath("words.tsv").open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _places(beginning: str, within: range) -> range:
    """Where in the table the words are that begin so."""
    table, wanted = _table(), beginning.encode()

    def beginning_at(place: int) -> bytes:
        start = table.rfind(b"\n", 0, place) + 1
        return table[start : start + len(wanted)]

    first, last = (bisect(within, wanted, key=beginning_at) for bisect in (bisect_left, bisect_right))
    return within[first:last]
