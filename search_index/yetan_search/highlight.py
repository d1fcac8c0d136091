"""Marking a query's terms in a text, and choosing the passage to show. The same for every engine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from yetan_search.analysis import Question, fold

_ELLIPSIS = "…"
_RUN = re.compile("[0-9a-z]{2}")


def highlight(
    text: str, question: Question, *, also: Iterable[str] = (), length: int = 160
) -> tuple[tuple[str, bool], ...]:
    """`text` in runs of (characters, matched), cut to about `length` characters around the best match.

    Words and pairs of the query are marked, and what says the same (`also`); single characters only where none of
    those occurs. The passage is the one with most different terms, then with most marked. `length=0` keeps the whole
    text.
    """
    folded = fold(text)
    asked = (*question.words, *question.chunks, *question.pairs, *question.numbers, *question.quoted)
    matches = _matches(folded, (*asked, *also)) or _matches(folded, question.characters)
    start, end = _passage(matches, len(text), length)
    runs: list[tuple[str, bool]] = []
    if start > 0:
        runs.append((_ELLIPSIS, False))
    position = start
    for first, last in _joined(matches, start, end):
        if position < first:
            runs.append((text[position:first], False))
        runs.append((text[first:last], True))
        position = last
    if position < end:
        runs.append((text[position:end], False))
    if end < len(text):
        runs.append((_ELLIPSIS, False))
    return tuple(runs)


def _matches(folded: str, terms: Iterable[str]) -> list[tuple[int, str]]:
    """Where each term stands, in the order of the text."""
    matches = []
    for term in set(terms):
        start = folded.find(term)
        while start >= 0:
            if _is_whole(folded, start, start + len(term)):
                matches.append((start, term))
            start = folded.find(term, start + 1)
    return sorted(matches)


def _is_whole(folded: str, start: int, end: int) -> bool:
    """Whether the stretch cuts no run of letters and digits: "12" is no part of "312"."""
    return not (_RUN.match(folded[max(start - 1, 0) : start + 1]) or _RUN.match(folded[end - 1 : end + 1]))


def _passage(matches: list[tuple[int, str]], size: int, length: int) -> tuple[int, int]:
    """Start and end of the passage of `length` characters with most different terms, then most matches."""
    if not length or size <= length:
        return 0, size
    best = (0, 0)
    passage = (0, 0)
    inside: Counter[str] = Counter()
    last = 0
    for index, (start, term) in enumerate(matches):
        while last < len(matches) and matches[last][0] + len(matches[last][1]) <= start + length:
            inside[matches[last][1]] += 1
            last += 1
        if (value := (len(inside), last - index)) > best:
            best, passage = value, (start, matches[last - 1][0] + len(matches[last - 1][1]))
        inside[term] -= 1
        if inside[term] <= 0:
            del inside[term]
        last = max(last, index + 1)
    margin = length - (passage[1] - passage[0])
    start = min(max(passage[0] - margin // 2, 0), size - length)
    return start, start + length


def _joined(matches: list[tuple[int, str]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """The marked stretches between `start` and `end`: matches that overlap or touch are one."""
    stretch: tuple[int, int] | None = None
    for position, term in matches:
        first, last = max(position, start), min(position + len(term), end)
        if first >= last:
            continue
        if stretch and first <= stretch[1]:
            stretch = stretch[0], max(stretch[1], last)
            continue
        if stretch:
            yield stretch
        stretch = first, last
    if stretch:
        yield stretch
