"""Dunning notices: before the deadline, once for each, to those who have to act (002-B10)."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from openpyxl import load_workbook

from yetan.errors import Forbidden, NotFound, Refused
from yetan.events.due import sweep
from yetan.events.models import Due, Event
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.publication.models import PublicIssue
from yetan.publication.service import approve
from yetan.rules.service import set_value
from yetan.testing import Town
from yetan_supervision.models import DunningNotice
from yetan_supervision.service import DUE, dun, recent

TODAY = date(2026, 5, 6)
#: The end of 5 June in Shanghai, and a week before it.
DEADLINE = datetime(2026, 6, 5, 15, 59, 59, tzinfo=UTC)
WEEK_BEFORE = DEADLINE - timedelta(days=7)


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("supervision",), "rules": {"issue.longest_days": 120}}


def listed(town: Town, days: int = 30, **values: Any) -> Issue:
    issue = town.report(**values)
    given = {"deadline": TODAY + timedelta(days=days), "supervisor": town.accounts["supervisor"].id}
    issue = town.move(issue, "list", by="clerk", **given)
    town.run_worker()
    return issue


def at(town: Town, instant: datetime) -> None:
    """The clock stands at an instant, and the worker has done what is due then."""
    town.clock.now = instant
    town.run_worker()


def by_hand(town: Town, issue: Issue, by: str = "clerk") -> DunningNotice:
    async def go() -> DunningNotice:
        return await dun(await town.act(by), issue.id)

    return town.do(go)


def notices(town: Town) -> list[DunningNotice]:
    async def go() -> list[DunningNotice]:
        return await DunningNotice.all().order_by("id")

    return town.do(go)


def due(town: Town) -> list[datetime]:
    async def go() -> list[datetime]:
        return [row.at for row in await Due.filter(kind=DUE)]

    return town.do(go)


def test_a_notice_is_issued_a_week_before_the_deadline_and_not_before(town: Town) -> None:
    issue = listed(town)
    at(town, WEEK_BEFORE - timedelta(seconds=1))
    assert notices(town) == []
    at(town, WEEK_BEFORE)
    (notice,) = notices(town)
    assert (notice.issue_id, notice.deadline, notice.issued_at) == (issue.id, DEADLINE, WEEK_BEFORE)
    assert (notice.days_left, notice.issued_by_id) == (7, None)
    at(town, DEADLINE + timedelta(days=30))
    assert len(notices(town)) == 1


def test_how_many_days_before_is_for_the_responsible_unit_to_say(town: Town) -> None:
    async def decree() -> None:
        await set_value(await town.act("administrator"), "supervision.lead_days", town.units["township"], 3, TODAY)

    town.do(decree)
    listed(town)
    assert due(town) == [DEADLINE - timedelta(days=3)]


def test_a_rule_that_shrinks_later_moves_the_notice_on(town: Town) -> None:
    listed(town)

    async def decree() -> None:
        await set_value(await town.act("administrator"), "supervision.lead_days", town.units["city"], 2, TODAY)

    town.do(decree)
    at(town, WEEK_BEFORE)
    assert notices(town) == []
    at(town, DEADLINE - timedelta(days=2))
    assert [notice.days_left for notice in notices(town)] == [2]


def test_an_extension_moves_the_notice_and_gives_a_new_one(town: Town) -> None:
    issue = listed(town)
    town.move(issue, "extend", by="clerk", deadline=TODAY + timedelta(days=40))
    at(town, WEEK_BEFORE)
    assert notices(town) == []
    later = DEADLINE + timedelta(days=10)
    at(town, later - timedelta(days=7))
    town.move(issue, "extend", by="clerk", deadline=TODAY + timedelta(days=60))
    at(town, later + timedelta(days=13))
    assert [notice.deadline for notice in notices(town)] == [later, later + timedelta(days=20)]


def test_an_extension_the_worker_has_not_heard_of_yet_counts_all_the_same(town: Town) -> None:
    issue = listed(town)
    town.clock.now = WEEK_BEFORE
    town.move(issue, "extend", by="clerk", deadline=TODAY + timedelta(days=40))

    async def only_what_is_due() -> None:
        await sweep(await town.act())

    town.do(only_what_is_due)
    assert notices(town) == []
    assert due(town) == [DEADLINE + timedelta(days=3)]


@pytest.mark.parametrize("way", ["resolve", "transfer", "report_up", "merge"])
def test_what_is_done_or_somebody_elses_is_not_dunned(town: Town, way: str) -> None:
    issue = listed(town)
    other = town.report(text="另一件事，内容完全不同，还在登记。")
    values = {"unit": town.units["department"], "into": other.number}
    town.move(issue, way, by="clerk" if way == "merge" else "deputy", **values)
    town.run_worker()
    assert due(town) == []
    at(town, DEADLINE)
    assert notices(town) == []


def test_what_residents_sent_back_is_dunned_again(town: Town) -> None:
    issue = town.move(listed(town), "resolve", by="deputy")
    town.run_worker()
    assert due(town) == []
    town.move(issue, "return", by="clerk")
    town.run_worker()
    assert due(town) == [WEEK_BEFORE]


def test_history_is_not_dunned(town: Town) -> None:
    issue = town.report()

    async def history() -> None:
        await Issue.filter(id=issue.id).update(historical=True)

    town.do(history)
    town.move(issue, "list", by="clerk")
    town.run_worker()
    assert due(town) == []
    at(town, DEADLINE)
    assert notices(town) == []


def test_owner_and_supervisor_are_told_and_residents_read_it(town: Town) -> None:
    issue = listed(town)

    async def publish() -> None:
        await approve(await town.act("publisher"), issue.id)

    town.do(publish)
    at(town, WEEK_BEFORE)

    async def told() -> tuple[set[int], PublicIssue, str]:
        rows = await Notice.filter(kind="supervision.dunned")
        event = await Event.get(type="supervision.dunned")
        return {row.account_id for row in rows}, await PublicIssue.get(issue_id=issue.id), event.audience

    accounts, row, audience = town.do(told)
    assert accounts == {town.accounts["deputy"].id, town.accounts["supervisor"].id}
    assert audience == "public"
    assert [entry["type"] for entry in row.timeline][-1] == "supervision.dunned"
    assert "发出《催办单》" in town.browser().get(f"/issues/{issue.number}").text
    assert "《催办单》" in town.browser("deputy").get("/desk/notices").text


def test_by_hand_once_a_deadline_by_whoever_may(town: Town) -> None:
    issue = listed(town)
    for who, error in (
        ("village", Forbidden),
        ("department", NotFound),
        ("sibling", NotFound),
        ("resident", Forbidden),
    ):
        with pytest.raises(error):
            by_hand(town, issue, by=who)
    notice = by_hand(town, issue)
    assert (notice.issued_by_id, notice.days_left) == (town.accounts["clerk"].id, 30)
    with pytest.raises(Refused, match="已经发过"):
        by_hand(town, issue, by="leader")
    at(town, WEEK_BEFORE)
    assert len(notices(town)) == 1, "the clock issues none for a deadline dunned by hand"


def test_what_has_no_deadline_or_is_done_cannot_be_dunned(town: Town) -> None:
    issue = town.report()
    with pytest.raises(Refused, match="没有在办的期限"):
        by_hand(town, issue)
    town.move(issue, "list", by="clerk")
    town.move(issue, "resolve", by="deputy")
    with pytest.raises(Refused, match="没有在办的期限"):
        by_hand(town, issue)


def test_the_list_shows_the_notices_within_reach(town: Town) -> None:
    issue = listed(town)
    by_hand(town, issue)

    async def seen(who: str) -> int:
        return len(await recent(await town.act(who), None, 10))

    assert [town.run(seen(who)) for who in ("clerk", "village", "supervisor", "elsewhere", "sibling")] == [
        1,
        1,
        1,
        0,
        0,
    ]
    assert issue.number in town.browser("clerk").get("/desk/supervision").text
    assert issue.number not in town.browser("sibling").get("/desk/supervision").text


def test_a_notice_is_issued_from_the_issues_page_and_printed(town: Town) -> None:
    issue = listed(town)
    browser = town.browser("clerk")
    assert f"/desk/issues/{issue.id}/dun" in browser.get(f"/desk/issues/{issue.id}").text
    assert browser.submit(f"/desk/issues/{issue.id}/dun").status_code == 303
    page = browser.get(f"/desk/issues/{issue.id}").text
    assert f"/desk/issues/{issue.id}/dun" not in page
    paper = browser.get(f"/desk/issues/{issue.id}/print/dunning_notice")
    assert paper.status_code == 200
    assert "催办单" in paper.text
    assert issue.number in paper.text


class TestByHandAlone:
    """A city that issues every notice by hand."""

    @pytest.fixture
    def town_options(self) -> dict[str, Any]:
        return {"plugins": ("supervision",), "plugin": {"supervision": {"automatic": False}}}

    def test_the_clock_issues_none(self, town: Town) -> None:
        issue = town.report()
        town.move(issue, "list", by="clerk")
        town.run_worker()
        assert due(town) == []
        assert by_hand(town, issue)


def test_the_list_is_taken_away_as_an_excel_file(town: Town) -> None:
    issue = listed(town)
    by_hand(town, issue)
    answer = town.browser("clerk").get("/desk/supervision/export")
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    assert [row[:2] for row in sheet.iter_rows(min_row=2, values_only=True)] == [(issue.number, issue.title)]
    assert town.browser("sibling").get("/desk/supervision/export").status_code == 200
    assert issue.number not in str(town.browser("sibling").get("/desk/supervision").text)


def test_several_are_dunned_at_once_and_what_was_dunned_is_left_out(town: Town) -> None:
    first, second, unlisted = listed(town), listed(town), town.report()
    by_hand(town, first)
    ids = [first.id, second.id, unlisted.id]
    query = f"listed={'.'.join(map(str, ids))}&" + "&".join(f"issue-{each}=1" for each in ids)
    page = town.browser("clerk").get(f"/desk/bulk/supervision.dun?{query}").text
    assert f'name="issues" value="{second.id}:{second.version}"' in page
    assert "已经发过了" in page
    assert "没有在办的期限" in page
    chosen = {"issues": f"{first.id}:{first.version}.{second.id}:{second.version}"}
    where = town.browser("clerk").submit("/desk/bulk/supervision.dun", chosen).headers["location"]
    assert "收不回来" in town.browser("clerk").get(where).text
    assert sorted(notice.issue_id for notice in notices(town)) == sorted([first.id, second.id])
