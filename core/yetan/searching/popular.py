"""What others search: shown as a help, without a trace of who asked.

Counted is only what says nothing about anybody: a short text of Chinese characters, all of which stands in
several published issues. So no number, no address and no name that the board does not show often is ever
written down. Kept are the text, the week and how often; a visitor counts once a day, and that is known only to
the memory of the running process, under a key that ends with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import Counter
from datetime import date, timedelta

from yetan.act import Act
from yetan.db.statements import execute
from yetan.runtime import current
from yetan.searching.models import SearchedText

#: A text is counted when so many published issues hold all of it.
FEWEST_ISSUES = 5
#: It is shown when it was searched so many times, by visitors or on days that differ.
FEWEST_TIMES = 5
SHOWN = 8
WEEKS_SHOWN = 8
WEEKS_KEPT = 26
#: So many searches, or so many seconds, are gathered before they are written.
_GATHERED = 20
_SECONDS = 60
_MOST_REMEMBERED = 20_000
_TEXT = re.compile("[㐀-鿿]{2,10}(?: [㐀-鿿]{2,10})?")


class _Tally:
    """What this process has to write, and whom it has counted today."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)
        self.day: date | None = None
        self.counted: set[bytes] = set()
        self.times: Counter[str] = Counter()
        self.written_at = 0.0


_tally = _Tally()


async def count(act: Act, text: str, whole: int) -> None:
    """Count a search of the public by `act`, whose every word `whole` published issues hold."""
    words = " ".join(text.split())
    if whole < FEWEST_ISSUES or not _TEXT.fullmatch(words):
        return
    day = current().calendar.local_date(act.now)
    if _tally.day != day or len(_tally.counted) > _MOST_REMEMBERED:
        _tally.day, _tally.counted = day, set()
    visitor = hmac.new(_tally.key, f"{act.source}\x1f{words}".encode(), hashlib.sha256).digest()
    if visitor in _tally.counted:
        return
    _tally.counted.add(visitor)
    _tally.times[words] += 1
    if sum(_tally.times.values()) >= _GATHERED or act.now.timestamp() - _tally.written_at > _SECONDS:
        _tally.written_at = act.now.timestamp()
        await write(day)


async def write(day: date) -> None:
    """Write what was gathered into the week of `day`, and forget what is old."""
    times, _tally.times = _tally.times, Counter()
    week = day - timedelta(days=day.weekday())
    for text, more in sorted(times.items()):
        await execute(
            "INSERT INTO yetan_searched_text (text, week, times) VALUES (?, ?, ?) "
            "ON CONFLICT (text, week) DO UPDATE SET times = yetan_searched_text.times + excluded.times",
            [text, _stored(week), more],
        )
    await SearchedText.filter(week__lt=week - timedelta(weeks=WEEKS_KEPT)).delete()


async def popular(act: Act, start: str = "", limit: int = SHOWN) -> list[str]:
    """What was searched most of late, most often first; only what begins with `start`."""
    since = current().calendar.local_date(act.now) - timedelta(weeks=WEEKS_SHOWN)
    times: Counter[str] = Counter()
    for row in await SearchedText.filter(week__gte=since, text__startswith=start).values("text", "times"):
        times[row["text"]] += row["times"]
    often = [text for text, count in times.items() if count >= FEWEST_TIMES]
    return sorted(often, key=lambda text: (-times[text], text))[:limit]


def _stored(day: date) -> object:
    return SearchedText._meta.fields_map["week"].to_db_value(day, SearchedText)
