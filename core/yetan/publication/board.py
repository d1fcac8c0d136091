"""The board: what is read for it, from the projection and its counters alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tortoise.functions import Count

from yetan.issues.lifecycle import state_of
from yetan.issues.models import Category
from yetan.publication.listing import ListedIssue, listed, span_of, states_in
from yetan.publication.models import PublicIssue
from yetan.runtime import current
from yetan.statistics.models import Counter
from yetan.statistics.service import RAISED, STRUCK_OFF, SUGGESTED, by_category, by_unit, month_of
from yetan.units.models import Unit

#: A unit or category with fewer issues than this is not ranked: a share of so few says nothing.
FEWEST = 5
#: How many are shown of each kind.
SHOWN = 6


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the city's calendar."""

    year: int
    month: int

    @property
    def period(self) -> str:
        """As the counters have it: "2026-11"."""
        return f"{self.year}-{self.month:02d}"


@dataclass(frozen=True, slots=True)
class Lamps:
    """How many issues of a month stand in a group of states (one of `listing.STATE_GROUPS`)."""

    group: str
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """Struck off of all published, for a unit or a category."""

    key: str
    label: str
    struck_off: int
    total: int


async def month_shown(now: datetime) -> Month:
    """The present month; as long as nothing was raised in it, the last one in which something was."""
    local = now.astimezone(current().configuration.city.zone)
    month = Month(local.year, local.month)
    span = span_of(month.year, month.month)
    assert span is not None
    if await PublicIssue.filter(raised_at__gte=span[0]).exists():
        return month
    latest = await PublicIssue.all().order_by("-raised_at", "-issue_id").first()
    if latest is None:
        return month
    year, _, number = month_of(latest.raised_at).partition("-")
    return Month(int(year), int(number))


async def street(month: Month, now: datetime) -> list[Lamps]:
    """The problems raised in a month by where they stand, the lit ones first; suggestions count apart (003-06)."""
    span = span_of(month.year, month.month)
    assert span is not None
    raised = PublicIssue.filter(raised_at__gte=span[0], raised_at__lt=span[1]).exclude(kind="suggestion")
    counts = dict.fromkeys(("closed_good", "awaiting", "open", "late", "closed"), 0)
    for name, count in await raised.annotate(count=Count("issue_id")).group_by("state").values_list("state", "count"):
        counts[state_of(str(name)).category] += int(str(count))
    counts["late"] = await raised.filter(state__in=states_in("late"), deadline__lt=now).count()
    counts["open"] -= counts["late"]
    return [Lamps(group, count) for group, count in counts.items() if count or group != "closed"]


async def latest_struck_off(limit: int = SHOWN) -> list[ListedIssue]:
    """The issues whose lamp was lit last."""
    states = states_in("closed_good")
    return await listed(
        f"FROM yetan_public_issue issue WHERE struck_off_at IS NOT NULL AND state IN ({', '.join('?' * len(states))}) "
        "ORDER BY struck_off_at DESC, issue_id DESC LIMIT ?",
        [*states, limit],
    )


async def latest_raised(limit: int = SHOWN) -> Sequence[ListedIssue]:
    """The issues raised last."""
    return await listed("FROM yetan_public_issue issue ORDER BY raised_at DESC, issue_id DESC LIMIT ?", [limit])


async def shares_by_kind_of_unit() -> list[tuple[str, list[Share]]]:
    """Like with like: for each kind of unit where residents raise issues, its label and the units, best first."""
    kinds = current().configuration.unit_kinds
    ranked: list[tuple[str, list[Share]]] = []
    for name, kind in kinds.items():
        if not kind.raises:
            continue
        units = await Unit.filter(kind=name, active=True).order_by("position", "id")
        figures = await by_unit([unit.id for unit in units])
        shares = _ranked([_share(unit.code, unit.name, figures[unit.id]) for unit in units])
        if shares:
            ranked.append((kind.label, shares))
    return ranked


async def shares_by_category(unit_id: int) -> list[Share]:
    """The top categories with issues enough to compare, the one with most first."""
    names = dict(await Category.filter(level=1).values_list("id", "name"))
    figures = await by_category(unit_id)
    shares = [_share(str(each), names[each], figures[each]) for each in figures if each in names]
    return sorted((share for share in shares if share.total >= FEWEST), key=lambda share: -share.total)


def _share(key: str, label: str, figures: dict[str, int]) -> Share:
    return Share(key, label, figures[STRUCK_OFF.name], figures[RAISED.name] + figures[SUGGESTED.name])


def _ranked(shares: Sequence[Share]) -> list[Share]:
    enough = [share for share in shares if share.total >= FEWEST]
    return sorted(enough, key=lambda share: (-share.struck_off / share.total, -share.total))[:SHOWN]


async def months_of(unit_id: int, now: datetime, count: int = 12) -> list[tuple[Month, dict[str, int]]]:
    """Every figure of the last `count` months in which a unit had any, the present first."""
    earliest = month_of(now - timedelta(days=3660))
    periods: dict[str, dict[str, int]] = {}
    rows = Counter.filter(unit_id=unit_id, category_id=0, period__gte=earliest).order_by("-period")
    for row in await rows.values("period", "metric", "value"):
        if row["value"]:
            periods.setdefault(row["period"], {})[row["metric"]] = row["value"]
    known = current().registry.metrics
    return [
        (Month(int(period[:4]), int(period[5:])), dict.fromkeys(known, 0) | periods[period])
        for period in sorted(periods, reverse=True)[:count]
    ]
