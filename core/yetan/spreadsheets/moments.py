"""Dates and times as people write them in tables."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from msgspec import Struct

from yetan.spreadsheets.table import Cell, cell_line, shorten

#: Earlier dates in a town's table are slips of the pen or numbers that are no dates.
EARLIEST_YEAR = 1980

_LONGEST_WRITTEN = 60
_WEEKDAY = re.compile(r"\(?(?:星期|周|礼拜)[一二三四五六日天]\)?")
_WRITTEN = re.compile(
    r"(?P<year>\d{4})\s?[-/.年]\s?(?P<month>\d{1,2})\s?[-/.月]\s?(?P<day>\d{1,2})\s?[日号]?"
    r"(?:[T ]?(?P<half>上午|中午|下午|晚上|凌晨)? ?(?P<hour>\d{1,2})[:时点](?P<minute>\d{1,2})?分?"
    r"(?::?(?P<second>\d{1,2})(?:\.\d{1,9})?秒?)? ?(?P<offset>Z|[+-]\d\d:?\d\d)?)?",
    re.IGNORECASE,
)
_COMPACT = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)(?:(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?)?"
)
#: Hours below these are meant after noon: 下午3时 is 15, 中午12时 is 12, 中午1时 is 13, 中午11时 is 11.
_AFTERNOON_UNTIL = {"下午": 12, "晚上": 12, "中午": 11}
_SERIAL = re.compile(r"\d{5}(?:\.\d{1,15})?")


class Moment(Struct, frozen=True):
    """An instant (aware, UTC) and how exactly it was told: "day", "minute" or "second"."""

    at: datetime
    precision: str

    def before(self, other: Moment, time_zone: tzinfo) -> bool:
        """Whether this is surely earlier than `other`, compared no finer than both were told."""
        precisions = {self.precision, other.precision}
        if "day" in precisions:
            return self.at.astimezone(time_zone).date() < other.at.astimezone(time_zone).date()
        if "minute" in precisions:
            return self.at.replace(second=0) < other.at.replace(second=0)
        return self.at < other.at


def read_moment(cell: Cell, time_zone: tzinfo) -> Moment | None:
    """The moment a cell tells, in the local time `time_zone`; None where it is blank.

    Takes Excel's dates and serial numbers, 2019/4/25 9:32:09, 2019-04-25 09:32, 2019.4.25, 20190425,
    2019年4月25日 上午9时32分, and ISO 8601 with an offset. Midnight to the second is read as a date without a
    time: systems that export dates write it, and a message of that very second loses nothing but precision.
    Raises ValueError with a Chinese sentence for what cannot be read and for what cannot be.
    """
    if isinstance(cell, datetime):
        return _moment(_rounded(cell), second_told=False, time_zone=time_zone)
    if isinstance(cell, date):
        return _moment(datetime.combine(cell, time()), second_told=False, time_zone=time_zone)
    written = cell_line(cell)
    if not written:
        return None
    if len(written) <= _LONGEST_WRITTEN:
        written = " ".join(_WEEKDAY.sub(" ", unicodedata.normalize("NFKC", written)).split())
    if _SERIAL.fullmatch(written):
        from openpyxl.utils.datetime import from_excel

        serial = from_excel(float(written))
        if isinstance(serial, datetime):
            return _moment(_rounded(serial), second_told=False, time_zone=time_zone)
    match = _WRITTEN.fullmatch(written) or _COMPACT.fullmatch(written)
    if match is None:
        raise ValueError(f"“{shorten(cell)}”认不出是什么时间，请写成 2024-04-25 或 2024-04-25 09:30")
    parts = match.groupdict()
    hour = int(parts["hour"] or 0)
    if hour < _AFTERNOON_UNTIL.get(parts.get("half") or "", 0):
        hour += 12
    try:
        day = date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
        local = datetime.combine(day, time(hour, int(parts["minute"] or 0), int(parts["second"] or 0)))
    except ValueError:
        raise ValueError(f"“{shorten(cell)}”不是真实存在的日期或时间，请核对") from None
    if offset := parts.get("offset"):
        local = datetime.fromisoformat(f"{local.isoformat()}{offset.upper()}")
    return _moment(local, second_told=parts["second"] is not None, time_zone=time_zone)


def _rounded(moment: datetime) -> datetime:
    """Excel stores fractions of a day, which come back some microseconds off."""
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)


def _moment(local: datetime, *, second_told: bool, time_zone: tzinfo) -> Moment:
    if local.year < EARLIEST_YEAR:
        raise ValueError(f"“{local.date().isoformat()}”早于 {EARLIEST_YEAR} 年，请核对")
    if local.tzinfo is None:
        precision = "second" if second_told or local.second else "minute"
        if (local.hour, local.minute, local.second) == (0, 0, 0):
            precision = "day"
        local = local.replace(tzinfo=time_zone)
    else:
        precision = "second" if second_told else "minute"
    try:
        return Moment(local.astimezone(UTC), precision)
    except OverflowError:
        raise ValueError(f"“{local.date().isoformat()}”超出了能记的时间，请核对") from None
