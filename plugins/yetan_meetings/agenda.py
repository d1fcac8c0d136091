"""The agenda: matters set beforehand or raised during the evening, taken one by one until each is decided (002-A2b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from yetan.api import (
    REPORT_FIELDS,
    Act,
    Conflict,
    EventType,
    Field,
    NotFound,
    Refused,
    attempt,
    change,
    clean,
    emit,
    message_ids,
    visible,
)
from yetan_activities.api import Activity, Attendance, held, held_open, hosted, kind_of
from yetan_meetings.models import AgendaItem

RAISED, TAKEN, ALTERED = "meetings.item_raised", "meetings.item_taken", "meetings.item_altered"
EVENTS: tuple[EventType, ...] = message_ids(
    (
        EventType(RAISED, "提出一项"),
        EventType(TAKEN, "开始议一项"),
        EventType(ALTERED, "修改一项"),
    )
)
#: The states of an item; the first two are those in which nothing is decided yet.
STATES: Mapping[str, str] = message_ids(
    {
        "waiting": "等着议",
        "discussing": "正在议",
        "settled": "当场解决",
        "issue": "立项交办",
        "resolved": "形成议定事项",
        "noted": "记下并答复",
        "dropped": "这次不议",
    }
)
UNDECIDED = ("waiting", "discussing")
#: Set beforehand, to be discussed and resolved (002-A2a); the other two kinds are those of issues (003-06).
TOPIC = "topic"
_TITLE, _TEXT, _KIND = (next(each for each in REPORT_FIELDS if each.name == name) for name in ("title", "text", "kind"))
_OPTIONAL_TEXT = replace(_TEXT, required=False, max_length=2000)
KINDS = (*_KIND.choices, message_ids((TOPIC, "议题")))
#: What a resident says at their seat.
SEAT_FIELDS = (_TITLE, _OPTIONAL_TEXT, _KIND)
#: What the host writes, for somebody present or of their own.
HOST_FIELDS = (
    _TITLE,
    _OPTIONAL_TEXT,
    replace(_KIND, label=message_ids("是哪一类"), choices=KINDS),
    Field("raised_by", message_ids("谁提的"), "choice", required=False, hint=message_ids("没有签到的，先替他签到。")),
)
#: Matters from one who is present, in an hour.
_RAISES, _WINDOW_SECONDS = 20, 3600


async def items_of(activity_id: int) -> list[AgendaItem]:
    """The agenda of an activity, in order."""
    return await AgendaItem.filter(activity_id=activity_id).order_by("position").select_related("raised_by", "issue")


async def present_at(activity_id: int) -> list[Attendance]:
    """Who is there, as they came."""
    return await Attendance.filter(activity_id=activity_id, present_at__isnull=False).order_by("present_at", "id")


def called(attendance: Attendance) -> str:
    """What somebody present is called, told apart from others of the same name."""
    return f"{attendance.name} {attendance.house}".strip()


async def raiser_choices(activity_id: int) -> dict[str, Sequence[tuple[str, str]]]:
    """Whom the host may name as having raised a matter."""
    return {"raised_by": [(str(each.id), called(each)) for each in await present_at(activity_id)]}


@change(AgendaItem, action="meetings.raise_item")
async def raise_item(act: Act, activity_id: int, values: Mapping[str, Any]) -> AgendaItem:
    """The host puts something on the agenda, beforehand or during the evening; `values` are of `HOST_FIELDS`.

    Raises `NotFound`, `Forbidden`, `Invalid`, or `Refused` once the activity is closed.
    """
    await chaired(act, activity_id)
    activity = await held(activity_id)
    if activity.closed_at is not None:
        raise Refused("已经散会了，议程不能再加。新的事情请直接登记。")
    cleaned = clean(HOST_FIELDS, values, await raiser_choices(activity_id))
    raised_by = int(cleaned.pop("raised_by") or 0) or None
    return await _add(act, activity, cleaned, raised_by)


async def speak(act: Act, attendance: Attendance, values: Mapping[str, Any]) -> AgendaItem:
    """Somebody present raises a matter at their seat; `values` are of `SEAT_FIELDS`.

    Whoever calls knows from the seat that the phone acts for them. Raises `Invalid`, `TooMany`, or `Refused` where the
    activity is not going on.
    """
    clean(SEAT_FIELDS, values)
    await attempt("meetings.speak", str(attendance.id), limit=_RAISES, window_seconds=_WINDOW_SECONDS, now=act.now)
    return await _speak(act, attendance.id, values)


@change(AgendaItem, action="meetings.speak")
async def _speak(act: Act, attendance_id: int, values: Mapping[str, Any]) -> AgendaItem:
    attendance = await Attendance.get_or_none(id=attendance_id, present_at__isnull=False)
    if attendance is None:
        raise NotFound
    activity = await held_open(attendance.activity_id)
    if not kind_of(activity).agenda:
        raise NotFound
    return await _add(act, activity, clean(SEAT_FIELDS, values), attendance.id)


async def _add(act: Act, activity: Activity, values: Mapping[str, Any], raised_by: int | None) -> AgendaItem:
    """Behind the others; the activity is held, so that no two take one place and nobody closes it meanwhile."""
    last = await AgendaItem.filter(activity_id=activity.id).order_by("-position").first()
    item = await AgendaItem.create(
        activity_id=activity.id,
        position=last.position + 1 if last is not None else 1,
        raised_by_id=raised_by,
        created_at=act.now,
        **values,
    )
    await tell(act, RAISED, activity, item)
    return item


@change(AgendaItem, action="meetings.alter_item")
async def alter_item(act: Act, item_id: int, values: Mapping[str, Any], version: int) -> AgendaItem:
    """Write an undecided item otherwise; `values` are of `HOST_FIELDS`, `version` is what was read.

    Raises `Conflict` where somebody else has changed it since, `Refused` once it was put to the vote or decided.
    """
    activity, item = await chaired_item(act, item_id, version)
    if item.state not in UNDECIDED or item.vote_state:
        raise Refused("已经表决或者定下来的，文字不能再改。")
    cleaned = clean(HOST_FIELDS, values, await raiser_choices(activity.id))
    cleaned["raised_by_id"] = int(cleaned.pop("raised_by") or 0) or None
    await save(item, **cleaned)
    await tell(act, ALTERED, activity, item)
    return item


@change(AgendaItem, action="meetings.take_item")
async def take_item(act: Act, item_id: int) -> AgendaItem:
    """This one is discussed now; another that was is put back, undecided. Twice is once.

    Raises `Refused` where it is decided, or where another is just being voted on.
    """
    activity, item = await chaired_item(act, item_id)
    await held(activity.id)
    item = await AgendaItem.get(id=item_id)
    if item.state == "discussing":
        return item
    if item.state != "waiting":
        raise Refused("这一项已经定下来了，不用再议。")
    others = AgendaItem.filter(activity_id=activity.id, state="discussing")
    voted_on = await others.filter(vote_state="open").first()
    if voted_on is not None:
        raise Refused("“{title}”还在表决。请先结束表决，再议下一项。", title=voted_on.title)
    for other in await others:
        await save(other, state="waiting")
    await save(item, state="discussing")
    await tell(act, TAKEN, activity, item)
    return item


# What all changes of items share


async def chaired(act: Act, activity_id: int) -> Activity:
    """An activity with an agenda that the actor may run. Raises `NotFound`, `Forbidden`."""
    activity = await hosted(act, activity_id)
    if not kind_of(activity).agenda:
        raise NotFound("这种活动没有议程。")
    return activity


async def chaired_item(act: Act, item_id: int, version: int | None = None) -> tuple[Activity, AgendaItem]:
    """An item and its activity, which the actor may run.

    Raises `NotFound`, `Forbidden`, and `Conflict` where it is not in the `version` that was read any more.
    """
    item = await visible(AgendaItem, act).get_or_none(id=item_id)
    if item is None:
        raise NotFound
    activity = await chaired(act, item.activity_id)
    if version is not None and version != item.version:
        raise _conflict()
    return activity, item


async def save(item: AgendaItem, **changes: Any) -> None:
    """Compare-and-set: change the item if nobody has since it was read, else raise `Conflict` (C61)."""
    touched = await AgendaItem.filter(id=item.id, version=item.version).update(version=item.version + 1, **changes)
    if touched != 1:
        raise _conflict()
    item.update_from_dict({**changes, "version": item.version + 1})


def _conflict() -> Conflict:
    return Conflict("另一位同事刚刚动过这一项。请看过现在的情况再做；您写的还在。")


async def tell(act: Act, event: str, activity: Activity, item: AgendaItem, **data: Any) -> None:
    """Write down in the activity's history what became of one of its items."""
    await emit(act, event, (activity.kind, activity.id), data={"item_id": item.id, **data})
