"""Lists of published issues: the filters of page and API, read by keyset so that every page costs the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import Struct

from yetan.db.reading import moment, read
from yetan.db.remembering import remembered
from yetan.errors import Invalid
from yetan.i18n import message_ids
from yetan.issues.lifecycle import states_of
from yetan.issues.service import ISSUE_KINDS
from yetan.runtime import current
from yetan.units.models import Unit
from yetan.units.service import ancestors_of
from yetan.web.forms import Choices, Field, clean

#: Groups of states a list may be narrowed to, beside the single states.
STATE_GROUPS = message_ids(
    (
        ("open", "在办的"),
        ("late", "逾期没办完的"),
        ("awaiting", "等居民验收的"),
        ("closed_good", "已销号的"),
        ("closed", "不予受理和并案的"),
    )
)
#: Which date year and month mean.
DATES = message_ids((("raised", "提出"), ("resolved", "办结"), ("struck_off", "销号")))
FIRST_YEAR, LAST_YEAR = 1990, 2200
_LONGEST_CODE = 40

LIST_FIELDS = (
    Field("unit", "单位", "choice", required=False, max_length=40),
    Field("category", "类别", "category", required=False),
    Field("state", "到哪一步", "choice", required=False, max_length=40),
    Field("kind", "问题还是建议", "choice", required=False, choices=ISSUE_KINDS),
    Field("year", "年", "number", required=False, minimum=FIRST_YEAR, maximum=LAST_YEAR),
    Field("month", "月", "number", required=False, minimum=1, maximum=12),
    Field("date", "年月按", "choice", required=False, choices=DATES),
)
#: What of an address narrows a list, for `Page.narrowed_by`.
NARROWED_BY = tuple(field.name for field in LIST_FIELDS)


class ListFilters(Struct, frozen=True):
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


class Position(Struct, frozen=True):
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


class ListedIssue(NamedTuple):
    """What a list says of a published issue: columns of `PublicIssue`, by the same names. The times come first."""

    raised_at: datetime
    deadline: datetime | None
    resolved_at: datetime | None
    struck_off_at: datetime | None
    updated_at: datetime
    issue_id: int
    number: str
    source_number: str
    title: str
    place: str
    state: str
    kind: str
    round: int
    unit_name: str
    category_path: str


_TIMES, _DEADLINE = 5, 1
_COLUMNS = f"SELECT {', '.join(f'issue.{each}' for each in ListedIssue._fields)} "
_OF_ISSUES = "FROM yetan_public_issue issue"
_OF_SCOPES = "FROM yetan_public_issue_scope scope JOIN yetan_public_issue issue ON issue.issue_id = scope.issue_id"
#: That a published issue belongs to a unit or to one below it.
WITHIN = "EXISTS (SELECT 1 FROM yetan_public_issue_scope scope WHERE scope.issue_id = issue.issue_id AND unit_id = ?)"
_FROM_ORIGIN = (
    "FROM yetan_issue raised JOIN yetan_public_issue issue ON issue.issue_id = raised.id "
    "WHERE raised.origin_kind = ? AND raised.origin_id = ? ORDER BY issue.raised_at, issue.issue_id"
)
#: More rows are not counted to find out of what there are fewer.
_MANY = 5000


class ListPage:
    """Some rows, newest first, and where to go on, or None at the end."""

    def __init__(self, stored: Sequence[Sequence[Any]], limit: int, now: datetime) -> None:
        self._stored = tuple(stored[:limit])
        late = tuple((due := moment(row[_DEADLINE])) is not None and due < now for row in self._stored)
        #: All that the rows say, to be compared.
        self.content = _Content(tuple(row[_TIMES] for row in self._stored), self._stored), late
        last = _listed(self._stored[-1]) if len(stored) > limit else None
        self.next = Position(last.raised_at, last.issue_id) if last is not None else None

    def __len__(self) -> int:
        return len(self._stored)

    @cached_property
    def rows(self) -> tuple[ListedIssue, ...]:
        """The rows themselves."""
        return tuple(map(_listed, self._stored))


class _Content(Struct, frozen=True):
    """Rows as they are stored. Sought by their ids alone: to hash all of their times takes as long as to read them."""

    ids: tuple[int, ...]
    rows: tuple[Sequence[Any], ...]

    def __hash__(self) -> int:
        return hash(self.ids)


async def filters_from(values: Mapping[str, object]) -> ListFilters:
    """The filters of what was typed for LIST_FIELDS; the unit by its code.

    Raises `Invalid` naming the field.
    """
    if not any(values.get(field.name) for field in LIST_FIELDS):
        return ListFilters()
    states = [*STATE_GROUPS, *((state.name, state.label) for state in current().registry.states.values())]
    code = str(values.get("unit") or "").strip()
    unit = await unit_coded(code)
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


@remembered
async def city_unit() -> Unit | None:
    """The city itself, or None before units were loaded."""
    return await Unit.filter(parent_id=None).order_by("id").first()


async def unit_coded(code: str) -> Unit | None:
    """The unit of an official code; None where there is none, and for a text that cannot be one."""
    return await _unit_coded(code) if 0 < len(code) <= _LONGEST_CODE else None


@remembered
async def _unit_coded(code: str) -> Unit | None:
    return await Unit.get_or_none(code=code)


@remembered
async def unit_choices(unit: int | None) -> Choices:
    """The units a public list can be narrowed to, one step at a time, by code: where `unit` is given it and those above
    it, then those right below, without departments."""
    kinds = current().configuration.unit_kinds
    city = await city_unit()
    if city is None:
        return ()
    line = (await ancestors_of([unit]))[unit][::-1] if unit is not None else (city.id,)
    units = {each.id: each for each in await Unit.filter(id__in=line)}
    below = await Unit.filter(parent_id=line[-1], active=True).order_by("position", "id")
    above = [units[each] for each in line if each in units and each != city.id]
    offered = [*above, *(each for each in below if not (each.kind in kinds and kinds[each.kind].department))]
    return tuple((each.code, each.name) for each in offered)


async def published_row(number: str) -> Any | None:
    """The stored row of the published issue of a number, in its usual form, or None."""
    found = await read("SELECT * FROM yetan_public_issue WHERE number = ?", [number]) if len(number) <= 20 else ()
    return found[0] if found else None


@remembered
async def line_of(unit: int) -> tuple[tuple[str, str], ...]:
    """Code and name of a unit and all above it, from the top down."""
    line = (await ancestors_of([unit]))[unit]
    units = {each.id: each for each in await Unit.filter(id__in=line)}
    return tuple((units[each].code, units[each].name) for each in reversed(line) if each in units)


async def list_issues(
    filters: ListFilters, *, after: Position | None = None, limit: int = 20, now: datetime
) -> ListPage:
    """The published issues that match, newest first. `now` decides what is late."""
    unit = filters.unit.id if filters.unit is not None and filters.unit.parent_id is not None else None
    # Below a unit its own rows are walked, which stand in the order of the list, those in one state as well; each names
    # its issue.
    walked = "issue" if unit is None or await _fewer_than_of(unit, filters) else "scope"
    wanted, values = _conditions(filters, now, walked)
    if unit is not None:
        wanted, values = ["scope.unit_id = ?" if walked == "scope" else WITHIN, *wanted], [unit, *values]
    if after is not None:
        # As one bound, an index is entered at it: as `a < x OR a = x AND b < y` it would be read up to it.
        wanted.append(f"({walked}.raised_at, {walked}.issue_id) < (?, ?)")
        values += [after.raised_at, after.issue_id]
    rows = await _stored(
        f"{_OF_SCOPES if walked == 'scope' else _OF_ISSUES}{' WHERE ' if wanted else ''}{' AND '.join(wanted)} "
        # A limit that is given as a value has PostgreSQL plan anew each time.
        f"ORDER BY {walked}.raised_at DESC, {walked}.issue_id DESC LIMIT {limit + 1:d}",
        values,
    )
    return ListPage(rows, limit, now)


async def _fewer_than_of(unit: int, filters: ListFilters) -> bool:
    """Whether states or span name fewer issues than belong to the unit, as far as they are counted: these are walked.

    The unit's rows in one state are found as they are.
    """
    states = tuple(states_in(filters.state)) if filters.state else ()
    if not _struck_off_in_span(filters) and (not filters.state or len(states) == 1):
        return False
    of_unit = await _counted("yetan_public_issue_scope WHERE unit_id = ?", (unit,))
    if _struck_off_in_span(filters):
        return of_unit == _MANY
    return not states or await _counted(f"yetan_public_issue WHERE state IN ({_marks(states)})", states) < of_unit


@remembered
async def _counted(rest: str, values: tuple[Any, ...]) -> int:
    """How many rows follow a FROM; `_MANY` for as many or more."""
    statement = f"SELECT count(*) AS count FROM (SELECT 1 AS one FROM {rest} LIMIT ?) AS few"  # noqa: S608 - our own
    (row,) = await read(statement, [*values, _MANY])
    return int(row["count"])


async def listed_from(origin: tuple[str, int]) -> list[ListedIssue]:
    """The published issues that were raised at an occasion, a row of `origin`'s kind and id, in the order they were."""
    return await listed(_FROM_ORIGIN, origin)


