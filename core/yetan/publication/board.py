"""The board: what is read for it, from the projection and its counters alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from yetan.db.reading import moment, read, stored
from yetan.db.remembering import remembered
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Category
from yetan.publication.listing import WITHIN, ListedIssue, listed, span_of, states_in
from yetan.publication.models import PublicIssue
from yetan.runtime import current
from yetan.statistics.service import RAISED, STRUCK_OFF, SUGGESTED, by_category, by_unit, month_of
from yetan.units.models import Unit

#: A unit or category with fewer issues than this is not ranked: a share of so few says nothing.
FEWEST = 5
#: How many are shown of each kind; how many in pictures, and among how many of the last ones these are looked for.
SHOWN, REPAIRS, LOOKED_THROUGH = 6, 3, 30


class Month(Struct, frozen=True):
    """A month of the city's calendar."""

    year: int
    month: int

    @property
    def period(self) -> str:
        """As the counters have it: "2026-11"."""
        return f"{self.year}-{self.month:02d}"


class Lamps(Struct, frozen=True):
    """How many issues of a month stand in a group of states (one of `listing.STATE_GROUPS`)."""

    group: str
    count: int


class Share(Struct, frozen=True):
    """Struck off of all published, for a unit or a category."""

    key: str
    label: str
    struck_off: int
    total: int


async def month_shown(now: datetime) -> Month:
    """The present month; as long as nothing was raised in it, the last one in which something was."""
    latest = await _latest_month()
    present = _month(month_of(now))
    return present if latest is None or present.period <= latest.period else latest


@remembered
async def _latest_month() -> Month | None:
    rows = await read("SELECT raised_at FROM yetan_public_issue ORDER BY raised_at DESC, issue_id DESC LIMIT 1")
    latest = moment(rows[0]["raised_at"]) if rows else None
    return _month(month_of(latest)) if latest else None


@remembered
async def street(month: Month, unit: int | None = None) -> tuple[Lamps, ...]:
    """The problems raised in a month by where they stand now, the lit ones first; suggestions count apart (003-06).

    Those of the city, or of a unit with all below it.
    """
    span = span_of(month.year, month.month)
    within, of_unit = (f"AND {WITHIN} ", (unit,)) if unit is not None else ("", ())
    rows = await read(
        "SELECT state, count(*) AS count, sum(CASE WHEN deadline < ? THEN 1 ELSE 0 END) AS due "  # noqa: S608 - our own
        "FROM yetan_public_issue issue WHERE raised_at >= ? AND raised_at < ? AND kind <> 'suggestion' "
        f"{within}GROUP BY state",
        [current().clock(), *(span or ()), *of_unit],
    )
    counts = dict.fromkeys(("closed_good", "awaiting", "open", "late", "closed"), 0)
    for row in rows:
        category = state_of(row["state"]).category
        late = row["due"] if category == "open" else 0
        counts[category] += row["count"] - late
        counts["late"] += late
    return tuple(Lamps(group, count) for group, count in counts.items() if count or group != "closed")


@remembered
async def latest_struck_off(unit: int | None = None) -> Sequence[ListedIssue]:
    """The issues whose lamp was lit last; in the city, or in a unit with all below it."""
    states = states_in("closed_good")
    within, of_unit = (f"AND {WITHIN} ", (unit,)) if unit is not None else ("", ())
    # The state said so that no index answers it: by its state most of the city would be sought, and then sorted.
    return await listed(
        "FROM yetan_public_issue issue "
        f"WHERE struck_off_at IS NOT NULL AND state || '' IN ({', '.join('?' * len(states))}) "
        f"{within}ORDER BY struck_off_at DESC, issue_id DESC LIMIT ?",
        [*states, *of_unit, SHOWN],
    )


