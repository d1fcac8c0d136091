"""定点接谈: 居民说事点, places whose door is always open, and who sits there when (002-A4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Subquery

from yetan.api import (
    Account,
    Act,
    Field,
    Form,
    Invalid,
    NavigationItem,
    NotFound,
    Page,
    Permission,
    Refused,
    Request,
    Unit,
    Visibility,
    account_choices,
    change,
    clean,
    current,
    message_ids,
    require,
    submit,
    subtree_of,
    today,
    units_below,
    units_within,
    visible,
)
from yetan_meetings.models import DutyShift, ServicePoint

MANAGE = "meetings.reception"
POINT_FIELDS = (
    Field("unit", "哪个单位", "unit"),
    Field("name", "叫什么", max_length=60, hint="例如：溪尾村居民说事点。"),
    Field("place", "在哪里", max_length=100, hint="例如：党群服务中心一楼。"),
    Field("hours", "什么时候有人", required=False, max_length=100, hint="例如：每天晚上七点到九点。"),
)
#: On which days of a span somebody sits there.
DAYS = message_ids(
    (
        ("every", "每天"),
        ("working", "上班的日子"),
        ("free", "休息的日子"),
        ("0", "每个星期一"),
        ("1", "每个星期二"),
        ("2", "每个星期三"),
        ("3", "每个星期四"),
        ("4", "每个星期五"),
        ("5", "每个星期六"),
        ("6", "每个星期日"),
    )
)
SHIFT_FIELDS = (
    Field("account", "谁值班", "account", required=False),
    Field("name", "没有账号的，写姓名", required=False, max_length=60, hint="值班的人，居民看得到姓名。"),
    Field("since", "从哪天起", "date"),
    Field("until", "到哪天止", "date", required=False, hint="只排一天的，不填。"),
    Field("days", "哪几天", "choice", choices=DAYS),
    Field("from_time", "几点来", "time", hint="例如 19:00。"),
    Field("until_time", "几点走", "time", hint="例如 21:00。"),
)
GONE_FIELDS = (Field("shift", "哪一班", "number"),)
_WEEK = Field("week", "哪一周", "date", required=False)
_AFTER = Field("after", "从哪一处接着看", "number", required=False, minimum=0)
_WITHIN = Field("unit", "哪个乡镇（街道）", "unit", required=False)
#: A roster is made for a quarter at most, so that a slip of the pen fills no year.
_LONGEST = timedelta(days=92)
_SHOWN = 50


@change(ServicePoint)
async def add_point(act: Act, values: Mapping[str, Any]) -> ServicePoint:
    """Open a place where people are listened to. Raises `Invalid` where the unit has one of that name."""
    typed = clean(POINT_FIELDS, values)
    unit = await Unit.get_or_none(id=typed.pop("unit"), active=True)
    if unit is None:
        raise Invalid.field("unit", "没有这个单位，请从列出的单位里选一个。")
    await require(act, MANAGE, [unit.id])
    point, created = await ServicePoint.get_or_create(
        {"place": typed["place"], "hours": typed["hours"], "created_at": act.now}, unit_id=unit.id, name=typed["name"]
    )
    if not created:
        raise Invalid.field("name", "这个单位已经有叫这个名字的说事点了，请换一个名字。")
    return point


@change(ServicePoint)
async def set_point_open(act: Act, point_id: int, active: bool) -> ServicePoint:
    """Close a place, or open it again. What was left there stays in the queue."""
    point = await _managed(act, point_id)
    await ServicePoint.filter(id=point.id).update(active=active)
    return await ServicePoint.get(id=point.id)


@change(ServicePoint)
async def add_shifts(act: Act, point_id: int, values: Mapping[str, Any]) -> ServicePoint:
    """Put somebody on the roster on certain days of a span, `values` being SHIFT_FIELDS; all of them or none.

    Raises `Invalid`, and `Refused` naming the shift that one would overlap.
    """
    point = await _managed(act, point_id)
    typed = clean(SHIFT_FIELDS, values, {"account": await account_choices(act, point.unit_id)})
    name, account_id = await _who(typed)
    if typed["from_time"] >= typed["until_time"]:
        raise Invalid.field("until_time", "走的时间要晚于来的时间；过半夜的，分成两班写。")
    days = _days(typed["since"], typed["until"] or typed["since"], typed["days"])
    # The row of the point is the roster's lock: of two who fill it in at once, the second sees what the first wrote.
    await ServicePoint.filter(id=point.id).select_for_update().get()
    there = await DutyShift.filter(point_id=point.id, date__gte=days[0], date__lte=days[-1])
    for shift in there:
        overlaps = shift.from_time < typed["until_time"] and typed["from_time"] < shift.until_time
        if overlaps and shift.date in days:
            raise Refused(
                "{day} {since}到{until}已经排了{name}，两班不能重叠。请改时间，或者先去掉那一班。",
                day=f"{shift.date:%Y-%m-%d}",
                since=shift.from_time,
                until=shift.until_time,
                name=shift.name,
            )
    times = {"from_time": typed["from_time"], "until_time": typed["until_time"]}
    await DutyShift.bulk_create(
        [DutyShift(point_id=point.id, date=day, name=name, account_id=account_id, **times) for day in days]
    )
    return point


async def _who(typed: Mapping[str, Any]) -> tuple[str, int | None]:
    if typed["account"] is not None:
        account = await Account.get(id=typed["account"]).select_related("person")
        return account.person.name, account.id
    if not typed["name"]:
        raise Invalid.field("name", "请选谁值班，或者写姓名。")
    return typed["name"], None


def _days(since: date, until: date, which: str) -> list[date]:
    if until < since:
        raise Invalid.field("until", "结束日期不能早于开始日期。")
    if until - since > _LONGEST:
        raise Invalid.field("until", "一次最多排三个月，请分几次排。")
    calendar = current().calendar

    def counts(day: date) -> bool:
        if which in ("working", "free"):
            return calendar.is_working_day(day) == (which == "working")
        return which in ("every", str(day.weekday()))

    days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    chosen = [day for day in days if counts(day)]
    if not chosen:
        raise Invalid.field("days", "这一段里没有这样的日子，请核对日期。")
    return chosen


@change(ServicePoint)
async def remove_shift(act: Act, point_id: int, values: Mapping[str, Any]) -> ServicePoint:
    """Take one shift off the roster; twice is once."""
    point = await _managed(act, point_id)
    await DutyShift.filter(point_id=point.id, id=clean(GONE_FIELDS, values)["shift"]).delete()
    return point


async def _managed(act: Act, point_id: int) -> ServicePoint:
    point = await visible(ServicePoint, act).get_or_none(id=point_id)
    if point is None:
        raise NotFound
    await require(act, MANAGE, [point.unit_id])
    return point


async def week_of(point: ServicePoint, day: date) -> list[tuple[date, list[DutyShift]]]:
    """The seven days of the week that `day` is in, Monday first, with who sits at the point when."""
    monday = day - timedelta(days=day.weekday())
    days = [monday + timedelta(days=number) for number in range(7)]
    shifts = await DutyShift.filter(point_id=point.id, date__gte=days[0], date__lte=days[-1]).order_by("from_time")
    return [(each, [shift for shift in shifts if shift.date == each]) for each in days]


def sitting_now(shifts: Sequence[DutyShift], now: datetime) -> DutyShift | None:
    """Of the shifts of some days, the one that is going on at an instant."""
    local = now.astimezone(current().configuration.city.zone)
    clock = f"{local:%H:%M}"
    going = (each for each in shifts if each.date == local.date() and each.from_time <= clock < each.until_time)
    return next(going, None)


def below(act: Act) -> Any:
    """The rows of service points that an actor looks after."""
    if act.actor.unrestricted:
        return ServicePoint.all()
    return ServicePoint.filter(unit_id__in=units_below(act, MANAGE))


async def _unit_of(point: ServicePoint) -> Mapping[str, int]:
    return {"unit": point.unit_id}


# The desk


async def points(request: Request) -> Response:
    """The service points of one's units, and the form for another."""
    return await _points(request, Form(POINT_FIELDS, choices=await _units(request.act)))


