"""Households as a table: one row each, with who lives there and which official keeps in touch with them (联户)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from yetan.access.scope import granted_units, visible
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Forbidden, Invalid, Refused
from yetan.i18n import translate as _
from yetan.people.models import Household, HouseholdMember, Link, Person
from yetan.people.service import (
    HOUSEHOLD_LINK,
    MEMBER_FIELDS,
    accounts_in,
    add_household,
    add_member,
    set_official,
    today,
    valid_on,
)
from yetan.spreadsheets import Cell, Column, Columns, RowReader, Table
from yetan.units.models import Unit
from yetan.units.service import ancestors_of
from yetan.web.choices import words_for_units
from yetan.web.forms import clean
from yetan.web.table_imports import Reading, refused_row

MANAGE = "household.manage"
COLUMNS = Columns(
    (
        Column("unit", "村（社区）", "村（社区） 村 社区 村居 单位编码 单位 单位名称 unit", 80),
        Column("address", "门牌地址", "门牌地址 地址 门牌 门牌号 住址 address", 200),
        Column("members", "住的人", "住的人 成员 家庭成员 住户成员 人员 户主 members", 2000),
        Column("official", "联户干部", "联户干部 联户 联户人 联系干部 包户干部 official", 60),
    )
)
#: What stands between two members; between a name and its phone there is a space.
_BETWEEN_MEMBERS = re.compile(r"[、，,；;\n|]+")
_MEMBER = re.compile(r"(?P<name>.*?)[\s:：(（]*(?P<phone>[+＋]?[\d０-９][\d０-９\s\-－]*)?[)）]?")
#: Phones asked for with one statement.
_AT_ONCE = 500

Member = tuple[str, str]


class HouseholdRow(Struct, frozen=True):
    """A household to be, from row `row` of the table: where, who (name and phone), and the official's account."""

    row: int
    unit_id: int
    address: str
    members: tuple[Member, ...]
    official_id: int | None


async def rows_of_households(act: Act) -> list[list[Cell]]:
    """The households one may see as rows of `COLUMNS`, as they can be brought in again."""
    households = await visible(Household, act).prefetch_related("unit", "members__person").order_by("unit_id", "id")
    running = Link.filter(valid_on(today(act)), kind=HOUSEHOLD_LINK, household_id__isnull=False)
    links = await running.select_related("account__person").order_by("id")
    officials = {link.household_id: link.account.person.name for link in links}
    return [[each.unit.name, each.address, _told(_members(each)), officials.get(each.id, "")] for each in households]


def _members(household: Household) -> list[Member]:
    members = sorted(household.members, key=lambda member: member.id)  # type: ignore[attr-defined]
    return [(member.person.name, member.person.phone) for member in members]


def _told(members: Sequence[Member]) -> str:
    return "、".join(f"{name} {phone}".strip() for name, phone in members)


async def read_households(act: Act, table: Table) -> Reading:
    """The households of the table, for the very units one answers for; those that are there already stay as they are.

    Nobody is moved by a table: who lives elsewhere is a problem of their row.
    """
    found = COLUMNS.require(table, ("unit",), ("address",))
    own = await Unit.filter(id__in=granted_units(act.actor, MANAGE), active=True)
    units, labels = words_for_units(own), {unit.id: unit.name for unit in own}
    officials = {unit.id: await _officials(act, unit.id) for unit in own}
    there = {(each.unit_id, each.address) for each in await Household.filter(unit_id__in=list(labels))}
    reading: list[tuple[HouseholdRow, RowReader]] = []
    readers: list[RowReader] = []
    known = 0
    seen: dict[tuple[int, str], int] = {}
    for each in table.rows:
        reader = RowReader(table, COLUMNS, found, each)
        readers.append(reader)
        unit, address = units.get(reader.required_line("unit")), reader.required_line("address")
        if unit is None:
            if reader.line("unit"):
                reader.refuse("unit", "没有这个村（社区），或者不由您负责；可以写编码，也可以写全称")
            continue
        if (first := seen.setdefault((unit, address), each.number)) != each.number:
            reader.refuse("address", f"这一户在第 {first} 行已经写过")
        elif (unit, address) in there:
            known += 1
        else:
            official = _official(reader, officials[unit])
            row = HouseholdRow(each.number, unit, address, _members_in(reader), official)
            reading.append((row, reader))
    await _refuse_who_lives_elsewhere(act, reading)
    rows = [row for row, reader in reading if not reader.problems]
    names = {account: name for offered in officials.values() for name, account in offered.items()}
    return Reading(
        headings=(_("村（社区）"), _("门牌地址"), _("住的人"), _("联户干部")),
        rows=[
            (labels[row.unit_id], row.address, _told(row.members), names.get(row.official_id or 0, "")) for row in rows
        ],
        values=rows,
        problems=[problem for reader in readers for problem in reader.problems],
        known=known,
    )


