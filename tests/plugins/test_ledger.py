"""民情台账: what was said is written down, becomes an issue once, and is printed by unit and month (002-A3 to A6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.errors import Refused
from yetan.issues.models import Issue
from yetan.people.models import Person
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

    async def both() -> list[object]:
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
    assert "水渠堵了" in may
    assert "13800004321" in may
    assert "想学用手机" not in may
    assert "想学用手机" in clerk.get(f"/desk/ledger?unit={unit}&month=2026-04").text
    assert "水渠堵了" not in town.browser("elsewhere").get("/desk/ledger").text
    assert town.browser().get("/desk/ledger").status_code in (303, 403)
