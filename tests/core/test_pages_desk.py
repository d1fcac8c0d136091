"""The desk's lists: queues, what is in them for whom, searching, exporting, the inbox, oneself."""

from __future__ import annotations

import io
import re
from datetime import timedelta

from openpyxl import load_workbook
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.audit.models import AuditRecord
from yetan.issues import acceptance
from yetan.issues.models import Issue
from yetan.issues.queues import page_of, queue_named
from yetan.notices.models import Notice
from yetan.people.models import Link, Post
from yetan.publication.service import renew_draft
from yetan.testing import Town

QUEUES = ("mine", "unit", "due-soon", "overdue", "awaiting", "unassigned", "publish")


def listed_in(town: Town, who: str, queue: str) -> list[str]:
    """The numbers on the first page of a queue, in order."""
    answer = town.browser(who).get(f"/desk/queue/{queue}")
    assert answer.status_code == 200, answer.text
    return re.findall(r'class="second">([\d-]+)', answer.text)


def counts(town: Town, who: str) -> list[int]:
    """The numbers in the tabs."""
    tabs = town.browser(who).get("/desk").text.partition('class="tabs"')[2].partition("</nav>")[0]
    return [int(each) for each in re.findall(r'class="count[^"]*">(\d+)<', tabs)]


def feed_back(town: Town, issue: Issue) -> None:
    async def go() -> None:
        act = await town.act("village")
        await acceptance.give_feedback(act, issue.id, {"way": "posted", "text": "修好了。"})

    town.do(go)


@BOTH_DATABASES
def test_each_queue_holds_what_it_says_and_the_tabs_count_it(town: Town) -> None:
    reported = town.report(title="还没有人管的事")
    mine = town.report(title="由许秋生办的事")
    town.move(mine, "list", by="clerk")
    soon = town.report(title="三天后到期的事")
    town.move(soon, "list", by="clerk", deadline=town.clock().date() + timedelta(days=3))
    late = town.report(title="过了期的事")
    town.move(late, "list", by="clerk", deadline=town.clock().date() + timedelta(days=1))
    done = town.report(title="办完了的事")
    town.move(done, "settle", by="village")
    town.clock.forward(days=2)
    assert listed_in(town, "deputy", "mine") == [late.number, soon.number, mine.number]
    assert listed_in(town, "village", "mine") == []
    assert listed_in(town, "village", "unit") == [late.number, soon.number, mine.number, reported.number]
    assert listed_in(town, "village", "due-soon") == [soon.number]
    assert listed_in(town, "village", "overdue") == [late.number]
    assert listed_in(town, "village", "awaiting") == [done.number]
    assert listed_in(town, "village", "unassigned") == [reported.number]
    assert counts(town, "village") == [0, 4, 1, 1, 1, 1, 0]