async def _officials(act: Act, unit: int) -> Mapping[str, int]:
    """What the officials of a unit and those above it may be called: sign-in names, and names only one of them has."""
    accounts = await accounts_in(list((await ancestors_of([unit]))[unit]), today(act))
    names = [account.person.name for account in accounts]
    called = {account.username: account.id for account in accounts}
    return called | {account.person.name: account.id for account in accounts if names.count(account.person.name) == 1}


def _official(reader: RowReader, officials: Mapping[str, int]) -> int | None:
    called = reader.line("official")
    if called and called not in officials:
        reader.refuse("official", "本村（社区）和上级没有这个人，或者有几个人同名；同名的请写登录名")
    return officials.get(called)


def _members_in(reader: RowReader) -> tuple[Member, ...]:
    """Who lives there, each with a phone or without."""
    members: list[Member] = []
    for part in filter(None, map(str.strip, _BETWEEN_MEMBERS.split(reader.text("members")))):
        told = _MEMBER.fullmatch(part)
        name, phone = (told["name"].strip(), told["phone"] or "") if told else (part, "")
        try:
            cleaned = clean(MEMBER_FIELDS, {"name": name, "phone": phone})
        except Invalid as error:
            reader.refuse("members", f"“{part}”：{error.message}")
            continue
        if (member := (cleaned["name"], cleaned["phone"])) in members:
            reader.refuse("members", f"“{part}”写了两遍")
        members.append(member)
    return tuple(members)


async def _refuse_who_lives_elsewhere(act: Act, reading: Sequence[tuple[HouseholdRow, RowReader]]) -> None:
    """Name those who live in another household already, and those the table has in two. Without a phone nobody is known
    to be the same."""
    wanted = sorted({phone for row, _reader in reading for _name, phone in row.members if phone})
    homes: dict[Member, Household] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        phones = wanted[start : start + _AT_ONCE]
        persons = Person.filter(phone__in=phones, erased_at=None).values("id", "name", "phone")
        who = {each["id"]: (each["name"], each["phone"]) for each in await persons}
        members = await HouseholdMember.filter(person_id__in=list(who)).select_related("household")
        homes |= {who[member.person_id]: member.household for member in members}
    own = granted_units(act.actor, MANAGE)
    first: dict[Member, int] = {}
    for row, reader in reading:
        for member in (each for each in row.members if each[1]):
            home = homes.get(member)
            if home is not None:
                where = f"“{home.address}”" if home.unit_id in own else "别的村（社区）的一户"
                reader.refuse("members", f"{member[0]}已经登记在{where}；搬了家的，请先从那一户移出")
            elif (row_before := first.setdefault(member, row.row)) != row.row:
                reader.refuse("members", f"{member[0]}在第 {row_before} 行已经写过")


@change(Household)
async def add_households(act: Act, rows: Sequence[HouseholdRow]) -> Household:
    """Add households with who lives there, all of them or none. Raises `Invalid` naming the row that is refused."""
    added: list[Household] = []
    for row in rows:
        try:
            if await Household.filter(unit_id=row.unit_id, address=row.address).exists():
                raise Refused("刚刚有人登记了这一户，请再看一遍。")
            household = await add_household(act, row.unit_id, row.address, [])
            for name, phone in row.members:
                await add_member(act, household.id, {"name": name, "phone": phone})
            if row.official_id is not None:
                await set_official(act, household.id, row.official_id)
        except (Invalid, Refused, Forbidden) as error:
            raise refused_row(row.row, error) from None
        added.append(household)
    return added[0]
