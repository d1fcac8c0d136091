"""How words sound: for queries typed as pinyin, and for those with a wrong character of the right sound.

An index keeps its vocabulary beside it: each word once, with its syllables. From that, letters lead to words
("luohu", "lh": 落户), and so does a word that only sounds like one ("红路灯": 红绿灯). Documents need no
pinyin of their own, and the words found this way can be told to the asker.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from itertools import islice

from yetan_search.analysis import fold

Syllables = tuple[str, ...]

#: So many words at most for one spelling.
MOST_WORDS = 8
#: How many words are looked at for a suggestion.
_SUGGESTIONS_TRIED = 200
#: Letters that many speakers, and many typists, do not tell apart: zh and z, l and n, -ng and -n, ü and u.
_ALIKE = tuple(
    (re.compile(sound), same)
    for sound, same in (("^zh", "z"), ("^ch", "c"), ("^sh", "s"), ("^n", "l"), ("ng$", "n"), ("v", "u"))
)
#: The shortest part of a spelling run together ("tingcheshoufei") that is taken for a word.
_SHORTEST_PART = 4


class Readings:
    """How words are read. `characters` has lines of a syllable, a tab and all the characters read so."""

    def __init__(self, characters: str, phrases: Mapping[str, Syllables]) -> None:
        self._characters = characters
        self._phrases = phrases
        #: Looked up in the text: as a mapping it would take twenty times its memory.
        self._character = lru_cache(maxsize=4096)(self._read)

    def of(self, word: str) -> Syllables:
        """The syllables of a word, read as the longest phrases it is made of; () where a character has no reading."""
        read: list[str] = []
        start = 0
        while start < len(word):
            end = next((end for end in range(len(word), start + 1, -1) if word[start:end] in self._phrases), start + 1)
            if end > start + 1:
                read += self._phrases[word[start:end]]
            elif reading := self._character(word[start]):
                read.append(reading)
            else:
                return ()
            start = end
        return tuple(read)

    def _read(self, character: str) -> str:
        at = self._characters.find(character) if character not in "\t\n" and not character.isascii() else -1
        return self._characters[self._characters.rfind("\n", 0, at) + 1 : at].partition("\t")[0] if at >= 0 else ""


def syllables(word: str) -> Syllables:
    """The syllables of a word of Han characters, without tones, ü as v; () where one of them has no reading.

    A word is read as the longest phrases it is made of, so that 银行 is yin hang.
    """
    return _readings().of(word)


@cache
def _readings() -> Readings:
    """What readings.tsv says, read when first asked for."""
    table = resources.files("yetan_search").joinpath("readings.tsv").read_text(encoding="utf-8")
    characters: list[str] = []
    phrases: dict[str, Syllables] = {}
    for line in table.splitlines(keepends=True):
        read, _, what = line.rstrip("\n").partition("\t")
        if " " not in read:
            characters.append(line)
        elif not line.startswith("#"):
            phrases[what] = tuple(read.split(" "))
    return Readings("".join(characters), phrases)


@cache
def _sound(syllable: str) -> str:
    """A syllable as careless ears hear it."""
    for sound, same in _ALIKE:
        syllable = sound.sub(same, syllable)
    return syllable


class Sounds:
    """The words of an index by how they are spelt and how they sound."""

    def __init__(self, words: Iterable[tuple[str, Syllables]] = ()) -> None:
        self._words: set[str] = set()
        self._spelt: dict[str, list[str]] = defaultdict(list)
        self._initials: dict[str, list[str]] = defaultdict(list)
        self._alike: dict[str, list[str]] = defaultdict(list)
        #: Words and spellings in order, for what begins with something.
        self._ordered: list[tuple[str, str]] | None = None
        for word, read in words:
            self.add(word, read)

    def __contains__(self, word: str) -> bool:
        return word in self._words

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: str, read: Syllables) -> None:
        """Learn a word. Twice is once."""
        if word in self._words or not read:
            return
        self._words.add(word)
        spelling = "".join(read)
        self._spelt[spelling.replace("v", "u")].append(word)
        self._initials["".join(each[0] for each in read)].append(word)
        if len(read) > 2:
            self._alike["".join(map(_sound, read))].append(word)
        if self._ordered is not None:
            insort(self._ordered, (word, word))
            insort(self._ordered, (spelling, word))

    def spelt(self, letters: str) -> Sequence[str]:
        """The words that letters spell in full."""
        return self._spelt.get(letters.replace("v", "u"), ())

    def abbreviated(self, letters: str) -> Sequence[str]:
        """The words whose syllables begin with these letters, one each."""
        return self._initials.get(letters, ()) if len(letters) > 1 else ()

    def split(self, letters: str) -> tuple[str, ...]:
        """A spelling run together as the fewest spellings of words; () where it is none."""
        best: dict[int, tuple[str, ...]] = {0: ()}
        for end in range(_SHORTEST_PART, len(letters) + 1):
            for start in range(end - _SHORTEST_PART + 1):
                part = letters[start:end]
                if start in best and self.spelt(part) and len(best[start]) + 1 < len(best.get(end, "x" * 9)):
                    best[end] = (*best[start], part)
        return best.get(len(letters), ())

    def sounding_like(self, word: str) -> Sequence[str]:
        """Other words that sound like `word`: of two characters exactly so, of more nearly so."""
        read = syllables(word)
        if len(read) < 2:
            return ()
        found = self.spelt("".join(read)) if len(read) == 2 else self._alike.get("".join(map(_sound, read)), ())
        return [each for each in found if each != word and len(each) == len(word)]

    def beginning(self, start: str) -> Iterator[str]:
        """The words that begin with `start`, or whose spelling does, in order."""
        if self._ordered is None:
            spelt = ((spelling, word) for spelling, words in self._spelt.items() for word in words)
            self._ordered = sorted([*((word, word) for word in self._words), *spelt])
        for at in range(bisect_left(self._ordered, (start, "")), len(self._ordered)):
            key, word = self._ordered[at]
            if not key.startswith(start):
                return
            yield word

    def suggested(self, start: str, frequency: Callable[[str], int]) -> list[str]:
        """The words that may be meant by their beginning `start`, the most frequent first."""
        start = fold(start).strip()
        if not start:
            return []
        words = islice(dict.fromkeys(self.beginning(start)), _SUGGESTIONS_TRIED)
        return sorted((word for word in words if word != start), key=lambda word: (-frequency(word), word))
