"""An activity's public page is its scoreboard: what was raised, what became of it, who was there (003-04, 003-08)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from tortoise.functions import Count

from yetan.api import (
    Act,
    Card,
    Column,
    Issue,
    PublicRecord,
    Request,
    Scoreboard,
    Unit,
    current,
    issues_from,
    message_ids,
    posts_on,
    scoreboard,
)
from yetan.api import translate as _
from yetan_activities.configuration import settings
from yetan_activities.models import RESIDENTS, Activity, Attendance
from yetan_activities.reflections import shown_of
from yetan_activities.schedule import overrun, planned

#: The key of the lamps.
_LAMPS = message_ids(
    {"closed_good": "已销号", "awaiting": "待验收", "open": "办理中", "late": "逾期", "closed": "不受理、并案"}
)
#: Whom a department, a firm or a committee sends is named by what they stand for.
_BODIES = frozenset({"department", "property", "owners_committee", "partner"})


class Result(Struct, frozen=True):
    """What came of an activity's issues: of its problems, and how many suggestions there were (003-06)."""

    problems: Scoreboard
    suggestions: int

    @property
    def raised(self) -> int:
        """How many issues there are of it."""
        return self.problems.raised + self.suggestions

    @property
    def all_lit(self) -> bool:
        """Whether every problem was struck off."""
        return 0 < self.problems.raised == self.problems.struck_off


async def result_of(kind: str, activity_id: int, act: Act) -> Result:
    """The result of an activity now."""
    origin = {"origin_kind": kind, "origin_id": activity_id}
    return Result(
        await scoreboard({**origin, "kind": "problem"}, act.now),
        await Issue.filter(**origin, kind="suggestion").count(),
    )


def face_of(row: PublicRecord | None) -> Mapping[str, Any]:
    """What is published of an activity, by column; None for what its kind does not ask for, or without a row."""
    public = (name for name, tag in Activity.privacy.tags().items() if tag == "public")
    return {**dict.fromkeys(public), **(row.face if row is not None else {})}


async def public_context(request: Request, row: PublicRecord) -> Mapping[str, Any]:
    """What its public page says besides the record."""
    activity = await Activity.get(id=row.record_id)
    result = await result_of(row.kind, row.record_id, request.act)
    issues = await issues_from(request, (row.kind, row.record_id))
    face = face_of(row)
    plan = planned(row.date, face["starts_at"], face["ends_at"])
    present = await Attendance.filter(activity_id=activity.id, present_at__isnull=False).order_by("present_at", "id")
    calendar = current().calendar
    over = activity.closed_at is not None or (
        activity.opened_at is None and row.date < calendar.local_date(request.act.now)
    )
    return {
        "activity": activity,
        "face": face,
        "plan": plan,
        "opened_at": _local(activity.opened_at),
        "closed_at": _local(activity.closed_at),
        "overrun": overrun(plan[1], activity.closed_at),
        "going_on": activity.is_open,
        "over": over,
        "result": result,
        "figures": figures_of(result, bool(issues)),
        "street": street_of(result.problems) if result.problems.raised else [],
        "issues": issues,
        "leaders": await _leaders([each for each in present if each.role == "leader"], row),
        "bodies": await _bodies([each for each in present if each.role in _BODIES]),
        "signed_in": sum(1 for each in present if each.role in RESIDENTS),
        "reflections": await shown_of(activity.id),
        "takes_reflections": over and settings().reflections,
    }


def _local(at: Any) -> Any:
    return at.astimezone(current().configuration.city.zone) if at is not None else None


