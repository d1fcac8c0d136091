"""Where residents propose topics and say what they think of one, and where somebody reads it before it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
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
    Unit,
    current,
    mask,
    message_ids,
    submit,
    subtree_of,
    today,
    translate,
    unit_choices,
    unit_coded,
    visible,
)
from yetan_activities.api import Activity, kinds_of_city
from yetan_meetings.configuration import settings
from yetan_meetings.models import Topic, TopicComment
from yetan_meetings.topics import (
    COMMENT_FIELDS,
    DECISION,
    MODERATE,
    PROPOSAL_FIELDS,
    REASON_FIELDS,
    SCHEDULE_FIELDS,
    activities_for,
    comment,
    decide_comment,
    decline_topic,
    propose,
    schedule_topic,
    show_topic,
    shown_comments,
    shown_topics,
)
from yetan_meetings.units import raises

_SHOWN, _LISTED, _ON_PANEL = 30, 60, 5
_UNIT = Field("unit", "单位", "choice", required=False, max_length=40)
_CODE = Field("unit", "哪个村（社区）", "hidden", max_length=40)
_BEFORE = Field("before", "从哪一个接着看", "number", required=False, minimum=1)
_STATES = message_ids((("waiting", "等您看"), ("shown", "公开的"), ("declined", "没有放进来的")))
_STATE = Field("state", "哪些", "choice", required=False, choices=_STATES)


class TopicView(Struct, frozen=True):
    """A topic as residents read it: masked, without a name. `meeting` is where it is taken, once that is published."""

    id: int
    title: str
    text: str
    unit: Unit
    on: date
    comments: int
    meeting: PublicRecord | None


async def _views(rows: Sequence[Topic]) -> list[TopicView]:
    units = {unit.id: unit for unit in await Unit.filter(id__in={row.unit_id for row in rows})}
    said: dict[int, int] = {}
    if settings().comments:
        for row in await TopicComment.filter(topic_id__in=[row.id for row in rows], state="shown").values("topic_id"):
            said[row["topic_id"]] = said.get(row["topic_id"], 0) + 1
    taken = {row.activity_id for row in rows if row.activity_id is not None}
    meetings = {
        record.record_id: record for record in await PublicRecord.filter(kind__in=_kinds(), record_id__in=taken)
    }
    local = current().calendar.local_date
    return [
        TopicView(
            row.id,
            mask(row.title).text,
            mask(row.text).text,
            units[row.unit_id],
            local(row.at),
            said.get(row.id, 0),
            meetings.get(row.activity_id or 0),
        )
        for row in rows
    ]


def _kinds() -> list[str]:
    return [kind.name for kind in kinds_of_city()]


# Residents


async def topics(request: Request) -> Response:
    """The topics of a unit and all below it, the latest first."""
    typed = await request.values((_UNIT, _BEFORE))
    code = str(typed["unit"] or "")
    unit = await unit_coded(code)
    if not settings().topics or (code and unit is None):
        raise NotFound
    form = await request.form((_UNIT, _BEFORE), choices={"unit": await unit_choices(unit.id if unit else None)})
    before = form.clean()["before"]
    rows = shown_topics()
    if unit is not None and unit.parent_id is not None:
        rows = rows.filter(unit_id__in=await subtree_of(unit.id))
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = await rows.order_by("-id").limit(_SHOWN + 1)
    path = request.templating.addresses.path
    return request.render(
        "meetings/topics.html",
        form=Form((_UNIT,), form.values, choices=form.choices),
        unit=unit,
        takes=unit is not None and unit.active and raises(unit),
        topics=await _views(found[:_SHOWN]),
        more=path("meetings.topics", unit=code or None, before=found[_SHOWN - 1].id) if len(found) > _SHOWN else None,
    )


async def propose_form(request: Request) -> Response:
    """The form, for a unit that a link brings along; without one, the way to find it."""
    unit = await _unit_for(request)
    if unit is None:
        return request.redirect("meetings.topics")
    return request.render("meetings/propose.html", unit=unit, form=Form((*PROPOSAL_FIELDS, _CODE), {"unit": unit.code}))


async def submit_proposal(request: Request) -> Response:
    """Keep what a resident proposes."""
    unit = await _unit_for(request)
    if unit is None:
        raise NotFound

    async def go(values: dict[str, Any]) -> None:
        await propose(request.act, unit, values)

    not_done = await submit(request, (*PROPOSAL_FIELDS, _CODE), go)
    if not_done is not None:
        return request.render("meetings/propose.html", not_done.status, unit=unit, form=not_done.form)
    return request.redirect("meetings.topic_sent", unit=unit.code)


async def _unit_for(request: Request) -> Unit | None:
    """The unit named in the address or the form, where topics are taken. Raises `NotFound` for any other."""
    code = str((await request.values((_CODE,)))["unit"] or "")
    if not settings().topics:
        raise NotFound
    if not code:
        return None
    unit = await unit_coded(code)
    if unit is None or not unit.active or not raises(unit):
        raise NotFound("这个单位不收话题。请选一个村（社区）。")
    return unit


async def sent(request: Request) -> Response:
    """Thanks, and what happens next."""
    return request.render("meetings/topic_sent.html", unit=await _unit_for(request))


async def topic(request: Request) -> Response:
    """One topic, with what others say of it."""
    (view,) = await _views([await _shown(request)])
    rows = await shown_comments(view.id).limit(_LISTED)
    return request.render(
        "meetings/topic.html",
        topic=view,
        comments=[(mask(row.text).text, current().calendar.local_date(row.at)) for row in rows],
        takes_comments=settings().comments,
    )


async def _shown(request: Request) -> Topic:
    found = await shown_topics().get_or_none(id=request.path_params["id"])
    if found is None:
        raise NotFound("没有这个话题，或者还没有公开。")
    return found


async def comment_form(request: Request) -> Response:
    """The form for saying what one thinks of a topic."""
    return await _comment_page(request, Form(COMMENT_FIELDS))


async def submit_comment(request: Request) -> Response:
    """Keep what a resident says of a topic."""

    async def go(values: dict[str, Any]) -> None:
        await comment(request.act, request.path_params["id"], values)

    not_done = await submit(request, COMMENT_FIELDS, go)
    if not_done is not None:
        return await _comment_page(request, not_done.form, not_done.status)
    unit = await Unit.get(id=(await _shown(request)).unit_id)
    return request.redirect("meetings.topic_sent", unit=unit.code)


async def _comment_page(request: Request, form: Form, status: int = 200) -> Response:
    if not settings().comments:
        raise NotFound
    (view,) = await _views([await _shown(request)])
    return request.render("meetings/topic_comment.html", status, topic=view, form=form)


async def on_activity(act: Act, record: PublicRecord) -> Mapping[str, Any] | None:
    """On the page of an activity with an agenda: the topics taken there; before it, also how to propose one, and those
    of its unit that are not on any agenda yet."""
    kind = next((each for each in kinds_of_city() if each.name == record.kind), None)
    if kind is None or not kind.agenda or not settings().topics:
        return None
    taken = await shown_topics().filter(activity_id=record.record_id).order_by("id")
    coming = record.date >= today(act)
    open_ones = shown_topics().filter(unit_id=record.unit_id, activity_id=None).order_by("-id").limit(_ON_PANEL)
    unit = await Unit.get(id=record.unit_id)
    takes = coming and unit.active and raises(unit)
    views = await _views([*taken, *(await open_ones if coming else ())])
    return {"topics": views, "unit": unit, "takes": takes} if views or takes else None


async def following(act: Act, record: PublicRecord) -> Mapping[str, Any]:
    """On the page of an activity: how to keep an eye on what becomes of it."""
    return {"unit": await Unit.get(id=record.unit_id)}


async def on_unit(act: Act, unit: Unit) -> Mapping[str, Any] | None:
    """On the page of a unit that residents see: its latest topics, and how to propose one."""
    if not settings().topics or not unit.active or not raises(unit):
        return None
    rows = await shown_topics().filter(unit_id=unit.id).order_by("-id").limit(_ON_PANEL)
    return {"topics": await _views(rows), "unit": unit, "takes": True}


# The desk


async def queue(request: Request) -> Response:
    """What residents proposed and said, by what became of it; what waits, the oldest first."""
    form = await request.form((_STATE,))
    state = form.clean()["state"] or "waiting"
    order = "id" if state == "waiting" else "-id"
    path = request.templating.addresses.path
    rows = visible(Topic, request.act).filter(state=state).order_by(order).limit(_LISTED)
    said = visible(TopicComment, request.act).filter(state=state).order_by(order).limit(_LISTED)
    return request.render(
        "meetings/topics_desk.html",
        state=state,
        tabs=[
            {"label": translate(label), "href": path("meetings.topics.desk", state=name), "current": name == state}
            for name, label in _STATES
        ],
        topics=await rows.select_related("unit", "activity"),
        comments=await said.select_related("topic", "topic__unit"),
    )


async def desk_topic(request: Request) -> Response:
    """One topic, and what can be done with it."""
    return await _desk_topic(request)


async def _desk_topic(request: Request, status: int = 200, **forms: Form) -> Response:
    row: Topic = request.subject
    activities = await activities_for(request.act, row) if row.activity_id is None else []
    choices = [
        (
            str(each.id),
            translate("{month}月{day}日，{title}", month=each.date.month, day=each.date.day, title=each.title),
        )
        for each in activities
    ]
    return request.render(
        "meetings/topic_desk.html",
        status,
        topic=row,
        unit=await Unit.get(id=row.unit_id),
        activity=await visible(Activity, request.act).get_or_none(id=row.activity_id) if row.activity_id else None,
        states=dict(_STATES),
        decline=forms.get("decline") or Form(REASON_FIELDS),
        schedule=forms.get("schedule") or Form(SCHEDULE_FIELDS, choices={"activity": choices}),
        may_schedule=bool(activities),
    )


async def submit_show(request: Request) -> Response:
    """Put it before the public."""
    await show_topic(request.act, request.subject.id)
    return request.redirect("meetings.topics.one", id=request.subject.id)


async def submit_decline(request: Request) -> Response:
    """Leave it out."""

    async def go(values: dict[str, Any]) -> None:
        await decline_topic(request.act, request.subject.id, values)

    not_done = await submit(request, REASON_FIELDS, go)
    if not_done is not None:
        return await _desk_topic(request, not_done.status, decline=not_done.form)
    return request.redirect("meetings.topics.one", id=request.subject.id)


async def submit_schedule(request: Request) -> Response:
    """Put it on an agenda."""

    async def go(values: dict[str, Any]) -> None:
        await schedule_topic(request.act, request.subject.id, values)

    activities = await activities_for(request.act, request.subject)
    choices = {"activity": [(str(each.id), each.title) for each in activities]}
    not_done = await submit(request, SCHEDULE_FIELDS, go, choices=choices)
    if not_done is not None:
        return await _desk_topic(request, not_done.status, schedule=not_done.form)
    return request.redirect("meetings.topics.one", id=request.subject.id)


async def submit_comment_decision(request: Request) -> Response:
    """Show what somebody said, or do not."""
    state = (await request.form((DECISION,))).clean()["state"]
    await decide_comment(request.act, request.subject.id, state)
    return request.redirect("meetings.topics.desk")


async def waiting(act: Act, nothing: None) -> Mapping[str, Any] | None:
    """The line on an official's desk: how much waits to be read."""
    count = await visible(Topic, act).filter(state="waiting").count()
    count += await visible(TopicComment, act).filter(state="waiting").count()
    return {"count": count} if count else None


