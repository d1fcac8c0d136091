"""Lists of published issues: the filters of page and API, read by keyset so that every page costs the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tortoise.expressions import Q

from yetan.errors import Invalid
from yetan.issues.lifecycle import effective_state
from yetan.issues.service import ISSUE_KINDS
from yetan.plugins.declarations import State
from yetan.plugins.record import recorded_states
from yetan.publication.models import PublicIssue, PublicIssueScope
from yetan.runtime import current
from yetan.units.models import Unit
from yetan.web.forms import Field, clean

#: Groups of states a list may be narrowed to, beside the single states.
STATE_GROUPS = (
    ("open", "在办的"),
    ("late", "逾期没办完的"),
    ("awaiting", "等居民验收的"),
    ("closed_good", "已销号的"),
    ("closed", "不予受理和并案的"),
)
#: Which date year and month mean.
DATES = (("raised", "提出"), ("resolved", "办结"), ("struck_off", "销号"))
FIRST_YEAR, LAST_YEAR = 1990, 2200

LIST_FIELDS = (
    Field("unit", "单位", "choice", required=False, max_length=40),
    Field("category", "类别", "category", required=False),
    Field("state", "到哪一步", "choice", required=False, max_length=40),
    Field("kind", "问题还是建议", "choice", required=False, choices=ISSUE_KINDS),
    Field("year", "年", "number", required=False, minimum=FIRST_YEAR, maximum=LAST_YEAR),
    Field("month", "月", "number", required=False, minimum=1, maximum=12),
    Field("date", "年月按", "choice", required=False, choices=DATES),
)


@dataclass(frozen=True, slots=True)
class ListFilters:
    """What a list is narrowed to; None or "" leaves it open. `unit` takes in everything below it.

    `state` is a state or one of STATE_GROUPS. `date` names the date that `year` and `month` are about, "" the raising;
    without a year, only what has that date.
    """

    unit: Unit | None = None
    category: int | None = None
    #: Categories by themselves, of any level; `category` is a top one with all below it.
    categories: tuple[int, ...] = ()
    state: str = ""
    kind: str = ""
    year: int | None = None
    month: int | None = None
    date: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list goes on: after this row, by the instant it was raised and its id."""

    raised_at: datetime
    issue_id: int

    def __str__(self) -> str:
        microseconds = round((self.raised_at - _EPOCH).total_seconds() * 1_000_000)
        return f"{microseconds}_{self.issue_id}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def position_in(text: str) -> Position | None:
    """The position `text` stands for; None, the beginning, for anything else."""
    found = re.fullmatch(r"(-?\d{1,16})_(\d{1,9})", text, re.ASCII)
    if found is None:
        return None
    seconds, microseconds = divmod(int(found[1]), 1_000_000)
    return Position(datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds), int(found[2]))


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some rows, newest first, and where to go on, or None at the end."""

    rows: tuple[PublicIssue, ...]
    next: Position | None


async def filters_from(values: Mapping[str, object]) -> ListFilters:
    """The filters of what was typed for LIST_FIELDS; the unit by its code.

    Raises `Invalid` naming the field.
    """
    states = [*STATE_GROUPS, *((state.name, state.label) for state in current().registry.states.values())]
    code = str(values.get("unit") or "").strip()
    unit = await Unit.get_or_none(code=code) if 0 < len(code) <= 40 else None
    cleaned = clean(LIST_FIELDS, values, {"state": states, "unit": [(unit.code, unit.name)] if unit else []})
    if cleaned["month"] is not None and cleaned["year"] is None:
        raise Invalid.field("year", "选了月份，也要选年份。")
    return ListFilters(
        unit,
        category=cleaned["category"],
        state=cleaned["state"],
        kind=cleaned["kind"],
        year=cleaned["year"],
        month=cleaned["month"],
        date=cleaned["date"],
    )


async def list_issues(
    filters: ListFilters, *, after: Position | None = None, limit: int = 20, now: datetime
) -> ListPage:
    """The published issues that match, newest first. `now` decides what is late."""
    if filters.unit is not None and filters.unit.parent_id is not None:
        rows = await _below(filters, filters.unit.id, after, limit, now)
    else:
        query = PublicIssue.filter(_conditions(filters, now, ""))
        if after is not None:
            query = query.filter(_before(after))
        rows = await query.order_by("-raised_at", "-issue_id").limit(limit + 1)
    page = tuple(rows[:limit])
    more = len(rows) > limit
    return ListPage(page, Position(page[-1].raised_at, page[-1].issue_id) if more else None)


async def _below(
    filters: ListFilters, unit_id: int, after: Position | None, limit: int, now: datetime
) -> Sequence[PublicIssue]:
    """Walk the unit's own rows in index order; the issues are read by their ids, a page of them."""
    query = PublicIssueScope.filter(unit_id=unit_id).filter(_conditions(filters, now, "issue__"))
    if after is not None:
        query = query.filter(_before(after))
    ids = [
        int(str(each))
        for each in await query.order_by("-raised_at", "-issue_id").limit(limit + 1).values_list("issue_id", flat=True)
    ]
    found = {row.issue_id: row for row in await PublicIssue.filter(issue_id__in=ids)}
    return [found[each] for each in ids if each in found]