def figures_of(result: Result, listed: bool) -> list[dict[str, Any]]:
    """The figures of an activity as the macro draws them; they lead to the list where there is one."""
    problems, href = result.problems, "#issues" if listed else None
    told: list[tuple[int, str, str | None]] = [
        (problems.raised, _("提出的问题"), None),
        (problems.resolved, _("办结"), _("办完了，等验收的也算")),
        (problems.struck_off, _("销号"), _("居民点了头")),
        (problems.overdue, _("逾期没办完"), None),
    ]
    figures = [
        {"value": value, "unit": _("件", count=value), "label": label, "note": note, "href": href if value else None}
        for value, label, note in told
    ]
    if problems.days is not None:
        note = _("全部办完") if result.all_lit else _("最慢的一件")
        figures.append(
            {
                "value": problems.days,
                "unit": _("天", count=problems.days),
                "label": _("从提出到销号"),
                "note": note,
                "href": href,
            }
        )
    if result.suggestions:
        figures.append(
            {
                "value": result.suggestions,
                "unit": _("条", count=result.suggestions),
                "label": _("建议"),
                "note": _("和问题分开数"),
                "href": href,
            }
        )
    return figures


def street_of(problems: Scoreboard) -> list[dict[str, Any]]:
    """A lamp for each problem, as the macro `street` draws them."""
    counts = {
        "closed_good": problems.struck_off,
        "awaiting": problems.resolved - problems.struck_off,
        "open": problems.in_time,
        "late": problems.overdue,
        "closed": problems.raised - problems.resolved - problems.in_time - problems.overdue,
    }
    return [
        {"category": name, "late": name == "late", "label": _(_LAMPS[name]), "count": count, "href": "#issues"}
        for name, count in counts.items()
        if count
    ]


async def _leaders(rows: Sequence[Attendance], record: PublicRecord) -> list[str]:
    """Unit, title and name of each leader who was there: leading is a public role."""
    posts = await posts_on([row.account_id for row in rows if row.account_id is not None], record.date)
    titles = {(post.account_id, post.unit_id): post.title for post in posts if post.title}
    units = await _names_of({row.unit_id for row in rows if row.unit_id is not None})
    told = []
    for row in rows:
        title = titles.get((row.account_id, row.unit_id), "") if row.account_id and row.unit_id else ""
        told.append(" ".join(each for each in (units.get(row.unit_id or 0, "") + title, row.name) if each))
    return told


async def _bodies(rows: Sequence[Attendance]) -> list[str]:
    """The departments, firms and committees that were there, each once; who came for them is not said."""
    units = await _names_of({row.unit_id for row in rows if row.unit_id is not None})
    return sorted(set(units.values()))


async def _names_of(units: set[int]) -> dict[int, str]:
    return {unit.id: unit.name for unit in await Unit.filter(id__in=units)} if units else {}


async def card_of(act: Act, row: PublicRecord) -> Card:
    """The picture beside a shared link: the lamp is on when every problem was struck off."""
    result = await result_of(row.kind, row.record_id, act)
    unit = await Unit.get(id=row.unit_id)
    raised, lit = result.problems.raised, result.problems.struck_off
    label = _(current().registry.record_kinds[row.kind].label)
    head = _("{kind}，{unit}", kind=label, unit=unit.name)
    state = ""
    if result.all_lit:
        state = _("{count}件全部销号", count=raised)
    elif raised:
        state = _("提出{raised}件，销号{lit}件", raised=raised, lit=lit)
    return Card(head, row.title, state, f"{row.date:%Y-%m-%d}", lit=result.all_lit)


async def _signed_in(act: Act, rows: Sequence[Activity]) -> Mapping[int, int]:
    found = Attendance.filter(
        activity_id__in=[row.id for row in rows], role__in=list(RESIDENTS), present_at__isnull=False
    )
    counted = await found.annotate(count=Count("id")).group_by("activity_id").values("activity_id", "count")
    return dict.fromkeys((row.id for row in rows), 0) | {each["activity_id"]: each["count"] for each in counted}


async def _raised(act: Act, rows: Sequence[Activity]) -> Mapping[int, int]:
    kinds = {row.kind for row in rows}
    found = Issue.filter(origin_kind__in=list(kinds), origin_id__in=[row.id for row in rows])
    counted = await found.annotate(count=Count("id")).group_by("origin_id").values("origin_id", "count")
    return dict.fromkeys((row.id for row in rows), 0) | {each["origin_id"]: each["count"] for each in counted}


#: What the desk's list and Excel file say of each besides.
COLUMNS: tuple[Column, ...] = message_ids((Column("签到居民", _signed_in), Column("提出的事", _raised)))
