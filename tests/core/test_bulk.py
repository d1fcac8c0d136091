"""Several issues at once: chosen in a list, looked at first, done one by one, and taken back while nobody went on."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from openpyxl import load_workbook

from yetan.audit.models import AuditRecord
from yetan.events.models import Event
from yetan.issues.bulk import RUNS_KEPT
from yetan.issues.desk_models import BulkItem, BulkRun
from yetan.issues.models import Issue
from yetan.testing import Town


@pytest.fixture
def town(shared_town: Town) -> Town:
    """Each test raises issues of its own."""
    return shared_town


def ticked(*issues: Issue, among: Sequence[Issue] = ()) -> str:
    """The address' query, as a list sends it whose boxes for `issues` are ticked."""
    listed = ".".join(str(each.id) for each in (*issues, *among))
    return urlencode({"listed": listed, **{f"issue-{each.id}": "1" for each in issues}})


def preview(town: Town, who: str, action: str, *issues: Issue) -> str:
    answer = town.browser(who).get(f"/desk/bulk/{action}?{ticked(*issues)}")
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def press(town: Town, who: str, action: str, *issues: Issue, **values: str) -> Any:
    """Look at the preview, and press its button."""
    page = preview(town, who, action, *issues)
    (chosen,) = re.findall(r'name="issues" value="([^"]*)"', page)
    return town.browser(who).submit(f"/desk/bulk/{action}", {"issues": chosen, **values})


def became(page: str) -> dict[str, list[str]]:
    """The titles under each heading of a page that says what becomes of which issue."""
    parts = re.split(r"<h2>([^<\d]+?)\s*\d*</h2>", page)[1:]
    found = {
        heading: re.findall(r'<li><a href="/desk/issues/\d+">([^<]*)</a>', part)
        for heading, part in zip(parts[::2], parts[1::2], strict=True)
    }
    return {heading: titles for heading, titles in found.items() if titles}


def events_of(town: Town, issue: Issue) -> list[str]:
    async def go() -> list[str]:
        query = Event.filter(subject_kind="issue", subject_id=issue.id).exclude(actor="system").order_by("id")
        return [str(each) for each in await query.values_list("type", flat=True)]

    return town.do(go)


def listed(town: Town, title: str) -> Issue:
    issue = town.report(title=title)
    town.move(issue, "list", by="clerk")
    return town.reload(issue)


def test_the_list_offers_what_one_s_posts_may_do_to_several(town: Town) -> None:
    issue = town.report(title="看有哪些按钮")
    offered = re.findall(r'formaction="([^"]*)"', town.browser("clerk").get("/desk/queue/unit").text)
    assert offered == [
        "/desk/bulk/assign",
        "/desk/bulk/transition.start",
        "/desk/bulk/transition.transfer",
        "/desk/bulk/progress",
        "/desk/print-list",
        "/desk/export",
    ]
    auditor = re.findall(r'formaction="([^"]*)"', town.browser("auditor").get("/desk/queue/unit").text)
    assert auditor == ["/desk/print-list"]
    refused = town.browser("auditor").get(f"/desk/bulk/assign?{ticked(issue)}")
    assert refused.status_code == 404


def test_a_look_first_says_to_which_it_applies_and_why_not_to_the_others(town: Town) -> None:
    fits, other, far = listed(town, "立了项的"), town.report(title="还没立项的"), town.report(unit=town.units["other"])
    page = preview(town, "clerk", "transition.start", fits, other, far)
    assert became(page) == {"这几件会做": ["立了项的"], "这几件不做": ["还没立项的"]}
    assert "现在是“待办件”，不能“开始办理”" in page
    assert far.number not in page, "what one may not see is not there"
    assert events_of(town, fits) == ["issue.reported", "issue.list"], "looking does nothing"


def test_nothing_chosen_is_said(town: Town) -> None:
    issue = town.report()
    for query in ("", ticked(among=[issue]), "listed=abc", "listed=1.2&issue-3=1"):
        answer = town.browser("clerk").get(f"/desk/bulk/assign?{query}")
        assert answer.status_code == 200
        assert "还没有选" in answer.text


