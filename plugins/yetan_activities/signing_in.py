"""Signing in: by the code on the wall without any account, by one press with one, or through the host (002-C9).

The code is a plain address, signed for an activity and a span of time; nothing of it is stored. Who opens it gets a
form with a ticket, good for some minutes; who fills it in gets a seat: a signed cookie that says for whom of those
present this phone may act.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from yetan.api import (
    Account,
    Act,
    EventType,
    Field,
    Invalid,
    Link,
    Person,
    Refused,
    Request,
    ancestors_of,
    change,
    clean,
    cookie_name,
    emit,
    find_or_add_person,
    keyed_hash,
    message_ids,
    posts_on,
    require,
    same,
    set_cookie,
    subtree_of,
    today,
)
from yetan_activities.configuration import settings
from yetan_activities.evening import held, held_open
from yetan_activities.models import ROLES, Activity, Attendance

ATTENDED = "activities.attended"
NAME = Field("name", "怎么称呼您", max_length=60, hint="姓名、昵称都行。")
HOUSE = Field("house", "住在哪里", required=False, max_length=60, hint="例如：3 号楼 501。名字一样的人，靠它分清。")
SIGN_IN_FIELDS: tuple[Field, ...] = message_ids(
    (
        NAME,
        HOUSE,
        Field("phone", "电话", "phone", required=False, hint="以后查您说的事、验收，写后四位就行。不公开。"),
        Field("consent", "我同意把电话用在办我说的事、回访和验收上，随时可以要求删除", "boolean", required=False),
    )
)
#: What the host writes of somebody who has no phone, or is expected.
HOST_FIELDS: tuple[Field, ...] = message_ids(
    (
        Field("name", "姓名或者称呼", required=False, max_length=60),
        Field("house", "住在哪里", required=False, max_length=60),
        Field("role", "什么身份", "choice", choices=ROLES),
        Field("account", "有账号的领导、干部，从这里选", "account", required=False, hint="选了就不用写姓名。"),
    )
)
#: In these roles nobody signs in by a name alone: they are named in public, or decide.
_VOUCHED = frozenset({"leader", "official", "host"})
#: For how long a phone keeps its seat, and for how many people at most.
SEAT_LASTS, SEATS_A_PHONE = timedelta(hours=18), 8
#: By how much clocks of several machines may differ.
_SLACK = timedelta(minutes=5)


EVENTS = (EventType(ATTENDED, "有人到场"),)


# The code and the ticket


def code_of(activity: Activity, now: datetime) -> str:
    """What the code on the wall says now."""
    return _code(activity.id, _span(now))


def seconds_left(now: datetime) -> int:
    """After how many seconds the code on the wall changes."""
    return settings().code_seconds - int(now.timestamp()) % settings().code_seconds


class Scanned(Struct, frozen=True):
    """A code that was drawn by us: of which activity, and whether it is the present one or the one before."""

    activity_id: int
    fresh: bool


def scanned(code: str, now: datetime) -> Scanned | None:
    """What somebody scanned; None for what we never drew."""
    found = re.fullmatch(r"(\d{1,9})-(\d{1,10})-([0-9a-f]{16})", code, re.ASCII)
    if found is None or not same(code, _code(int(found[1]), int(found[2]))):
        return None
    return Scanned(int(found[1]), _span(now) - int(found[2]) in (0, 1))


def ticket_for(activity: Activity, now: datetime) -> str:
    """What the form carries, so that it is taken for some minutes after the code was scanned."""
    until = now + timedelta(minutes=settings().form_minutes)
    plain = f"{activity.id}.{int(until.timestamp())}"
    return f"{plain}.{keyed_hash('activities.ticket', plain)}"


def check_ticket(ticket: str, activity: Activity, now: datetime) -> None:
    """Raise `Refused` unless the ticket is the activity's and still good."""
    plain, _, signature = ticket.rpartition(".")
    activity_id, _, until = plain.partition(".")
    if not same(signature, keyed_hash("activities.ticket", plain)) or activity_id != str(activity.id):
        raise Refused("这张签到表不是这一场的，没有签到。请扫一扫会场上的码。")
    if now >= datetime.fromtimestamp(int(until), UTC):
        raise Refused("这张签到表放得太久了，没有签到。请再扫一扫会场上的码；您写的还在。")


