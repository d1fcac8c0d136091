"""What a query asks for: concepts, each with everything that says the same.

A concept is a word of the dictionary, a chunk the person set apart by spaces ("星沙"), or a word of a ring of
synonyms. A document holds it by any of its alternatives, and by however many, it counts once. Put as so many
terms beside each other, a rare synonym would outweigh the word itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from yetan_search.analysis import Analysis, Question
from yetan_search.pinyin import MOST_WORDS, Sounds
from yetan_search.synonyms import Synonyms

#: What an alternative is worth beside the word itself.
SYNONYM, SPELT, ABBREVIATED, SOUNDING = 0.8, 1.0, 1.0, 0.8
#: How long a stretch of characters is that may be a word written wrongly, longest first.
_MISHEARD = (5, 4, 3, 2)
#: A word that sounds the same is offered where it is so many times as frequent as what was typed.
MUCH_RARER = 5

_LATIN_RUN = re.compile("(?<![0-9a-z])[a-z]+(?: +[a-z]+)*(?![0-9a-z])")
_HAN_RUN = re.compile("[㐀-鿿]+")


class Alternative(Struct, frozen=True):
    """One way to hold a concept: a document has all of `terms`. A `guess` is told to the asker as `text`."""

    text: str
    terms: tuple[str, ...]
    worth: float
    guess: bool = False


class Concept(Struct, frozen=True):
    """Something asked for. `characters` are those of the query that it stands for."""

    text: str
    characters: tuple[str, ...]
    alternatives: tuple[Alternative, ...]

    @property
    def is_guess(self) -> bool:
        """Whether it was not asked for in so many words."""
        return any(alternative.guess for alternative in self.alternatives)


def concepts_of(
    question: Question,
    analysis: Analysis,
    synonyms: Synonyms,
    sounds: Sounds,
    frequency: Callable[[str], int],
) -> tuple[Concept, ...]:
    """The concepts of a question. `frequency`: how many documents of the index hold a term."""
    found: dict[str, Concept] = {}
    for word in (*question.words, *question.chunks, *(word for _, word in synonyms.inside(question.text))):
        if word not in found:
            found[word] = _word(word, analysis, synonyms)
    for letters in _spellings(question.text, sounds):
        if concept := _spelt(letters, analysis, synonyms, sounds, frequency):
            found[letters] = concept
    for stretch, heard in _misheard(question, sounds, frequency):
        if stretch not in question.words:
            itself = found[stretch].alternatives if stretch in found else ()
            others = (_alternative(word, SOUNDING, analysis, guess=True) for word in heard)
            found[stretch] = Concept(stretch, analysis.characters(stretch), (*itself, *others))
    return tuple(found.values())


def same_as(question: Question, synonyms: Synonyms) -> tuple[str, ...]:
    """What says the same as some word of the question, for marking it where it was found."""
    words = (*question.words, *question.chunks, *(word for _, word in synonyms.inside(question.text)))
    return tuple(dict.fromkeys(other for word in words for other in synonyms.of(word)))


def _word(word: str, analysis: Analysis, synonyms: Synonyms) -> Concept:
    others = (_alternative(each, SYNONYM, analysis) for each in synonyms.of(word))
    return Concept(word, analysis.characters(word), (_alternative(word, 1.0, analysis), *others))


def _alternative(text: str, worth: float, analysis: Analysis, *, guess: bool = False) -> Alternative:
    return Alternative(text, analysis.asked(text), worth, guess)


def _spellings(text: str, sounds: Sounds) -> Iterator[str]:
    """The words in letters that a query holds, whether typed apart, run together or syllable by syllable."""
    for run in _LATIN_RUN.findall(text):
        parts = run.split()
        if all(sounds.spelt(part) or sounds.abbreviated(part) for part in parts):
            yield from parts
        else:
            yield from sounds.split("".join(parts)) or (
                each for part in parts for each in sounds.split(part) or (part,)
            )


def _spelt(
    letters: str, analysis: Analysis, synonyms: Synonyms, sounds: Sounds, frequency: Callable[[str], int]
) -> Concept | None:
    """What letters spell: a word in full, or by its initials."""
    full = _frequent(sounds.spelt(letters), frequency)
    alternatives = [_alternative(word, SPELT, analysis, guess=True) for word in full]
    alternatives += [_alternative(each, SYNONYM, analysis) for word in full[:1] for each in synonyms.of(word)]
    short = _frequent(sounds.abbreviated(letters), frequency)
    alternatives += [_alternative(word, ABBREVIATED, analysis, guess=True) for word in short]
    if not alternatives:
        return None
    return Concept(letters, (letters,), (_alternative(letters, 1.0, analysis), *alternatives))


def _misheard(
    question: Question, sounds: Sounds, frequency: Callable[[str], int]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Stretches of the query that hardly a document knows, each with the words that sound like it.

    Of two characters only where no word explains either of them.
    """
    for run in _HAN_RUN.findall(question.text):
        for length in _MISHEARD:
            for start in range(len(run) - length + 1):
                stretch = run[start : start + length]
                if length == 2 and not any(stretch in each for each in question.unknown):
                    continue
                least = max(1, MUCH_RARER * frequency(stretch))
                heard = [word for word in sounds.sounding_like(stretch) if frequency(word) >= least]
                if heard:
                    yield stretch, _frequent(heard, frequency)


def _frequent(words: Iterable[str], frequency: Callable[[str], int]) -> Sequence[str]:
    return sorted(words, key=lambda word: -frequency(word))[:MOST_WORDS]
