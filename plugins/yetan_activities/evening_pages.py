"""The host's pages: the evening on a phone, the code for the wall, and the list of who is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.responses import Response

from yetan.api import (
    Act,
    Field,
    Form,
    Page,
    Panel,
    RecordKind,
    Refused,
    Request,
    Unit,
    account_choices,
    current,
    listed,
    may,
    panels,
    qr_code,
)
from yetan.api import submit as submit_form
from yetan.api import translate as _
from yetan_activities.attendance import (
    STATED,
    STATED_FIELDS,
    expect_again,
    listed_at,
    of_earlier_evenings,
    presence_at,
    put_down,
    state_residents,
    take_off,
    tick_off,
    way_now,
)
from yetan_activities.evening import close_activity, hosted, open_activity
from yetan_activities.guards import StillOpen
from yetan_activities.kinds import kind_of
from yetan_activities.models import ROLES, WAYS, Activity, Attendance
from yetan_activities.signing_in import HOST_FIELDS, code_of, seconds_left

_WHO = (Field("attendance", "哪一位", "number", minimum=1),)


async def evening(request: Request) -> Response:
    """The host's page, on a phone."""
    return await _evening(request, await hosted(request.act, request.subject.id))


async def submit_open(request: Request) -> Response:
    """Begin."""
    return await _go(request, open_activity)


async def submit_close(request: Request) -> Response:
    """End, or say what stands open."""
    return await _go(request, close_activity)


async def _go(request: Request, service: Callable[[Act, int], Awaitable[Activity]]) -> Response:
    activity: Activity = request.subject
    try:
        await service(request.act, activity.id)
    except Refused as error:
        reasons = error.reasons if isinstance(error, StillOpen) else []
        activity = await Activity.get(id=activity.id)
        return await _evening(request, activity, error.status, problem=error.message, reasons=reasons)
    return request.redirect("activities.evening", id=activity.id)


async def _evening(
    request: Request,
    activity: Activity,
    status: int = 200,
    *,
    problem: str = "",
    reasons: Sequence[str] = (),
    stated: Form | None = None,
) -> Response:
    kind = kind_of(activity)
    counts = STATED in kind.asks and activity.opened_at is not None
    return request.render(
        "activities/evening.html",
        status,
        activity=activity,
        kind=kind,
        unit=await Unit.get(id=activity.unit_id),
        presence=(await presence_at([activity.id]))[activity.id],
        code=_drawn_code(request, activity) if activity.is_open and kind.signs_in else None,
        stated=(stated or Form(STATED_FIELDS, {STATED: activity.stated_residents})) if counts else None,
        problem=problem,
        reasons=reasons,
        record=request.templating.addresses.path(f"desk.{activity.kind}.record", id=activity.id),
        panels=await panels(request, f"evening.{activity.kind}", activity),
    )


async def submit_stated(request: Request) -> Response:
    """Write down how many residents the host counted."""
    activity = await hosted(request.act, request.subject.id)

    async def go(values: dict[str, Any]) -> None:
        await state_residents(request.act, activity.id, values)

    not_done = await submit_form(request, STATED_FIELDS, go)
    if not_done is not None:
        return await _evening(request, activity, not_done.status, stated=not_done.form)
    return request.redirect("activities.evening", id=activity.id)


async def code(request: Request) -> Response:
    """The code alone, as large as the screen: for a projector, or to hold up. It renews itself."""
    activity = await hosted(request.act, request.subject.id)
    if not (activity.is_open and kind_of(activity).signs_in):
        return request.redirect("activities.evening", id=activity.id)
    answer = request.render(
        "activities/code.html",
        activity=activity,
        kind=kind_of(activity),
        unit=await Unit.get(id=activity.unit_id),
        presence=(await presence_at([activity.id]))[activity.id],
        code=_drawn_code(request, activity),
    )
    # A header: an element for it in the page would be one that readers of pages cannot stop.
    answer.headers["Refresh"] = str(seconds_left(request.act.now) + 1)
    return answer


def _drawn_code(request: Request, activity: Activity) -> Any:
    path = request.templating.addresses.path("activities.scan", code=code_of(activity, request.act.now))
    return qr_code(current().configuration.base_url + path, _("用手机扫一扫，签到"))


async def attendance(request: Request) -> Response:
    """Who is expected and who is there, and what the host does about it."""
    return await _attendance(request, await hosted(request.act, request.subject.id))


async def submit_person(request: Request) -> Response:
    """Put somebody down."""
    activity = await hosted(request.act, request.subject.id)

    async def go(values: dict[str, Any]) -> None:
        await put_down(request.act, activity.id, values)

    choices = {"account": await account_choices(request.act, activity.unit_id)}
    not_done = await submit_form(request, HOST_FIELDS, go, choices=choices)
    if not_done is not None:
        return await _attendance(request, activity, not_done.status, form=not_done.form)
    return request.redirect("activities.attendance", id=activity.id)


