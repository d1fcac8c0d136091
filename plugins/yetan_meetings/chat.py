"""Reading a chat group's discussion as people copy it out of their chat program: who said what, and when (002-A5).

Known are the ways in which WeChat puts copied messages, on computers and on phones, with and without dates:

    刘洋 2026/5/10 20:15            ————— 2026-05-10 —————          刘洋:
    三号楼的灯不亮                   刘洋  20:15                      三号楼的灯不亮
                                    三号楼的灯不亮
    2026-05-10 20:15:03 刘洋                                        刘洋：三号楼的灯不亮
    三号楼的灯不亮

A line that begins no message goes on with the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from msgspec import Struct

_DATE = r"(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*日?"
_WEEKDAY = r"(?:\s*(?:星期|周)[一二三四五六日天])?"
_TIME = r"(?P<part>凌晨|早上|上午|中午|下午|傍晚|晚上|[AaPp][Mm])?\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?"
_NAME = r"(?P<name>\S.{0,59}?)"
#: A line that says who speaks and when; what is said stands below.
_HEADS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^{_NAME}\s+{_DATE}{_WEEKDAY}\s+{_TIME}$",
        rf"^{_DATE}{_WEEKDAY}\s+{_TIME}\s+{_NAME}$",
        rf"^{_NAME}\s+{_TIME}$",
        rf"^\[?{_TIME}\]?\s+{_NAME}[:：]?$",
    )
)
#: A line that says when, for all below it.
_WHEN = re.compile(rf"^[—–\-=_\s]*{_DATE}{_WEEKDAY}(?:\s+{_TIME})?[—–\-=_\s]*$")
#: A line that says who speaks, and nothing or at once what.
_SPEAKER = re.compile(r"^(?P<name>[^\s:：][^:：]{0,29})[:：]\s*$")
_SPOKEN = re.compile(
    r"^(?P<name>(?!https?:)[^\s:：，。！？,.!?][^:：，。！？,.!?]{0,19})(?:(?<!\d)[:：]|[:：](?!\d))\s*(?P<text>\S.*)$"
)
_AFTERNOON = frozenset({"下午", "傍晚", "晚上", "pm"})


class SaidLine(Struct, frozen=True):
    """One message. `at` is local, without a zone, and None where the record does not say; `name` is "" likewise."""

    name: str
    text: str
    at: datetime | None = None


def read_chat(text: str, day: date) -> list[SaidLine]:
    """The messages of a copied discussion, in its order. Times without a date are of `day` until they pass midnight."""
    lines = [line.strip() for line in text.replace("\ufeff", "").replace("\u2005", " ").splitlines()]
    return _Reader(day, _head_reader([line for line in lines if line and not _WHEN.match(line)])).read(lines)


class _Begun(Struct, frozen=True):
    """A message that is being read: the line that began it, and what stands below it so far."""

    line: str
    name: str
    at: datetime | None
    texts: list[str]


_Head = tuple[str, "re.Match[str] | None", str]


def _head_reader(lines: list[str]) -> Callable[[str], _Head | None]:
    """What begins a message in this record: (name, its times or None, what is said on the same line)."""

    def timed(line: str) -> _Head | None:
        found = next(filter(None, (head.match(line) for head in _HEADS)), None)
        return (found["name"].strip(" :："), found, "") if found and _is_time(found) else None

    def speaker(line: str) -> _Head | None:
        found = _SPEAKER.match(line)
        return (found["name"], None, "") if found else None

    def spoken(line: str) -> _Head | None:
        found = _SPOKEN.match(line)
        return (found["name"].strip(), None, found["text"]) if found else None

    # A record is written in one way. What says most is asked first, so that "答复：明天来修" below a head stays a text.
    return next((each for each in (timed, speaker, spoken) if any(map(each, lines))), lambda line: ("", None, line))


class _Reader:
    """Goes through the lines of a record; knows whose message it is in and which day it is."""

    def __init__(self, day: date, head: Callable[[str], _Head | None]) -> None:
        self._day = day
        self._head = head
        #: Said for all below: the last line with a date, where it has a time.
        self._at: datetime | None = None
        self._last: time | None = None
        self._said: list[_Begun] = []

    def read(self, lines: list[str]) -> list[SaidLine]:
        """The messages of `lines`."""
        for line in lines:
            when = _WHEN.match(line)
            if when is not None and (day := _date(when)) is not None:
                self._day, self._last = day, None
                self._at = self._moment(when) if when["hour"] else None
                self._said.append(_Begun("", "", None, []))
            elif line and (head := self._head(line)) is not None:
                name, when, text = head
                at = self._moment(when) if when is not None else self._at
                self._said.append(_Begun(line, name, at, [text] if text else []))
            elif self._said:
                self._said[-1].texts.append(line)
            elif line:
                self._said.append(_Begun(line, "", None, [line]))
        # What looks like a head and has nothing below it was a text that ends in a time: nothing is lost.
        for before, begun in reversed(list(pairwise(self._said))):
            if begun.line and not "".join(begun.texts):
                before.texts.append(begun.line)
        read = (SaidLine(begun.name, "\n".join(begun.texts).strip(), begun.at) for begun in self._said)
        return [line for line in read if line.text]

    def _moment(self, when: re.Match[str]) -> datetime:
        known = when.groupdict()
        if known.get("year") and (day := _date(when)) is not None:
            self._day, self._last = day, None
        clock = _time(when)
        if self._last is not None and clock < self._last:
            self._day += timedelta(days=1)
        self._last = clock
        return datetime.combine(self._day, clock)


def _date(found: re.Match[str]) -> date | None:
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def _is_time(found: re.Match[str]) -> bool:
    in_day = int(found["hour"]) < 24 and int(found["minute"]) < 60
    return in_day and (not found.groupdict().get("year") or _date(found) is not None)


def _time(found: re.Match[str]) -> time:
    hour, part = int(found["hour"]) % 24, (found["part"] or "").lower()
    if part in _AFTERNOON and hour < 12:
        hour += 12
    if part in ("凌晨", "am", "晚上") and int(found["hour"]) == 12:
        hour = 0
    return time(hour, int(found["minute"]) % 60)