def _span(now: datetime) -> int:
    """The number of the span of time in which one code is good."""
    return int(now.timestamp()) // settings().code_seconds


def _code(activity_id: int, span: int) -> str:
    # 64 bits cannot be guessed within the minute it is good for, and make a code that a phone reads across a room.
    return f"{activity_id}-{span}-{keyed_hash('activities.code', f'{activity_id}-{span}')[:16]}"


# The seat


class Seat(Struct, frozen=True):
    """For whom of those present at an activity a phone may act: a couple may share one."""

    activity: Activity
    attendances: tuple[Attendance, ...]
    #: Of those, who had signed in before on another phone: whoever knows a name and a house may be somebody else, and
    #: is not told what opens that person's matters.
    again: frozenset[int] = frozenset()

    def attendance(self, attendance_id: int) -> Attendance:
        """The one of that id. Raises `Refused` where this phone has not signed in for it."""
        for each in self.attendances:
            if each.id == attendance_id:
                return each
        raise Refused("这部手机没有替这位签到，没有办理。请扫一扫会场上的码签到。")


async def seat_of(request: Request, activity: Activity) -> Seat:
    """For whom the phone that asks may act at the activity; of nobody where it has not signed in."""
    seated = _seated(request)
    rows = await Attendance.filter(id__in=list(seated), activity_id=activity.id).order_by("id") if seated else []
    again = frozenset(each for each, is_again in seated.items() if is_again)
    return Seat(activity, tuple(each for each in rows if each.present_at is not None), again)


def keep_seat(response: Response, request: Request, attendance: Attendance) -> None:
    """Have the phone act for somebody from now on, besides those it acts for already."""
    act, seated = request.act, _seated(request)
    came = attendance.present_at == act.now or (act.key and attendance.arrival_key == act.key)
    again = seated.pop(attendance.id, not came and attendance.account_id is None)
    kept = [*seated.items(), (attendance.id, again)][-2 * SEATS_A_PHONE :]
    set_cookie(response, "seat", seat_token(dict(kept), act.now), max_age=int(SEAT_LASTS.total_seconds()))


def seat_token(seated: Mapping[int, bool], now: datetime) -> str:
    """What a phone keeps of those it acts for, and whether they had signed in before elsewhere: signed, and worthless
    after `SEAT_LASTS`."""
    ids = "-".join(f"{each}{'a' * again}" for each, again in seated.items())
    plain = f"{ids}.{int((now + SEAT_LASTS).timestamp())}"
    return f"{plain}.{keyed_hash('activities.seat', plain)}"


def _seated(request: Request) -> dict[int, bool]:
    """By attendance whether it is one again, as the phone has kept it."""
    now = request.act.now
    plain, _, signature = request.cookies.get(cookie_name("seat"), "").rpartition(".")
    found = re.fullmatch(r"(\d{1,9}a?(?:-\d{1,9}a?)*)\.(\d{1,12})", plain, re.ASCII)
    if found is None or not same(signature, keyed_hash("activities.seat", plain)):
        return {}
    if not now < datetime.fromtimestamp(int(found[2]), UTC) <= now + SEAT_LASTS + _SLACK:
        return {}
    return {int(each.removesuffix("a")): each.endswith("a") for each in found[1].split("-")}


# Who is there


class _Newcomer(Struct, frozen=True):
    """Somebody who signs in, as they say themselves, or as their account says."""

    name: str
    house: str = ""
    phone: str = ""
    role: str = "resident"
    person_id: int | None = None
    account_id: int | None = None
    unit_id: int | None = None
    link_id: int | None = None