async def submit_earlier(request: Request) -> Response:
    """Expect those who were ticked of earlier evenings."""
    activity: Activity = request.subject
    offered = await of_earlier_evenings(activity)
    typed = (await request.form([_tick(each) for each in offered])).clean()
    await expect_again(request.act, activity.id, [each.id for each in offered if typed[_tick(each).name]])
    return request.redirect("activities.attendance", id=activity.id)


def _tick(attendance: Attendance) -> Field:
    house = f" {attendance.house}" if attendance.house else ""
    return Field(f"earlier_{attendance.id}", f"{attendance.name}{house}", "boolean", required=False)


async def submit_tick(request: Request) -> Response:
    """Somebody expected is there."""
    return await _change_one(request, tick_off)


async def submit_take_off(request: Request) -> Response:
    """Put a mistake right."""
    return await _change_one(request, take_off)


async def _change_one(request: Request, service: Callable[[Act, int, int], Awaitable[Any]]) -> Response:
    activity: Activity = request.subject
    try:
        await service(request.act, activity.id, (await request.form(_WHO)).clean()["attendance"])
    except Refused as error:
        return await _attendance(request, activity, error.status, problem=error.message)
    return request.redirect("activities.attendance", id=activity.id)


async def _attendance(
    request: Request, activity: Activity, status: int = 200, *, form: Form | None = None, problem: str = ""
) -> Response:
    way = way_now(request.act, activity)
    rows = await listed_at(activity.id)
    earlier = await of_earlier_evenings(activity) if not activity.closed_at else []
    choices = {"account": await account_choices(request.act, activity.unit_id)}
    return request.render(
        "activities/attendance.html",
        status,
        activity=activity,
        kind=kind_of(activity),
        way=way,
        awaited=[row for row in rows if row.present_at is None],
        present=[row for row in rows if row.present_at is not None],
        presence=(await presence_at([activity.id]))[activity.id],
        roles=dict(ROLES),
        ways=dict(WAYS),
        form=form or Form(HOST_FIELDS, {"role": "resident"}, choices=choices),
        earlier=Form([_tick(each) for each in earlier]) if earlier else None,
        problem=problem,
        record=request.templating.addresses.path(f"desk.{activity.kind}.record", id=activity.id),
    )


async def export(request: Request) -> Response:
    """The list as an Excel file."""
    activity = await hosted(request.act, request.subject.id)
    headings = [_("姓名或者称呼"), _("住在哪里"), _("身份"), _("单位"), _("到没到"), _("几点到的"), _("怎么签的")]
    roles, ways, zone = dict(ROLES), dict(WAYS), current().configuration.city.zone
    rows: list[list[Any]] = [
        [
            row.name,
            row.house,
            _(roles[row.role]),
            row.unit.name if row.unit else "",
            _("到了") if row.present_at else _("没有到"),
            f"{row.present_at.astimezone(zone):%H:%M}" if row.present_at else "",
            _(ways[row.way]) if row.present_at else "",
        ]
        for row in await listed_at(activity.id)
    ]
    return await listed(request, f"attendances of Activity:{activity.id}", _("签到名单"), headings, rows)


async def panel(act: Act, activity: Activity) -> dict[str, Any]:
    """On the activity's desk page: how many were there, and the way to the evening and the list."""
    return {
        "presence": (await presence_at([activity.id]))[activity.id],
        "may_host": await may(act, f"{activity.kind}.keep", [activity.unit_id]),
        "roles": dict(ROLES),
    }


def panels_of(kinds: Sequence[RecordKind]) -> list[Panel]:
    """The panel for each kind of activity."""
    return [
        Panel(
            f"activities.attendance.{kind.name}",
            f"desk.{kind.name}",
            "activities/attendance_panel.html",
            panel,
            kind.permission("view"),
            position=10,
        )
        for kind in kinds
    ]


def _page(path: str, endpoint: Any, name: str, methods: tuple[str, ...] = ("GET",), *, sensitive: bool = False) -> Page:
    """A page about an activity that its host may open: which right that takes depends on its kind (`hosted`)."""
    return Page(
        "/desk/activities/{id:int}/" + path,
        endpoint,
        name,
        methods,
        permission="signed_in",
        model=Activity,
        site="desk",
        sensitive=sensitive,
    )


_POST = ("POST",)
PAGES = (
    _page("evening", evening, "activities.evening", sensitive=True),
    _page("open", submit_open, "activities.open", _POST),
    _page("close", submit_close, "activities.close", _POST),
    _page("stated", submit_stated, "activities.stated", _POST),
    _page("code", code, "activities.code"),
    _page("attendance", attendance, "activities.attendance", sensitive=True),
    _page("attendance", submit_person, "activities.attendance.add", _POST),
    _page("attendance/earlier", submit_earlier, "activities.attendance.earlier", _POST),
    _page("attendance/tick", submit_tick, "activities.attendance.tick", _POST),
    _page("attendance/remove", submit_take_off, "activities.attendance.remove", _POST),
    _page("attendance/export", export, "activities.attendance.export", sensitive=True),
)