@remembered
async def latest_repairs() -> Sequence[PublicIssue]:
    """The newest of the issues struck off last of which there are approved photos from before and after."""
    states = states_in("closed_good")
    rows = await read(
        "SELECT * FROM (SELECT * FROM yetan_public_issue WHERE struck_off_at IS NOT NULL "  # noqa: S608 - our own
        f"AND state || '' IN ({', '.join('?' * len(states))}) ORDER BY struck_off_at DESC, issue_id DESC LIMIT ?"
        ") AS latest WHERE photos <> '[]' ORDER BY struck_off_at DESC, issue_id DESC",
        [*states, LOOKED_THROUGH],
    )
    repaired = [row for row in (stored(PublicIssue, each) for each in rows) if seen_repaired(row)]
    return repaired[:REPAIRS]


def seen_repaired(row: PublicIssue) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The first photo of the damage and the last of what became of it, or None."""
    before = [photo for photo in row.photos if photo["stage"] == "before"]
    after = [photo for photo in row.photos if photo["stage"] == "after"]
    return (before[0], after[-1]) if before and after else None


@remembered
async def latest_raised() -> Sequence[ListedIssue]:
    """The issues raised last."""
    return await listed("FROM yetan_public_issue issue ORDER BY raised_at DESC, issue_id DESC LIMIT ?", [SHOWN])


@remembered
async def shares_by_kind_of_unit() -> tuple[tuple[str, tuple[Share, ...]], ...]:
    """Like with like: for each kind of unit where residents raise issues, its label and the units, best first."""
    kinds = current().configuration.unit_kinds
    ranked: list[tuple[str, tuple[Share, ...]]] = []
    for name, kind in kinds.items():
        if not kind.raises:
            continue
        units = await Unit.filter(kind=name, active=True).order_by("position", "id")
        figures = await by_unit([unit.id for unit in units])
        shares = _ranked([_share(unit.code, unit.name, figures[unit.id]) for unit in units])
        if shares:
            ranked.append((kind.label, shares))
    return tuple(ranked)


@remembered
async def shares_by_category(unit_id: int) -> tuple[Share, ...]:
    """The top categories with issues enough to compare, the one with most first."""
    names = dict(await Category.filter(level=1).values_list("id", "name"))
    figures = await by_category(unit_id)
    shares = [_share(str(each), names[each], figures[each]) for each in figures if each in names]
    return tuple(sorted((share for share in shares if share.total >= FEWEST), key=lambda share: -share.total))


def _share(key: str, label: str, figures: dict[str, int]) -> Share:
    return Share(key, label, figures[STRUCK_OFF.name], figures[RAISED.name] + figures[SUGGESTED.name])


def _ranked(shares: Sequence[Share]) -> tuple[Share, ...]:
    enough = [share for share in shares if share.total >= FEWEST]
    return tuple(sorted(enough, key=lambda share: (-share.struck_off / share.total, -share.total))[:SHOWN])


async def months_of(unit_id: int, now: datetime, count: int = 12) -> list[tuple[Month, dict[str, int]]]:
    """Every figure of the last `count` months in which a unit had any, the present first."""
    periods = await _periods_of(unit_id, month_of(now - timedelta(days=3660)))
    known = current().registry.metrics
    return [
        (_month(period), dict.fromkeys(known, 0) | periods[period]) for period in sorted(periods, reverse=True)[:count]
    ]


@remembered
async def _periods_of(unit_id: int, earliest: str) -> dict[str, dict[str, int]]:
    """By month since `earliest`, what was counted for a unit."""
    periods: dict[str, dict[str, int]] = {}
    for row in await read(
        "SELECT period, metric, value FROM yetan_counter "
        "WHERE unit_id = ? AND category_id = 0 AND period >= ? AND value <> 0",
        [unit_id, earliest],
    ):
        periods.setdefault(row["period"], {})[row["metric"]] = row["value"]
    return periods


def _month(period: str) -> Month:
    year, _, month = period.partition("-")
    return Month(int(year), int(month))
