"""Working days, holidays and nights: the city's calendar, computed from data and never from the clock.

The State Council announces each year's holidays and make-up working days the autumn before. Announced
years come from the `chinesecalendar` package; later years and local days from a file the city keeps
(`load_calendar_days`). A year nobody has data for is counted Monday to Friday, and that is said aloud
(`CalendarGap`).
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import chinese_calendar
from msgspec import Struct

logger = logging.getLogger(__name__)

_ONE_DAY = timedelta(days=1)
_LIBRARY_YEARS = frozenset(day.year for day in chinese_calendar.holidays)

# Every year's announcement names these days; a file without them holds local days, not the announcement.
_ALWAYS_ANNOUNCED = ((1, 1), (5, 1), (10, 1))


#: How far ahead holidays should be known, so that no deadline is set into a year nobody has data for.
KNOWN_AHEAD = timedelta(days=60)


class CalendarGap(Struct, frozen=True):
    """A year whose holidays nobody has entered: counted Monday to Friday until somebody does."""

    year: int

    @property
    def message(self) -> str:
        """What to tell the people who run the city, in Chinese."""
        return (
            f"{self.year} 年的放假安排还没有数据，暂按周一至周五为工作日计算，遇节假日和调休时期限会算错。"
            f"请把国务院公布的 {self.year} 年放假调休表存为 calendar.csv"
            "（表头：日期,类型,名称；类型填“休”或“班”），其中须有元旦、劳动节和国庆节。"
        )


class WorkingCalendar:
    """Which days are worked in the city, and what instant a day's end is there.

    `time_zone` is the city's. `extra` maps a date to True (worked) or False (rest) and wins over what was
    announced. Before the local hour `night_ends_at` (0-23) a moment still belongs to the evening before.
    """

    def __init__(
        self, time_zone: ZoneInfo, extra: Mapping[date, bool] | None = None, *, night_ends_at: int = 6
    ) -> None:
        if not 0 <= night_ends_at <= 23:
            raise ValueError(f"night_ends_at is a local hour from 0 to 23, not {night_ends_at!r}.")
        self.time_zone = time_zone
        self._extra = dict(extra or {})
        self._night_ends_at = night_ends_at
        self._arranged_years = _LIBRARY_YEARS | {
            year
            for year in {day.year for day in self._extra}
            if all(date(year, month, day) in self._extra for month, day in _ALWAYS_ANNOUNCED)
        }
        self._logged_years: set[int] = set()

    def is_working_day(self, day: date) -> bool:
        """Whether `day` is worked: the city's own entry decides, else the announcement, else the weekday."""
        if day.year not in self._arranged_years:
            self._log(CalendarGap(day.year))
        if day in self._extra:
            return self._extra[day]
        if day in chinese_calendar.workdays:
            return True
        return day.weekday() < 5 and day not in chinese_calendar.holidays

    def next_working_day(self, day: date) -> date:
        """The first working day after `day`."""
        return self.add_working_days(day, 1)

    def add_working_days(self, day: date, count: int) -> date:
        """The `count`-th working day after `day` (before it when `count` is negative); 0 gives `day` itself.

        The day itself is never counted: something raised on Friday with one working day is due on Monday.
        """
        step = _ONE_DAY if count >= 0 else -_ONE_DAY
        for _ in range(abs(count)):
            day += step
            while not self.is_working_day(day):
                day += step
        return day

    def working_days_between(self, start: date, end: date) -> int:
        """How many working days lie after `start`, up to and including `end`; negative when `end` is earlier.

        The counterpart of `add_working_days`: added to `start`, it gives the last working day up to `end`.
        """
        if end < start:
            return -self.working_days_between(end, start)
        return sum(self.is_working_day(day) for day in _days(start + _ONE_DAY, end))

    def start_of_day(self, day: date) -> datetime:
        """The instant `day` begins in the city, as aware UTC."""
        return datetime.combine(day, time(), self.time_zone).astimezone(UTC)

    def end_of_day(self, day: date) -> datetime:
        """The instant a deadline on `day` runs out: 23:59:59 in the city, as aware UTC."""
        return datetime.combine(day, time(23, 59, 59), self.time_zone).astimezone(UTC)

    def local_date(self, moment: datetime) -> date:
        """The date in the city at `moment`; a naive `moment` raises ValueError."""
        return self._local(moment).date()

    def night_of(self, moment: datetime) -> date:
        """The date of the evening whose night `moment` is in: 01:30 on the 2nd is the night of the 1st."""
        local = self._local(moment)
        return local.date() - _ONE_DAY if local.hour < self._night_ends_at else local.date()

    def gaps(self, from_date: date, until_date: date) -> tuple[CalendarGap, ...]:
        """The years touched by `from_date` to `until_date` (both included) that nobody has data for."""
        gaps = tuple(
            CalendarGap(year) for year in range(from_date.year, until_date.year + 1) if year not in self._arranged_years
        )
        for gap in gaps:
            self._log(gap)
        return gaps

    def _local(self, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            raise ValueError(f"A moment needs a time zone, and {moment!r} has none.")
        return moment.astimezone(self.time_zone)

    def _log(self, gap: CalendarGap) -> None:
        if gap.year not in self._logged_years:
            self._logged_years.add(gap.year)
            logger.warning("%s", gap.message)


def _days(first: date, last: date) -> Iterator[date]:
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(ordinal)


class CalendarFileError(ValueError):
    """A calendar file cannot be used. `problems` are Chinese sentences, with line numbers."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__(f"日历文件 {path} 有 {len(problems)} 处问题：\n" + "\n".join(problems))


_COLUMNS = ("日期", "类型", "名称")
_WORKED = {"休": False, "班": True}
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")


def load_calendar_days(path: Path) -> dict[date, bool]:
    """The days of a calendar file: date to True (班, worked) or False (休, rest).

    The file is CSV with the headings 日期, 类型 and 名称, in UTF-8 or, as spreadsheets save it, GB18030.
    Raises CalendarFileError with all of its problems at once.
    """
    rows = list(_rows(path))
    if not rows:
        raise CalendarFileError(path, ("文件是空的。第一行应是表头：日期,类型,名称。",))
    (_, heading), *body = rows
    missing = [column for column in _COLUMNS[:2] if column not in heading]
    if missing:
        raise CalendarFileError(path, (f"第 1 行：表头缺少“{'”“'.join(missing)}”。第一行应是：日期,类型,名称。",))
    days: dict[date, bool] = {}
    first_line: dict[date, int] = {}
    problems: list[str] = []
    for line, cells in body:
        row = dict(zip(heading, cells, strict=False))
        day = _parse_date(row.get("日期", ""))
        worked = _WORKED.get(row.get("类型", ""))
        if day is None:
            problems.append(f"第 {line} 行：日期“{row.get('日期', '')}”看不懂或不存在，请写成 2027-01-01 的样子。")
        if worked is None:
            problems.append(f"第 {line} 行：类型“{row.get('类型', '')}”不对，只能填“休”或“班”。")
        if day is None or worked is None:
            continue
        if day in days:
            problems.append(f"第 {line} 行：{day} 在第 {first_line[day]} 行已经写过，请只留一行。")
            continue
        days[day] = worked
        first_line[day] = line
    if problems:
        raise CalendarFileError(path, tuple(problems))
    return days


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The file's rows that hold anything, stripped, each with the number of the line it ends on."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CalendarFileError(path, (f"文件读不出来（{error.strerror}），请检查路径和权限。",)) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise CalendarFileError(path, ("文件不是文本，请用“CSV UTF-8”格式另存。",)) from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise CalendarFileError(
            path, (f"第 {reader.line_num} 行：不是 CSV 表格，请用“CSV UTF-8”格式另存。",)
        ) from error


def _parse_date(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        return None
