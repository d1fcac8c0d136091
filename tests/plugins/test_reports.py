"""专题座谈 before and after: who is invited is expected; the report goes up, stays as it was sent, and is received."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.errors import Refused
from yetan.issues.service import RaiserInput, report_issue
from yetan.notices.models import Notice
from yetan.people.erasure import erase_person
from yetan.testing import Town
from yetan_activities.models import Attendance
from yetan_meetings.models import AgendaItem, Invitation, MeetingReport
from yetan_meetings.reports import receive_report, return_report

MEETING = {
    "title": "老旧小区停车怎么办",
    "date": "2026-05-06",
    "starts_at": "19:30",
    "place": "社区二楼会议室",
    "stated_residents": "23",
    "summary": "大家同意先划线、再装杆。",
}
WRITTEN = {"situation": "五月六日晚开会，到场 23 人。", "resolutions": "先划线。", "follow_up": "城管局五月底办完。"}


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


def meeting(town: Town, **values: str) -> int:
    """A thematic meeting of the village, tonight; its id."""
    answer = town.browser("village").submit(
        "/desk/records/thematic_meeting/new", {"unit": str(town.units["village"]), **MEETING, **values}
    )
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rpartition("/")[2])


async def _all(query: Any) -> list[Any]:
    return list(await query)


def told(town: Town, who: str) -> list[str]:
    return [row.kind for row in town.run(_all(Notice.filter(account_id=town.accounts[who].id).order_by("id")))]


# Invitations


def test_who_is_invited_is_expected_and_who_has_an_account_is_told(town: Town) -> None:
    activity, village = meeting(town), town.browser("village")
    page = f"/desk/activities/{activity}/invitations"
    assert village.submit(page, {"role": "leader", "account": str(town.accounts["leader"].id)}).status_code == 303
    firm = {"role": "property", "name": "钱经理", "phone": "13800009999"}
    assert village.submit(page, firm).status_code == 303
    assert village.submit(page, firm).status_code == 422
    assert told(town, "leader") == ["meetings.invited"]
    expected = town.run(_all(Attendance.filter(activity_id=activity).order_by("id")))
    assert [(row.name, row.role, row.expected, row.present_at) for row in expected] == [
        ("沈听澜", "leader", True, None),
        ("钱经理", "property", True, None),
    ]
    sheet = village.get(page).text
    assert "13800009999" in sheet
    assert "县城管局" in sheet  # departments of the units above are offered

    _leader, manager = town.run(_all(Invitation.all().order_by("id")))
    mark = {"invitation": str(manager.id)}
    assert village.submit(f"{page}/mark", {**mark, "mark": "excused"}).status_code == 303
    assert "请假" in village.get(f"{page}/print").text
    assert [row.name for row in town.run(_all(Attendance.filter(activity_id=activity)))] == ["沈听澜"]
    assert village.submit(f"{page}/mark", {**mark, "mark": "coming"}).status_code == 303
    assert len(town.run(_all(Attendance.filter(activity_id=activity)))) == 2
    (manager,) = town.run(_all(Invitation.filter(id=manager.id)))
    assert (manager.answer, manager.told_at) == ("coming", town.clock())
    assert town.browser("sibling").get(page).status_code == 404
    assert town.browser("publisher").get(page).status_code == 403

    async def forget() -> None:
        await erase_person(await town.act(), manager.person_id)

    town.do(forget)
    assert [row.name for row in town.run(_all(Invitation.all()))] == ["沈听澜"]
    assert "13800009999" not in village.get(page).text


def test_who_is_written_down_as_invited_afterwards_is_told_nothing(town: Town) -> None:
    passed = meeting(town, date="2026-05-04")
    invited = {"role": "leader", "account": str(town.accounts["leader"].id)}
    assert town.browser("village").submit(f"/desk/activities/{passed}/invitations", invited).status_code == 303
    assert told(town, "leader") == []
    assert [row.told_at for row in town.run(_all(Invitation.all()))] == [None]


# The report


def test_a_report_is_begun_with_what_the_record_says(town: Town) -> None:
    activity = meeting(town)

    async def hold() -> None:
        item: dict[str, Any] = {"activity_id": activity, "created_at": town.clock(), "decided_at": town.clock()}
        await AgendaItem.create(
            position=1, kind="topic", title="先划线", state="resolved", outcome="同意划线。", **item
        )
        values = {"title": "装道闸", "text": "夜里外来车多。", "unit": town.units["village"], "kind": "problem"}
        origin = ("thematic_meeting", activity)
        await report_issue(await town.act("village"), values, [RaiserInput("老何")], via="meeting", origin=origin)

    town.do(hold)
    page = town.browser("village").get(f"/desk/activities/{activity}/report").text
    for said in ("到场居民 23 人", "1. 先划线", "先划线：同意划线。", "装道闸：溪尾村办", MEETING["summary"]):
        assert said in page


def test_a_report_goes_up_to_the_township_and_stays_as_it_was_sent_until_it_comes_back(town: Town) -> None:
    activity, village, clerk = meeting(town), town.browser("village"), town.browser("clerk")
    page = f"/desk/activities/{activity}/report"
    assert village.submit(page, {**WRITTEN, "version": "0"}).status_code == 303
    assert "/desk/reports/" not in clerk.get("/desk/reports").text, "a draft is the meeting's own"
    stale = village.submit(page, {**WRITTEN, "situation": "我写的另一稿", "version": "0", "send": "1"})
    assert stale.status_code == 409
    assert "我写的另一稿" in stale.text
    assert village.submit(page, {**WRITTEN, "version": "1", "send": "1"}).status_code == 303
    (report,) = town.run(_all(MeetingReport.all()))
    assert report.to_unit_id == town.units["township"]
    assert told(town, "clerk") == ["meetings.report_sent"]
    assert "有1份会议情况报告等着确认收到" in clerk.get("/desk").text
    assert village.submit(page, {**WRITTEN, "version": "0"}).status_code == 409

    one = f"/desk/reports/{report.id}"
    assert WRITTEN["situation"] in clerk.get(one).text
    assert town.browser("elsewhere").get(one).status_code == 404
    assert village.submit(f"{one}/receive").status_code == 403
    assert clerk.submit(f"{one}/return", {"reason": ""}).status_code == 422
    assert clerk.submit(f"{one}/return", {"reason": "缺表决结果。"}).status_code == 303
    assert told(town, "village")[-1] == "meetings.report_returned"
    again = village.get(page).text
    assert "缺表决结果。" in again
    assert WRITTEN["situation"] in again
    more = {**WRITTEN, "resolutions": "先划线，23 人赞成。", "version": "0", "send": "1"}
    assert village.submit(page, more).status_code == 303
    first, second = town.run(_all(MeetingReport.all().order_by("number")))
    assert (first.resolutions, second.resolutions) == (WRITTEN["resolutions"], more["resolutions"])
    assert clerk.submit(f"/desk/reports/{second.id}/receive", {"note": "已存档。"}).status_code == 303
    paper = clerk.get(f"/desk/reports/{second.id}/print").text
    for said in ("石桥镇", "23 人赞成", "已存档。", "周明远"):
        assert said in paper
    assert clerk.submit(f"/desk/reports/{second.id}/return", {"reason": "再改"}).status_code == 409


def test_a_meeting_that_sent_no_report_is_named_and_one_to_come_sends_none(town: Town) -> None:
    activity = meeting(town, date="2026-05-08")
    early = town.browser("village").submit(
        f"/desk/activities/{activity}/report", {**WRITTEN, "version": "0", "send": "1"}
    )
    assert early.status_code == 409
    assert town.run(_all(MeetingReport.all())) == []

    assert MEETING["title"] not in town.browser("clerk").get("/desk/reports").text
    town.clock.forward(days=2)
    village = town.browser("village")
    assert village.submit(f"/desk/activities/{activity}/open").status_code == 303
    assert village.submit(f"/desk/activities/{activity}/close").status_code == 303
    # Held as well is what was only written down afterwards.
    meeting(town, date="2026-05-07", title="补记的会")
    listed = town.browser("clerk").get("/desk/reports").text
    assert "开过会、还没有送报告的" in listed
    assert re.findall(f"补记的会|{MEETING['title']}", listed) == [MEETING["title"], "补记的会"]


@BOTH_DATABASES
def test_a_report_is_answered_once(town: Town) -> None:
    activity = meeting(town)
    sent = {**WRITTEN, "version": "0", "send": "1"}
    assert town.browser("village").submit(f"/desk/activities/{activity}/report", sent).status_code == 303
    (report,) = town.run(_all(MeetingReport.all()))

    async def both() -> list[str]:
        act = await town.act("clerk")
        answers = await asyncio.gather(
            receive_report(act, report.id, {}),
            return_report(act, report.id, {"reason": "缺签字"}),
            return_exceptions=True,
        )
        return sorted(type(answer).__name__ for answer in answers)

    assert town.do(both) == ["MeetingReport", Refused.__name__]
    (report,) = town.run(_all(MeetingReport.all()))
    assert (report.received_at is None) != (report.returned_at is None)
