"""How Chinese text becomes terms: the same for documents, for queries and for highlighting.

Text is folded (Traditional to Simplified, full width to half, lower case) and cut in three ways at once:

- words of jieba's dictionary and the town's own: all that a sentence holds, inside and across others too;
- pairs of neighbouring characters, which find a word that the dictionary lacks, or cuts differently;
- single characters, so that a query is seldom left with nothing.

A run of letters or digits ("a7", "12345") counts as one character: it is matched whole, never in part.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from yetan_search.dictionary import HAN, HAN_RUN, Dictionary

#: Only so many characters of a query are looked at: a longer one is a pasted text, and costs without helping.
QUERY_LENGTH = 200
#: Longer runs of letters or digits are cut: they are data, not words.
RUN_LENGTH = 64

#: What counts as one character: a Han character, or a run of other letters and digits.
_CHARACTER = re.compile(f"[{HAN}]|[^\\W_{HAN}]+")
#: A longer stretch without a word in it is no name that somebody types, nor is a longer part between spaces.
_LONGEST_UNKNOWN = 4
_PHRASE = '["“”]([^"“”]*)["“”]|「([^」]*)」|『([^』]*)』'
_QUOTED = re.compile(_PHRASE)
_EXCLUDED = re.compile(f"(?<![^ ])-(?:{_PHRASE}|([{HAN}a-z][^ ]*))")
#: Characters that join words: a name neither begins nor ends with one.
_JOINING = re.compile(
    "[的了着在是有和与及或把被给让对向从到为于以而但就都也还又再很太不没无未要会能可请我你他她它们这那哪么吗呢吧啊个些]+"
)
_NUMBER = re.compile(r"[0-9a-z]+(?:[-_./][0-9a-z]+)*")

_COMPATIBILITY_BLOCKS = (
    (0x2E80, 0x2FD5),
    (0x3000, 0x3000),
    (0xF900, 0xFAFF),
    (0xFF01, 0xFFEE),
    (0x2F800, 0x2FA1F),
)


def _compatibility_forms() -> Iterator[tuple[int, int]]:
    """Radicals, ideographs and full-width forms Unicode keeps for old encodings, and their plain form."""
    for first, last in _COMPATIBILITY_BLOCKS:
        for code in range(first, last + 1):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1:
                yield code, ord(plain)


def _traditional_forms() -> Iterator[tuple[int, int]]:
    """The pairs of traditional.tsv."""
    table = resources.files("yetan_search").joinpath("traditional.tsv").read_text(encoding="utf-8")
    for line in table.splitlines():
        if not line.startswith("#"):
            traditional, _, simplified = line.partition("\t")
            yield ord(traditional), ord(simplified)


_SIMPLIFIED = dict(_traditional_forms())
_FOLDED = {
    **{code: _SIMPLIFIED.get(plain, plain) for code, plain in _compatibility_forms()},
    **_SIMPLIFIED,
    # The one character whose lower case is longer than itself.
    ord("İ"): ord("i"),
    # Halves of characters cannot be encoded.
    **dict.fromkeys(range(0xD800, 0xE000), ord("\N{REPLACEMENT CHARACTER}")),
}


def simplified(text: str) -> str:
    """`text` with Traditional characters written in Simplified; as long as `text`."""
    return text.translate(_SIMPLIFIED)


def fold(text: str) -> str:
    """`text` in the one form that is indexed and matched. It is exactly as long, so offsets hold in both."""
    return text.translate(_FOLDED).lower()


def fold_number(number: str) -> str:
    """A number (of an issue, of a letter, a phone) in the form that is matched exactly."""
    return fold(number).strip()[:RUN_LENGTH]


class Question(Struct, frozen=True):
    """A query, analysed.

    `text` is what is asked, folded, without quotation marks and exclusions. `words` are those of the dictionary,
    `chunks` what was set apart by spaces and holds none, `pairs` the neighbouring characters that are neither,
    `unknown` the stretches that belong to no word, `characters` each character once, `numbers` what may be a
    number known whole. `quoted` has to stand in a document letter by letter, and nothing of `without` may.
    """

    text: str = ""
    words: tuple[str, ...] = ()
    chunks: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    characters: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def with_numbers(self, numbers: Iterable[str]) -> Question:
        """The same question, with further numbers that lead to a document."""
        return replace(self, numbers=(*self.numbers, *map(fold_number, numbers)))


class Analysis:
    """Cuts text into terms. `words` are the town's own: places, units, local expressions."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._dictionary = Dictionary(filter(None, (fold(word).strip() for word in words)))

    def terms(self, text: str, *, brief: bool = False) -> list[str]:
        """Every term of a document's text, as often as it occurs.

        Of a `brief` text (a title, a place) every pair is a term. Of a long one only those pairs are whose
        characters belong to no word: the others would double the index and find next to nothing more.
        """
        folded = fold(text)
        characters, pairs = _characters_and_pairs(folded)
        if brief:
            return [*characters, *pairs, *(word for word in self.words(folded) if len(word) > 2)]
        cut = _split(self._dictionary.cut(folded))
        unknown = (one[0] + next_one[0] for one, next_one in pairwise(cut) if len(one) == len(next_one) == 1)
        return [*characters, *unknown, *self.words(folded)]

    def question(self, text: str) -> Question:
        """What a query asks for.

        A phrase in quotation marks is found letter by letter; a word behind a minus sign ("路灯 -电梯") is left out.
        """
        folded = fold(text[:QUERY_LENGTH])
        without = [phrase for match in _EXCLUDED.finditer(folded) if (phrase := _phrase(match))]
        folded = _EXCLUDED.sub(" ", folded)
        quoted = [phrase for match in _QUOTED.finditer(folded) if (phrase := _phrase(match))]
        folded = _QUOTED.sub(lambda match: f" {_phrase(match)} ", folded).strip()
        characters, pairs = _characters_and_pairs(folded)
        words = self.words(folded)
        words += [character for character in characters if not HAN_RUN.match(character)]
        chunks = [each for each in folded.split() if self._is_chunk(each, words)]
        numbers = [fold_number(chunk) for chunk in folded.split() if _CHARACTER.search(chunk)]
        numbers += _NUMBER.findall(folded)
        return Question(
            text=folded,
            # A query of single characters ("水") asks for just these.
            words=tuple(dict.fromkeys(words or (() if chunks else characters))),
            chunks=tuple(dict.fromkeys(chunks)),
            pairs=tuple(pair for pair in dict.fromkeys(pairs) if pair not in words and pair not in chunks),
            unknown=tuple(dict.fromkeys(self._unknown(folded))),
            characters=tuple(dict.fromkeys(characters)),
            numbers=tuple(dict.fromkeys(numbers)),
            quoted=tuple(quoted),
            without=tuple(without),
        )

    def asked(self, text: str) -> tuple[str, ...]:
        """The terms that a document holds which holds `text`, or nearly so: it has every one of them."""
        folded = fold(text)
        words = self.words(folded)
        if folded in words:
            return (folded,)
        held: list[str] = []
        single: list[str] = []
        for characters in (*_split(self._dictionary.cut(folded)), []):
            if len(characters) == 1:
                single += characters
                continue
            held += [one + other for one, other in pairwise(single)] or single
            single = []
            if characters:
                held.append("".join(characters))
        return tuple(dict.fromkeys(held))

    def words(self, folded: str) -> list[str]:
        """All words of more than one character that the dictionary sees in folded text, as often as they occur.

        To choose between them, or to guess at unknown ones (HMM), depends on what stands around: "路灯不亮"
        is cut "路|灯不亮", and a query for "路灯" would miss it.
        """
        return self._dictionary.words(folded)

    def vocabulary(self, text: str, *, brief: bool = False) -> set[str]:
        """The words that a text adds to what an index knows: those of the dictionary, and of a brief text others."""
        folded = fold(text)
        found = {word for word in self.words(folded) if HAN_RUN.fullmatch(word)}
        if brief:
            names = (name for run in self._unknown(folded) for name in _JOINING.split(run) if len(name) > 1)
            for name in names:
                found.update(one + other for one, other in pairwise(name))
                if len(name) <= _LONGEST_UNKNOWN:
                    found.add(name)
        return found

    @staticmethod
    def characters(folded: str) -> tuple[str, ...]:
        """The characters of folded text, each once."""
        return tuple(dict.fromkeys(_characters_and_pairs(folded)[0]))

    def _unknown(self, folded: str) -> Iterator[str]:
        """The stretches of two Han characters and more that belong to no word."""
        stretch = ""
        for characters in (*_split(self._dictionary.cut(folded)), []):
            if len(characters) == 1 and HAN_RUN.match(characters[0]):
                stretch += characters[0]
                continue
            if len(stretch) > 1:
                yield stretch
            stretch = ""

    @staticmethod
    def _is_chunk(chunk: str, words: Iterable[str]) -> bool:
        """Whether what stands between spaces is a name of its own, as "星沙" is, that no word explains."""
        is_name = 2 <= len(chunk) <= _LONGEST_UNKNOWN and HAN_RUN.fullmatch(chunk)
        return bool(is_name) and not any(word in chunk for word in words)


def _phrase(match: re.Match[str]) -> str:
    """What stands between the marks."""
    return "".join(match.groups("")).strip()


def _split(words: Iterable[str]) -> list[list[str]]:
    """Each word as its characters; an empty one for punctuation and spaces."""
    split = []
    for word in words:
        characters = _CHARACTER.findall(word)
        split.append(characters if "".join(characters) == word else [])
    return split


def _characters_and_pairs(folded: str) -> tuple[list[str], list[str]]:
    """The characters of folded text, and the pairs of those that touch."""
    characters: list[str] = []
    pairs: list[str] = []
    end = -1
    for match in _CHARACTER.finditer(folded):
        character = match[0][:RUN_LENGTH]
        if match.start() == end:
            pairs.append(characters[-1] + character)
        characters.append(character)
        end = match.end()
    return characters, pairs
