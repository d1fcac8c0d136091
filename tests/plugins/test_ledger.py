"""民情台账: what was said is written down, becomes an issue once, and is printed by unit and month (002-A3 to A6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.errors import Refused
from yetan.issues.models import Issue
from yetan.people.erasure import erase_person
from yetan.people.models import Household, Person
from yetan.testing import Town
from yetan_meetings.ledger import make_issue
from yetan_meetings.models import LedgerEntry

SAID = {
    "title": "水渠堵了",
    "date": "2026-05-05",
    "source": "reception",
    "who": "刘大娘",
    "phone": "13800004321",
    "difficulties": "洞上水渠堵了半年，三十亩田浇不上水。",
}


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


def written(town: Town, **values: Any) -> LedgerEntry:
    """An entry that the village's official wrote into the ledger."""
    answer = town.browser("village").submit(
        "/desk/records/condition/new", {"unit": str(town.units["village"]), **SAID, **values}
    )
    assert answer.status_code == 303, answer.text

    async def newest() -> LedgerEntry:
        entry = await LedgerEntry.all().order_by("-id").first()
        assert entry is not None
        return entry

    return town.do(newest)


def made(town: Town, entry: LedgerEntry) -> Issue:
    async def go() -> Issue:
        return await Issue.get(id=(await LedgerEntry.get(id=entry.id)).issue_id)

    return town.do(go)


def test_one_press_makes_an_issue_of_an_entry_and_no_second_one(town: Town) -> None:
    entry = written(town)
    village = town.browser("village")
    sheet = f"/desk/records/condition/{entry.id}"
    assert "转成要办的事" in village.get(sheet).text
    press = {"kind": "problem", "collective": "1"}
    assert village.submit(f"/desk/ledger/{entry.id}/issue", press).status_code == 303
    issue = made(town, entry)
    assert (issue.title, issue.text, issue.via) == ("水渠堵了", SAID["difficulties"], "reception")
    assert (issue.origin_kind, issue.origin_id, issue.unit_id) == ("condition", entry.id, town.units["village"])
    (raiser,) = town.raisers_of(issue)
    person = town.run(_person(raiser))
    assert (person.name, person.phone) == ("刘大娘", "13800004321")
    page = village.get(sheet).text
    assert issue.number in page
    assert "转成要办的事" not in page
    assert village.submit(f"/desk/ledger/{entry.id}/issue", press).status_code == 409


async def _person(person_id: int) -> Person:
    return await Person.get(id=person_id)


@BOTH_DATABASES
def test_two_who_press_at_once_make_one_issue(town: Town) -> None:
    entry = written(town)

    async def press(who: str) -> object:
        try:
            return await make_issue(await town.act(who), entry.id, {"kind": "problem", "collective": False})
        except Refused as error:
            return error

    async def both() -> tuple[object, object]:
        answers = await asyncio.gather(press("village"), press("deputy"))
        assert await Issue.all().count() == 1
        return answers

    assert sorted(type(answer).__name__ for answer in town.do(both)) == ["Issue", "Refused"]


def test_a_visit_asks_all_three_and_anything_else_at_least_one(town: Town) -> None:
    village, unit = town.browser("village"), str(town.units["village"])
    visit = village.submit("/desk/records/condition/new", {"unit": unit, **SAID, "source": "visit"})
    assert visit.status_code == 422
    assert visit.text.count("这一样还没有写，没有的写“没有”。") >= 2
    nothing = village.submit("/desk/records/condition/new", {"unit": unit, **SAID, "difficulties": ""})
    assert nothing.status_code == 422


def test_who_wants_to_be_forgotten_is_forgotten_by_the_ledger(town: Town) -> None:
    entry = written(town)
    town.run_worker()
    person = town.reload(entry).person_id
    assert person is not None

    async def forget() -> None:
        await erase_person(await town.act(), person)

    town.do(forget)
    entry = town.reload(entry)
    assert (entry.who, entry.phone, entry.difficulties) == ("", "", SAID["difficulties"])


