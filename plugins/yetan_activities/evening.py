"""The evening itself: an activity is opened once and closed once, by whoever keeps its kind in its unit."""

from __future__ import annotations

from datetime import timedelta

from yetan.api import (
    Act,
    DueKind,
    Event,
    EventType,
    NotFound,
    NoticeKind,
    Refused,
    accounts_in,
    change,
    current,
    emit,
    notify,
    require,
    roles_holding,
    set_due,
    today,
    visible,
)
from yetan_activities.guards import ask_guards
from yetan_activities.models import Activity

OPENED, CLOSED = "activities.opened", "activities.closed"
#: The event, the notice and the due date of an activity that nobody closed.
LEFT_OPEN = "activities.left_open"
#: By how many days an evening may be opened before or after the one it was planned for.
_AROUND = timedelta(days=1)
#: The local hour of the next day at which whoever opened an activity is told that it is still open.
_MORNING = timedelta(hours=8)


async def hosted(act: Act, activity_id: int) -> Activity:
    """An activity that the actor may run: whoever keeps its kind in its unit. Raises `NotFound`, `Forbidden`."""
    activity = await visible(Activity, act).get_or_none(id=activity_id)
    if activity is None:
        raise NotFound
    await require(act, f"{activity.kind}.keep", [activity.unit_id])
    return activity


async def held(activity_id: int) -> Activity:
    """An activity that nobody else changes before the running transaction ends: whoever would, waits at its row.

    Take it first of all in a change of an evening, before any row that refers to it. Raises `NotFound`.
    """
    activity = await Activity.filter(id=activity_id).select_for_update().get_or_none()
    if activity is None:
        raise NotFound
    return activity


async def held_open(activity_id: int) -> Activity:
    """As `held`, an activity that is going on: nobody closes it meanwhile. Raises `Refused` where it is not open."""
    activity = await held(activity_id)
    if activity.closed_at is not None:
        raise Refused("这一场已经结束了，没有办理。要补充的，请告诉主持人。")
    if activity.opened_at is None:
        raise Refused("这一场还没有开始，请等主持人宣布开始。")
    return activity


@change(Activity, action="activities.open")
async def open_activity(act: Act, activity_id: int) -> Activity:
    """Begin it, now: it may be earlier than planned. Twice is once.

    Raises `Refused` for one that is closed, or planned for another day.
    """
    activity = await hosted(act, activity_id)
    night = current().calendar.night_of(act.now)
    if activity.opened_at is None and abs(night - activity.date) > _AROUND:
        raise Refused(
            "这一场定在 {planned}，今天是 {today}。真的今天开，请先把日期改成今天；已经开过的，直接补记就行。",
            planned=f"{activity.date:%Y-%m-%d}",
            today=f"{night:%Y-%m-%d}",
        )
    touched = await Activity.filter(id=activity.id, opened_at=None, closed_at=None).update(opened_at=act.now)
    activity = await Activity.get(id=activity.id)
    if not touched:
        if activity.closed_at is not None:
            raise Refused("这一场已经结束了，不能再开。要接着谈，请另外登记一场。")
        return activity
    data = {"account_id": act.actor.account_id}
    await emit(act, OPENED, (activity.kind, activity.id), audience="public", data=data)
    calendar = current().calendar
    morning = calendar.start_of_day(calendar.night_of(act.now) + timedelta(days=1)) + _MORNING
    await set_due(LEFT_OPEN, (activity.kind, activity.id), morning)
    return activity


@change(Activity, action="activities.close")
async def close_activity(act: Act, activity_id: int) -> Activity:
    """End it, once; whoever keeps its kind may, also who did not open it. Twice is once.

    Raises `StillOpen` with the reasons of the guards, `Refused` where it was never opened.
    """
    await hosted(act, activity_id)
    activity = await held(activity_id)
    if activity.closed_at is not None:
        return activity
    if activity.opened_at is None:
        raise Refused("这一场还没有开始，不用结束。")
    await ask_guards(act, activity)
    await Activity.filter(id=activity.id, closed_at=None).update(closed_at=act.now)
    await emit(act, CLOSED, (activity.kind, activity.id), audience="public")
    await set_due(LEFT_OPEN, (activity.kind, activity.id), None)
    return await Activity.get(id=activity.id)


async def tell_left_open(act: Act, activity_id: int) -> None:
    """Due: the morning has come and it is still open. Say so to whoever opened it, else to the unit's officials."""
    activity = await Activity.get_or_none(id=activity_id, closed_at=None)
    if activity is None:
        return
    opened = await Event.filter(type=OPENED, subject_kind=activity.kind, subject_id=activity.id).order_by("-id").first()
    host = opened.data["account_id"] if opened is not None else None
    if host is not None:
        told = [host]
    else:
        roles = sorted(roles_holding(f"{activity.kind}.keep"))
        told = [account.id for account in await accounts_in([activity.unit_id], today(act), roles=roles)]
    event = await emit(act, LEFT_OPEN, (activity.kind, activity.id))
    await notify(event, LEFT_OPEN, told, title=activity.title)


EVENTS = (EventType(OPENED, "开始"), EventType(CLOSED, "结束"), EventType(LEFT_OPEN, "还没有结束"))
NOTICES = (NoticeKind(LEFT_OPEN, "《{title}》开了一夜，还没有结束。散场了就点一下结束。", "activities.evening"),)
DUES = (DueKind(LEFT_OPEN, tell_left_open),)
