"""The message board and the suggestion box of a service point: left at any hour, sorted by an official, never lost and
never public (002-A4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Subquery

from yetan.api import (
    CONSENT,
    Act,
    Field,
    Form,
    NotFound,
    Page,
    Panel,
    Person,
    RaiserInput,
    Refused,
    Request,
    Visibility,
    attempt,
    change,
    clean,
    current,
    find_or_add_person,
    require,
    require_consent,
    submit,
    today,
    visible,
)
from yetan_meetings.ledger import ASKED, NEED_FIELDS, OFFICIAL, TITLE, TOLD_BY, issue_needed, title_of, write_entry
from yetan_meetings.models import BoardMessage, ServicePoint
from yetan_meetings.reception import MANAGE, below, open_point, sitting_now, week_of

#: What anybody may leave on the board. Nothing of themselves is needed; what is left needs their consent.
MESSAGE_FIELDS = (
    Field("text", "想说什么", "long_text", max_length=1500),
    Field("name", "怎么称呼您", required=False, max_length=60, hint="写个姓也行，不写也行。"),
    Field("phone", "电话", "phone", required=False, hint="有不清楚的会打给您，不公开。"),
    CONSENT,
)
#: A slip from the box, as somebody types it in who emptied the box.
SLIP_FIELDS = (Field("slip", "纸条上写的", "long_text", max_length=1500), *TOLD_BY)
SORT_FIELDS = (TITLE, *TOLD_BY, *ASKED, OFFICIAL, *NEED_FIELDS)
ASIDE_FIELDS = (Field("reason", "为什么不用办", "long_text", max_length=200, hint="例如：已经答复过的。"),)
_SORTED = Field("sorted", "归好类的", "boolean", required=False)
_BEFORE = Field("before", "从哪一条接着看", "number", required=False, minimum=1)
#: Messages from one address in an hour: a whole estate may share one.
_MESSAGES, _WINDOW_SECONDS = 20, 3600
_SHOWN = 30


async def leave_message(act: Act, point: ServicePoint, values: Mapping[str, Any]) -> BoardMessage:
    """Leave a message on the board, `values` being MESSAGE_FIELDS. Raises `Invalid` or `TooMany`."""
    typed = clean(MESSAGE_FIELDS, values)
    require_consent(typed)
    await attempt("meetings.message", act.source, limit=_MESSAGES, window_seconds=_WINDOW_SECONDS, now=act.now)
    return await _keep(act, point.id, "board", typed["text"], typed["name"], typed["phone"])


async def type_slip(act: Act, point: ServicePoint, values: Mapping[str, Any]) -> BoardMessage:
    """Type in a slip that was in the box, `values` being SLIP_FIELDS."""
    await require(act, MANAGE, [point.unit_id])
    typed = clean(SLIP_FIELDS, values)
    return await _keep(act, point.id, "box", typed["slip"], typed["who"], typed["phone"])


@change(BoardMessage, action="meetings.{way}_message")
async def _keep(act: Act, point_id: int, way: str, text: str, name: str, phone: str) -> BoardMessage:
    point = await ServicePoint.get(id=point_id)
    person: Person | None = None
    if name or phone:
        person = await find_or_add_person(act, name, phone, point.unit_id)
    return await BoardMessage.create(
        point_id=point.id,
        way=way,
        text=text,
        name=name,
        phone=phone,
        person_id=person.id if person is not None else None,
        at=act.now,
    )


@change(BoardMessage)
async def sort_message(act: Act, message_id: int, values: Mapping[str, Any]) -> BoardMessage:
    """Write what a message says into the ledger, `values` being SORT_FIELDS, and make an issue of it if they say so.

    Raises `Refused` where a colleague was quicker.
    """
    message = await _waiting(act, message_id)
    typed = clean(SORT_FIELDS, values)
    said = {**typed, "date": current().calendar.local_date(message.at), "source": message.way}
    entry = await write_entry(act, message.point.unit_id, said)
    await issue_needed(
        act, entry, typed, [RaiserInput(person_id=message.person_id)] if message.person_id is not None else ()
    )
    return await _settle(act, message, entry_id=entry.id)


@change(BoardMessage)
async def put_aside(act: Act, message_id: int, values: Mapping[str, Any]) -> BoardMessage:
    """Say why nothing is to be done about a message; it stays, with the reason."""
    message = await _waiting(act, message_id)
    return await _settle(act, message, reason=clean(ASIDE_FIELDS, values)["reason"])


async def _waiting(act: Act, message_id: int) -> BoardMessage:
    message = await visible(BoardMessage, act).get_or_none(id=message_id).select_related("point")
    if message is None:
        raise NotFound
    await require(act, MANAGE, [message.point.unit_id])
    return message


async def _settle(act: Act, message: BoardMessage, **fate: Any) -> BoardMessage:
    """Once, by whoever is first: the second's entry is taken back with this refusal."""
    fate = {**fate, "sorted_at": act.now, "sorted_by_id": act.actor.account_id}
    if not await BoardMessage.filter(id=message.id, sorted_at=None).update(**fate):
        raise Refused("这一条刚刚有同事归好类了，不用再办。")
    return await BoardMessage.get(id=message.id)


def _messages(act: Act) -> Any:
    return BoardMessage.filter(point_id__in=Subquery(below(act).values("id")))


async def _units_of(message: BoardMessage) -> Mapping[str, int]:
    return {"unit": (await ServicePoint.get(id=message.point_id)).unit_id}


# The public


async def public_point(request: Request) -> Response:
    """A service point: who sits there now and this week, and its message board."""
    return await _public_point(request, await open_point(request), Form(MESSAGE_FIELDS))


