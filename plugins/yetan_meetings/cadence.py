"""Which village has held this month's open talk, seen in advance (talk.monthly.village, 002-A1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

from msgspec import Struct
from starlette.responses import Response

from yetan.api import (
    Act,
    Event,
    EventType,
    Field,
    Form,
    Job,
    NavigationItem,
    NoticeKind,
    Page,
    Panel,
    Permission,
    Request,
    Rule,
    Unit,
    accounts_in,
    current,
    emit,
    holds,
    listed,
    message_ids,
    notify,
    roles_holding,
    today,
    translate,
    values_of,
)
from yetan_activities.api import occasions
from yetan_meetings.forms import OPEN_TALK
from yetan_meetings.months import Month, last_months
from yetan_meetings.units import OVERSEE, Tree, load_tree, overseen

PER_MONTH = "meetings.open_talks_a_month"
WARNED_BEFORE = "meetings.talk_warning_days"
MISSING = "meetings.talks_missing"
CLERKS_TOLD = "meetings.talks_missing_below"
#: The longest time before the end of a month that anybody is warned.
_MOST_DAYS = 15
#: How far back the last talk is looked for.
_REMEMBERED = timedelta(days=400)
_SHOWN = 60
_KEEPING = f"{OPEN_TALK}.keep"

State = Literal["missing", "planned", "held", "free"]
STATES: tuple[tuple[State, str], ...] = message_ids(
    (("missing", "还没有着落"), ("planned", "已经排上"), ("held", "已经开了"), ("free", "这个月不要求"))
)
_FIELDS = (
    Field("unit", "单位", "choice", required=False),
    Field("month", "月份", "choice", required=False),
    Field("state", "情况", "choice", required=False, choices=STATES),
)
_SKIP = Field("skip", "从第几个接着看", "number", required=False, minimum=0, maximum=100_000)


class Standing(Struct, frozen=True):
    """How a unit stands in a month: how many talks are wanted of it, and the days of its talks."""

    unit: Unit
    township: Unit | None
    wanted: int
    #: The day it was founded, where that lies in this month: nothing is wanted of it yet.
    founded: date | None
    held: tuple[date, ...]
    planned: tuple[date, ...]
    unrecorded: tuple[date, ...]

    @property
    def state(self) -> State:
        """Where it stands, by what was held and what is still planned."""
        if len(self.held) >= self.wanted:
            return "held" if self.held else "free"
        return "planned" if len(self.held) + len(self.planned) >= self.wanted else "missing"


async def standings(tree: Tree, above: Collection[int], month: Month, day: date) -> list[Standing]:
    """Each unit at or below `above` that is to hold talks in a month, as it stands on `day`.

    A unit that was merged is asked for the months before; one that is closed for none; one that was founded later than
    the city itself from the month after on. The number of statements is the same for one unit and for thousands.
    """
    founded, merged = await _founded(), await _merged()
    units = [
        unit
        for unit in tree.talking(above)
        if founded.get(unit.id, month.first) <= month.last
        and (unit.active or (unit.id in merged and merged[unit.id] > month.last))
    ]
    ids = [unit.id for unit in units]
    wanted = await values_of(PER_MONTH, ids, month.first)
    days: dict[tuple[int, str], list[date]] = {}
    for talk in await occasions((OPEN_TALK,), ids, month.first, month.last, day):
        days.setdefault((talk.unit_id, talk.state), []).append(talk.date)
    found = []
    for unit in units:
        since = founded.get(unit.id)
        new = since if since is not None and since > month.first else None
        held, planned, unrecorded = (
            tuple(days.get((unit.id, state), ())) for state in ("held", "planned", "unrecorded")
        )
        asked = 0 if new else int(wanted[unit.id])
        found.append(Standing(unit, tree.township_of(unit.id), asked, new, held, planned, unrecorded))
    return found


async def _founded() -> dict[int, date]:
    """When units came that were not there from the beginning, in the deployment's time zone."""
    added = await Event.filter(subject_kind="unit", type="unit.added").order_by("id").values("subject_id", "at")
    local = current().calendar.local_date
    first = local(added[0]["at"]) if added else None
    return {row["subject_id"]: on for row in added if (on := local(row["at"])) != first}


async def _merged() -> dict[int, date]:
    """When units went into others."""
    return dict(await Unit.filter(merger__on__isnull=False).values_list("id", "merger__on"))


