"""每月一谈: which village has held this month's open talk, seen in advance by village, township and county (002-A1)."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from openpyxl import load_workbook
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind
from tortoise.transactions import in_transaction

from yetan.act import SYSTEM, Act
from yetan.db.connection import client
from yetan.notices.models import Notice
from yetan.rules.service import set_value
from yetan.testing import Town
from yetan.units.models import Unit, UnitAncestor
from yetan.units.service import load_units, merge_units
from yetan.units.table import UnitRow
from yetan_activities.api import Activity, Attendance
from yetan_meetings.cadence import MISSING, PER_MONTH, standings
from yetan_meetings.months import Month
from yetan_meetings.units import load_tree

PAGE = "/desk/meetings/cadence"
MAY, APRIL = Month.of(date(2026, 5, 6)), Month.of(date(2026, 4, 1))


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


def talk(town: Town, unit: str, day: date, kind: str = "open_talk", **values: Any) -> Activity:
    """An open talk as it stands in the table."""
    now = town.clock()

    async def go() -> Activity:
        return await Activity.create(
            kind=kind,
            unit_id=town.units[unit],
            title="大家坐下来说",
            date=day,
            place="村口",
            created_at=now,
            updated_at=now,
            **values,
        )

    return town.do(go)


def opened(day: date, **values: Any) -> dict[str, Any]:
    return {"opened_at": datetime(day.year, day.month, day.day, 11, 30, tzinfo=UTC), **values}


def states(town: Town, month: Month = MAY, **options: Any) -> dict[str, str]:
    """How each unit of the county stands, by its code."""
    day = (town.clock() + timedelta(hours=8)).date()

    async def go() -> dict[str, str]:
        tree = await load_tree()
        return {each.unit.code: each.state for each in await standings(tree, {town.units["city"]}, month, day)}

    return town.do(go)


def at(town: Town, year: int, month: int, day: int) -> None:
    """The clock stands at ten in the morning of a day in Shanghai, and the worker has done what is due."""
    town.clock.now = datetime(year, month, day, 2, 0, tzinfo=UTC)
    town.run_worker()


def told(town: Town, kind: str) -> list[str]:
    async def go() -> list[str]:
        rows = await Notice.filter(kind=kind).order_by("id").select_related("account")
        return [row.account.username for row in rows]

    return town.do(go)


def test_a_talk_counts_once_it_was_held_and_not_when_it_is_planned(town: Town) -> None:
    """Held: opened and closed, or its day has come and a record tells of it. 6 May stands on the calendar."""
    assert states(town) == {"village": "missing", "sibling": "missing", "other": "missing"}
    talk(town, "village", date(2026, 5, 20))
    talk(town, "sibling", date(2026, 5, 2))
    talk(town, "other", date(2026, 5, 4), kind="thematic_meeting", summary="另一种会。")
    assert states(town) == {"village": "planned", "sibling": "missing", "other": "missing"}
    evening = talk(town, "other", date(2026, 5, 5), **opened(date(2026, 5, 5)))
    assert states(town)["other"] == "planned", "it is still going on"
    closed = datetime(2026, 5, 5, 14, 0, tzinfo=UTC)
    town.run(Activity.filter(id=evening.id).update(closed_at=closed))
    talk(town, "sibling", date(2026, 5, 3), summary="来了二十个人，说的是停车。")
    assert states(town) == {"village": "planned", "sibling": "held", "other": "held"}
    assert states(town, APRIL)["sibling"] == "missing", "a talk of May is none of April"


def test_a_talk_recorded_afterwards_counts_by_who_was_there_or_how_many(town: Town) -> None:
    counted = talk(town, "village", date(2026, 5, 3), stated_residents=0)
    listed = talk(town, "sibling", date(2026, 5, 3))
    assert states(town)["village"] == "missing"
    town.run(Activity.filter(id=counted.id).update(stated_residents=18))
    values = {"activity_id": listed.id, "role": "resident", "way": "desk", "name": "柳三变"}
    there = town.make_row(Attendance, **values, present_at=None)
    assert states(town)["sibling"] == "missing", "expected is not there"
    town.run(Attendance.filter(id=there.id).update(present_at=town.clock()))
    assert states(town) == {"village": "held", "sibling": "held", "other": "missing"}


def test_how_many_a_month_is_for_the_unit_to_say(town: Town) -> None:
    async def decree() -> None:
        act = await town.act("administrator")
        await set_value(act, PER_MONTH, town.units["township"], 2, date(2026, 5, 1))
        await set_value(act, PER_MONTH, town.units["other"], 0, date(2026, 5, 1))

    town.do(decree)
    talk(town, "village", date(2026, 5, 2), summary="开了。")
    assert states(town) == {"village": "missing", "sibling": "missing", "other": "free"}
    talk(town, "village", date(2026, 5, 28))
    assert states(town)["village"] == "planned"


def test_units_founded_merged_or_closed_are_asked_for_the_months_they_were_there(town: Town) -> None:
    """A unit founded in the middle of a month holds talks from the next one on; one that went into another no longer
    from the month on in which it did."""
    rows = [UnitRow(2, "new", "新桥村", "village", "township")]

    async def found() -> None:
        await load_units(Act(SYSTEM, town.clock()), rows)

    async def merge() -> None:
        into = town.units["sibling"]
        await merge_units(await town.act(), town.units["other"], into)

    at(town, 2026, 5, 20)
    town.do(found)
    assert states(town)["new"] == "free"
    assert "new" not in states(town, APRIL)
    town.do(merge)
    assert "other" not in states(town)
    assert states(town, APRIL)["other"] == "missing"
    at(town, 2026, 6, 2)
    assert states(town, Month.of(date(2026, 6, 2))) == {"village": "missing", "sibling": "missing", "new": "missing"}


def test_those_without_a_talk_and_their_township_are_told_before_the_month_ends_once(town: Town) -> None:
    talk(town, "village", date(2026, 5, 30))
    at(town, 2026, 5, 23)
    assert told(town, MISSING) == []
    at(town, 2026, 5, 24)
    assert told(town, MISSING) == ["sibling", "other"]
    assert told(town, "meetings.talks_missing_below") == ["clerk", "elsewhere"]
    at(town, 2026, 5, 25)
    assert len(told(town, MISSING)) == 2, "once a month"
    town.run(Activity.all().delete())
    at(town, 2026, 5, 27)
    assert sorted(told(town, MISSING)) == ["deputy", "other", "sibling", "village"], "whose plan fell through"
    inbox = town.browser("clerk").get("/desk/notices").text
    assert "有 1 个村（社区）这个月的集中畅谈还没有着落" in inbox
    assert f'href="{PAGE}"' in inbox
    desk = town.browser("clerk").get("/desk").text
    assert "有2个村（社区）这个月的集中畅谈还没有着落，离月底还有4天。" in desk


def test_the_page_shows_the_missing_first_and_only_the_units_one_oversees(town: Town) -> None:
    talk(town, "village", date(2026, 5, 2), summary="开了。")
    talk(town, "other", date(2026, 4, 10), summary="开了。")
    leader = town.browser("leader").get(PAGE)
    assert leader.status_code == 200, leader.text
    assert leader.text.index("荷塘社区") < leader.text.index(">溪尾村<")
    assert "离月底还有25天" in leader.text
    assert "4月10日" in leader.text, "the last talk"
    clerk = town.browser("clerk").get(PAGE).text
    assert "荷塘社区" in clerk
    assert "樟林村" not in clerk
    assert "荷塘社区" not in town.browser("clerk").get(f"{PAGE}?state=held").text
    april = town.browser("leader").get(f"{PAGE}?month=2026-04&state=held").text
    assert "樟林村" in april
    assert town.browser("clerk").get(f"{PAGE}?unit={town.units['elsewhere']}").status_code == 422
    assert town.browser("department").get(PAGE).status_code == 403
    book = load_workbook(io.BytesIO(town.browser("leader").get(f"{PAGE}/export").content))
    assert [row[:3] for row in book.active.iter_rows(min_row=2, values_only=True)] == [  # type: ignore[union-attr]
        ("溪尾村", "石桥镇", "已经开了"),
        ("荷塘社区", "石桥镇", "还没有着落"),
        ("樟林村", "云墩乡", "还没有着落"),
    ]


@BOTH_DATABASES
def test_two_thousand_villages_take_no_more_statements_than_three(town: Town, database_kind: str) -> None:
    async def add() -> None:
        new = [
            Unit(code=f"many-{number}", name=f"{number}号村", kind="village", parent_id=town.units["township"])
            for number in range(2000)
        ]
        await Unit.bulk_create(new, batch_size=500)
        above = ("township", "county", "city")
        await UnitAncestor.bulk_create(
            [
                UnitAncestor(unit_id=unit_id, ancestor_id=ancestor, depth=depth)
                for unit_id in await Unit.filter(code__startswith="many-").values_list("id", flat=True)
                for depth, ancestor in enumerate([unit_id, *(town.units[code] for code in above)])
            ],
            batch_size=500,
        )

    async def asked(code: str) -> tuple[int, int]:
        """How many units stand there, and how many statements that took."""
        seen: list[str] = []
        async with in_transaction():
            connection = client()
            ask = connection.rows

            async def rows(statement: str, values: Any) -> Any:
                seen.append(statement)
                return await ask(statement, values)

            connection.rows = rows
            found = await standings(await load_tree(), {town.units[code]}, MAY, date(2026, 5, 6))
        return len(found), len(seen)

    few = town.run(asked("elsewhere"))
    town.do(add)
    many = town.run(asked("city"))
    assert (few[0], many[0]) == (1, 2003)
    assert many[1] == few[1]
