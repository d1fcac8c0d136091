"""Households as Excel files: what was taken away can be brought in again, and a table moves nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openpyxl import load_workbook
from tests.databases import ONE_DATABASE
from tests.databases import database_kind as database_kind

from yetan.audit.models import AuditRecord
from yetan.people.models import Household, HouseholdMember, Link, Person
from yetan.testing import Browser, Town
from yetan.testing.town import SAME_ORIGIN

pytestmark = ONE_DATABASE
_IMPORT = "/desk/households/import"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {}


def upload(browser: Browser, table: bytes, name: str = "住户.csv") -> Any:
    """What a table comes to: its look, or the form again."""
    answer = browser.post(_IMPORT, data={"_token": browser.token}, files={"file": (name, table)}, headers=SAME_ORIGIN)
    return browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


def confirm(browser: Browser, look: Any) -> Any:
    return browser.submit(str(look.url.path))


def table(*rows: str) -> bytes:
    return "\n".join(("单位,门牌地址,家庭成员,联户干部", *rows)).encode()


def members_of(town: Town) -> dict[str, list[tuple[str, str]]]:
    async def go() -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {each.address: [] for each in await Household.all()}
        for member in await HouseholdMember.all().select_related("household", "person").order_by("id"):
            found[member.household.address].append((member.person.name, member.person.phone))
        return found

    return town.do(go)


def test_households_are_brought_in_and_taken_away_again(town: Town) -> None:
    village = town.browser("village")
    look = upload(
        village,
        table(
            "village,老街 3 号,李桂香 13800005678、李小满,许秋生",
            "溪尾村,老街 5 号,陈阿公（0571-88001234）；阿依古丽·买买提,",
        ),
    )
    assert "会新增2行" in look.text
    assert members_of(town) == {}, "a look writes nothing"
    assert confirm(village, look).headers["location"] == "/desk/households"
    assert members_of(town) == {
        "老街 3 号": [("李桂香", "13800005678"), ("李小满", "")],
        "老街 5 号": [("陈阿公", "0571-88001234"), ("阿依古丽·买买提", "")],
    }

    async def officials() -> list[tuple[int, str]]:
        links = await Link.filter(household_id__isnull=False).select_related("household")
        return [(link.account_id, link.household.address) for link in links if link.household]

    assert town.do(officials) == [(town.accounts["deputy"].id, "老街 3 号")]
    page = village.get("/desk/households?q=老街 3")
    path = re.search(r"/desk/households/\d+", page.text)
    assert path is not None
    assert "联户干部：许秋生" in village.get(path[0]).text

    taken = village.get("/desk/households/export")
    (tmp := town.folder / "taken.xlsx").write_bytes(taken.content)
    sheet = load_workbook(tmp).active
    assert [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)] == [
        ["村（社区）", "门牌地址", "住的人", "联户干部"],
        ["溪尾村", "老街 3 号", "李桂香 13800005678、李小满", "许秋生"],
        ["溪尾村", "老街 5 号", "陈阿公 0571-88001234、阿依古丽·买买提", ""],
    ]
    assert "没有要写入的" in upload(village, taken.content, "住户.xlsx").text

    async def recorded() -> list[tuple[str, str]]:
        rows = await AuditRecord.filter(action__startswith="desk.households").order_by("id")
        return [(row.action, row.subject) for row in rows if row.outcome == "looked"]

    assert ("desk.households.export", "households: 2") in town.do(recorded)
    assert ("desk.households.import.look", "households: 2") in town.do(recorded)


def test_what_is_wrong_in_a_table_is_named_by_row_and_nothing_is_written(town: Town) -> None:
    village = town.browser("village")

    async def live_there() -> None:
        now = town.clock()
        for unit, address, phone in (("village", "河边 1 号", "13900000001"), ("sibling", "塘边 2 号", "13900000002")):
            home = await Household.create(unit_id=town.units[unit], address=address, created_at=now)
            person = await Person.create(name="周小舟", phone=phone, created_at=now)
            await HouseholdMember.create(household=home, person=person)

    town.do(live_there)
    before = members_of(town)
    look = upload(
        village,
        table(
            "溪尾村,老街 3 号,李桂香 13800005678,",
            "溪尾村,老街 3 号,李小满,",
            "石桥镇,老街 4 号,李小满,",
            "溪尾村,老街 5 号,周小舟 13900000001,",
            "溪尾村,老街 6 号,周小舟 13900000002,",
            "溪尾村,老街 7 号,李桂香 13800005678,",
            "溪尾村,老街 8 号,李小满 12345,周明",
            "溪尾村,河边 1 号,周小舟 13900000001,",
        ),
    )
    told = re.sub(r"<[^>]+>", " ", look.text)
    for row, reason in (
        (3, "这一户在第 2 行已经写过"),
        (4, "没有这个村（社区），或者不由您负责"),
        (5, "周小舟已经登记在“河边 1 号”"),
        (6, "周小舟已经登记在别的村（社区）的一户"),
        (7, "李桂香在第 2 行已经写过"),
        (8, "不像一个电话号码"),
        (8, "没有这个人"),
    ):
        assert re.search(rf"\b{row}\b[^\n]*{reason}", told), reason
    assert "塘边" not in told, "where somebody lives elsewhere is not told"
    assert confirm(village, look).status_code == 303
    assert members_of(town) == before
    for who in ("clerk", "administrator", "resident"):
        assert town.browser(who).get("/desk/households/export").status_code == 403


def test_who_keeps_in_touch_with_a_household_changes_from_a_day_on(town: Town) -> None:
    village = town.browser("village")
    path = village.submit("/desk/households/new", {"unit": town.units["village"], "address": "老街 9 号"}).headers[
        "location"
    ]
    first, second = town.accounts["deputy"].id, town.accounts["village"].id
    assert village.submit(f"{path}/official", {"official": first}).status_code == 303
    town.clock.forward(days=3)
    village = town.browser("village")
    assert village.submit(f"{path}/official", {"official": second}).status_code == 303

    async def links() -> list[tuple[int, bool]]:
        return [(link.account_id, link.until is None) for link in await Link.all().order_by("id")]

    assert town.do(links) == [(first, False), (second, True)]
    assert village.submit(f"{path}/official", {"official": ""}).status_code == 303
    assert town.do(links) == [(first, False)]
    assert village.submit(f"{path}/official", {"official": town.accounts["elsewhere"].id}).status_code == 422