async def _points(request: Request, form: Form, status: int = 200) -> Response:
    rows = await below(request.act).select_related("unit").order_by("-active", "unit__position", "unit_id", "id")
    now = request.act.now
    shifts = await DutyShift.filter(point_id__in=[row.id for row in rows], date=today(request.act))
    found = [(row, sitting_now([each for each in shifts if each.point_id == row.id], now)) for row in rows]
    if len(form.choices["unit"]) == 1 and not form.values.get("unit"):
        form.values["unit"] = form.choices["unit"][0][0]
    return request.render("meetings/points.html", status, points=found, form=form)


async def _units(act: Act) -> dict[str, Any]:
    return {"unit": await units_within(act, MANAGE)}


async def submit_point(request: Request) -> Response:
    """Open a service point."""
    made: list[ServicePoint] = []

    async def add(values: dict[str, Any]) -> None:
        made.append(await add_point(request.act, values))

    not_done = await submit(request, POINT_FIELDS, add, choices=await _units(request.act))
    if not_done is not None:
        return await _points(request, not_done.form, not_done.status)
    return request.redirect("meetings.point", id=made[0].id)


async def point(request: Request) -> Response:
    """A service point: who sits there in a week, and what can be done."""
    week = clean((_WEEK,), await request.values((_WEEK,)))["week"]
    started = {"since": today(request.act).isoformat()}
    return await _point(request, Form(SHIFT_FIELDS, started, choices=await _accounts(request)), week=week)


async def _accounts(request: Request) -> dict[str, Any]:
    return {"account": await account_choices(request.act, request.subject.unit_id)}


async def _point(request: Request, form: Form, status: int = 200, *, week: date | None = None) -> Response:
    row: ServicePoint = request.subject
    shown = await week_of(row, week or today(request.act))
    this_week = await week_of(row, today(request.act))
    path = request.templating.addresses.path
    return request.render(
        "meetings/point.html",
        status,
        point=row,
        unit=await Unit.get(id=row.unit_id),
        form=form,
        week=shown,
        earlier=path("meetings.point", id=row.id, week=shown[0][0] - timedelta(days=7)),
        later=path("meetings.point", id=row.id, week=shown[0][0] + timedelta(days=7)),
        now_sits=sitting_now([shift for _day, shifts in this_week for shift in shifts], request.act.now),
        day=today(request.act),
    )