def _before(after: Position) -> Q:
    """The bound first, as a range an index can use; then the rows of the same instant."""
    return Q(raised_at__lte=after.raised_at) & (Q(raised_at__lt=after.raised_at) | Q(issue_id__lt=after.issue_id))


def _conditions(filters: ListFilters, now: datetime, prefix: str) -> Q:
    wanted: dict[str, Any] = {}
    if filters.category is not None:
        wanted["top_category_id"] = filters.category
    if filters.categories:
        wanted["category_id__in"] = list(filters.categories)
    if filters.kind:
        wanted["kind"] = filters.kind
    if filters.state:
        wanted["state__in"] = states_in(filters.state)
        if filters.state == "late":
            wanted["deadline__lt"] = now
    dated = filters.date or "raised"
    if span := span_of(filters.year, filters.month):
        wanted[f"{dated}_at__gte"], wanted[f"{dated}_at__lt"] = span
    # As the figures count: what was resolved and sent back is not resolved.
    if dated == "resolved":
        wanted["resolved_at__isnull"] = False
        wanted.setdefault("state__in", [*states_in("awaiting"), *states_in("closed_good")])
    elif dated == "struck_off":
        wanted["struck_off_at__isnull"] = False
        wanted.setdefault("state__in", states_in("closed_good"))
    # The instant of raising stands in the scope rows themselves, in the order they are walked.
    return Q(**{name if name.startswith("raised_at") else f"{prefix}{name}": each for name, each in wanted.items()})


def states_in(group: str) -> list[str]:
    """The names of the states of a group, or the one state of that name."""
    states = current().registry.states
    if group in states:
        return [group]
    category = "open" if group == "late" else group
    return [state.name for state in states.values() if state.category == category]


def span_of(year: int | None, month: int | None) -> tuple[datetime, datetime] | None:
    """From when until when a year or month lasts in the city, as aware UTC; None without a year."""
    if year is None:
        return None
    zone = current().configuration.city.zone
    first = datetime(year, month or 1, 1, tzinfo=zone)
    following = year + 1 if month is None or month == 12 else year
    end = datetime(following, 1 if month is None or month == 12 else month + 1, 1, tzinfo=zone)
    return first.astimezone(UTC), end.astimezone(UTC)


async def state_of(name: str) -> State:
    """The state a published issue is in; its plugin's last known label and category while that is off."""
    registry = current().registry
    if name in registry.states:
        return registry.states[name]
    return effective_state(registry, name, {key: dict(each) for key, each in (await recorded_states()).items()})
