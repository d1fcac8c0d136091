"""Who is expected, who is there: the host's list, its figures, and what is put right on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from tortoise.functions import Count

from yetan.api import Act, EventType, NotFound, Refused, change, clean, current, emit
from yetan_activities.evening import held, hosted
from yetan_activities.kinds import OPTIONAL
from yetan_activities.models import RESIDENTS, ROLES, Activity, Attendance
from yetan_activities.signing_in import expect, mark_present, sign_in

#: Somebody was put down as present by mistake.
REMOVED = "activities.attendance_removed"
EVENTS = (EventType(REMOVED, "更正到场的人"),)
STATED = "stated_residents"
STATED_FIELDS = (OPTIONAL[STATED],)
#: How many people of earlier evenings are offered at once.
OFFERED = 60


class Presence(Struct, frozen=True):
    """How many are at an activity, by role; and how many of those expected are not there yet."""

    by_role: Mapping[str, int] = field(default_factory=dict)
    awaited: int = 0

    @property
    def residents(self) -> int:
        """How many residents signed in or were ticked off."""
        return sum(count for role, count in self.by_role.items() if role in RESIDENTS)

    @property
    def everybody(self) -> int:
        """How many people are there in whatever role."""
        return sum(self.by_role.values())


async def presence_at(activities: Sequence[int]) -> dict[int, Presence]:
    """The figures of each activity."""
    rows = Attendance.filter(activity_id__in=list(activities)).annotate(count=Count("id"))
    present = rows.filter(present_at__isnull=False).group_by("activity_id", "role")
    found = {
        (row["activity_id"], row["role"]): row["count"] for row in await present.values("activity_id", "role", "count")
    }
    awaited = rows.filter(present_at=None).group_by("activity_id").values("activity_id", "count")
    missing = {row["activity_id"]: row["count"] for row in await awaited}
    return {
        each: Presence({role: found[each, role] for role, _ in ROLES if (each, role) in found}, missing.get(each, 0))
        for each in activities
    }


def way_now(act: Act, activity: Activity) -> str:
    """How people are put down as present now: "host" during it, "desk" afterwards; "" while it is only planned."""
    if activity.is_open:
        return "host"
    over = activity.closed_at is not None or current().calendar.night_of(act.now) > activity.date
    return "desk" if over else ""


async def listed_at(activity_id: int) -> list[Attendance]:
    """Everybody on the list: those awaited first, then those present, the latest first."""
    rows = Attendance.filter(activity_id=activity_id).select_related("unit")
    awaited = await rows.filter(present_at=None).order_by("name", "id")
    return [*awaited, *await rows.filter(present_at__isnull=False).order_by("-present_at", "-id")]


async def of_earlier_evenings(activity: Activity) -> list[Attendance]:
    """Who was at earlier evenings of the unit and is not on this list yet, those of the latest first; each once."""
    here = {(row.name, row.house) for row in await Attendance.filter(activity_id=activity.id)}
    before = Attendance.filter(activity__unit_id=activity.unit_id, present_at__isnull=False, account_id=None)
    found: dict[tuple[str, str], Attendance] = {}
    for row in await before.exclude(activity_id=activity.id).order_by("-id").limit(10 * OFFERED):
        if (row.name, row.house) not in here:
            found.setdefault((row.name, row.house), row)
    return list(found.values())[:OFFERED]


async def put_down(act: Act, activity_id: int, values: Mapping[str, Any]) -> Attendance:
    """Put somebody down by hand: as expected while it is only planned, as present from when it is open."""
    activity = await hosted(act, activity_id)
    way = way_now(act, activity)
    return await sign_in(act, activity_id, values, way=way) if way else await _expect(act, activity_id, values)


@change(Attendance, action="activities.expect")
async def _expect(act: Act, activity_id: int, values: Mapping[str, Any]) -> Attendance:
    return await expect(act, await held(activity_id), values)


@change(Activity, action="activities.expect_again")
async def expect_again(act: Act, activity_id: int, attendances: Sequence[int]) -> Activity:
    """Expect people who were at earlier evenings of the unit."""
    await hosted(act, activity_id)
    activity = await held(activity_id)
    chosen = set(attendances)
    for row in [each for each in await of_earlier_evenings(activity) if each.id in chosen]:
        if not await Attendance.filter(activity_id=activity.id, person_id=row.person_id).exists():
            await _await(act, activity, row)
    return activity


@change(Attendance, action="activities.tick_off")
async def tick_off(act: Act, activity_id: int, attendance_id: int) -> Attendance:
    """Somebody expected is there. Twice is once; raises `Refused` while it is only planned."""
    await hosted(act, activity_id)
    activity = await held(activity_id)
    attendance = await _of(activity, attendance_id)
    way = way_now(act, activity)
    if not way:
        raise Refused("还没有开始，先把名单列好；开始以后，人到了再点。")
    if attendance.present_at is None:
        await mark_present(act, activity, attendance, way)
    return await Attendance.get(id=attendance.id)


@change(Activity, action="activities.take_off")
async def take_off(act: Act, activity_id: int, attendance_id: int) -> Activity:
    """Put a mistake right: who was expected is awaited again, anybody else goes from the list, with their votes.

    Raises `Refused` after the evening for whoever signed in during it.
    """
    await hosted(act, activity_id)
    activity = await held(activity_id)
    attendance = await _of(activity, attendance_id)
    if activity.closed_at is not None and attendance.present_at is not None and attendance.way != "desk":
        raise Refused("散场以后，当场签到的不能再改。")
    if attendance.present_at is not None:
        await emit(act, REMOVED, (activity.kind, activity.id), data={"attendance_id": attendance.id})
    await attendance.delete()
    if attendance.present_at is not None and attendance.expected:
        # A row of its own: what hung on the mistake, a vote or a phone's seat, is gone with it.
        await _await(act, activity, attendance)
    return activity


async def _await(act: Act, activity: Activity, known: Attendance) -> None:
    """Expect somebody at an activity as they stood on a list before."""
    await Attendance.create(
        activity_id=activity.id,
        person_id=known.person_id,
        name=known.name,
        house=known.house,
        role=known.role,
        way="host",
        account_id=known.account_id,
        unit_id=known.unit_id,
        expected=True,
        created_at=act.now,
    )


@change(Activity, action="activities.state")
async def state_residents(act: Act, activity_id: int, values: Mapping[str, Any]) -> Activity:
    """Write down how many residents the host counted, `values` being `STATED_FIELDS`; residents read it once the
    activity is published (again)."""
    await hosted(act, activity_id)
    activity = await held(activity_id)
    stated = clean(STATED_FIELDS, values)["stated_residents"]
    if stated != activity.stated_residents:
        await Activity.filter(id=activity.id).update(
            stated_residents=stated,
            version=activity.version + 1,
            updated_at=act.now,
            updated_by_id=act.actor.account_id,
        )
        await emit(act, f"{activity.kind}.altered", (activity.kind, activity.id))
    return await Activity.get(id=activity.id)


async def _of(activity: Activity, attendance_id: int) -> Attendance:
    found = await Attendance.get_or_none(id=attendance_id, activity_id=activity.id)
    if found is None:
        raise NotFound("名单上没有这个人了，可能刚被删掉。请看现在的名单。")
    return found
