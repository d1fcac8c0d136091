"""Where residents write what they felt, and where somebody reads it before it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from yetan.api import (
    Act,
    Field,
    Form,
    NotFound,
    Page,
    Panel,
    PublicRecord,
    RecordKind,
    Request,
    attempt,
    drawn_number,
    holds,
    may,
    message_ids,
    published,
    submit,
)
from yetan_activities.configuration import settings
from yetan_activities.models import Activity, Reflection
from yetan_activities.reflections import (
    DECISION,
    MODERATE,
    OFFICIAL_FIELDS,
    RESIDENT_FIELDS,
    WRITTEN,
    decide,
    reflect,
    reflect_as_official,
    waiting_for,
)
from yetan_activities.signing_in import Seat, seat_of

#: How many one address may send in an hour: a whole hall may sit behind it.
_TRIES, _WINDOW = 60, 3600
_LISTED = 100
_STATES = message_ids((("waiting", "等您看"), ("shown", "公开的"), ("hidden", "没有公开的")))
_DECISION = (Field("reflection", "哪一条", "hidden", max_length=9), DECISION)


# Residents


async def reflect_form(request: Request) -> Response:
    """The form, for whoever signed in that evening, and for everybody once the activity is published."""
    activity, _seat = await _reflected_on(request)
    return await _form(request, activity, Form(RESIDENT_FIELDS))


async def submit_reflection(request: Request) -> Response:
    """Keep what a resident wrote."""
    activity, seat = await _reflected_on(request)
    there = {each.person_id for each in seat.attendances}
    person = request.act.actor.person_id or (there.pop() if len(there) == 1 else None)

    async def go(values: dict[str, Any]) -> None:
        await attempt(WRITTEN, request.act.source, limit=_TRIES, window_seconds=_WINDOW, now=request.act.now)
        await reflect(request.act, activity.id, values, person_id=person)

    not_done = await submit(request, RESIDENT_FIELDS, go)
    if not_done is not None:
        return await _form(request, activity, not_done.form, not_done.status)
    return request.redirect("activities.reflected", id=activity.id)


async def reflected(request: Request) -> Response:
    """Thanks, and what happens next."""
    activity, _seat = await _reflected_on(request)
    return request.render("activities/reflected.html", activity=activity, record=await _public(activity))


async def _form(request: Request, activity: Activity, form: Form, status: int = 200) -> Response:
    return request.render(
        "activities/reflect.html", status, activity=activity, record=await _public(activity), form=form
    )


async def _public(activity: Activity) -> PublicRecord | None:
    return await published(activity.kind).get_or_none(record_id=activity.id)


async def _reflected_on(request: Request) -> tuple[Activity, Seat]:
    """The activity of the path, as far as the reader may know of it. Raises `NotFound` for any other."""
    activity = await Activity.get_or_none(id=request.path_params["id"])
    if activity is None or not settings().reflections:
        raise NotFound
    seat = await seat_of(request, activity)
    if not seat.attendances and await _public(activity) is None:
        raise NotFound
    return activity, seat


async def seat_panel(act: Act, seat: Seat) -> Mapping[str, Any] | None:
    """The way to the form, for those who sit there."""
    taken = settings().reflections
    return {} if taken and seat.attendances else None


# The desk


async def reflections(request: Request) -> Response:
    """What was written about an activity, and the form for one's own."""
    return await _desk(request, Form(OFFICIAL_FIELDS))


async def _desk(request: Request, form: Form, status: int = 200) -> Response:
    activity: Activity = request.subject
    rows = await Reflection.filter(activity_id=activity.id).order_by("-created_at", "-id").limit(_LISTED)
    return request.render(
        "activities/reflections.html",
        status,
        activity=activity,
        groups=[(label, [row for row in rows if row.state == state]) for state, label in _STATES],
        may_decide=await may(request.act, MODERATE, [activity.unit_id]),
        form=form,
    )


async def submit_official(request: Request) -> Response:
    """Keep what an official wrote."""

    async def go(values: dict[str, Any]) -> None:
        await reflect_as_official(request.act, request.subject.id, values)

    not_done = await submit(request, OFFICIAL_FIELDS, go)
    if not_done is not None:
        return await _desk(request, not_done.form, not_done.status)
    return request.redirect("activities.reflections", id=request.subject.id)


async def submit_decision(request: Request) -> Response:
    """Show one, or hide it."""
    typed = (await request.form(_DECISION)).clean()
    await decide(request.act, request.subject.id, drawn_number(typed["reflection"]), typed["state"])
    return request.redirect("activities.reflections", id=request.subject.id)


async def waiting_list(request: Request) -> Response:
    """Everything that waits for the actor to read it, the oldest first."""
    rows = await waiting_for(request.act).order_by("created_at", "id").limit(_LISTED).select_related("activity")
    return request.render("activities/waiting.html", rows=rows)


async def desk_panel(act: Act, activity: Activity) -> Mapping[str, Any]:
    """How many reflections an activity has, and how many of them wait."""
    rows = Reflection.filter(activity_id=activity.id)
    return {"count": await rows.count(), "waiting": await rows.filter(state="waiting").count()}


async def queue_panel(act: Act, subject: None) -> Mapping[str, Any] | None:
    """How many wait for the actor, on the list of what waits for them."""
    count = await waiting_for(act).count() if holds(act.actor, MODERATE) else 0
    return {"count": count} if count else None


PANELS = (Panel("activities.waiting", "desk", "activities/waiting_panel.html", queue_panel, MODERATE, position=60),)


def panels_of(kinds: Sequence[RecordKind]) -> list[Panel]:
    """The panels of each kind of activity."""
    return [
        panel
        for kind in kinds
        for panel in (
            Panel(
                f"activities.reflections.{kind.name}",
                f"desk.{kind.name}",
                "activities/reflections_panel.html",
                desk_panel,
                kind.permission("view"),
                position=80,
            ),
            Panel(
                f"activities.reflect.{kind.name}",
                f"seat.{kind.name}",
                "activities/reflect_panel.html",
                seat_panel,
                position=90,
            ),
        )
    ]


_POST = ("POST",)
PAGES = (
    Page("/activities/{id:int}/reflect", reflect_form, "activities.reflect", public=True, personal=True, site="public"),
    Page(
        "/activities/{id:int}/reflect",
        submit_reflection,
        "activities.reflect.submit",
        _POST,
        public=True,
        personal=True,
        site="public",
    ),
    Page(
        "/activities/{id:int}/reflected", reflected, "activities.reflected", public=True, personal=True, site="public"
    ),
    Page("/desk/reflections", waiting_list, "activities.reflections.waiting", permission=MODERATE, sensitive=True),
    Page(
        "/desk/activities/{id:int}/reflections",
        reflections,
        "activities.reflections",
        permission="signed_in",
        model=Activity,
        site="desk",
        sensitive=True,
    ),
    Page(
        "/desk/activities/{id:int}/reflections",
        submit_official,
        "activities.reflections.write",
        _POST,
        permission="signed_in",
        model=Activity,
        site="desk",
    ),
    Page(
        "/desk/activities/{id:int}/reflections/decide",
        submit_decision,
        "activities.reflections.decide",
        _POST,
        permission=MODERATE,
        model=Activity,
    ),
)