async def last_talks(units: Collection[int], day: date) -> dict[int, date]:
    """The day of each unit's last open talk, of those that held one within a year."""
    found = await occasions((OPEN_TALK,), units, day - _REMEMBERED, day, day)
    return {talk.unit_id: talk.date for talk in found if talk.state == "held"}


# What is said beforehand


async def warn(act: Act) -> None:
    """Job: some days before the month ends, tell the officials of each unit without a talk, and their township's
    clerks. Each unit is told of once a month; a day on which nothing ran is made up for on the next."""
    day = today(act)
    told = await _told(Month.of(day))
    groups: dict[int, list[int]] = {}
    for each in await _late(act, day):
        if each.unit.id not in told:
            groups.setdefault((each.township or each.unit).id, []).append(each.unit.id)
    roles = sorted(roles_holding(_KEEPING))
    for township, units in groups.items():
        event = await emit(act, MISSING, ("unit", township), data={"month": Month.of(day).name, "units": units})
        officials = await accounts_in(units, day, roles=roles)
        await notify(event, MISSING, [each.id for each in officials], count=Month.of(day).days_after(day))
        clerks = await accounts_in([township], day, roles=roles)
        await notify(event, CLERKS_TOLD, [each.id for each in clerks], count=len(units))


async def _late(act: Act, day: date) -> list[Standing]:
    """The units without a talk of those that the actor oversees, as soon as the month's end is as near as their rule
    says."""
    month = Month.of(day)
    if month.days_after(day) > _MOST_DAYS:
        return []
    tree = await load_tree()
    missing = [each for each in await standings(tree, overseen(act, tree), month, day) if each.state == "missing"]
    soon = await values_of(WARNED_BEFORE, [each.unit.id for each in missing], day)
    return [each for each in missing if month.days_after(day) <= soon[each.unit.id]]


async def _told(month: Month) -> set[int]:
    """The units that were told of in a month."""
    since = current().calendar.start_of_day(month.first)
    events = await Event.filter(subject_kind="unit", type=MISSING, at__gte=since).values("data")
    return {unit for event in events if event["data"]["month"] == month.name for unit in event["data"]["units"]}


async def waiting(act: Act, nothing: None) -> Mapping[str, Any] | None:
    """The line on an official's desk in the last days of a month: how many units still have no talk, or which."""
    day = today(act)
    late = await _late(act, day)
    return {"units": [each.unit for each in late], "left": Month.of(day).days_after(day)} if late else None


# The page


class View(Struct, frozen=True):
    """What a page or a file of this list is of: the tree, the units it is narrowed to, the month, and the form."""

    tree: Tree
    above: frozenset[int]
    month: Month
    day: date
    state: str
    form: Form


async def _view(request: Request) -> View:
    tree = await load_tree()
    mine = overseen(request.act, tree)
    day = today(request.act)
    months = last_months(day)
    # The present month is what the list shows where nothing is chosen.
    by_name = {"" if month == months[0] else month.name: month for month in months}
    named = [(name, month.label) for name, month in by_name.items()]
    form = await request.form(_FIELDS, choices={"unit": tree.offices(mine), "month": named})
    typed = form.clean()
    above = frozenset({int(typed["unit"])}) if typed["unit"] else mine
    return View(tree, above, by_name[typed["month"]], day, typed["state"], form)


async def page(request: Request) -> Response:
    """Which units have held the month's talk, which have planned it, and which have not: those first."""
    view = await _view(request)
    skip = (await request.form((_SKIP,))).clean()["skip"] or 0
    found = await standings(view.tree, view.above, view.month, view.day)
    order = [state for state, _label in STATES]
    rows = sorted((each for each in found if view.state in ("", each.state)), key=lambda each: order.index(each.state))
    shown = rows[skip : skip + _SHOWN]
    address = _address(request, view)
    return request.render(
        "meetings/cadence.html",
        form=view.form,
        month=view.month,
        left=view.month.days_after(view.day) if view.month == Month.of(view.day) else None,
        figures=[
            {
                "value": _count(found, state),
                "unit": translate("个"),
                "label": translate(label),
                "note": None,
                "href": address(state=state),
            }
            for state, label in STATES
            if state != "free" or _count(found, state)
        ],
        parts=_parts(view, found, address),
        rows=shown,
        labels=dict(STATES),
        last=await last_talks([each.unit.id for each in shown], view.day),
        more=address(state=view.state, skip=skip + _SHOWN) if len(rows) > skip + _SHOWN else None,
        total=len(rows),
        export=address(state=view.state, route="meetings.cadence.export"),
        may_keep=holds(request.act.actor, _KEEPING),
    )