def test_the_ledger_is_narrowed_by_source_and_printed_by_month(town: Town) -> None:
    written(town)
    written(town, title="想学用手机", source="board", difficulties="", suggestions="办个手机班。", date="2026-04-30")
    clerk = town.browser("clerk")
    chosen = clerk.get("/desk/records/condition?source=board").text
    assert "想学用手机" in chosen
    assert "水渠堵了" not in chosen
    assert "export?source=board" in chosen
    unit = town.units["township"]
    may = clerk.get(f"/desk/ledger?unit={unit}&month=2026-05").text
    assert ">2026年4月</option>" in may, "the other months are called as people call them"
    assert "水渠堵了" in may
    assert "13800004321" in may
    assert "想学用手机" not in may
    assert "想学用手机" in clerk.get(f"/desk/ledger?unit={unit}&month=2026-04").text
    assert "水渠堵了" not in town.browser("elsewhere").get("/desk/ledger").text
    assert town.browser().get("/desk/ledger").status_code in (303, 403)


SAID_AT_HOME = {
    "who": "何大爷",
    "basic": "老两口，儿子在外打工。",
    "difficulties": "屋后的路灯不亮，晚上不敢出门。",
    "suggestions": "没有",
}


def evening(town: Town, kind: str = "household_interview") -> int:
    """An activity of the village, tonight; its id."""
    answer = town.browser("village").submit(
        f"/desk/records/{kind}/new",
        {"unit": str(town.units["village"]), "title": "进门坐坐", "date": "2026-05-06", "place": "溪尾村"},
    )
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rpartition("/")[2])


def test_a_household_is_planned_visited_and_its_trouble_is_an_issue_of_the_evening_at_once(town: Town) -> None:
    activity, village = evening(town), town.browser("village")
    page = f"/desk/activities/{activity}/visits"
    home, elsewhere = (town.run(_household(town, unit)) for unit in ("village", "sibling"))
    assert village.submit(f"{page}/plan", {"planned": str(home)}).status_code == 303
    assert village.submit(f"{page}/plan", {"planned": str(elsewhere)}).status_code == 422
    assert "桥头路 3 号" in village.get(page).text

    half = village.submit(page, {"household": str(home), **SAID_AT_HOME, "suggestions": ""})
    assert half.status_code == 422
    assert SAID_AT_HOME["difficulties"] in half.text
    key = {"_key": "a-key-of-this-phone"}
    said = {"household": str(home), **SAID_AT_HOME, "need": "1", **key}
    assert [village.submit(page, said).status_code for _again in range(2)] == [303, 303]
    (entry,) = town.run(_entries())
    issue = made(town, entry)
    assert (entry.title, entry.household_id, entry.source) == ("屋后的路灯不亮，晚上不敢出门", home, "visit")
    assert (issue.via, issue.origin_kind, issue.origin_id) == ("visit", "household_interview", activity)
    assert issue.number in village.get(page).text
    sheet = village.get(f"/desk/records/household_interview/{activity}").text
    assert issue.number in sheet
    # One household is one, however much it says; one that the city does not know is one more.
    assert village.submit(page, {"household": str(home), **SAID_AT_HOME}).status_code == 303
    assert "打算走1户，记下了1户。" in village.get(f"/desk/records/household_interview/{activity}").text
    assert village.submit(page, SAID_AT_HOME).status_code == 303
    assert "记下了2户。" in village.get(f"/desk/records/household_interview/{activity}").text
    assert town.browser("clerk").get(page).status_code == 200


def test_a_visit_of_another_form_of_evening_is_none(town: Town) -> None:
    talk = evening(town, "open_talk")
    assert town.browser("village").get(f"/desk/activities/{talk}/visits").status_code == 404


async def _household(town: Town, unit: str) -> int:
    act = await town.act()
    return (await Household.create(unit_id=town.units[unit], address="桥头路 3 号", created_at=act.now)).id


async def _entries() -> list[LedgerEntry]:
    return await LedgerEntry.all().order_by("id")
