"""Working days, nights and deadlines, against the announced arrangements of known years."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yetan.calendar import CalendarFileError, CalendarGap, WorkingCalendar, load_calendar_days

SHANGHAI = ZoneInfo("Asia/Shanghai")


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.fixture
def calendar() -> WorkingCalendar:
    return WorkingCalendar(SHANGHAI)


@pytest.mark.parametrize(
    ("text", "worked"),
    [
        ("2026-02-13", True),  # Friday before the Spring Festival
        ("2026-02-14", True),  # Saturday made up
        ("2026-02-15", False),
        ("2026-02-17", False),  # New Year's Day of the lunar year
        ("2026-02-23", False),  # Monday, last day of the festival
        ("2026-02-24", True),
        ("2026-02-28", True),  # Saturday made up
        ("2026-03-01", False),  # an ordinary Sunday
        ("2025-10-08", False),
        ("2025-10-11", True),  # Saturday made up
        ("2024-02-09", True),  # New Year's Eve was not a holiday in 2024
    ],
)
def test_announced_days(calendar: WorkingCalendar, text: str, worked: bool) -> None:
    assert calendar.is_working_day(day(text)) is worked


@pytest.mark.parametrize(
    ("start", "count", "due"),
    [
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-13", 2, "2026-02-24"),
        ("2026-01-30", 1, "2026-02-02"),  # over a month's end and a weekend
        ("2025-12-31", 1, "2026-01-04"),  # a Sunday made up
        ("2026-02-24", -1, "2026-02-14"),
        ("2026-02-17", 0, "2026-02-17"),
        ("2024-02-28", 1, "2024-02-29"),
    ],
)
def test_adding_working_days(calendar: WorkingCalendar, start: str, count: int, due: str) -> None:
    assert calendar.add_working_days(day(start), count) == day(due)


def test_next_working_day(calendar: WorkingCalendar) -> None:
    assert calendar.next_working_day(day("2026-09-30")) == day("2026-10-08")


def test_working_days_between_counts_the_last_day_and_not_the_first(calendar: WorkingCalendar) -> None:
    assert calendar.working_days_between(day("2026-02-13"), day("2026-02-24")) == 2
    assert calendar.working_days_between(day("2026-02-24"), day("2026-02-13")) == -2
    assert calendar.working_days_between(day("2026-02-13"), day("2026-02-13")) == 0


@settings(deadline=None)
@given(
    start=st.dates(min_value=date(2005, 1, 1), max_value=date(2025, 1, 1)),
    count=st.integers(min_value=-250, max_value=250),
)
def test_between_undoes_adding(start: date, count: int) -> None:
    calendar = WorkingCalendar(SHANGHAI)
    end = calendar.add_working_days(start, count)
    days = calendar.working_days_between(start, end)
    # Backwards from a working day, that day itself lies inside the span and the earliest one does not.
    assert days == count if count >= 0 else count <= days <= count + 1 + (not calendar.is_working_day(start))


def test_a_deadline_runs_out_at_the_citys_midnight_and_not_at_utc(calendar: WorkingCalendar) -> None:
    deadline = calendar.end_of_day(day("2026-05-08"))
    assert deadline == datetime(2026, 5, 8, 15, 59, 59, tzinfo=UTC)
    assert deadline.tzinfo is UTC
    assert calendar.local_date(deadline) == day("2026-05-08")
    assert calendar.local_date(deadline + timedelta(seconds=1)) == day("2026-05-09")


def test_a_day_begins_at_the_city_s_midnight(calendar: WorkingCalendar) -> None:
    begins = calendar.start_of_day(day("2026-05-08"))
    assert begins == datetime(2026, 5, 7, 16, 0, tzinfo=UTC)
    assert calendar.local_date(begins - timedelta(seconds=1)) == day("2026-05-07")


def test_the_local_date_runs_ahead_of_utc_in_the_evening(calendar: WorkingCalendar) -> None:
    assert calendar.local_date(datetime(2026, 12, 31, 16, 0, tzinfo=UTC)) == day("2027-01-01")


@pytest.mark.parametrize(
    ("utc", "night"),
    [
        ("2026-04-10T11:30", "2026-04-10"),  # 19:30
        ("2026-04-10T15:59", "2026-04-10"),  # 23:59
        ("2026-04-10T17:30", "2026-04-10"),  # 01:30 the next morning
        ("2026-04-10T21:59", "2026-04-10"),  # 05:59
        ("2026-04-10T22:00", "2026-04-11"),  # 06:00
        ("2026-12-31T18:00", "2026-12-31"),  # 02:00 on New Year's Day
    ],
)
def test_a_night_belongs_to_its_evening(calendar: WorkingCalendar, utc: str, night: str) -> None:
    assert calendar.night_of(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == day(night)


def test_the_hour_a_night_ends_is_configurable() -> None:
    calendar = WorkingCalendar(SHANGHAI, night_ends_at=0)
    assert calendar.night_of(datetime(2026, 4, 10, 16, 0, tzinfo=UTC)) == day("2026-04-11")
    with pytest.raises(ValueError, match="night_ends_at"):
        WorkingCalendar(SHANGHAI, night_ends_at=24)


def test_a_naive_moment_is_a_programming_error(calendar: WorkingCalendar) -> None:
    with pytest.raises(ValueError, match="time zone"):
        calendar.local_date(datetime(2026, 4, 10))
    with pytest.raises(ValueError, match="time zone"):
        calendar.night_of(datetime(2026, 4, 10))


def test_the_citys_own_days_win_over_the_announced_ones() -> None:
    calendar = WorkingCalendar(SHANGHAI, {day("2026-02-14"): False, day("2026-03-01"): True})
    assert not calendar.is_working_day(day("2026-02-14"))
    assert calendar.is_working_day(day("2026-03-01"))


YEAR_2027 = {
    day("2027-01-01"): False,
    day("2027-05-01"): False,
    day("2027-10-01"): False,
    day("2027-10-09"): True,
}


def test_a_year_without_data_is_counted_monday_to_friday_and_said_once(
    calendar: WorkingCalendar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert calendar.gaps(day("2025-06-01"), day("2026-12-31")) == ()
    assert caplog.records == []
    assert calendar.is_working_day(day("2027-10-01"))  # a Friday: nobody has told us better
    assert not calendar.is_working_day(day("2027-10-02"))
    assert calendar.gaps(day("2026-12-01"), day("2028-01-01")) == (CalendarGap(2027), CalendarGap(2028))
    calendar.add_working_days(day("2026-12-31"), 300)
    assert [record.getMessage()[:20] for record in caplog.records] == [
        "2027 年的放假安排还没有数据，暂按周",
        "2028 年的放假安排还没有数据，暂按周",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "calendar.csv" in CalendarGap(2027).message


def test_a_file_with_the_years_arrangement_closes_the_gap() -> None:
    calendar = WorkingCalendar(SHANGHAI, YEAR_2027)
    assert calendar.gaps(day("2027-01-01"), day("2027-12-31")) == ()
    assert not calendar.is_working_day(day("2027-10-01"))
    assert calendar.is_working_day(day("2027-10-09"))


def test_one_local_day_is_not_the_years_arrangement() -> None:
    calendar = WorkingCalendar(SHANGHAI, {day("2027-03-08"): False})
    assert calendar.gaps(day("2027-01-01"), day("2027-12-31")) == (CalendarGap(2027),)
    assert not calendar.is_working_day(day("2027-03-08"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_loading_a_calendar_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "calendar.csv"
    lines = ["日期,类型,名称", "2027-01-01,休,元旦", "2027/5/1, 休 ,劳动节", ",,", "2027年10月9日,班,调休"]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    assert load_calendar_days(path) == {
        day("2027-01-01"): False,
        day("2027-05-01"): False,
        day("2027-10-09"): True,
    }


def test_all_problems_of_a_file_come_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "calendar.csv"
    path.write_text(
        "日期,类型,名称\n2027-02-30,休,不存在\n2027-03-01,放假,写错\n元旦,班\n2027-04-05,休,清明\n\n2027-04-05,班,又一次\n"
    )
    with pytest.raises(CalendarFileError) as caught:
        load_calendar_days(path)
    assert [problem[:5] for problem in caught.value.problems] == ["第 2 行", "第 3 行", "第 4 行", "第 7 行"]
    assert "2027-02-30" in caught.value.problems[0]
    assert "放假" in caught.value.problems[1]
    assert "第 5 行已经写过" in caught.value.problems[3]
    assert "4 处问题" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "空的"),
        ("日子,类型\n".encode(), "缺少“日期”"),
        (b"\xff\xfe\x00\xff", "CSV UTF-8"),
        ('日期,类型,名称\n"2027-01-01,休,没有合上'.encode() + b"x" * 200_000, "CSV UTF-8"),
    ],
)
def test_files_that_are_not_calendars(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "calendar.csv"
    path.write_bytes(content)
    with pytest.raises(CalendarFileError, match=said):
        load_calendar_days(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CalendarFileError, match="读不出来"):
        load_calendar_days(tmp_path / "calendar.csv")
