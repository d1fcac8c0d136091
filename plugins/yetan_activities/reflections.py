"""What people felt about an activity: 感言 of residents, 体会 of officials. Nothing is shown before it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tortoise.expressions import Subquery
from tortoise.queryset import QuerySet

from yetan.api import (
    Act,
    EventType,
    Field,
    NotFound,
    Permission,
    Refused,
    Unit,
    change,
    clean,
    emit,
    mask,
    message_ids,
    posts_on,
    require,
    today,
    translate,
    units_below,
    visible,
)
from yetan_activities.configuration import settings
from yetan_activities.models import Activity, Reflection

WRITTEN, DECIDED = "activities.reflected", "activities.reflection_decided"
MODERATE = "activities.moderate"
#: How many the public page shows, the latest.
_SHOWN = 40

RESIDENT_FIELDS: tuple[Field, ...] = message_ids(
    (
        Field("text", "您想说的", "long_text", max_length=500, hint="那一晚怎么样？说的事后来办得怎么样？"),
        Field(
            "name", "怎么称呼您", required=False, max_length=20, hint="会和您写的一起公开。写个昵称就行，不写也可以。"
        ),
    )
)
OFFICIAL_FIELDS: tuple[Field, ...] = message_ids((Field("text", "体会", "long_text", max_length=1000),))
#: What somebody who has read it decides.
DECISION = Field("state", "公开不公开", "choice", choices=message_ids((("shown", "公开"), ("hidden", "不公开"))))
EVENTS = (EventType(WRITTEN, "写了感言"), EventType(DECIDED, "审核感言"))
PERMISSIONS = (
    Permission(MODERATE, "审核夜谈的感言和体会", frozenset({"village_official", "township_clerk", "publisher"})),
)


async def shown_of(activity_id: int) -> list[Mapping[str, Any]]:
    """The reflections that residents read under an activity, the latest first: kind, name and text, masked."""
    rows = await Reflection.filter(activity_id=activity_id, state="shown").order_by("-created_at", "-id").limit(_SHOWN)
    return [{"kind": row.kind, "name": mask(row.name).text, "text": mask(row.text).text} for row in rows]


@change(Reflection, action="activities.reflect")
async def reflect(act: Act, activity_id: int, values: Mapping[str, Any], *, person_id: int | None = None) -> Reflection:
    """A resident says what they felt; it waits for somebody to read it. The page has checked that they may.

    Raises `Refused` where the city takes none.
    """
    if not settings().reflections:
        raise Refused("这里不收感言。有事要说，请到“说一件事”。")
    cleaned = clean(RESIDENT_FIELDS, values)
    return await _written(act, activity_id, "resident", cleaned["name"], cleaned["text"], person_id)


@change(Reflection, action="activities.reflect_as_official")
async def reflect_as_official(act: Act, activity_id: int, values: Mapping[str, Any]) -> Reflection:
    """An official who may see the activity says what they take from it, under their name and unit (003-08).

    Raises `NotFound`, or `Invalid`.
    """
    if act.actor.account_id is None or not await visible(Activity, act).filter(id=activity_id).exists():
        raise NotFound
    cleaned = clean(OFFICIAL_FIELDS, values)
    posts = await posts_on([act.actor.account_id], today(act))
    unit = await Unit.get_or_none(id=posts[0].unit_id) if posts else None
    name = translate("，").join(each for each in (act.actor.name, unit.name if unit is not None else "") if each)
    return await _written(act, activity_id, "official", name[:60], cleaned["text"], act.actor.person_id)


async def _written(act: Act, activity_id: int, kind: str, name: str, text: str, person_id: int | None) -> Reflection:
    activity = await Activity.get_or_none(id=activity_id)
    if activity is None:
        raise NotFound
    row = await Reflection.create(
        activity_id=activity.id, kind=kind, name=name, text=text, person_id=person_id, created_at=act.now
    )
    await emit(act, WRITTEN, (activity.kind, activity.id), data={"reflection": row.id})
    return row


@change(Reflection, action="activities.decide_reflection")
async def decide(act: Act, activity_id: int, reflection_id: int, state: str) -> Reflection:
    """Show a reflection, or hide it, at once and also after it was decided otherwise; `state` is of `DECISION`.

    Raises `NotFound`, `Forbidden`, or `Invalid` for any other state.
    """
    state = clean((DECISION,), {"state": state})["state"]
    activity = await visible(Activity, act).get_or_none(id=activity_id)
    row = await Reflection.get_or_none(id=reflection_id, activity_id=activity_id)
    if activity is None or row is None:
        raise NotFound
    await require(act, MODERATE, [activity.unit_id])
    await Reflection.filter(id=row.id).update(state=state, decided_at=act.now, decided_by_id=act.actor.account_id)
    await emit(act, DECIDED, (activity.kind, activity.id), data={"reflection": row.id, "state": state})
    return await Reflection.get(id=row.id)


def waiting_for(act: Act) -> QuerySet[Reflection]:
    """The reflections that wait for the actor to read them; of a kind that the city no longer has, none can."""
    rows = Reflection.filter(state="waiting", activity_id__in=Subquery(visible(Activity, act).values("id")))
    return rows if act.actor.unrestricted else rows.filter(activity__unit_id__in=units_below(act, MODERATE))