def test_each_is_done_by_itself_and_one_that_is_refused_holds_none_back(town: Town) -> None:
    first, second, third = (listed(town, title) for title in ("甲", "乙", "丙"))
    page = preview(town, "clerk", "assign", first, second, third)
    (chosen,) = re.findall(r'name="issues" value="([^"]*)"', page)
    town.move(second, "start", by="deputy")  # Somebody is quicker.
    owner = town.accounts["village"].id
    sent = {"issues": chosen, "owner": str(owner)}
    answer = town.browser("clerk").submit("/desk/bulk/assign", sent)
    assert answer.status_code == 303, answer.text
    result = town.browser("clerk").get(answer.headers["location"]).text
    assert became(result) == {"做了的": ["甲", "丙"], "没有做的": ["乙"]}
    assert "许秋生刚刚做了“开始办理”" in result
    assert [town.reload(each).owner_id for each in (first, third)] == [owner, owner]
    assert town.reload(second).owner_id == town.accounts["deputy"].id
    assert events_of(town, first)[-1] == "issue.assigned"

    async def recorded() -> int:
        ids = [f"Issue:{each.id}" for each in (first, second, third)]
        return await AuditRecord.filter(action="issues.assign", subject__in=ids, outcome="done").count()

    assert town.do(recorded) == 2, "each has its own record"


def test_the_usual_rights_count_for_each(town: Town) -> None:
    here, there = listed(town, "溪尾的"), town.report(title="荷塘的", unit=town.units["sibling"])
    town.move(there, "list", by="clerk", owner=town.accounts["sibling"].id)
    page = town.browser("village").get(f"/desk/bulk/assign?{ticked(here, there)}").text
    assert became(page) == {"这几件会做": ["溪尾的"]}
    forged = {"issues": f"{here.id}:{here.version}.{there.id}:2", "owner": str(town.accounts["village"].id)}
    answer = town.browser("village").submit("/desk/bulk/assign", forged)
    assert became(town.browser("village").get(answer.headers["location"]).text) == {"做了的": ["溪尾的"]}
    assert town.reload(there).owner_id == town.accounts["sibling"].id


