"""Whoever changes how pages look in the middle of a form finds there what they typed; nothing is sent by that."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.databases import ONE_DATABASE
from tests.databases import database_kind as database_kind

from yetan.audit.models import AuditRecord
from yetan.issues.models import Issue
from yetan.testing import Town

pytestmark = ONE_DATABASE
_TYPED = {"title": "老桥头路灯不亮", "text": "坏了十天。\n晚上看不见台阶。", "kind": "problem", "phone": "138"}


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {}


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def count(town: Town) -> int:
    async def go() -> int:
        return await Issue.all().count()

    return town.do(go)


def test_a_form_is_asked_by_pages_and_whole_again_with_what_was_typed(town: Town) -> None:
    browser = town.browser()
    assert 'form="typed" name="_look" value="elder=1"' in browser.get("/raise").text
    asked = browser.submit("/raise", {**_TYPED, "_look": "elder=1"})
    assert asked.status_code == 200
    assert "data-elder" in asked.text
    assert "error-summary" not in asked.text, "what was not sent is not wrong"
    assert 'value="老桥头路灯不亮"' in asked.text
    assert hidden(asked.text)["phone"] == "138"
    assert "data-elder" in browser.get("/").text, "the look stays"

    second = browser.submit("/raise", {**hidden(asked.text), **_TYPED, "_step": "1", "_look": "light=night"})
    assert 'data-light="night"' in second.text
    assert "坏了十天。\n晚上看不见台阶。</textarea>" in second.text, "the same question in another look"

    whole = browser.submit("/raise", {**hidden(second.text), **_TYPED, "_look": "elder=0"})
    assert "data-elder" not in whole.text
    assert 'value="老桥头路灯不亮"' in whole.text
    assert "坏了十天。\n晚上看不见台阶。</textarea>" in whole.text
    assert re.search(r'value="problem" checked', whole.text)
    assert "Raise" in browser.submit("/raise", {**_TYPED, "_look": "locale=en"}).text
    assert count(town) == 0


def test_photos_have_to_be_chosen_again_and_that_is_said(town: Town) -> None:
    answer = town.browser().submit("/raise", {**_TYPED, "_look": "size=large"}, files={"photos": ("a.jpg", b"x")})
    assert 'data-size="large"' in answer.text
    assert "照片要重新选一次" in answer.text


def test_a_clerk_who_changes_the_light_has_done_nothing(town: Town) -> None:
    issue = town.report()
    clerk = town.browser("clerk")
    path = f"/desk/issues/{issue.id}?do=transition.list"
    form = re.search(r'id="typed" action="([^"]+)"', clerk.get(path).text)
    assert form is not None
    sent = {
        "owner": town.accounts["village"].id, "measures": "三天内换灯头。", "deadline": "2026-05-20",
        "version": issue.version, "_key": "k" * 20, "_look": "light=contrast",
    }  # fmt: skip
    answer = clerk.submit(form[1], sent)
    assert answer.status_code == 200
    assert 'data-light="contrast"' in answer.text
    assert "三天内换灯头。</textarea>" in answer.text
    assert "error-summary" not in answer.text
    assert town.reload(issue).state == issue.state

    async def recorded() -> int:
        return await AuditRecord.filter(actor=f"account:{town.accounts['clerk'].id}").exclude(outcome="looked").count()

    assert town.do(recorded) == 0
    assert clerk.submit(form[1], {**sent, "_look": ""}).status_code == 303, "the key has not been used up"
    assert town.reload(issue).state == "listed"


def test_what_was_typed_to_narrow_a_list_narrows_it_in_the_new_look(town: Town) -> None:
    village = town.browser("village")
    assert 'form="narrowing" formaction="/display" name="_look"' in village.get("/desk/households").text
    here = {"Referer": "http://testserver/desk/households?q=old"}
    answer = village.get("/display", params={"q": "老街 3", "_look": "light=night"}, headers=here)
    back = answer.headers["location"]
    assert urlsplit(back).path == "/desk/households"
    page = village.get(back).text
    assert 'value="老街 3"' in page
    assert 'data-light="night"' in page


def test_a_look_asked_for_where_no_form_can_be_drawn_leads_back(town: Town) -> None:
    """Nobody draws such a switch; it must not do what the page does either."""
    village = town.browser("village")
    sent = {"unit": town.units["village"], "address": "老街 3 号"}
    path = village.submit("/desk/households/new", sent).headers["location"]
    village.submit(f"{path}/members", {"name": "柳三变", "phone": "13800001234"})
    here = {"Referer": f"http://testserver{path}"}
    answer = village.submit(f"{path}/leave", {"person": town.resident.id, "_look": "elder=1"}, headers=here)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = village.get(path).text
    assert "data-elder" in page
    assert "柳三变" in page