@BOTH_DATABASES
def test_due_soon_follows_the_unit_s_rule(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk", deadline=town.clock().date() + timedelta(days=10))
    assert listed_in(town, "village", "due-soon") == []
    town.clock.forward(days=8)
    assert listed_in(town, "village", "due-soon") == [issue.number], "three days before, as the rule says"
    town.run_worker()
    assert listed_in(town, "village", "due-soon") == [issue.number], "also once the reminder has gone out"


@BOTH_DATABASES
def test_a_queue_shows_only_what_lies_below_one_s_posts(town: Town) -> None:
    """C45: not the sibling's, not the neighbour township's."""
    issue = town.report()
    for who, seen in (("clerk", True), ("leader", True), ("sibling", False), ("other", False), ("elsewhere", False)):
        assert listed_in(town, who, "unit") == ([issue.number] if seen else []), who
        assert listed_in(town, who, "unassigned") == ([issue.number] if seen else []), who


def test_a_transferred_issue_is_in_the_department_s_queue_and_awaits_acceptance_at_home(town: Town) -> None:
    issue = town.report()
    town.move(issue, "transfer", by="clerk", unit=town.units["department"])
    assert listed_in(town, "department", "unit") == [issue.number]
    assert listed_in(town, "village", "unit") == []
    town.move(issue, "settle", by="department")
    assert listed_in(town, "department", "awaiting") == []
    assert listed_in(town, "village", "awaiting") == [issue.number]


def test_imported_answers_are_no_work_that_waits(town: Town) -> None:
    issue = town.report()
    town.move(issue, "settle", by="village")

    async def make_historical() -> None:
        await Issue.filter(id=issue.id).update(historical=True)

    town.do(make_historical)
    assert listed_in(town, "village", "awaiting") == []


def test_the_next_step_is_said_in_words(town: Town) -> None:
    issue = town.report()
    page = town.browser("village").get
    assert "要立项：定责任人、措施、期限" in page("/desk/queue/unit").text
    town.move(issue, "settle", by="deputy")
    assert "办结了，还没有公示" in page("/desk/queue/awaiting").text
    feed_back(town, issue)
    assert "等居民验收" in page("/desk/queue/awaiting").text

    async def accept() -> None:
        await acceptance.accept(await town.act("resident"), issue.id, True, "好了")

    town.do(accept)
    assert "居民同意了，可以销号" in page("/desk/queue/awaiting").text


@BOTH_DATABASES
def test_pages_of_a_queue_show_each_issue_once_in_one_order(town: Town) -> None:
    """Keyset: with deadlines first, then without, and equal ones by id."""
    issues = [town.report(title=f"第{number}件") for number in range(7)]
    for issue, days in zip(issues[:4], (9, 5, 5, 7), strict=True):
        town.move(issue, "list", by="clerk", deadline=town.clock().date() + timedelta(days=days))
    want = [issues[n].id for n in (1, 2, 3, 0, 4, 5, 6)]

    async def walk(limit: int) -> list[int]:
        act = await town.act("village")
        queue = queue_named(act, "unit")
        seen: list[int] = []
        after: int | None = None
        while len(seen) <= len(want):
            page = await page_of(act, queue, after, limit)
            seen += [issue.id for issue in page.issues]
            if page.next is None:
                break
            after = page.next
        return seen

    for limit in (1, 2, 3, 4, 6, 7, 8):
        assert town.run(walk(limit)) == want, limit


def test_drafts_wait_for_those_who_may_approve_them(town: Town) -> None:
    issue = town.report()

    async def prepare() -> None:
        await renew_draft(await town.act(), issue)

    town.do(prepare)
    for who in ("village", "clerk", "publisher"):
        assert listed_in(town, who, "publish") == [issue.number], who
    assert listed_in(town, "sibling", "publish") == []
    assert town.browser("department").get("/desk/queue/publish").status_code == 404


def test_where_the_desk_leads(town: Town) -> None:
    assert town.browser("village").get("/desk").status_code == 200
    assert town.browser("village").get("/desk/queue/nothing").status_code == 404
    assert town.browser("resident").get("/desk").headers["location"] == "/me/issues"
    assert town.browser("administrator").get("/desk").status_code == 303
    assert town.browser("resident").get("/desk/queue/unit").status_code == 403
    assert town.browser().get("/desk").headers["location"].startswith("/sign-in")


@BOTH_DATABASES
def test_searching_finds_only_what_one_may_see(town: Town) -> None:
    issue = town.report(title="村口的路灯不亮")
    found = town.browser("clerk").get("/desk/search", params={"q": "路灯"}).text
    assert issue.number in found
    assert issue.number not in town.browser("sibling").get("/desk/search", params={"q": "路灯"}).text
    assert issue.number in town.browser("clerk").get("/desk/search", params={"unit": town.units["village"]}).text
    assert issue.number not in town.browser("clerk").get("/desk/search", params={"state": "struck_off"}).text
    early = {"q": "路灯", "raised_until": "2026-05-05"}
    assert issue.number not in town.browser("clerk").get("/desk/search", params=early).text
    that_day = {"q": "路灯", "raised_from": "2026-05-06", "raised_until": "2026-05-06"}
    assert issue.number in town.browser("clerk").get("/desk/search", params=that_day).text


def test_a_wrong_date_comes_back_with_what_was_typed(town: Town) -> None:
    answer = town.browser("clerk").get("/desk/search", params={"q": "路灯", "raised_from": "五月"})
    assert answer.status_code == 422
    assert 'value="五月"' in answer.text
    assert 'value="路灯"' in answer.text


def test_an_export_holds_the_queue_without_contacts_and_is_recorded(town: Town) -> None:
    issue = town.report(title="=1+1")
    town.report(title="别处的事", unit=town.units["other"])
    answer = town.browser("clerk").get("/desk/export", params={"queue": "unit"})
    assert answer.status_code == 200
    rows = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert rows[0][:3] == ("编号", "来源编号", "标题")
    assert [row[0] for row in rows[1:]] == [issue.number]
    assert rows[1][2] == "=1+1"
    assert "13800001234" not in str(rows)

    async def audited() -> list[str]:
        return [str(each) for each in await AuditRecord.filter(action="desk.export").values_list("subject", flat=True)]

    assert town.do(audited) == ["issues: 1"]
    assert town.browser("village").get("/desk/export", params={"queue": "unit"}).status_code == 403


def test_an_export_reaches_as_far_as_the_right_to_export(town: Town) -> None:
    """A clerk here who is but a village official there exports what is here."""
    here, there = town.report(), town.report(title="别处的事", unit=town.units["other"])

    async def appoint() -> None:
        await Post.create(
            account_id=town.accounts["clerk"].id,
            role="village_official",
            unit_id=town.units["other"],
            since=town.clock().date(),
        )

    town.do(appoint)
    assert listed_in(town, "clerk", "unit") == [here.number, there.number]
    answer = town.browser("clerk").get("/desk/export", params={"queue": "unit"})
    rows = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert [row[0] for row in rows[1:]] == [here.number]


def test_a_search_can_be_exported(town: Town) -> None:
    issue = town.report(title="村口的路灯不亮")
    town.report(title="桥栏杆断了", text="桥栏杆断了一根。")
    answer = town.browser("clerk").get("/desk/export", params={"q": "路灯"})
    rows = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert [row[0] for row in rows[1:]] == [issue.number]


def test_notices_are_read_by_the_button_and_not_by_looking(town: Town) -> None:
    first, issue = town.report(title="先来的一件"), town.report()
    town.run_worker()
    browser = town.browser("village")

    async def unread() -> list[int]:
        mine = Notice.filter(account_id=town.accounts["village"].id, read_at=None)
        return [row["id"] for row in await mine.order_by("id").values("id")]

    page = browser.get("/desk/notices").text
    assert f"新到一件：《{issue.title}》（{issue.number}）" in page
    assert f'href="/desk/issues/{issue.id}"' in page
    assert first.title in page
    older, newer = town.do(unread)
    assert browser.submit("/desk/notices", {"up_to": str(older)}).status_code == 303
    assert town.do(unread) == [newer], "what came after the page was drawn stays unread"
    browser.submit("/desk/notices", {"up_to": str(newer)})
    assert town.do(unread) == []


def test_a_resident_s_notices_lead_to_their_own_page(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.run_worker()
    page = town.browser("resident").get("/desk/notices").text
    assert f'href="/follow/{issue.number}"' in page
    assert "有了新进展：立项" in page


def test_a_notice_about_what_may_no_longer_be_seen_says_only_that(town: Town) -> None:
    issue = town.report(title="别人的事")
    town.run_worker()

    async def move_away() -> None:
        await Notice.filter(account_id=town.accounts["village"].id).update(account_id=town.accounts["other"].id)

    town.do(move_away)
    page = town.browser("other").get("/desk/notices").text
    assert "现在看不到了" in page
    assert issue.title not in page


def test_my_posts_and_links(town: Town) -> None:
    async def link() -> None:
        await Link.create(
            account_id=town.accounts["leader"].id,
            kind="sponsor",
            unit_id=town.units["village"],
            since=town.clock().date(),
        )

    town.do(link)
    page = town.browser("leader").get("/desk/me").text
    assert "柳湾县" in page
    assert "领导" in page
    assert "挂包" in page
    assert "溪尾村" in page
    assert 'href="/me/password"' in page


def test_every_queue_can_be_empty(town: Town) -> None:
    browser = town.browser("village")
    for queue in QUEUES:
        answer = browser.get(f"/desk/queue/{queue}")
        assert answer.status_code == 200, queue
        assert 'class="empty"' in answer.text, queue