async def listed(rest: str, values: Sequence[Any]) -> list[ListedIssue]:
    """The issues of a SELECT on the projection, `rest` being what follows its columns; the table's name is `issue`."""
    return [_listed(row) for row in await _stored(rest, values)]


async def _stored(rest: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The columns of a `ListedIssue` as the database gives them."""
    rows = await read(_COLUMNS + rest, values)
    return [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in rows]


def _listed(row: Sequence[Any]) -> ListedIssue:
    return ListedIssue(*map(moment, row[:_TIMES]), *row[_TIMES:])  # type: ignore[arg-type]


def _conditions(filters: ListFilters, now: datetime, walked: str) -> tuple[list[str], list[Any]]:
    """The conditions of a list and their values; the instant of raising is asked of the rows that are `walked`."""
    states: Sequence[str] = states_in(filters.state) if filters.state else ()
    dated = filters.date or "raised"
    wanted: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        wanted.append(condition)
        values.extend(given)

    if filters.category is not None:
        add("issue.top_category_id = ?", filters.category)
    if filters.categories:
        add(f"issue.category_id IN ({_marks(filters.categories)})", *filters.categories)
    if filters.kind:
        add("issue.kind = ?", filters.kind)
    if filters.state == "late":
        add("issue.deadline < ?", now)
    if span := span_of(filters.year, filters.month):
        table = walked if dated == "raised" else "issue"
        add(f"{table}.{dated}_at >= ? AND {table}.{dated}_at < ?", *span)
    # As the figures count: what was resolved and sent back is not resolved.
    if dated != "raised":
        add(f"issue.{dated}_at IS NOT NULL")
        counted = ("awaiting", "closed_good") if dated == "resolved" else ("closed_good",)
        if not filters.state:
            states = [state for group in counted for state in states_in(group)]
    if states or filters.state:
        # What was struck off in a span is found by that: of those that stand in the state it is a small part. And rows
        # in several states do not stand in the order of the list.
        state = (
            "issue.state || ''" if _struck_off_in_span(filters) else f"{walked if len(states) == 1 else 'issue'}.state"
        )
        add(f"{state} IN ({_marks(states)})" if states else "1 = 0", *states)
    return wanted, values


def _struck_off_in_span(filters: ListFilters) -> bool:
    return filters.date == "struck_off" and filters.year is not None


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def states_in(group: str) -> list[str]:
    """The names of the states of a group, or the one state of that name."""
    if group in current().registry.states:
        return [group]
    return states_of("open" if group == "late" else group)


def span_of(year: int | None, month: int | None) -> tuple[datetime, datetime] | None:
    """From when until when a year or month lasts in the city, as aware UTC; None without a year."""
    if year is None:
        return None
    zone = current().configuration.city.zone
    first = datetime(year, month or 1, 1, tzinfo=zone)
    following = year + 1 if month is None or month == 12 else year
    end = datetime(following, 1 if month is None or month == 12 else month + 1, 1, tzinfo=zone)
    return first.astimezone(UTC), end.astimezone(UTC)
