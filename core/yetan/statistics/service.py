"""Figures: what counts as what, kept as counters by unit, top category and month, so that no page counts rows."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from yetan.db.reading import read
from yetan.db.remembering import remembered
from yetan.db.statements import execute
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue
from yetan.plugins.declarations import CounterKey, Metric
from yetan.runtime import current

if TYPE_CHECKING:
    from yetan.publication.models import PublicIssue

RAISED = Metric("issues.raised", "提出", "件", "已公开的问题诉求，按提出的月份计")
#: Counted apart from problems (003-06).
SUGGESTED = Metric("issues.suggested", "建议", "条", "已公开的意见建议，和问题分开数，按提出的月份计")
RESOLVED = Metric("issues.resolved", "办结", "件", "已公开并办结的，按办结的月份计，含以前提出的")
STRUCK_OFF = Metric("issues.struck_off", "销号", "件", "居民验收同意后销号的，按销号的月份计")
DECLINED = Metric("issues.declined", "不予受理", "件", "说明了原因、不予受理的，按提出的月份计")

CORE_METRICS = (RAISED, SUGGESTED, RESOLVED, STRUCK_OFF, DECLINED)

#: Rows written by one statement.
_ROWS = 200
_ADD = """
INSERT INTO yetan_counter (metric, unit_id, category_id, period, value) VALUES {rows}
ON CONFLICT (metric, unit_id, category_id, period) DO UPDATE SET value = yetan_counter.value + EXCLUDED.value"""

_OF_UNITS = """
SELECT unit_id, metric, value FROM yetan_counter WHERE unit_id IN ({units}) AND period = ? AND category_id = 0"""


def month_of(at: datetime) -> str:
    """The month of an instant in the deployment's time zone, "2026-11"."""
    return at.astimezone(current().configuration.city.zone).strftime("%Y-%m")


def figures_of(row: PublicIssue, units: Sequence[int]) -> list[CounterKey]:
    """What a published issue adds one to: each figure it counts in, for its unit and every unit above."""
    counted: list[tuple[Metric, datetime]] = [(SUGGESTED if row.kind == "suggestion" else RAISED, row.raised_at)]
    category = state_of(row.state).category
    if row.resolved_at is not None and category in ("awaiting", "closed_good"):
        counted.append((RESOLVED, row.resolved_at))
    if row.struck_off_at is not None and category == "closed_good":
        counted.append((STRUCK_OFF, row.struck_off_at))
    if row.state == "declined":
        counted.append((DECLINED, row.raised_at))
    top = row.top_category_id
    return [
        (metric.name, unit, slot, period)
        for metric, periods in ((metric, ("", month_of(at))) for metric, at in counted)
        for unit in units
        for slot in ((0, top) if top else (0,))
        for period in periods
    ]


async def add_to_counters(change: Tally[tuple[Any, ...]]) -> None:
    """Add to counters, set-wise: the database does each addition, so that none is lost among several at once.

    In the order of the keys, so that two changes wait for each other instead of locking each other out.
    """
    rows = [(*key, value) for key, value in sorted(change.items()) if value]
    for start in range(0, len(rows), _ROWS):
        chunk = rows[start : start + _ROWS]
        await execute(
            _ADD.format(rows=", ".join(["(?, ?, ?, ?, ?)"] * len(chunk))), [each for row in chunk for each in row]
        )


@remembered
async def values(unit_id: int, period: str = "", category_id: int = 0) -> dict[str, int]:
    """Every figure of a unit in a month (or of all time), 0 where nothing was counted."""
    rows = await read(
        "SELECT metric, value FROM yetan_counter WHERE unit_id = ? AND period = ? AND category_id = ?",
        [unit_id, period, category_id],
    )
    return _counted((row["metric"], row["value"]) for row in rows)


async def by_unit(units: Sequence[int], period: str = "") -> dict[int, dict[str, int]]:
    """Every figure of several units."""
    counted = await _by_unit(tuple(units), period)
    return {unit: counted.get(unit) or _counted(()) for unit in units}


@remembered
async def _by_unit(units: tuple[int, ...], period: str) -> dict[int, dict[str, int]]:
    marks = ", ".join("?" * len(units)) or "NULL"
    return _grouped(await read(_OF_UNITS.format(units=marks), [*units, period]))


@remembered
async def by_category(unit_id: int, period: str = "") -> dict[int, dict[str, int]]:
    """Every figure of a unit by top category."""
    rows = await read(
        "SELECT category_id, metric, value FROM yetan_counter WHERE unit_id = ? AND period = ? AND category_id <> 0",
        [unit_id, period],
    )
    return _grouped(rows)


def metrics_shown(counted: Iterable[Mapping[str, int]]) -> list[Metric]:
    """The public figures beside the rows that are counted: those of plugins only where one of these has any."""
    rows = list(counted)
    return [
        metric
        for metric in current().registry.metrics.values()
        if metric.public and (metric in CORE_METRICS or any(row.get(metric.name) for row in rows))
    ]


def _grouped(rows: Iterable[Any]) -> dict[int, dict[str, int]]:
    """The figures of rows (of what, metric, value), by what they are of."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in rows:
        subject, metric, value = row.values() if isinstance(row, dict) else row
        found[subject].append((metric, value))
    return {subject: _counted(figures) for subject, figures in found.items()}


def _counted(figures: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Every metric's figure, 0 where nothing was counted."""
    return dict.fromkeys(current().registry.metrics, 0) | dict(figures)


class Scoreboard(Struct, frozen=True):
    """What became of the issues one occasion raised (003-04, 003-05). `days` is how long the slowest took,
    from the day it was raised to the day it was struck off."""

    raised: int
    resolved: int
    struck_off: int
    in_time: int
    overdue: int
    days: int | None

    @property
    def resolved_rate(self) -> float | None:
        """Resolved of raised, 0 to 1; None where nothing was raised (003-06)."""
        return self.resolved / self.raised if self.raised else None


async def scoreboard(filters: Mapping[str, Any], now: datetime) -> Scoreboard:
    """The scoreboard of the issues that match `filters` (an origin, a unit ...)."""
    issues = await Issue.filter(**filters).values("state", "raised_at", "deadline", "resolved_at", "struck_off_at")
    done = [row for row in issues if state_of(row["state"]).category in ("awaiting", "closed_good")]
    lit = [row for row in issues if state_of(row["state"]).category == "closed_good"]
    going = [row for row in issues if state_of(row["state"]).category == "open"]
    late = [row for row in going if row["deadline"] is not None and row["deadline"] < now]
    local_date = current().calendar.local_date
    days = [(local_date(row["struck_off_at"]) - local_date(row["raised_at"])).days for row in lit]
    return Scoreboard(len(issues), len(done), len(lit), len(going) - len(late), len(late), max(days, default=None))
