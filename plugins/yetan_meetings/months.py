"""Months of the calendar, as talks and the ledger count by them."""

from __future__ import annotations

from datetime import date, timedelta

from msgspec import Struct

from yetan.api import translate

#: How many months lists go back, the present one included.
_LISTED = 13


class Month(Struct, frozen=True):
    """A month in the deployment's time zone, by its first and last day."""

    first: date
    last: date

    @classmethod
    def of(cls, day: date) -> Month:
        """The month a day is in."""
        first = day.replace(day=1)
        return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))

    @property
    def name(self) -> str:
        """As in addresses and events, "2026-11"."""
        return f"{self.first:%Y-%m}"

    @property
    def label(self) -> str:
        """As people read it."""
        return translate("{year}年{month}月", year=self.first.year, month=self.first.month)

    def days_after(self, day: date) -> int:
        """How many days of it are left after `day`."""
        return (self.last - day).days

    @property
    def before(self) -> Month:
        """The month before."""
        return Month.of(self.first - timedelta(days=1))


def last_months(day: date) -> list[Month]:
    """The month a day is in and those a year back from it, the latest first."""
    months = [Month.of(day)]
    while len(months) < _LISTED:
        months.append(months[-1].before)
    return months
