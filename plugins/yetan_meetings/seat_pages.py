"""What residents do at their seats, on their phones: raise a matter, vote, and see what becomes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from yetan.api import (
    Act,
    Field,
    Form,
    Invalid,
    NotFound,
    Page,
    Panel,
    RecordKind,
    Refused,
    Request,
    TooMany,
    YetanError,
    message_ids,
    slip_code,
)
from yetan_activities.api import Activity, Attendance, Seat, kind_of, seat_of
from yetan_meetings.agenda import SEAT_FIELDS, called, items_of, speak
from yetan_meetings.agenda_pages import ItemView, views_of
from yetan_meetings.models import AgendaItem, Vote
from yetan_meetings.voting import CHOICES, VOTE_FIELDS, by_phone, cast

#: For whom of those on the phone.
_WHO = Field("attendance", message_ids("替谁说"), "choice")


class OwnItem(Struct, frozen=True):
    """An item of somebody at the seat; once it is an issue, the code that opens it later ("" before, and on a phone
    that was not the first to sign in for them)."""

    item: ItemView
    code: str


class Ballot(Struct, frozen=True):
    """Somebody at the seat and what they have voted so far, "" for nothing yet. It is `given` where this phone was not
    the first to sign in for them: it neither tells nor changes what they voted."""

    attendance: Attendance
    name: str
    choice: str
    given: bool


async def seat_panel(act: Act, seat: Seat) -> Mapping[str, Any] | None:
    """On the seat's page: what is discussed, the ballots while it is voted on, one's own matters, the form for more."""
    if not seat.attendances or not kind_of(seat.activity).agenda:
        return None
    items = await items_of(seat.activity.id)
    discussed = next((item for item in items if item.state == "discussing"), None) if seat.activity.is_open else None
    seated = {each.id: each for each in seat.attendances}
    own = [item for item in items if item.raised_by_id in seated]
    views = {view.id: view for view in await views_of(items, named=False)}
    return {
        "discussed": views[discussed.id] if discussed is not None else None,
        "ballots": await _ballots(seat, discussed) if discussed is not None and discussed.vote_state == "open" else [],
        "by_phone": by_phone(),
        "choices": CHOICES,
        "own": [OwnItem(views[item.id], _code(seat, item)) for item in own],
        "form": _form(seat) if seat.activity.is_open else None,
    }


async def _ballots(seat: Seat, item: AgendaItem) -> Sequence[Ballot]:
    votes = Vote.filter(item_id=item.id, attendance_id__in=[each.id for each in seat.attendances])
    cast_by = {vote.attendance_id: vote.choice for vote in await votes}
    return [
        Ballot(each, called(each), cast_by.get(each.id, ""), each.id in cast_by and each.id in seat.again)
        for each in seat.attendances
    ]


def _code(seat: Seat, item: AgendaItem) -> str:
    if item.issue_id is None or item.raised_by_id is None or item.raised_by_id in seat.again:
        return ""
    return slip_code(item.issue_id, seat.attendance(item.raised_by_id).person_id)


def _form(seat: Seat, values: Mapping[str, object] | None = None) -> Form:
    """The form for a matter; whose it is, is asked only where several are on the phone."""
    if len(seat.attendances) == 1:
        return Form(SEAT_FIELDS, values)
    choices = [(str(each.id), called(each)) for each in seat.attendances]
    return Form((_WHO, *SEAT_FIELDS), values, choices={"attendance": choices})


async def submit_matter(request: Request) -> Response:
    """Raise a matter."""
    activity = await Activity.get_or_none(id=request.path_params["id"])
    if activity is None or not kind_of(activity).agenda:
        raise NotFound
    seat = await seat_of(request, activity)
    if not seat.attendances:
        raise Refused("这部手机还没有签到，没有提交。请先扫一扫会场上的码签到。")
    form = _form(seat, await request.values((_WHO, *SEAT_FIELDS)))
    try:
        typed = form.clean()
        who = seat.attendance(int(typed.pop("attendance", seat.attendances[0].id)))
        await speak(request.act, who, typed)
    except (Invalid, Refused, TooMany) as error:
        if isinstance(error, Invalid):
            form.refuse(error)
        else:
            form.message = error.message
        return _answer(request, "meetings/matter.html", activity, error, form=form)
    return request.redirect("activities.seat", id=activity.id)


async def submit_vote(request: Request) -> Response:
    """Vote, for one of those on the phone."""
    item = await AgendaItem.get_or_none(id=request.path_params["id"]).select_related("activity")
    if item is None:
        raise NotFound
    fields = (Field("attendance", message_ids("替谁投"), "number"), *VOTE_FIELDS)
    seat = await seat_of(request, item.activity)
    try:
        typed = (await request.form(fields)).clean()
        who = seat.attendance(typed["attendance"]).id
        await cast(request.act, item.id, who, typed["choice"], again=who in seat.again)
    except (Invalid, Refused) as error:
        return _answer(request, "meetings/not_counted.html", item.activity, error, message=error.message)
    return request.redirect("activities.seat", id=item.activity_id)


def _answer(request: Request, template: str, activity: Activity, error: YetanError, **context: Any) -> Response:
    response = request.render(template, error.status, activity=activity, **context)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def panels_of(record_kinds: Mapping[str, RecordKind]) -> Iterator[Panel]:
    """The part on the seat's page of every kind of activity; those without an agenda leave it out."""
    for kind in record_kinds.values():
        page = f"seat.{kind.name}"
        if kind.model is Activity and page in kind.panel_pages:
            yield Panel(f"meetings.agenda.{page}", page, "meetings/seat_agenda.html", seat_panel, position=10)


PAGES = (
    Page(
        "/activities/{id:int}/matters",
        submit_matter,
        "meetings.matter",
        ("POST",),
        public=True,
        personal=True,
        site="public",
    ),
    Page(
        "/agenda/{id:int}/votes",
        submit_vote,
        "meetings.vote",
        ("POST",),
        public=True,
        personal=True,
        site="public",
    ),
)