@change(Attendance, action="activities.sign_in")
async def sign_in(act: Act, activity_id: int, values: Mapping[str, Any], *, way: str) -> Attendance:
    """Somebody is there now. Signing in again, with the same name and house, is the same row.

    `way` is "code" for a phone that scanned (the page has checked its ticket): `values` are of `SIGN_IN_FIELDS`, or
    without a name those of whoever is signed in. It is "host" for whom the host adds during the evening, and "desk" for
    whom somebody adds afterwards: `values` are of `HOST_FIELDS`.

    Raises `Refused` where the activity is not open, `Invalid` where the name alone does not tell who it is.
    """
    activity = await (held(activity_id) if way == "desk" else held_open(activity_id))
    if way == "code":
        newcomer = await _by_phone(act, activity, values)
    else:
        await require(act, f"{activity.kind}.keep", [activity.unit_id])
        newcomer = await _by_host(act, activity, values)
    there = await _listed(activity, newcomer)
    if there is None:
        there = await _list(act, activity, newcomer, way)
    elif there.present_at is not None and not await _is_again(there, newcomer, way):
        raise Invalid.field(
            "house",
            "已经有一位“{name}”签到了。是另一位的，请写上住在哪里，好分清；还是不行，请主持人帮忙。",
            name=newcomer.name,
        )
    if there.present_at is None:
        if way == "code" and there.role in _VOUCHED and newcomer.unit_id is None:
            raise Invalid.field("name", "这个名字是请来的领导、干部。是本人的，请登录后签到，或者请主持人帮忙签到。")
        await _arrive(act, activity, there, newcomer, way)
    elif there.way == "host" and way == "code":
        # The host ticked them off before: from now on they have a phone of their own.
        await Attendance.filter(id=there.id).update(way="code")
    return await Attendance.get(id=there.id)


async def expect(act: Act, activity: Activity, values: Mapping[str, Any], *, unit_id: int | None = None) -> Attendance:
    """Somebody is expected, as with `HOST_FIELDS` and a "phone"; who is listed already stays as they are.

    Call it inside a change, with the activity `held`; whoever calls has checked that the actor may.
    """
    newcomer = replace(await _by_host(act, activity, values), phone=str(values.get("phone") or ""))
    if unit_id is not None:
        newcomer = replace(newcomer, unit_id=unit_id)
    there = await _listed(activity, newcomer)
    return there if there is not None else await _list(act, activity, newcomer, "host", expected=True)


async def mark_present(act: Act, activity: Activity, attendance: Attendance, way: str) -> None:
    """Somebody who is listed is there. Call it inside a change, with the activity `held`."""
    known = _Newcomer(attendance.name, account_id=attendance.account_id, person_id=attendance.person_id)
    if attendance.account_id is not None:
        known = replace(known, **await _standing(act, activity, attendance.account_id), role=attendance.role)
    await _arrive(act, activity, attendance, known, way)


async def _by_phone(act: Act, activity: Activity, values: Mapping[str, Any]) -> _Newcomer:
    """Who holds the phone: the account signed in with it, or whoever it says."""
    if act.actor.account_id is not None and not values.get("name"):
        return await _by_account(act, activity, act.actor.account_id, clean((HOUSE,), values)["house"])
    typed = clean(SIGN_IN_FIELDS, values)
    if typed["phone"] and not typed["consent"]:
        raise Invalid.field("consent", "留了电话，要勾选同意我们才能保存；不想留的，把电话清空也能签到。")
    return _Newcomer(typed["name"], typed["house"], typed["phone"])


async def _by_host(act: Act, activity: Activity, values: Mapping[str, Any]) -> _Newcomer:
    typed = clean(HOST_FIELDS, values)
    if typed["account"] is not None:
        known = await _by_account(act, activity, typed["account"], typed["house"])
        return replace(known, role=typed["role"]) if typed["role"] != "resident" else known
    if not typed["name"]:
        raise Invalid.field("name", "请写姓名或者称呼，或者选一个账号。")
    return _Newcomer(typed["name"], typed["house"], role=typed["role"])


async def _by_account(act: Act, activity: Activity, account_id: int, house: str) -> _Newcomer:
    account = await Account.get_or_none(id=account_id, active=True).select_related("person")
    if account is None:
        raise Invalid.field("account", "没有这个账号，或者已经停用，请重新选。")
    known = _Newcomer(account.person.name, house, person_id=account.person_id, account_id=account.id)
    return replace(known, **await _standing(act, activity, account.id))


