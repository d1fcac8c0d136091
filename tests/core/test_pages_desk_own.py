"""What somebody has of their own at the desk: the panel of a row, searches under a name, keys; and the rules' words."""

from __future__ import annotations

import html
import re

import pytest

from yetan.audit.models import AuditRecord
from yetan.issues.actions import ACTIONS
from yetan.issues.bulk import core_bulk_actions
from yetan.issues.lifecycle import TRANSITIONS
from yetan.issues.saved_filters import MOST_KEPT
from yetan.rules.service import CORE_RULES
from yetan.rules.sources import rules_in
from yetan.testing import Town


@pytest.fixture
def town(shared_town: Town) -> Town:
    """Each test raises issues of its own."""
    return shared_town


def tabs(town: Town, who: str, path: str = "/desk/queue/unit") -> dict[str, str]:
    """The tabs behind the queues: name and address."""
    row = town.browser(who).get(path).text.partition('class="tabs"')[2].partition("</nav>")[0]
    found = re.findall(r'<a href="(/desk/search[^"]*)"[^>]*>([^<]*)</a>', row)
    return {name.strip(): html.unescape(href) for href, name in found}


def test_a_row_s_panel_says_what_can_be_done_and_why_not(town: Town) -> None:
    issue = town.report(title="看板上的一件")
    town.move(issue, "settle", by="village")
    page = town.browser("clerk").get(f"/desk/queue/awaiting?open={issue.id}").text
    panel = page.partition('id="panel"')[2].partition("</aside>")[0]
    assert "看板上的一件" in panel
    assert "登记、办结已经完成，现在是反馈" in panel
    assert f'href="/desk/issues/{issue.id}?do=feedback#do"' in panel
    assert "现在不能做" in panel
    assert 'button-none">销号<' in panel
    assert 'href="/desk/rules#002-B16">居民验收才销号</a>' in panel
    assert f'id="row-{issue.id}" class="here"' in page

    async def looks() -> int:
        return await AuditRecord.filter(action="desk.issue", subject=f"Issue:{issue.id}", outcome="looked").count()

    assert town.do(looks) == 1, "a look at an issue is recorded, wherever it is"
    assert town.browser("sibling").get(f"/desk/queue/unit?open={issue.id}").status_code == 404
    assert 'id="panel"' not in town.browser("clerk").get("/desk/queue/awaiting").text


def test_a_search_is_kept_under_a_name_for_oneself(town: Town) -> None:
    clerk = town.browser("clerk")
    answer = clerk.submit("/desk/filters", {"name": "西片逾期的", "q": "路灯", "state": "handling", "sort": ""})
    assert answer.headers["location"] == "/desk/search?q=%E8%B7%AF%E7%81%AF&state=handling"
    assert tabs(town, "clerk") == {"西片逾期的": answer.headers["location"]}
    assert tabs(town, "village") == {}
    shown = clerk.get(answer.headers["location"]).text
    assert re.search(r'aria-current="page">西片逾期的<', shown)
    assert "存下这次的查询" not in shown
    assert "存下这次的查询" in clerk.get("/desk/search?q=水").text
    clerk.submit("/desk/filters", {"name": "西片逾期的", "q": "水渠"})
    assert tabs(town, "clerk") == {"西片逾期的": "/desk/search?q=%E6%B0%B4%E6%B8%A0"}, "the same name is the newer one"


def test_kept_searches_are_renamed_and_dropped_by_their_owner(town: Town) -> None:
    clerk = town.browser("deputy")
    for name in ("甲", "乙"):
        clerk.submit("/desk/filters", {"name": name, "q": name})
    (first, second) = re.findall(r'action="(/desk/filters/\d+)"', clerk.get("/desk/filters").text)
    assert town.browser("village").submit(first, {"name": "丙"}).status_code == 404
    assert town.browser("village").submit(f"{first}/drop").status_code == 404
    taken = clerk.submit(first, {"name": "乙"})
    assert taken.status_code == 422
    assert "已经有一个叫这个名字" in taken.text
    clerk.submit(first, {"name": "丙"})
    clerk.submit(f"{second}/drop")
    assert list(tabs(town, "deputy")) == ["丙"]


def test_a_search_without_a_name_or_without_anything_in_it_is_not_kept(town: Town) -> None:
    clerk = town.browser("leader")
    nameless = clerk.submit("/desk/filters", {"name": "", "q": "路灯"})
    assert nameless.status_code == 422
    assert 'name="q" value="路灯"' in nameless.text, "what was searched is not lost"
    assert clerk.submit("/desk/filters", {"name": "空的"}).status_code == 422
    for number in range(MOST_KEPT):
        assert clerk.submit("/desk/filters", {"name": f"第{number}个", "q": "灯"}).status_code == 303
    assert clerk.submit("/desk/filters", {"name": "再来一个", "q": "灯"}).status_code == 409
    assert clerk.submit("/desk/filters", {"name": "第0个", "q": "水"}).status_code == 303
    assert len(tabs(town, "leader")) == MOST_KEPT


def test_single_keys_are_on_until_somebody_turns_them_off(town: Town) -> None:
    town.report()
    for keys in ("", "1"):
        assert ("data-keys" in town.browser("clerk").get("/desk/queue/unit").text) == (keys == "")
        town.browser("clerk").submit("/desk/me/keys", {"keys": keys})
    assert "data-keys" in town.browser("clerk").get("/desk/queue/unit").text
    town.browser("clerk").submit("/desk/me/keys", {"keys": ""})
    assert "data-keys" in town.browser("village").get("/desk/queue/unit").text, "per account"


def test_every_step_s_rule_is_known_in_words_and_stands_on_the_page_of_rules(town: Town) -> None:
    told = [*TRANSITIONS, *ACTIONS, *core_bulk_actions()]
    rules = {
        rule
        for text in (*(each.rule for each in told), *(each.source for each in CORE_RULES))
        for rule in rules_in(text)
    }
    assert len(rules) > 12
    page = town.browser("village").get("/desk/rules").text
    for rule in rules:
        assert rule.words, rule.id
        assert f'id="{rule.id}"' in page, rule.id
    assert "照它办的：销号、退回再办" in page or "照它办的：退回再办、销号" in page
    assert "柳湾市现在定的：办理时限最长多少天，30天" in page
    assert [rule.name for rule in rules_in("ABC-1、999-B1")] == ["999-B1"], "one nobody knows is called by its ID"
