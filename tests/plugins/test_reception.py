"""定点接谈: who sits at a service point, and what is left there at any hour: never lost, never public (002-A4)."""

from __future__ import annotations

import asyncio
from contextvars import Context
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind
from tortoise.transactions import in_transaction

from yetan.errors import Refused
from yetan.issues.models import Issue
from yetan.testing import Town
from yetan_meetings.messages import sort_message
from yetan_meetings.models import BoardMessage, DutyShift, LedgerEntry, ServicePoint
from yetan_meetings.reception import add_shifts

#: An evening roster of a fortnight, from Wednesday 6 May.
ROSTER = {
    "name": "廖小满",
    "since": "2026-05-06",
    "until": "2026-05-19",
    "days": "2",
    "from_time": "19:00",
    "until_time": "21:00",
}


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


def opened(town: Town) -> int:
    """A service point of the village; its id."""
    answer = town.browser("village").submit(
        "/desk/service-points",
        {"unit": str(town.units["village"]), "name": "溪尾说事点", "place": "老祠堂", "hours": "晚上七点到九点"},
    )
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rpartition("/")[2])


def messages() -> Any:
    return BoardMessage.all().order_by("id").select_related("entry")


async def _all(query: Any) -> list[Any]:
    return list(await query)


def test_the_roster_is_filled_in_bulk_and_says_who_sits_there_now(town: Town) -> None:
    point, village = opened(town), town.browser("village")
    desk, public = f"/desk/service-points/{point}", f"/service-points/{point}"
    assert village.submit(f"{desk}/shifts", ROSTER).status_code == 303
    shifts = town.run(_all(DutyShift.all().order_by("date")))
    assert [str(shift.date) for shift in shifts] == ["2026-05-06", "2026-05-13"]
    official = {**ROSTER, "name": "", "account": str(town.accounts["village"].id), "days": "every", "until": ""}
    overlapping = village.submit(f"{desk}/shifts", {**official, "from_time": "20:30", "until_time": "22:00"})
    assert overlapping.status_code == 409
    assert "已经排了廖小满" in overlapping.text
    after = {**official, "from_time": "21:00", "until_time": "22:00"}
    assert village.submit(f"{desk}/shifts", after).status_code == 303

    # Of that weekend the Saturday makes up for a holiday, and is worked.
    weekend = {**ROSTER, "days": "free", "since": "2026-05-09", "until": "2026-05-10"}
    assert village.submit(f"{desk}/shifts", weekend).status_code == 303
    saturday, sunday = (town.run(_all(DutyShift.filter(date=f"2026-05-{day}"))) for day in ("09", "10"))
    assert (len(saturday), len(sunday)) == (0, 1)

    assert "现在没有人值班" in town.browser().get(public).text
    town.clock.now = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)  # eight in the evening
    assert "现在值班的是廖小满，到21:00。" in town.browser().get(public).text
    town.clock.now = datetime(2026, 5, 6, 13, 0, tzinfo=UTC)
    assert "现在值班的是陈小满，到22:00。" in town.browser().get(public).text
    assert "19:00–21:00 廖小满" in town.browser().get("/service-points").text
    assert "廖小满" in town.browser().get(f"/service-points?unit={town.units['township']}").text
    assert town.browser().get(f"/service-points?unit={town.units['elsewhere']}").status_code == 422
    removed = town.browser("village").submit(f"{desk}/shifts/remove", {"shift": str(shifts[0].id)})
    assert removed.headers["location"] == desk
    assert "19:00–21:00" not in town.browser().get("/service-points").text
    assert town.browser("sibling").get(desk).status_code == 404


@BOTH_DATABASES
def test_who_fills_the_roster_in_while_a_colleague_does_sees_what_that_one_wrote(town: Town) -> None:
    point = opened(town)

    async def both() -> None:
        first, second = await town.act("village"), await town.act("deputy")
        async with in_transaction():
            await add_shifts(first, point, ROSTER)
            late = add_shifts(second, point, {**ROSTER, "from_time": "20:00"})
            waiting = asyncio.create_task(late, context=Context())
            await asyncio.sleep(0.3)
        with pytest.raises(Refused, match="两班不能重叠"):
            await waiting

    town.do(both)
    assert len(town.run(_all(DutyShift.all()))) == 2