async def _standing(act: Act, activity: Activity, account_id: int) -> dict[str, Any]:
    """As what an account is there: its role, the unit it stands for, and the link that makes it count (002-C9)."""
    posts = await posts_on([account_id], today(act))
    if not posts:
        return {}
    post = next((post for post in posts if post.role == "leader"), posts[0])
    roles = {"leader": "leader", "department_official": "department"}
    link = await _link_to(activity.unit_id, account_id, activity)
    return {"role": roles.get(post.role, "official"), "unit_id": post.unit_id, "link_id": link}


async def _link_to(unit_id: int, account_id: int, activity: Activity) -> int | None:
    """The link of an official to the unit on the evening's day: to itself, else the nearest above it, else below."""
    links = await Link.filter(account_id=account_id, since__lte=activity.date, unit_id__isnull=False).order_by("id")
    valid = [link for link in links if link.until is None or link.until >= activity.date]
    if not valid:
        return None
    near = [*(await ancestors_of([unit_id]))[unit_id], *await subtree_of(unit_id)]
    found = [link for link in valid if link.unit_id in near]
    return min(found, key=lambda link: (near.index(link.unit_id), link.id)).id if found else None  # type: ignore[arg-type]


async def _listed(activity: Activity, newcomer: _Newcomer) -> Attendance | None:
    """The row somebody has already, if there is one: by who they are, by what they are called, or as expected."""
    rows = Attendance.filter(activity_id=activity.id).select_related("person")
    if (person_id := await _known(newcomer)) is not None:
        there = await rows.get_or_none(person_id=person_id)
        if there is not None:
            return there
    named = await rows.filter(name=newcomer.name).order_by("id")
    exact = next((row for row in named if row.house == newcomer.house), None)
    if exact is not None:
        return exact
    # Expected under the name alone, or with a house that they did not write.
    expected = [row for row in named if row.present_at is None and (not row.house or not newcomer.house)]
    return expected[0] if len(expected) == 1 else None


async def _known(newcomer: _Newcomer) -> int | None:
    """Who they are for certain: by an account, or by name and phone together."""
    if newcomer.person_id is not None or not newcomer.phone:
        return newcomer.person_id
    known = Person.filter(name=newcomer.name, phone=newcomer.phone, erased_at=None)
    person = await known.order_by("id").first()
    return person.id if person is not None else None


async def _is_again(there: Attendance, newcomer: _Newcomer, way: str) -> bool:
    """Whether somebody who is there signs in again, rather than somebody else of the same name."""
    if await _known(newcomer) == there.person_id:
        return True
    if newcomer.account_id is not None or there.account_id is not None:
        return False
    if way == "code" and there.way == "host" and there.role not in _VOUCHED:
        return True
    person: Person = there.person
    return bool(newcomer.house) and (not person.phone or way != "code")


async def _list(act: Act, activity: Activity, newcomer: _Newcomer, way: str, *, expected: bool = False) -> Attendance:
    person = await find_or_add_person(act, newcomer.name, newcomer.phone, activity.unit_id, newcomer.person_id)
    return await Attendance.create(
        activity_id=activity.id,
        person_id=person.id,
        name=newcomer.name,
        house=newcomer.house,
        role=newcomer.role,
        way=way,
        account_id=newcomer.account_id,
        link_id=newcomer.link_id,
        unit_id=newcomer.unit_id,
        expected=expected,
        created_at=act.now,
    )


async def _arrive(act: Act, activity: Activity, there: Attendance, newcomer: _Newcomer, way: str) -> None:
    """They are there now; what they or their account say is added to what was expected."""
    person_id = newcomer.person_id
    if newcomer.phone:
        # A person of that phone, not the one who was expected: whoever types a name gets nothing that is another's.
        person_id = (await find_or_add_person(act, newcomer.name, newcomer.phone, activity.unit_id, person_id)).id
    added: Sequence[tuple[str, Any]] = (
        ("house", newcomer.house),
        ("account_id", newcomer.account_id),
        ("person_id", person_id),
        ("unit_id", there.unit_id or newcomer.unit_id),
        ("link_id", newcomer.link_id),
    )
    known = {name: value for name, value in added if value}
    await Attendance.filter(id=there.id).update(present_at=act.now, way=way, arrival_key=act.key, **known)
    await emit(act, ATTENDED, (activity.kind, activity.id), data={"attendance_id": there.id})
