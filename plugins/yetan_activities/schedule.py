"""When an activity is: as planned, by the clock on the wall, and as it was held."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from yetan.api import current


def planned(on: date, starts_at: str, ends_at: str = "") -> tuple[datetime | None, datetime | None]:
    """The instants of a plan, in the city's zone: None for what it leaves open.

    An evening that ends before it starts by the clock ends on the next day.
    """
    start, end = _at(on, starts_at), _at(on, ends_at)
    if start is not None and end is not None and end <= start:
        end = _at(on + timedelta(days=1), ends_at)
    return start, end


def overrun(plan_end: datetime | None, closed_at: datetime | None) -> int:
    """By how many minutes it took longer than planned; 0 where it did not, or nobody said until when."""
    if plan_end is None or closed_at is None or closed_at <= plan_end:
        return 0
    return int((closed_at - plan_end).total_seconds()) // 60


def _at(on: date, clock: str) -> datetime | None:
    if not clock:
        return None
    return datetime.combine(on, time.fromisoformat(clock), current().configuration.city.zone)
