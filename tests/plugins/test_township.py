"""Leaders at talks, and what a township has to show in a year: 挂包 links and 六个有 (002-C2, 002-C5 to C9, 003-06)."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from openpyxl import load_workbook
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.errors import Forbidden, Refused
from yetan.issues.models import Issue
from yetan.people.models import Link
from yetan.testing import Town
from yetan_activities.api import Activity, Attendance
from yetan_meetings.leaders import coverage_of
from yetan_meetings.models import LedgerEntry, MeetingReport, WorkPlan
from yetan_meetings.township import checklists, confirm
from yetan_meetings.units import load_tree

LEADERS, SIX = "/desk/meetings/leaders", "/desk/meetings/six-haves"
SHEET = f"{SIX}/township/2026"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


def talk(town: Town, unit: str, day: date = date(2026, 5, 4), **values: Any) -> Activity:
    nothing = dict.fromkeys(("opened_at", "closed_at", "stated_residents"))
    given = {"kind": "open_talk", "title": "创新社区治理", "place": "凉亭", "summary": "说了停车。", **nothing}
    return town.make_row(Activity, **{**given, **values}, unit_id=town.units[unit], date=day)


def came(town: Town, activity: Activity, who: str, role: str, unit: str, link: Link | None = None) -> Attendance:
    account = town.accounts[who]
    return town.make_row(
        Attendance,
        activity_id=activity.id,
        person_id=account.person_id,
        name=account.person.name,
        role=role,
        account_id=account.id,
        unit_id=town.units[unit],
        link_id=link.id if link else None,
        present_at=town.clock(),
    )


def raised_at(town: Town, activity: Activity, **values: Any) -> Issue:
    issue = town.report(**values)
    origin = {"origin_kind": activity.kind, "origin_id": activity.id}
    town.run(Issue.filter(id=issue.id).update(**origin))
    return issue


def six(town: Town, year: int = 2026) -> dict[str, tuple[bool, ...]]:
    """Which of the six each township has, by its code."""

    async def go() -> dict[str, tuple[bool, ...]]:
        tree = await load_tree()
        townships = tree.townships({town.units["city"]})
        lists = await checklists(tree, townships, year, date(2026, 5, 6))
        return {each.code: tuple(have.ok for have in lists[each.id]) for each in townships}

    return town.do(go)


def test_a_leader_s_evening_counts_by_the_link_or_says_why_it_does_not(town: Town) -> None:
    link = town.make_row(Link, account_id=town.accounts["leader"].id, kind="sponsor", unit_id=town.units["village"])
    came(town, talk(town, "village"), "leader", "leader", "county", link)
    came(town, talk(town, "other"), "leader", "leader", "county")
    page = town.browser("leader").get(LEADERS)
    assert page.status_code == 200, page.text
    rows = re.findall(r"<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">沈听澜.*?</tr>", page.text, re.S)
    assert len(rows) == 2
    assert ["那天和这里没有挂包联系" in row for row in rows] == ["樟林村" in row for row in rows]
    assert "樟林村" not in town.browser("clerk").get(LEADERS).text, "the clerk of another township does not see it"
    book = load_workbook(io.BytesIO(town.browser("clerk").get(f"{LEADERS}/export").content))
    (row,) = book.active.iter_rows(min_row=2, values_only=True)  # type: ignore[union-attr]
    assert row[1:] == ("溪尾村", "创新社区治理", "沈听澜", "领导", "柳湾县", None, "挂包", None)
    assert "沈听澜<" not in town.browser("clerk").get(f"{LEADERS}?since=2026-05-05").text


def test_how_far_leaders_got_is_counted_with_what_was_raised_before_them(town: Town) -> None:
    """003-06: leaders, how many came, to how many places, problems and suggestions apart, resolved among problems."""
    first, second = talk(town, "village"), talk(town, "other")
    came(town, first, "leader", "leader", "county")
    came(town, second, "leader", "leader", "county")
    town.move(raised_at(town, first), "settle", by="village")
    raised_at(town, second, title="桥头积水")
    raised_at(town, second, title="办个夜校", kind="suggestion")
    raised_at(town, talk(town, "sibling"), title="没有领导来的")

    async def go() -> Any:
        tree = await load_tree()
        units = tuple(tree.units)
        return await coverage_of(tree, units, date(2026, 1, 1), date(2026, 12, 31))

    (county,) = town.do(go)
    assert (county.level, county.leaders, county.been, county.places) == ("县", 1, 1, 2)
    assert (county.problems, county.suggestions, county.resolved) == (2, 1, 1)
    page = town.browser("leader").get(LEADERS).text
    assert "100.0%" in page
    assert "50.0%" in page


@BOTH_DATABASES
def test_the_six_are_computed_where_the_record_says_it(town: Town, database_kind: str) -> None:
    assert six(town) == {"township": (False,) * 6, "elsewhere": (False,) * 6}
    evening = talk(town, "village", summary="")
    assert six(town)["township"] == (False,) * 6, "of a talk that nothing is recorded of nothing follows"
    came(town, evening, "village", "official", "village")
    assert six(town)["township"] == (False, False, False, True, True, False)
    came(town, evening, "leader", "leader", "county")
    assert six(town)["township"][0] is False, "a leader of the county is not the township's"
    came(town, evening, "clerk", "leader", "township")
    assert six(town)["township"][0] is True
    report = town.make_row(MeetingReport, activity_id=evening.id, sent_at=None, returned_at=None)
    assert six(town)["township"][5] is False, "what was not sent up is none"
    town.run(MeetingReport.filter(id=report.id).update(sent_at=town.clock()))
    assert six(town)["township"] == (True, False, False, True, True, True)
    assert six(town)["elsewhere"] == (False,) * 6
    town.make_row(LedgerEntry, unit_id=town.units["other"], date=date(2025, 5, 4))
    assert six(town, 2025) == {"township": (False,) * 6, "elsewhere": (False,) * 5 + (True,)}


def test_a_plan_counts_once_it_is_before_the_public(town: Town) -> None:
    clerk = town.browser("clerk")
    values = {"unit": town.units["township"], "title": "石桥镇2026年夜谈工作方案", "date": "2026-01-10", "year": "2026"}
    kept = clerk.submit("/desk/records/work_plan/new", {**values, "text": "每个村每月一场，党委书记牵头。"})
    assert kept.status_code == 303, kept.text
    assert six(town)["township"][1] is False
    assert clerk.submit(kept.headers["location"] + "/publish", {"version": "1"}).status_code == 303
    assert six(town)["township"][1] is True
    assert six(town, 2025)["township"][1] is False
    (plan,) = town.run(WorkPlan.all())
    assert "党委书记牵头" in town.browser().get(f"/records/work_plan/{plan.id}").text


def test_what_no_record_says_is_confirmed_by_hand_with_who_and_why(town: Town) -> None:
    clerk = town.browser("clerk")
    assert "没有" in clerk.get(SHEET).text
    assert clerk.submit(f"{SHEET}/3", {"note": ""}).status_code == 422
    for note in ("副书记分管。", "副书记分管，见8号文。"):
        assert clerk.submit(f"{SHEET}/3", {"note": note}).status_code == 303
    assert six(town)["township"] == (False, False, True, False, False, False)
    for page in (SHEET, f"{SHEET}/print"):
        text = clerk.get(page).text
        assert "副书记分管，见8号文。" in text
        assert "周明远" in text
    assert clerk.submit(f"{SHEET}/3/take-back").status_code == 303
    assert clerk.submit(f"{SHEET}/3/take-back").status_code == 409
    assert six(town)["township"][2] is False


def test_only_a_township_s_own_posts_confirm_and_only_what_is_not_computed(town: Town) -> None:
    async def say(by: str, which: int) -> Mapping[str, Any]:
        confirmed = await confirm(await town.act(by), town.units["township"], 2026, which, {"note": "党委会定的。"})
        return {"which": confirmed.which}

    with pytest.raises(Refused):
        town.run(say("clerk", 5))
    with pytest.raises(Forbidden):
        town.run(say("elsewhere", 1))
    assert town.run(say("leader", 1)) == {"which": 1}
    assert town.browser("elsewhere").get(SHEET).status_code == 404
    assert town.browser("elsewhere").submit(f"{SHEET}/1", {"note": "试试。"}).status_code == 404
    assert town.browser("village").submit(f"{SHEET}/1", {"note": "试试。"}).status_code == 403
    assert "石桥镇" not in town.browser("elsewhere").get(SIX).text
    county = town.browser("leader").get(SIX).text
    assert "石桥镇" in county
    assert "云墩乡" in county


def test_what_is_shown_is_of_now(town: Town) -> None:
    assert town.browser("clerk").get(f"{SIX}/township/2031").status_code == 404
    town.clock.now = datetime(2027, 1, 3, 2, 0, tzinfo=UTC)
    talk(town, "village", date(2026, 12, 20))
    assert "开了1场" in town.browser("clerk").get(SHEET).text
    assert "开了0场" in town.browser("clerk").get(f"{SIX}/township/2027").text