PANELS = (
    Panel("meetings.topics_waiting", "desk", "meetings/topics_waiting.html", waiting, MODERATE, position=70),
    Panel("meetings.topics_of_unit", "unit", "meetings/topics_panel.html", on_unit, position=30),
)


def panels_of(kinds: Mapping[str, RecordKind]) -> list[Panel]:
    """The panels on the public page of each kind of activity."""
    return [
        panel
        for kind in kinds.values()
        if kind.model is Activity
        for panel in (
            Panel(f"meetings.topics.{kind.name}", kind.name, "meetings/topics_panel.html", on_activity, position=60),
            Panel(f"meetings.following.{kind.name}", kind.name, "meetings/following.html", following, position=70),
        )
    ]


_POST = ("POST",)
PAGES = (
    Page("/topics", topics, "meetings.topics", public=True, budget="overviews", narrowed_by=("unit", "before")),
    Page("/topics/new", propose_form, "meetings.propose", public=True, personal=True, site="public"),
    Page("/topics/new", submit_proposal, "meetings.propose.submit", _POST, public=True, personal=True, site="public"),
    Page("/topics/sent", sent, "meetings.topic_sent", public=True),
    Page("/topics/{id:int}", topic, "meetings.topic", public=True),
    Page("/topics/{id:int}/comment", comment_form, "meetings.comment", public=True, personal=True, site="public"),
    Page(
        "/topics/{id:int}/comment",
        submit_comment,
        "meetings.comment.submit",
        _POST,
        public=True,
        personal=True,
        site="public",
    ),
    Page("/desk/topics", queue, "meetings.topics.desk", permission=MODERATE, sensitive=True),
    Page("/desk/topics/{id:int}", desk_topic, "meetings.topics.one", permission=MODERATE, model=Topic, sensitive=True),
    Page("/desk/topics/{id:int}/show", submit_show, "meetings.topics.show", _POST, permission=MODERATE, model=Topic),
    Page(
        "/desk/topics/{id:int}/decline",
        submit_decline,
        "meetings.topics.decline",
        _POST,
        permission=MODERATE,
        model=Topic,
    ),
    Page(
        "/desk/topics/{id:int}/schedule",
        submit_schedule,
        "meetings.topics.schedule",
        _POST,
        permission=MODERATE,
        model=Topic,
    ),
    Page(
        "/desk/topic-comments/{id:int}",
        submit_comment_decision,
        "meetings.topics.decide_comment",
        _POST,
        permission=MODERATE,
        model=TopicComment,
    ),
)
