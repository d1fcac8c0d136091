"""What residents see on their phones during an evening: the form that the code opens, and their seat."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from yetan.api import Field, Form, Invalid, NotFound, Page, Refused, Request, TooMany, attempt, panels, published
from yetan.api import translate as _
from yetan_activities.attendance import presence_at
from yetan_activities.kinds import kind_of
from yetan_activities.models import Activity, Attendance
from yetan_activities.signing_in import (
    SEATS_A_PHONE,
    SIGN_IN_FIELDS,
    Seat,
    check_ticket,
    keep_seat,
    scanned,
    seat_of,
    sign_in,
    ticket_for,
)

#: Sign-ins from one address in an hour: a whole hall may stand behind one.
SIGN_INS, WINDOW_SECONDS = 900, 3600
#: `own` is the one press of whoever has an account; without it the form is somebody's without one.
_HIDDEN = (
    Field("ticket", "签到表", "hidden", max_length=120),
    Field("own", "本人的账号", "hidden", required=False, max_length=1),
)
_FORM = (*_HIDDEN, *SIGN_IN_FIELDS)
#: Of one's own account, so little is asked.
_OWN_FORM = (*_HIDDEN, *(each for each in SIGN_IN_FIELDS if each.name == "house"))


async def scan(request: Request) -> Response:
    """What the code on the wall opens: the form, or why there is none and what to do."""
    now = request.act.now
    found = scanned(request.path_params["code"], now)
    activity = await Activity.get_or_none(id=found.activity_id) if found is not None else None
    if found is None or activity is None:
        raise NotFound("这个签到码没有扫全，或者不是我们的。请再扫一次会场上的码；还是不行，请主持人帮您签到。")
    if (await seat_of(request, activity)).attendances:
        return request.redirect("activities.seat", id=activity.id)
    if activity.closed_at is not None:
        return await _no_entry(
            request, activity, _("这一场已经结束了"), _("谢谢您来看。说了什么、办到哪一步，公开以后都看得到。")
        )
    if activity.opened_at is None:
        return await _no_entry(request, activity, _("还没有开始"), _("请坐一会儿，主持人宣布开始以后再扫一次。"))
    if not found.fresh:
        return await _no_entry(
            request,
            activity,
            _("这个码过时了"),
            _("会场上的码过一会儿就换一个。请再扫一次现在的；还是不行，请主持人帮您签到。"),
        )
    return await _draw(request, activity, _empty(request, activity))


async def another(request: Request) -> Response:
    """The form once more, on a phone that has signed in already: for who came along and has none."""
    activity = await _activity(request)
    if not (await seat_of(request, activity)).attendances:
        return await _not_signed_in(request, activity)
    if not activity.is_open:
        return request.redirect("activities.seat", id=activity.id)
    return await _draw(request, activity, _empty(request, activity))


async def submit(request: Request) -> Response:
    """Sign in, and keep the seat in this phone."""
    activity = await _activity(request)
    own = request.act.actor.signed_in and bool((await request.values(_HIDDEN))["own"])
    form = await request.form(_OWN_FORM if own else _FORM)
    seat = await seat_of(request, activity)
    try:
        check_ticket(str(form.values["ticket"] or ""), activity, request.act.now)
        typed = form.clean()
        there = None if own else _seated(seat, typed)
        if there is None:
            if len(seat.attendances) >= SEATS_A_PHONE:
                raise Refused("一部手机最多签 {most} 位，再多的请主持人帮忙签到。", most=SEATS_A_PHONE)
            subject = f"{request.act.source} {activity.id}"
            await attempt(
                "activities.sign_in", subject, limit=SIGN_INS, window_seconds=WINDOW_SECONDS, now=request.act.now
            )
            there = await sign_in(request.act, activity.id, typed, way="code")
    except Invalid as error:
        form.refuse(error)
        return await _draw(request, activity, form, error.status, own=own)
    except (Refused, TooMany) as error:
        form.message = error.message
        return await _draw(request, activity, form, error.status, own=own)
    response = request.redirect("activities.seat", id=activity.id)
    keep_seat(response, request, there)
    return response


async def seat(request: Request) -> Response:
    """The resident's page during the evening: who signed in here, what is going on, and what can be done."""
    activity = await _activity(request)
    seat = await seat_of(request, activity)
    if not seat.attendances:
        return await _not_signed_in(request, activity)
    return request.render(
        "activities/seat.html",
        activity=activity,
        kind=kind_of(activity),
        seat=seat,
        presence=(await presence_at([activity.id]))[activity.id],
        more=len(seat.attendances) < SEATS_A_PHONE,
        public_page=await _public_page(request, activity),
        panels=await panels(request, f"seat.{activity.kind}", seat),
    )


def _empty(request: Request, activity: Activity) -> Form:
    return Form(_FORM, {"ticket": ticket_for(activity, request.act.now)})


async def _draw(request: Request, activity: Activity, form: Form, status: int = 200, *, own: bool = False) -> Response:
    """The form; for an account above it the one press, which is the form itself where something is asked still."""
    seat = await seat_of(request, activity)
    offered = request.act.actor.signed_in and not any(
        each.account_id == request.act.actor.account_id for each in seat.attendances
    )
    press = Form(_OWN_FORM, {"ticket": form.values["ticket"], "own": "1"}) if offered and not own else None
    return request.render(
        "activities/sign_in.html",
        status,
        activity=activity,
        kind=kind_of(activity),
        form=form,
        press=press,
        own=own,
        seat=seat,
    )


def _seated(seat: Seat, typed: dict[str, Any]) -> Attendance | None:
    """Whom this phone has signed in already under that name and house."""
    same = (each for each in seat.attendances if (each.name, each.house) == (typed["name"], typed["house"]))
    return next(same, None)


async def _not_signed_in(request: Request, activity: Activity) -> Response:
    text = _("请扫一扫会场上的码。没有码的，请主持人帮您签到。")
    return await _no_entry(request, activity, _("这部手机还没有签到"), text)


async def _no_entry(request: Request, activity: Activity, title: str, text: str) -> Response:
    return request.render(
        "activities/no_entry.html",
        410 if activity.closed_at is not None else 409,
        activity=activity,
        title=title,
        text=text,
        public_page=await _public_page(request, activity),
    )


async def _public_page(request: Request, activity: Activity) -> str:
    """Where residents read of it, or ""."""
    if not await published(activity.kind).filter(record_id=activity.id).exists():
        return ""
    return request.templating.addresses.path(f"records.{activity.kind}.record", id=activity.id)


async def _activity(request: Request) -> Activity:
    activity = await Activity.get_or_none(id=request.path_params["id"])
    if activity is None:
        raise NotFound
    return activity


PAGES = (
    Page("/s/{code}", scan, "activities.scan", public=True, personal=True, site="public"),
    Page("/activities/{id:int}/sign-in", another, "activities.sign_in", public=True, personal=True, site="public"),
    Page(
        "/activities/{id:int}/sign-in",
        submit,
        "activities.sign_in.submit",
        ("POST",),
        public=True,
        personal=True,
        site="public",
    ),
    Page("/activities/{id:int}/seat", seat, "activities.seat", public=True, personal=True, site="public"),
)
