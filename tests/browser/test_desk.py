"""The desk with script: single keys and ticks in a list, several issues at once, and drafts that survive leaving."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from yetan.testing import Town

from .conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)]


@pytest.fixture
def town_database_url(town_database_url: str, tmp_path: Path) -> str:
    """The town's database, with three issues raised."""
    with Town(
        town_database_url, tmp_path, plugins=("whoosh", "lantern", "supervision"), search="whoosh"
    ).open() as town:
        for title in ("路灯不亮", "井盖松动", "水渠堵了"):
            town.report(title=title)
    return town_database_url


class Clerk:
    """An official at an office computer; `touch`: at a phone."""

    def __init__(self, chromium: Any, site: Site, who: str, *, touch: bool = False) -> None:
        width = 360 if touch else 1280
        self.context = chromium.new_context(viewport={"width": width, "height": 900}, has_touch=touch, is_mobile=touch)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.site = site
        self.page.goto(site.links[who])
        self.page.locator("main form button").first.click()
        self.page.wait_for_url("**/desk**")

    def go(self, path: str) -> None:
        self.page.goto(self.site.address + path)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def click(self, name: str) -> None:
        """Press a button of the page itself, and wait for what comes."""
        with self.page.expect_navigation():
            self.page.locator("main").get_by_role("button", name=name, exact=True).first.click()

    def says(self, text: str) -> bool:
        return text in self.page.locator("main").inner_text()

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path


def test_the_desk_with_script(chromium: Any, site: Site) -> None:
    """One server and one browser for all of it."""
    keys_go_through_the_list_tick_and_open(chromium, site)
    several_are_ticked_looked_at_done_and_taken_back(Clerk(chromium, site, "leader"))
    what_was_typed_and_not_sent_is_offered_again_and_goes_once_it_is_taken(Clerk(chromium, site, "village"))


def keys_go_through_the_list_tick_and_open(chromium: Any, site: Site) -> None:
    clerk = Clerk(chromium, site, "clerk")
    clerk.go("/desk/queue/unit")
    count = clerk.page.locator(".bulk-count")
    clerk.press("j", "x", "j", "j", "x")
    assert count.inner_text() == "选了2件"
    clerk.press("k", "Enter")
    clerk.page.wait_for_url("**/desk/queue/unit?open=*")
    assert clerk.page.locator("#panel-title").inner_text() == "井盖松动"
    assert count.inner_text() == "选了2件", "opening the panel loses no tick"
    clerk.press("?")
    assert clerk.page.get_by_text("选上，或者不选").is_visible()
    clerk.press("/")
    clerk.page.wait_for_url("**/desk/search")
    clerk.page.locator("#field-q").fill("jxk/?")
    assert clerk.page.locator("#field-q").input_value() == "jxk/?", "what is typed is typed"

    clerk.go("/desk/me")
    clerk.click("关掉快捷键")
    clerk.go("/desk/queue/unit")
    clerk.press("j", "x")
    assert count.inner_text() == "选几件一起办："
    assert clerk.page.locator("#keys-hint").count() == 0
    clerk.context.close()
    phone = Clerk(chromium, site, "deputy", touch=True)
    phone.go("/desk/queue/unit")
    assert not phone.page.locator("#keys-hint").is_visible(), "nobody is told of keys there are none of"
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360
    phone.context.close()


def several_are_ticked_looked_at_done_and_taken_back(clerk: Clerk) -> None:
    clerk.go("/desk/queue/unit")
    clerk.page.get_by_label("选这一页全部").check(force=True)
    clerk.page.locator(".tick input").nth(1).uncheck(force=True)
    clerk.click("转办")
    assert "转办：2件" in clerk.page.locator("h1").inner_text()
    clerk.page.get_by_label("转给哪个单位").select_option(label="石桥镇 荷塘社区")
    clerk.page.get_by_label("原因").fill("归荷塘社区管。")
    clerk.click("给这2件：转办")
    assert clerk.says("做了的 2")
    clerk.click("撤回")
    assert clerk.says("撤回了的 2")
    clerk.context.close()


def what_was_typed_and_not_sent_is_offered_again_and_goes_once_it_is_taken(clerk: Clerk) -> None:
    text, drafts = clerk.page.locator("#field-text"), "Object.keys(localStorage).length"
    clerk.go("/desk/register")
    clerk.page.locator("#field-title").fill("桥栏杆松了")
    text.fill("老桥的栏杆松动，可以打 13800005678 问。")
    clerk.page.locator("#field-name_1").fill("林鹿鸣")
    clerk.page.locator("#field-phone_1").fill("13900005678")
    clerk.go("/desk/queue/unit")
    kept = clerk.page.evaluate("JSON.stringify(localStorage)")
    assert "林鹿鸣" not in kept
    assert "5678" not in kept, "no number of anybody stays on a computer that is shared"
    clerk.go("/desk/register")
    assert text.input_value() == ""
    clerk.page.get_by_role("button", name="接着写").click()
    assert text.input_value() == "老桥的栏杆松动，可以打 … 问。"
    clerk.page.get_by_label("问题诉求").check(force=True)
    clerk.page.get_by_label("入户走访").check(force=True)
    clerk.click("登记")
    assert "/desk/issues/" in clerk.path, clerk.page.locator("main").inner_text()
    assert clerk.page.evaluate(drafts) == 0

    issue = clerk.path
    clerk.go(f"{issue}?do=correct")
    clerk.page.locator("#field-title").fill("")
    clerk.page.locator("#field-place").fill("老桥")
    clerk.click("更正登记内容")
    assert clerk.page.locator("#field-place").input_value() == "老桥"
    assert clerk.page.locator(".draft").count() == 0, "what was refused comes back as it was typed"
    clerk.page.locator("#field-title").fill("桥栏杆松了")
    clerk.click("更正登记内容")
    assert clerk.page.evaluate(drafts) == 0
    for words in ("先修栏杆。", "再换路灯。"):
        clerk.go(f"{issue}?do=progress")
        assert clerk.page.locator(".draft").count() == 0
        clerk.page.locator("#field-text").fill(words)
        clerk.go(f"{issue}?do=progress")
        clerk.page.get_by_role("button", name="接着写").click()
        clerk.click("写进展")
        assert clerk.page.evaluate(drafts) == 0
    clerk.go(f"{issue}?do=progress")
    clerk.page.locator("#field-text").fill("不要的话。")
    clerk.go(f"{issue}?do=progress")
    clerk.page.get_by_role("button", name="不要了").click()
    assert clerk.page.evaluate(drafts) == 0
    clerk.context.close()