def _count(found: Sequence[Standing], state: str) -> int:
    return sum(each.state == state for each in found)


def _address(request: Request, view: View) -> Any:
    """Addresses of the same list, narrowed otherwise."""
    unit = view.form.values.get("unit")

    def address(*, route: str = "meetings.cadence", **query: Any) -> str:
        kept = {"unit": unit, "month": view.form.values.get("month"), **query}
        return request.templating.addresses.path(route, **{name: each for name, each in kept.items() if each})

    return address


def _parts(view: View, found: Sequence[Standing], address: Any) -> list[dict[str, Any]]:
    """The parts of what is looked at, each with how many of its units have a talk."""
    by_unit = {each.unit.id: each for each in found}
    parts = view.tree.parts([each.unit for each in found], view.above)
    return [
        {
            "name": part.name,
            "href": address(unit=part.id),
            "counts": [_count([by_unit[unit.id] for unit in units], state) for state in ("missing", "planned", "held")],
        }
        for part, units in parts.items()
    ]


async def export(request: Request) -> Response:
    """The same as an Excel file, of all units."""
    view = await _view(request)
    found = await standings(view.tree, view.above, view.month, view.day)
    rows = [each for each in found if view.state in ("", each.state)]
    last = await last_talks([each.unit.id for each in rows], view.day)
    labels = {state: translate(label) for state, label in STATES}
    headings = [
        *(translate("单位"), translate("乡镇（街道）"), translate("情况"), translate("要开几场")),
        *(
            translate("开了几场"),
            translate("哪天开的"),
            translate("排在哪天"),
            translate("排了没有记录"),
            translate("上一场"),
        ),
    ]
    cells = [
        [
            each.unit.name,
            each.township.name if each.township else "",
            labels[each.state],
            each.wanted,
            len(each.held),
            *(_days(days) for days in (each.held, each.planned, each.unrecorded)),
            last.get(each.unit.id, ""),
        ]
        for each in rows
    ]
    name = translate("{month} 集中畅谈", month=view.month.name)
    return await listed(request, "units", name, headings, cells)


def _days(days: Sequence[date]) -> str:
    return translate("、").join(f"{day:%m-%d}" for day in days)


PERMISSIONS = (
    Permission(
        OVERSEE,
        "查看夜谈进度",
        frozenset({"village_official", "township_clerk", "leader", "publisher", "supervisor"}),
    ),
)
RULES = (
    Rule(
        PER_MONTH,
        "每月至少开几场集中畅谈",
        "int",
        1,
        "002-A1",
        unit="场",
        minimum=0,
        maximum=31,
    ),
    Rule(
        WARNED_BEFORE,
        "月底前几天还没有排上集中畅谈就提醒",
        "int",
        7,
        "002-A1",
        unit="天",
        minimum=1,
        maximum=_MOST_DAYS,
    ),
)
EVENTS = (EventType(MISSING, "提醒安排集中畅谈"),)
NOTICES = (
    NoticeKind(
        MISSING, "这个月的集中畅谈还没有开，也没有排上，离月底还有 {count} 天，请安排一场。", route="meetings.cadence"
    ),
    NoticeKind(
        CLERKS_TOLD, "有 {count} 个村（社区）这个月的集中畅谈还没有着落，请看看是哪些。", route="meetings.cadence"
    ),
)
JOBS = (Job("meetings.talks_missing", "day", warn, at_hour=8),)
PAGES = (
    Page("/desk/meetings/cadence", page, "meetings.cadence", permission=OVERSEE),
    Page("/desk/meetings/cadence/export", export, "meetings.cadence.export", permission=OVERSEE, sensitive=True),
)
NAVIGATION = (NavigationItem("desk", "夜谈进度", "meetings.cadence", OVERSEE, position=45),)
PANELS = (Panel("meetings.talks_missing", "desk", "meetings/talks_missing.html", waiting, OVERSEE),)
