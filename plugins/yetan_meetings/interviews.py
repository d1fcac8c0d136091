"""入户访谈: which households an evening visits, and one page on a phone to write each of them down (002-A3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from yetan.api import (
    Act,
    Field,
    Form,
    Household,
    Invalid,
    NotFound,
    Page,
    Panel,
    Request,
    change,
    clean,
    may,
    message_ids,
    submit,
    visible,
)
from yetan_activities.api import Activity, held, hosted
from yetan_meetings.forms import HOUSEHOLD_INTERVIEW
from yetan_meetings.ledger import ASKED, NEED_FIELDS, OFFICIAL, TITLE, TOLD_BY, issue_needed, title_of, write_entry
from yetan_meetings.models import LedgerEntry, PlannedVisit

HOUSEHOLD = Field("household", "哪一户", "number", required=False)
PLAN_FIELDS = (Field("planned", "加上哪一户", "number"),)
_NO_TITLE = Field(
    TITLE.name,
    TITLE.label,
    required=False,
    max_length=TITLE.max_length,
    hint="不写，就用困难问题的头一句。",
)
#: 三必问: of a household all three are asked.
_ALL_ASKED = tuple(replace(field, required=True, hint=field.hint or message_ids("没有的写“没有”。")) for field in ASKED)
#: What is written down of a household, on one page.
VISIT_FIELDS = (HOUSEHOLD, *TOLD_BY, *_ALL_ASKED, _NO_TITLE, OFFICIAL, *NEED_FIELDS)


async def _interview(act: Act, activity_id: int) -> Activity:
    """The evening of interviews, which the actor keeps. Raises `NotFound` for an activity of another kind."""
    activity = await hosted(act, activity_id)
    if activity.kind != HOUSEHOLD_INTERVIEW:
        raise NotFound
    return activity


async def _household(act: Act, activity: Activity, household_id: int | None) -> Household | None:
    """A household of the very unit, for those who answer for it. Raises `Invalid` for any other."""
    if household_id is None:
        return None
    found = await visible(Household, act).get_or_none(id=household_id, unit_id=activity.unit_id)
    if found is None:
        raise Invalid.field("household", "没有这一户，或者不归您管。请从列出的里面选。")
    return found


@change(PlannedVisit)
async def plan_visit(act: Act, activity_id: int, values: Mapping[str, Any]) -> PlannedVisit:
    """Mean to visit a household that evening; twice is once."""
    activity = await _interview(act, activity_id)
    household = await _household(act, activity, clean(PLAN_FIELDS, values)["planned"])
    assert household is not None
    planned, _created = await PlannedVisit.get_or_create(activity_id=activity.id, household_id=household.id)
    return planned


@change(Activity)
async def drop_visit(act: Act, activity_id: int, values: Mapping[str, Any]) -> Activity:
    """Do not mean to visit a household any more."""
    activity = await _interview(act, activity_id)
    household = await _household(act, activity, clean(PLAN_FIELDS, values)["planned"])
    assert household is not None
    await PlannedVisit.filter(activity_id=activity.id, household_id=household.id).delete()
    return activity


@change(LedgerEntry, action="condition.visit")
async def write_visit(act: Act, activity_id: int, values: Mapping[str, Any]) -> LedgerEntry:
    """Write down what a household said, `values` being VISIT_FIELDS, and where it needs doing, its issue at once.

    Raises `Invalid` unless all three questions were asked.
    """
    activity = await held((await _interview(act, activity_id)).id)
    typed = clean(VISIT_FIELDS, values)
    household = await _household(act, activity, typed["household"])
    said = {**typed, "title": typed["title"] or title_of(typed), "date": activity.date, "source": "visit"}
    entry = await write_entry(
        act,
        activity.unit_id,
        said,
        activity_id=activity.id,
        household_id=household.id if household is not None else None,
    )
    await issue_needed(act, entry, typed)
    return entry


# Pages


async def visits(request: Request) -> Response:
    """Whom to visit, who was visited, and the form for the next."""
    activity = await _interview(request.act, request.subject.id)
    household = (await request.values((HOUSEHOLD,)))["household"]
    return await _draw(request, activity, Form(VISIT_FIELDS, {**_started(request), "household": household}))


def _started(request: Request) -> dict[str, object]:
    return {"official": request.act.actor.name}


async def submit_visit(request: Request) -> Response:
    """Write one down, and offer the form for the next."""
    activity = await _interview(request.act, request.subject.id)
    not_done = await submit(request, VISIT_FIELDS, lambda values: write_visit(request.act, activity.id, values))
    if not_done is not None:
        return await _draw(request, activity, not_done.form, not_done.status)
    return request.redirect("meetings.visits", id=activity.id)


async def submit_plan(request: Request) -> Response:
    """Put a household on the plan."""
    activity = await _interview(request.act, request.subject.id)
    not_done = await submit(request, PLAN_FIELDS, lambda values: plan_visit(request.act, activity.id, values))
    if not_done is not None:
        form = Form(VISIT_FIELDS, _started(request))
        return await _draw(request, activity, form, not_done.status, plan=not_done.form)
    return request.redirect("meetings.visits", id=activity.id)


async def submit_dropped(request: Request) -> Response:
    """Take a household off the plan."""
    await drop_visit(request.act, request.subject.id, (await request.form(PLAN_FIELDS)).clean())
    return request.redirect("meetings.visits", id=request.subject.id)


async def _draw(
    request: Request, activity: Activity, form: Form, status: int = 200, *, plan: Form | None = None
) -> Response:
    act = request.act
    households = await visible(Household, act).filter(unit_id=activity.unit_id).order_by("id")
    planned = {row["household_id"] for row in await _planned(activity).values("household_id")}
    entries = await visible(LedgerEntry, act).filter(activity_id=activity.id).select_related("issue").order_by("id")
    visited = {entry.household_id for entry in entries}
    on_plan = [each for each in households if each.id in planned]
    others = [each for each in households if each.id not in planned]
    form.choices["household"] = [(str(each.id), each.address) for each in (*on_plan, *others)]
    plan = plan or Form(PLAN_FIELDS)
    plan.choices["planned"] = [(str(each.id), each.address) for each in others]
    return request.render(
        "meetings/visits.html",
        status,
        activity=activity,
        form=form,
        plan=plan,
        planned=[(each, each.id in visited) for each in on_plan],
        others=bool(others),
        entries=entries,
    )


def _planned(activity: Activity) -> Any:
    return PlannedVisit.filter(activity_id=activity.id, household_id__isnull=False)


async def visits_of(act: Act, activity: Activity) -> Mapping[str, Any] | None:
    """The panel on the evening's record: how many households are planned and were visited, and the way to write.

    An entry that names no household the city knows is of one more.
    """
    if not await may(act, f"{HOUSEHOLD_INTERVIEW}.keep", [activity.unit_id]):
        return None
    entries = await LedgerEntry.filter(activity_id=activity.id).values("id", "household_id")
    visited = {row["household_id"] or f"entry {row['id']}" for row in entries}
    return {"planned": await _planned(activity).count(), "visited": len(visited)}


_KEEP = f"{HOUSEHOLD_INTERVIEW}.keep"
_VISITS = "/desk/activities/{id:int}/visits"
PAGES = (
    Page(_VISITS, visits, "meetings.visits", permission=_KEEP, model=Activity, sensitive=True),
    Page(_VISITS, submit_visit, "meetings.visits.submit", ("POST",), permission=_KEEP, model=Activity),
    Page(f"{_VISITS}/plan", submit_plan, "meetings.visits.plan", ("POST",), permission=_KEEP, model=Activity),
    Page(f"{_VISITS}/drop", submit_dropped, "meetings.visits.drop", ("POST",), permission=_KEEP, model=Activity),
)
PANELS = (
    Panel(
        "meetings.visits", f"desk.{HOUSEHOLD_INTERVIEW}", "meetings/visits_panel.html", visits_of, _KEEP, position=20
    ),
)
