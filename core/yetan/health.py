"""Whether a running city is well: what `yetan check` prints and /readyz summarises."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

from yetan.calendar import KNOWN_AHEAD
from yetan.events.models import Delivery
from yetan.issues.models import Issue
from yetan.plugins.declarations import Health
from yetan.publication.models import Publication, PublicIssue
from yetan.runtime import Runtime
from yetan.search import SearchUnavailable
from yetan.statistics.models import Counter
from yetan.units.models import Unit

#: A delivery that waits longer than this says that no worker is running.
_LATE = timedelta(minutes=5)
_FOOTER = ("organiser", "operator", "site_code", "icp", "police_record", "error_report")


async def checks(city: Runtime) -> list[Health]:
    """Every check, each with what to do where it fails."""
    return [line async for line in _checks(city)]


async def _checks(city: Runtime) -> AsyncIterator[Health]:
    units = await Unit.all().count()
    yield Health("units", units > 0, f"{units} units", "run `yetan import units units.csv`")
    unknown = sorted(
        {str(s) for s in await Issue.all().distinct().values_list("state", flat=True)} - set(city.registry.states)
    )
    yield Health(
        "states",
        not unknown,
        f"issues stand in undeclared states: {', '.join(unknown)}"
        if unknown
        else "every issue stands in a known state",
        "switch the plugin that declares them on again",
    )
    dead = await Delivery.filter(state="dead").count()
    yield Health(
        "dead deliveries",
        dead == 0,
        f"{dead} given up",
        "see why under 管理 > 通知重发, then `yetan events replay`",
    )
    late = await Delivery.filter(state="pending", due_at__lt=city.clock() - _LATE).count()
    yield Health(
        "late deliveries",
        late == 0,
        f"{late} wait longer than {_LATE}",
        "is a worker running? see `yetan serve`",
    )
    yield await _board(city)
    yield await _counters()
    yield await _index(city)
    yield _calendar(city)
    empty = [name for name in _FOOTER if not getattr(city.configuration.city, name)]
    yield Health(
        "footer",
        not empty,
        f"empty: {', '.join(empty)}" if empty else "complete",
        "fill them in under [city] in yetan.toml",
    )


async def _board(city: Runtime) -> Health:
    approved = {
        int(str(i))
        for i in await Publication.filter(subject_kind="issue", state="approved").values_list("subject_id", flat=True)
    }
    shown = {int(str(i)) for i in await PublicIssue.all().values_list("issue_id", flat=True)}
    wrong = len(approved ^ shown)
    return Health(
        "board",
        wrong == 0,
        f"{len(shown)} published, {wrong} differ",
        "run `yetan check` again once the worker has caught up",
    )


async def _counters() -> Health:
    counted: Tally[tuple[Any, ...]] = Tally()
    for keys in await PublicIssue.all().values_list("counted", flat=True):
        counted.update(tuple(key) for key in keys)
    kept = {
        (row["metric"], row["unit_id"], row["category_id"], row["period"]): row["value"]
        for row in await Counter.exclude(value=0).values("metric", "unit_id", "category_id", "period", "value")
    }
    wrong = sum(1 for key in set(counted) | set(kept) if counted.get(key, 0) != kept.get(key, 0))
    return Health(
        "figures", wrong == 0, f"{len(kept)} counters, {wrong} differ from the rows", "rebuild the projection"
    )


async def _index(city: Runtime) -> Health:
    if city.search is None:
        return Health("search index", True, "no engine is configured; searches go to the database")
    wanted = await Issue.all().count() + await PublicIssue.all().count()
    try:
        held = await city.search.count()
    except SearchUnavailable as error:
        return Health("search index", False, f"cannot be read: {error}", "run `yetan search rebuild`")
    return Health("search index", held >= wanted, f"{held} documents of {wanted}", "run `yetan search rebuild`")


def _calendar(city: Runtime) -> Health:
    today: date = city.calendar.local_date(city.clock())
    gaps = city.calendar.gaps(today, today + KNOWN_AHEAD)
    return Health(
        "calendar",
        not gaps,
        " ".join(gap.message for gap in gaps) or "holidays known for the next 60 days",
        "",
    )