async def _public_point(request: Request, point: ServicePoint, form: Form, status: int = 200) -> Response:
    day = today(request.act)
    week = await week_of(point, day)
    return request.render(
        "meetings/public_point.html",
        status,
        point=point,
        form=form,
        week=week,
        day=day,
        now_sits=sitting_now([shift for _day, shifts in week for shift in shifts], request.act.now),
    )


async def submit_message(request: Request) -> Response:
    """Leave a message."""
    point = await open_point(request)
    not_done = await submit(request, MESSAGE_FIELDS, lambda values: leave_message(request.act, point, values))
    if not_done is not None:
        return await _public_point(request, point, not_done.form, not_done.status)
    return request.redirect("meetings.message_left", id=point.id)


async def message_left(request: Request) -> Response:
    """That it is kept, and what happens now."""
    return request.render("meetings/message_left.html", point=await open_point(request))


# The desk


async def messages(request: Request) -> Response:
    """未归类: what nobody has sorted yet, the oldest first; or what became of the others, the latest first."""
    asked = (await request.form((_SORTED, _BEFORE))).clean()
    rows = visible(BoardMessage, request.act).select_related("point", "entry", "entry__issue")
    if asked["sorted"]:
        rows = rows.filter(sorted_at__isnull=False).order_by("-id")
        if asked["before"] is not None:
            rows = rows.filter(id__lt=asked["before"])
    else:
        rows = rows.filter(sorted_at__isnull=True).order_by("id")
    found = await rows.limit(_SHOWN + 1)
    more = found[_SHOWN - 1].id if len(found) > _SHOWN and asked["sorted"] else None
    request.looked_at = f"messages: {min(len(found), _SHOWN)}"
    return request.render(
        "meetings/messages.html",
        messages=found[:_SHOWN],
        sorted=asked["sorted"],
        waiting=await visible(BoardMessage, request.act).filter(sorted_at__isnull=True).count(),
        more=request.templating.addresses.path("meetings.messages", sorted=1, before=more) if more else None,
    )


async def message(request: Request) -> Response:
    """A message, with the forms that sort it or put it aside; or what became of it."""
    row: BoardMessage = request.subject
    asked = {"basic": "", "difficulties": row.text, "suggestions": ""}
    started = {"title": title_of(asked), **asked, "who": row.name, "phone": row.phone}
    return await _message(request, Form(SORT_FIELDS, {**started, "official": request.act.actor.name}))


async def _message(request: Request, form: Form, status: int = 200, *, aside: Form | None = None) -> Response:
    row = await BoardMessage.get(id=request.subject.id).select_related("point", "entry")
    return request.render("meetings/message.html", status, message=row, form=form, aside=aside or Form(ASIDE_FIELDS))


async def submit_sorted(request: Request) -> Response:
    """Sort it, and on to the next."""
    not_done = await submit(request, SORT_FIELDS, lambda values: sort_message(request.act, request.subject.id, values))
    if not_done is not None:
        return await _message(request, not_done.form, not_done.status)
    return request.redirect("meetings.messages")


async def submit_aside(request: Request) -> Response:
    """Put it aside, and on to the next."""
    not_done = await submit(request, ASIDE_FIELDS, lambda values: put_aside(request.act, request.subject.id, values))
    if not_done is not None:
        return await _message(request, Form(SORT_FIELDS), not_done.status, aside=not_done.form)
    return request.redirect("meetings.messages")


async def slip(request: Request) -> Response:
    """The form for what was in the box."""
    return request.render("meetings/slip.html", point=request.subject, form=Form(SLIP_FIELDS))


async def submit_slip(request: Request) -> Response:
    """Type one in, and on to the next slip."""
    not_done = await submit(request, SLIP_FIELDS, lambda values: type_slip(request.act, request.subject, values))
    if not_done is not None:
        return request.render("meetings/slip.html", not_done.status, point=request.subject, form=not_done.form)
    return request.redirect("meetings.slip", id=request.subject.id)


async def waiting_messages(act: Act, _subject: object) -> Mapping[str, Any] | None:
    """The panel on the desk: how many messages nobody has sorted yet."""
    count = await visible(BoardMessage, act).filter(sorted_at__isnull=True).count()
    return {"count": count} if count else None


_MESSAGE, _PUBLIC = "/desk/messages/{id:int}", "/service-points/{id:int}"
_SLIPS = "/desk/service-points/{id:int}/slips"
PAGES = (
    Page(_PUBLIC, public_point, "meetings.public_point", public=True, personal=True, site="public"),
    Page(
        f"{_PUBLIC}/messages",
        submit_message,
        "meetings.message.leave",
        ("POST",),
        public=True,
        personal=True,
        site="public",
    ),
    Page(f"{_PUBLIC}/left", message_left, "meetings.message_left", public=True),
    Page(_SLIPS, slip, "meetings.slip", permission=MANAGE, model=ServicePoint),
    Page(_SLIPS, submit_slip, "meetings.slip.submit", ("POST",), permission=MANAGE, model=ServicePoint),
    Page("/desk/messages", messages, "meetings.messages", permission=MANAGE, sensitive=True),
    Page(_MESSAGE, message, "meetings.message", permission=MANAGE, model=BoardMessage, sensitive=True),
    Page(f"{_MESSAGE}/sort", submit_sorted, "meetings.message.sort", ("POST",), permission=MANAGE, model=BoardMessage),
    Page(f"{_MESSAGE}/aside", submit_aside, "meetings.message.aside", ("POST",), permission=MANAGE, model=BoardMessage),
)
VISIBILITY = (Visibility(BoardMessage, _messages, _units_of),)
PANELS = (Panel("meetings.messages", "desk", "meetings/messages_panel.html", waiting_messages, MANAGE),)