def test_sent_twice_it_is_done_once_and_ends_on_the_same_page(town: Town) -> None:
    """C54"""
    issue = listed(town, "按了两下的")
    sent = {"issues": f"{issue.id}:{issue.version}", "text": "灯头到货了。", "_key": "k" * 24}
    answers = [town.browser("village").submit("/desk/bulk/progress", sent) for _time in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert events_of(town, issue).count("issue.progress") == 1


def test_a_run_that_was_broken_off_goes_on_where_it_stopped(town: Town) -> None:
    first, second = listed(town, "断电前的"), listed(town, "断电后的")
    versions = {each.id: each.version for each in (first, second)}
    sent = {
        "issues": ".".join(f"{issue}:{version}" for issue, version in versions.items()),
        "text": "停电了，明天接着修。",
        "_key": "b" * 24,
    }
    where = town.browser("village").submit("/desk/bulk/progress", sent).headers["location"]

    async def break_off() -> None:
        await BulkItem.filter(run_id=int(where.rpartition("/")[2])).update(state="waiting", after=None)

    town.do(break_off)
    assert town.browser("village").submit("/desk/bulk/progress", sent).headers["location"] == where
    assert became(town.browser("village").get(where).text) == {"做了的": ["断电前的", "断电后的"]}
    assert [events_of(town, each).count("issue.progress") for each in (first, second)] == [1, 1]


def test_a_form_left_empty_comes_back_with_what_was_chosen(town: Town) -> None:
    issue = listed(town, "没写原因的")
    answer = press(town, "clerk", "transition.transfer", issue, unit=str(town.units["department"]))
    assert answer.status_code == 422
    assert "请填写“原因”" in answer.text
    assert f'name="issues" value="{issue.id}:{issue.version}"' in answer.text
    assert town.browser("clerk").submit("/desk/bulk/assign", {"issues": "1;2"}).status_code == 400


def test_taking_back_gives_each_to_its_former_owner_unless_somebody_went_on(town: Town) -> None:
    quiet, busy, never = listed(town, "没人动过"), listed(town, "有人接着办"), town.report(title="原来没有责任人")
    owner = town.accounts["village"].id
    where = press(town, "clerk", "assign", quiet, busy, never, owner=str(owner)).headers["location"]
    town.move(busy, "start", by="deputy")
    town.run_worker()
    clerk = town.browser("clerk")
    assert "撤回" in clerk.get(where).text
    assert clerk.submit(f"{where}/undo").headers["location"] == where
    result = clerk.get(where).text
    assert became(result) == {"撤回了的": ["没人动过"], "没有撤回的": ["有人接着办", "原来没有责任人"]}
    assert "后来又有人办过" in result
    assert "原来没有责任人，退不回去" in result
    assert town.reload(quiet).owner_id == town.accounts["deputy"].id
    assert town.reload(busy).owner_id == owner
    assert events_of(town, quiet)[-2:] == ["issue.assigned", "issue.assigned"], "both stand on record"
    assert clerk.submit(f"{where}/undo").status_code == 409, "a second press changes nothing"
    assert len(events_of(town, quiet)) == 4


def test_taking_back_has_its_time(town: Town) -> None:
    issue = listed(town, "过了十分钟")
    where = press(town, "clerk", "assign", issue, owner=str(town.accounts["village"].id)).headers["location"]
    town.clock.forward(minutes=11)
    assert "能撤回的时间已经过了" in town.browser("clerk").get(where).text
    answer = town.browser("clerk").submit(f"{where}/undo")
    assert answer.status_code == 409
    assert "已经过了能撤回的时间" in answer.text
    assert town.reload(issue).owner_id == town.accounts["village"].id


def test_a_transfer_is_taken_back_by_whoever_may_act_there(town: Town) -> None:
    down, away = town.report(title="转给村里的"), town.report(title="转给部门的")
    for issue, unit, outcome in ((down, "sibling", "撤回了的"), (away, "department", "没有撤回的")):
        values = {"unit": str(town.units[unit]), "reason": "归那边管。"}
        where = press(town, "clerk", "transition.transfer", issue, **values).headers["location"]
        town.browser("clerk").submit(f"{where}/undo")
        assert list(became(town.browser("clerk").get(where).text)) == [outcome]
    assert town.reload(down).responsible_unit_id == town.units["village"]
    assert town.reload(away).responsible_unit_id == town.units["department"], "that is the department's to do now"
    assert events_of(town, down) == ["issue.reported", "issue.transfer", "issue.transfer"]


def test_what_cannot_be_taken_back_says_so_before_and_after(town: Town) -> None:
    issue = listed(town, "动了手的")
    assert "没有退回去的办法" in preview(town, "clerk", "transition.start", issue)
    where = press(town, "clerk", "transition.start", issue).headers["location"]
    page = town.browser("clerk").get(where).text
    assert became(page) == {"做了的": ["动了手的"]}
    assert "没有退回去的办法" in page
    answer = town.browser("clerk").submit(f"{where}/undo")
    assert answer.status_code == 409
    assert town.reload(issue).state == "handling"


def test_a_run_is_one_s_own_and_forgotten_in_time(town: Town) -> None:
    issue = listed(town, "自己的")
    where = press(town, "clerk", "assign", issue, owner=str(town.accounts["village"].id)).headers["location"]
    assert town.browser("village").get(where).status_code == 404
    assert town.browser("village").submit(f"{where}/undo").status_code == 404
    town.clock.forward(days=RUNS_KEPT.days + 2)
    town.run_worker()
    assert town.browser("clerk").get(where).status_code == 404

    async def left() -> tuple[int, int]:
        return await BulkRun.all().count(), await BulkItem.all().count()

    assert town.do(left) == (0, 0)


def test_the_ticked_are_printed_and_exported(town: Town) -> None:
    first, second = town.report(title="要打印的"), town.report(title="不要的")
    query = ticked(first, among=[second])
    page = town.browser("village").get(f"/desk/print-list?{query}").text
    assert "要打印的" in page
    assert "不要的" not in page
    answer = town.browser("clerk").get(f"/desk/export?{query}")
    rows = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert [row[0] for row in rows[1:]] == [first.number]
