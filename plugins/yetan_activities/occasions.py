"""When an activity counts as held: where it was opened and closed, or where a record tells of it afterwards."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, Literal

from msgspec import Struct

from yetan_activities.models import Activity, Attendance


class Occasion(Struct, frozen=True):
    """An activity as months and years count it.

    held: it was opened and closed, or its day has come and there is something on record: a summary, how many residents
    came, or who. planned: its day is still to come, or it is going on. unrecorded: its day has passed, and nothing is
    known of it.
    """

    id: int
    kind: str
    unit_id: int
    date: date
    state: Literal["held", "planned", "unrecorded"]


async def occasions(
    kinds: Collection[str], units: Collection[int], since: date, until: date, day: date
) -> list[Occasion]:
    """The activities of these kinds and units from one day to another, as they stand on `day`, in their order.

    It takes four statements however many they are.
    """
    found = Activity.filter(kind__in=list(kinds), unit_id__in=list(units), date__gte=since, date__lte=until)
    afterwards = found.filter(opened_at__isnull=True, date__lte=day)
    there = Attendance.filter(
        present_at__isnull=False,
        activity__kind__in=list(kinds),
        activity__unit_id__in=list(units),
        activity__date__gte=since,
        activity__date__lte=min(until, day),
        activity__opened_at__isnull=True,
    )
    told = {
        *await afterwards.exclude(summary="").values_list("id", flat=True),
        *await afterwards.filter(stated_residents__gt=0).values_list("id", flat=True),
        *await there.distinct().values_list("activity_id", flat=True),
    }
    rows = await found.order_by("date", "id").values("id", "kind", "unit_id", "date", "opened_at", "closed_at")

    def state(row: dict[str, Any]) -> Literal["held", "planned", "unrecorded"]:
        if row["closed_at"] is not None or row["id"] in told:
            return "held"
        return "planned" if row["opened_at"] is not None or row["date"] >= day else "unrecorded"

    return [Occasion(row["id"], row["kind"], row["unit_id"], row["date"], state(row)) for row in rows]
