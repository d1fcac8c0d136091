"""What others search: shown as a help, without a trace of who asked.

Counted is only what says nothing about anybody: a short text of Chinese characters, all of which stands, character by
character, in several published issues, and which is nobody's name. So no number, no address and no name that the board
does not show often is ever written down. Kept are the text, the week and how often; a visitor counts once a day, and
that is known only to the memory of the running process, under a key that ends with it.

Looking writes nothing (C16): what was searched is gathered in memory, and written every minute beside the pages.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import date, timedelta

from yetan.act import Act
from yetan.db.reading import read
from yetan.db.statements import execute
from yetan.people.models import Person
from yetan.publication.search import KIND as PUBLIC_ISSUE
from yetan.regularly import regularly
from yetan.runtime import Runtime, current
from yetan.search import PUBLIC_SCOPE, SearchQuery, SearchUnavailable
from yetan.searching.models import SearchedText

#: A text is counted when so many published issues hold all of it.
FEWEST_ISSUES = 5
#: It is shown when it was searched so many times, by visitors or on days that differ.
FEWEST_TIMES = 5
SHOWN = 8
WEEKS_SHOWN = 8
WEEKS_KEPT = 26
#: Seconds from one writing to the next. What a process that is killed had gathered since is lost, and missed by nobody.
PAUSE = 60.0
#: So many texts are gathered between two writings, and so many are known to be searched often, at most.
_MOST_GATHERED, _MOST_KNOWN = 500, 1000
_MOST_REMEMBERED = 20_000
_TEXT = re.compile("[㐀-鿿]{2,10}(?: [㐀-鿿]{2,10})?")


class _Tally:
    """What this process has to write, whom it has counted today, and what is searched often as it last read it."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)
        self.day: date | None = None
        self.counted: set[bytes] = set()
        self.times: Counter[str] = Counter()
        #: For which city, when (a monotonic clock), and the texts, most often first.
        self.often: tuple[Runtime, float, list[str]] | None = None


_tally = _Tally()


def count(act: Act, text: str, whole: int) -> None:
    """Count a search of the public by `act`, whose every word `whole` published issues hold."""
    words = " ".join(text.split())
    if whole < FEWEST_ISSUES or not _TEXT.fullmatch(words) or len(_tally.times) >= _MOST_GATHERED:
        return
    day = current().calendar.local_date(act.now)
    if _tally.day != day or len(_tally.counted) > _MOST_REMEMBERED:
        _tally.day, _tally.counted = day, set()
    visitor = hmac.new(_tally.key, f"{act.source}\x1f{words}".encode(), hashlib.sha256).digest()
    if visitor not in _tally.counted:
        _tally.counted.add(visitor)
        _tally.times[words] += 1


@asynccontextmanager
async def gathering() -> AsyncIterator[None]:
    """While the block runs, what was searched is written every minute, and at its end."""
    async with regularly("what was searched often", write, PAUSE):
        yield


async def write() -> None:
    """Write what was gathered, without what may say something about somebody, and forget what is old."""
    times, _tally.times = _tally.times, Counter()
    if not times:
        return
    day = current().calendar.local_date(current().clock())
    week = day - timedelta(days=day.weekday())
    for text in await _impersonal(times):
        await execute(
            "INSERT INTO yetan_searched_text (text, week, times) VALUES (?, ?, ?) "
            "ON CONFLICT (text, week) DO UPDATE SET times = yetan_searched_text.times + excluded.times",
            [text, _stored(week), times[text]],
        )
    await SearchedText.filter(week__lt=week - timedelta(weeks=WEEKS_KEPT)).delete()
    _tally.often = None


async def _impersonal(texts: Iterable[str]) -> list[str]:
    """Those that stand in several published issues as they were typed, and hold no name of anybody in the city.

    A search also finds words that sound alike, say the same or share characters: enough to be found, not to be shown.
    """
    words = {word for text in texts for word in text.split()}
    names = set(await Person.filter(name__in=sorted(words)).values_list("name", flat=True)) if words else set()
    return [text for text in sorted(texts) if names.isdisjoint(text.split()) and await _stands_in_several(text)]


async def _stands_in_several(text: str) -> bool:
    backend = current().search
    if backend is None:
        return False
    exactly = " ".join(f"“{word}”" for word in text.split())
    query = SearchQuery(exactly, frozenset({PUBLIC_SCOPE}), kinds=frozenset({PUBLIC_ISSUE}), limit=1)
    try:
        return (await backend.search(query)).whole >= FEWEST_ISSUES
    except SearchUnavailable:
        return False


async def popular(act: Act, start: str = "", limit: int = SHOWN) -> list[str]:
    """What was searched most of late, most often first; only what begins with `start`. Up to a minute old."""
    known = _tally.often
    if known is None or known[0] is not current() or time.monotonic() - known[1] > PAUSE:
        _tally.often = known = current(), time.monotonic(), await _searched_often(act)
    return [text for text in known[2] if text.startswith(start)][:limit]


async def _searched_often(act: Act) -> list[str]:
    since = current().calendar.local_date(act.now) - timedelta(weeks=WEEKS_SHOWN)
    rows = await read(
        "SELECT text FROM yetan_searched_text WHERE week >= ? GROUP BY text HAVING SUM(times) >= ? "
        "ORDER BY SUM(times) DESC, text LIMIT ?",
        [_stored(since), FEWEST_TIMES, _MOST_KNOWN],
    )
    return [row["text"] for row in rows]


def _stored(day: date) -> object:
    return SearchedText._meta.fields_map["week"].to_db_value(day, SearchedText)