def test_a_message_is_left_without_account_waits_and_is_sorted_into_the_ledger_and_an_issue(town: Town) -> None:
    point, resident = opened(town), town.browser()
    said = {"text": "菜场后门的水沟盖破了，老人踩空过。", "name": "老何", "phone": "13800005678"}
    assert resident.submit(f"/service-points/{point}/messages", said).status_code == 422
    assert resident.submit(f"/service-points/{point}/messages", {**said, "consent": "1"}).status_code == 303
    (message,) = town.run(_all(messages()))
    for path in ("/", "/service-points", f"/service-points/{point}"):
        assert "水沟盖" not in resident.get(path).text

    village = town.browser("village")
    assert "有1条留言等着归类" in village.get("/desk").text
    assert "水沟盖" in village.get("/desk/messages").text
    assert "水沟盖" not in town.browser("other").get("/desk/messages").text
    assert town.browser("other").get(f"/desk/messages/{message.id}").status_code == 404
    form = {"title": "水沟盖破了", "difficulties": said["text"], "who": "老何", "phone": said["phone"], "need": "1"}
    assert village.submit(f"/desk/messages/{message.id}/sort", form).status_code == 303
    (message,) = town.run(_all(messages()))
    entry = message.entry
    assert (entry.source, entry.difficulties, message.reason) == ("board", said["text"], "")
    issue = town.run(_issue(entry))
    assert town.raisers_of(issue) == [message.person_id]
    assert "水沟盖" not in village.get("/desk/messages").text
    assert issue.number in village.get("/desk/messages?sorted=1").text
    assert village.submit(f"/desk/messages/{message.id}/aside", {"reason": "办过了"}).status_code == 409


async def _issue(entry: LedgerEntry) -> Issue:
    return await Issue.get(id=entry.issue_id)


@BOTH_DATABASES
def test_two_who_sort_one_message_at_once_write_one_entry(town: Town) -> None:
    point = opened(town)
    assert town.browser().submit(f"/service-points/{point}/messages", {"text": "路灯不亮"}).status_code == 303
    (message,) = town.run(_all(messages()))

    async def sort(who: str) -> object:
        try:
            values = {"title": "路灯不亮", "difficulties": "路灯不亮", "need": "1"}
            return await sort_message(await town.act(who), message.id, values)
        except Refused as error:
            return error

    async def both() -> list[str]:
        return sorted(type(each).__name__ for each in await asyncio.gather(sort("village"), sort("deputy")))

    assert town.do(both) == ["BoardMessage", "Refused"]
    assert len(town.run(_all(LedgerEntry.all()))) == len(town.run(_all(Issue.all()))) == 1


def test_a_slip_from_the_box_is_typed_in_and_put_aside_with_a_reason(town: Town) -> None:
    point, village = opened(town), town.browser("village")
    slip = f"/desk/service-points/{point}/slips"
    assert village.submit(slip, {"slip": "谢谢你们修好了路灯"}).status_code == 303
    (message,) = town.run(_all(messages()))
    aside = f"/desk/messages/{message.id}/aside"
    assert village.submit(aside, {"reason": ""}).status_code == 422
    assert village.submit(aside, {"reason": "是感谢，已经念给大家听。"}).status_code == 303
    assert "是感谢，已经念给大家听。" in village.get(f"/desk/messages/{message.id}").text


def test_a_closed_point_takes_no_more_messages_and_its_paper_leads_to_its_board(town: Town) -> None:
    point, village = opened(town), town.browser("village")
    paper = village.get(f"/desk/service-points/{point}/poster").text
    assert f"http://testserver/service-points/{point}" in paper
    assert f"/qr.svg?page=%2Fservice-points%2F{point}" in paper
    assert village.submit(f"/desk/service-points/{point}/close").status_code == 303
    assert town.browser().submit(f"/service-points/{point}/messages", {"text": "有人吗"}).status_code == 404
    assert "溪尾说事点" not in town.browser().get("/service-points").text
    assert len(town.run(_all(ServicePoint.all()))) == 1


def test_one_address_does_not_fill_the_board(town: Town) -> None:
    point, resident = opened(town), town.browser()
    answers = [
        resident.submit(f"/service-points/{point}/messages", {"text": f"第 {number} 条"}).status_code
        for number in range(21)
    ]
    assert answers == [303] * 20 + [429]
