"""The monthly case conference's docket (002-B4)."""

from __future__ import annotations

from datetime import timedelta

from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.issues.docket import CONFERENCE, items_of, standing
from yetan.notices.models import Notice
from yetan.testing import Town


@BOTH_DATABASES
def test_the_docket_lists_what_nobody_decided_with_the_villages_opinion(town: Town) -> None:
    waiting = town.report()
    sent_up = town.report(text="村里解决不了的一件事，要请镇里来看看。")
    town.move(sent_up, "report_up", by="village", opinion="建议由县城管局来做。")
    listed = town.report(text="已经有人管的一件事，不用再研究了。")
    town.move(listed, "list", by="clerk")

    async def read() -> list[tuple[int, str]]:
        return [(item.issue.id, item.opinion) for item in await items_of(await town.act("clerk"))]

    assert town.do(read) == [(waiting.id, ""), (sent_up.id, "建议由县城管局来做。")]


def test_another_townships_clerk_sees_an_empty_docket(town: Town) -> None:
    town.report()

    async def read() -> int:
        return len(await items_of(await town.act("elsewhere")))

    assert town.do(read) == 0


@BOTH_DATABASES
def test_the_standing_counts_what_is_on_schedule_and_what_is_late(town: Town) -> None:
    """003-05, 003-06: suggestions are another record and do not count."""
    for days, text in ((3, "头一件事情，三天后到期。"), (20, "第二件事情，二十天后到期。")):
        issue = town.report(text=text)
        town.move(issue, "list", by="clerk", deadline=town.clock().date() + timedelta(days=days))
    town.move(town.report(text="当场就解决了的一件事情。"), "settle", by="village")
    town.report(kind="suggestion", text="一条建议，和问题分开来数。")
    town.clock.forward(days=5)

    async def read() -> tuple[int, int, int, int]:
        found = await standing(await town.act("clerk"))
        return found.raised, found.resolved, found.in_time, found.overdue

    assert town.do(read) == (3, 1, 1, 1)


def test_clerks_with_something_to_decide_are_told_once_a_month(town: Town) -> None:
    town.report()
    town.run_worker()
    assert _told(town) == ["clerk"]
    town.run_worker()
    assert _told(town) == ["clerk"]
    town.clock.forward(days=31)
    town.run_worker()
    assert _told(town) == ["clerk", "clerk"]


def test_the_paper_is_drawn(town: Town) -> None:
    town.report()
    page = town.browser("clerk").get("/desk/docket")
    assert page.status_code == 200
    assert "村口三盏路灯不亮" in page.text
    assert town.browser("supervisor").get("/desk/docket").status_code == 403


def _told(town: Town) -> list[str]:
    names = {account.id: name for name, account in town.accounts.items()}

    async def read() -> list[str]:
        return [names[notice.account_id] for notice in await Notice.filter(kind=CONFERENCE).order_by("id")]

    return town.do(read)