async def submit_shifts(request: Request) -> Response:
    """Put somebody on the roster."""
    row: ServicePoint = request.subject
    not_done = await submit(
        request,
        SHIFT_FIELDS,
        lambda values: add_shifts(request.act, row.id, values),
        choices=await _accounts(request),
    )
    if not_done is not None:
        return await _point(request, not_done.form, not_done.status)
    return request.redirect("meetings.point", id=row.id)


async def submit_shift_gone(request: Request) -> Response:
    """Take a shift off the roster."""
    await remove_shift(request.act, request.subject.id, (await request.form(GONE_FIELDS)).clean())
    return request.redirect("meetings.point", id=request.subject.id)


async def submit_closed(request: Request) -> Response:
    """Close the service point."""
    await set_point_open(request.act, request.subject.id, False)
    return request.redirect("meetings.point", id=request.subject.id)


async def submit_reopened(request: Request) -> Response:
    """Open it again."""
    await set_point_open(request.act, request.subject.id, True)
    return request.redirect("meetings.point", id=request.subject.id)


async def poster(request: Request) -> Response:
    """The paper for the wall: what the place is, and a code that leads to its message board."""
    row: ServicePoint = request.subject
    return request.render(
        "meetings/poster.html",
        point=row,
        unit=await Unit.get(id=row.unit_id),
        page=request.templating.addresses.path("meetings.public_point", id=row.id),
    )


# The public


async def public_points(request: Request) -> Response:
    """Where one can go: the open service points, with who sits there today."""
    homes = await Unit.filter(id__in=Subquery(_open_points().values("unit_id")))
    above = await Unit.filter(id__in={unit.parent_id for unit in homes if unit.parent_id is not None})
    choices = {"unit": [(str(unit.id), unit.name) for unit in above]}
    form = await request.form((_WITHIN, _AFTER), choices=choices)
    asked = form.clean()
    rows = _open_points()
    if asked["unit"] is not None:
        rows = rows.filter(unit_id__in=await subtree_of(asked["unit"]))
    if asked["after"] is not None:
        rows = rows.filter(id__gt=asked["after"])
    found = await rows.select_related("unit").order_by("id").limit(_SHOWN + 1)
    shown, more = found[:_SHOWN], found[_SHOWN - 1].id if len(found) > _SHOWN else None
    shifts = await DutyShift.filter(point_id__in=[row.id for row in shown], date=today(request.act))
    shifts.sort(key=lambda shift: shift.from_time)
    path = request.templating.addresses.path
    return request.render(
        "meetings/public_points.html",
        form=Form((_WITHIN,), form.values, choices=choices),
        points=[(row, [each for each in shifts if each.point_id == row.id]) for row in shown],
        more=path("meetings.public_points", unit=asked["unit"], after=more) if more else None,
    )


def _open_points() -> Any:
    return ServicePoint.filter(active=True)


async def open_point(request: Request) -> ServicePoint:
    """The open service point of the address. Raises `NotFound`."""
    found = await ServicePoint.get_or_none(id=request.path_params["id"], active=True).select_related("unit")
    if found is None:
        raise NotFound("没有这个说事点，或者已经不开放了。请从说事点的名单里找。")
    return found


_POINTS, _POINT = "/desk/service-points", "/desk/service-points/{id:int}"
PAGES = (
    Page(_POINTS, points, "meetings.points", permission=MANAGE),
    Page(_POINTS, submit_point, "meetings.points.submit", ("POST",), permission=MANAGE),
    Page(_POINT, point, "meetings.point", permission=MANAGE, model=ServicePoint),
    Page(f"{_POINT}/shifts", submit_shifts, "meetings.shifts", ("POST",), permission=MANAGE, model=ServicePoint),
    Page(
        f"{_POINT}/shifts/remove",
        submit_shift_gone,
        "meetings.shifts.remove",
        ("POST",),
        permission=MANAGE,
        model=ServicePoint,
    ),
    Page(f"{_POINT}/close", submit_closed, "meetings.point.close", ("POST",), permission=MANAGE, model=ServicePoint),
    Page(f"{_POINT}/open", submit_reopened, "meetings.point.open", ("POST",), permission=MANAGE, model=ServicePoint),
    Page(f"{_POINT}/poster", poster, "meetings.point.poster", permission=MANAGE, model=ServicePoint),
    Page("/service-points", public_points, "meetings.public_points", public=True, budget="overviews"),
)
PERMISSIONS = (Permission(MANAGE, "管理居民说事点", frozenset({"village_official", "township_clerk"})),)
VISIBILITY = (Visibility(ServicePoint, below, _unit_of),)
NAVIGATION = (
    NavigationItem("public", "居民说事点", "meetings.public_points", position=60),
    NavigationItem("desk", "说事点", "meetings.points", MANAGE, position=58),
)
