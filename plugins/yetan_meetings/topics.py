"""What residents propose to talk about at their unit's next meeting, and what others say of it beforehand.

No account is needed; nothing is shown before somebody read it; names are for the desk alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tortoise.queryset import QuerySet

from yetan.api import (
    Act,
    EventType,
    Field,
    NotFound,
    Permission,
    Refused,
    Unit,
    Visibility,
    ancestors_of,
    attempt,
    change,
    clean,
    emit,
    may,
    message_ids,
    require,
    today,
    units_below,
    visible,
)
from yetan_activities.api import Activity, kinds_of_city
from yetan_meetings.agenda import TOPIC, raise_item
from yetan_meetings.configuration import settings
from yetan_meetings.models import Topic, TopicComment
from yetan_meetings.units import raises

PROPOSED, COMMENTED = "meetings.topic_proposed", "meetings.topic_commented"
DECIDED, COMMENT_DECIDED = "meetings.topic_decided", "meetings.topic_comment_decided"
MODERATE = "meetings.topics"
#: Proposals and comments from one address in an hour: a whole estate may sit behind it.
_TRIES, _WINDOW_SECONDS = 20, 3600

_NAME = Field("name", "怎么称呼您", required=False, max_length=20, hint="只给村（社区）看，不公开。不写也可以。")
PROPOSAL_FIELDS = (
    Field("title", "想谈什么", max_length=60, hint="例如：小区里的充电棚放在哪里。"),
    Field("text", "多说几句", "long_text", required=False, max_length=500),
    _NAME,
)
COMMENT_FIELDS = (Field("text", "您怎么看", "long_text", max_length=500), _NAME)
REASON_FIELDS = (
    Field("reason", "为什么不放进来", "long_text", max_length=200, hint="例如：已经立项在办，编号是多少。"),
)
DECISION = Field("state", "公开不公开", "choice", choices=message_ids((("shown", "公开"), ("declined", "不公开"))))
SCHEDULE_FIELDS = (Field("activity", "放进哪一场", "choice"),)


# Residents


async def propose(act: Act, unit: Unit, values: Mapping[str, Any]) -> Topic:
    """Propose a topic for the next meeting of a unit. Raises `Invalid`, `TooMany`, `NotFound` where none are taken."""
    if not settings().topics or not unit.active or not raises(unit):
        raise NotFound
    cleaned = clean(PROPOSAL_FIELDS, values)
    await attempt(PROPOSED, act.source, limit=_TRIES, window_seconds=_WINDOW_SECONDS, now=act.now)
    return await write_topic(act, unit.id, cleaned)


@change(Topic, action="meetings.propose")
async def write_topic(act: Act, unit_id: int, values: Mapping[str, Any]) -> Topic:
    """Write down what `propose` has looked at: it waits for somebody to read it."""
    topic = await Topic.create(unit_id=unit_id, person_id=act.actor.person_id, at=act.now, **values)
    await emit(act, PROPOSED, ("topic", topic.id))
    return topic


async def comment(act: Act, topic_id: int, values: Mapping[str, Any]) -> TopicComment:
    """Say something of a topic that is shown. Raises `Invalid`, `TooMany`, `NotFound` where none are taken."""
    cleaned = clean(COMMENT_FIELDS, values)
    await attempt(COMMENTED, act.source, limit=_TRIES, window_seconds=_WINDOW_SECONDS, now=act.now)
    return await write_comment(act, topic_id, cleaned)


@change(TopicComment, action="meetings.comment")
async def write_comment(act: Act, topic_id: int, values: Mapping[str, Any]) -> TopicComment:
    """Write down what `comment` has looked at, of a topic that is shown. Raises `NotFound` for any other."""
    if not settings().comments or not await shown_topics().filter(id=topic_id).exists():
        raise NotFound
    said = await TopicComment.create(topic_id=topic_id, person_id=act.actor.person_id, at=act.now, **values)
    await emit(act, COMMENTED, ("topic", topic_id), data={"comment": said.id})
    return said


def shown_topics() -> QuerySet[Topic]:
    """What residents read; nothing where the city takes no topics."""
    return Topic.filter(state="shown") if settings().topics else Topic.filter(id=0)


def shown_comments(topic_id: int) -> QuerySet[TopicComment]:
    """What residents read of a topic, the oldest first."""
    rows = TopicComment.filter(topic_id=topic_id, state="shown").order_by("at", "id")
    return rows if settings().comments else rows.filter(id=0)


# The desk


@change(Topic)
async def show_topic(act: Act, topic_id: int) -> Topic:
    """Put a topic before the public, also one that was declined before."""
    topic = await _moderated(act, topic_id)
    await _decide(act, topic, state="shown", reason="")
    return await Topic.get(id=topic.id)


@change(Topic)
async def decline_topic(act: Act, topic_id: int, values: Mapping[str, Any]) -> Topic:
    """Leave a topic out, with the reason, also one that was shown. Raises `Refused` for one on an agenda."""
    topic = await _moderated(act, topic_id)
    reason = clean(REASON_FIELDS, values)["reason"]
    # Whoever puts it on an agenda at the same moment is first or second; never is it both.
    if not await Topic.filter(id=topic.id, activity_id=None).update(state="declined"):
        raise Refused("这个题目已经放进议程了，不能再说不放。不想议的，请在那一场的议程里改。")
    await _decide(act, topic, state="declined", reason=reason)
    return await Topic.get(id=topic.id)


@change(Topic)
async def schedule_topic(act: Act, topic_id: int, values: Mapping[str, Any]) -> Topic:
    """Put a topic on the agenda of a planned activity, once; from then on it is shown.

    Raises `Invalid` for an activity that is none of `activities_for`, `Forbidden` for one the actor does not run.
    """
    topic = await _moderated(act, topic_id)
    offered = {str(each.id) for each in await activities_for(act, topic)}
    wanted = clean(SCHEDULE_FIELDS, values, {"activity": [(each, each) for each in offered]})["activity"]
    # Of two who press at once the database lets one through; the other's item is taken back with this refusal.
    if not await Topic.filter(id=topic.id, activity_id=None).update(activity_id=int(wanted)):
        raise Refused("这个题目已经放进议程了，不用再放。")
    await raise_item(act, int(wanted), {"title": topic.title, "text": topic.text, "kind": TOPIC})
    await _decide(act, topic, state="shown", reason="")
    return await Topic.get(id=topic.id)


async def activities_for(act: Act, topic: Topic) -> list[Activity]:
    """The planned activities with an agenda that the topic may be taken at: of its unit and of those above, that the
    actor may run."""
    above = (await ancestors_of([topic.unit_id]))[topic.unit_id]
    kinds = [kind.name for kind in kinds_of_city() if kind.agenda]
    planned = visible(Activity, act).filter(kind__in=kinds, unit_id__in=above, closed_at=None, date__gte=today(act))
    return [
        each
        for each in await planned.order_by("date", "id").select_related("unit")
        if await may(act, f"{each.kind}.keep", [each.unit_id])
    ]


async def _moderated(act: Act, topic_id: int) -> Topic:
    topic = await visible(Topic, act).get_or_none(id=topic_id)
    if topic is None:
        raise NotFound
    await require(act, MODERATE, [topic.unit_id])
    return topic


async def _decide(act: Act, topic: Topic, **decision: Any) -> None:
    by = {"decided_at": act.now, "decided_by_id": act.actor.account_id}
    await Topic.filter(id=topic.id).update(**decision, **by)
    await emit(act, DECIDED, ("topic", topic.id), data={"state": decision["state"]})


@change(TopicComment)
async def decide_comment(act: Act, comment_id: int, state: str) -> TopicComment:
    """Show what somebody said of a topic, or do not, also when it was decided otherwise; `state` is of `DECISION`.

    Raises `NotFound`, `Forbidden`, or `Invalid` for any other state.
    """
    state = clean((DECISION,), {"state": state})["state"]
    said = await visible(TopicComment, act).get_or_none(id=comment_id).select_related("topic")
    if said is None:
        raise NotFound
    await require(act, MODERATE, [said.topic.unit_id])
    by = {"decided_at": act.now, "decided_by_id": act.actor.account_id}
    await TopicComment.filter(id=said.id).update(state=state, **by)
    await emit(act, COMMENT_DECIDED, ("topic", said.topic_id), data={"comment": said.id, "state": state})
    return await TopicComment.get(id=said.id)


def _topics(act: Act) -> QuerySet[Topic]:
    return Topic.all() if act.actor.unrestricted else Topic.filter(unit_id__in=units_below(act, MODERATE))


def _comments(act: Act) -> QuerySet[TopicComment]:
    rows = TopicComment.all()
    return rows if act.actor.unrestricted else rows.filter(topic__unit_id__in=units_below(act, MODERATE))


async def _unit_of(topic: Topic) -> Mapping[str, int]:
    return {"unit": topic.unit_id}


async def _unit_of_comment(said: TopicComment) -> Mapping[str, int]:
    return {"unit": (await Topic.get(id=said.topic_id)).unit_id}


VISIBILITY = (Visibility(Topic, _topics, _unit_of), Visibility(TopicComment, _comments, _unit_of_comment))
PERMISSIONS = (
    Permission(MODERATE, "审核居民提的话题", frozenset({"village_official", "township_clerk", "publisher"})),
)
EVENTS: tuple[EventType, ...] = message_ids(
    (
        EventType(PROPOSED, "居民提了话题"),
        EventType(COMMENTED, "居民说了看法"),
        EventType(DECIDED, "审核话题"),
        EventType(COMMENT_DECIDED, "审核看法"),
    )
)
