"""Three people carry one issue through the whole loop, each in a browser of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Site

pytestmark = pytest.mark.browser


class Person:
    """Somebody with a browser: a phone for residents, an office screen for officials."""

    def __init__(self, chromium: Any, site: Site, width: int) -> None:
        self.site = site
        self.context = chromium.new_context(viewport={"width": width, "height": 800}, java_script_enabled=False)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.foreign: list[str] = []
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith(self.site.address):
            self.foreign.append(url)

    def go(self, path: str) -> None:
        answer = self.page.goto(self.site.address + path)
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"
        self.look()

    def look(self) -> None:
        """Nothing leaves the site, and nothing runs off the side of the screen."""
        assert self.foreign == []
        width = self.page.viewport_size["width"]
        box = self.page.locator("body").bounding_box()
        assert box["width"] <= width
        assert self.page.locator("main").bounding_box()["width"] <= width

    def press(self, name: str) -> None:
        self.click(self.page.locator("main").get_by_role("button", name=name, exact=True).first)

    def follow(self, name: str) -> None:
        self.click(self.page.locator("main").get_by_role("link", name=name).first)

    def submit(self) -> None:
        self.click(self.page.locator("main form button").first)

    def click(self, target: Any) -> None:
        """Click and wait for the answer: going elsewhere before it has come would take the form back."""
        with self.page.expect_navigation():
            target.click()
        self.look()

    def fill(self, label: str, text: str) -> None:
        self.page.locator("main").get_by_label(re.compile(f"^{label}")).first.fill(text)

    def choose(self, label: str, option: str) -> None:
        select = self.page.locator("main").get_by_label(re.compile(f"^{label}")).first
        value = select.locator("option").filter(has_text=option).first.get_attribute("value")
        select.select_option(value)

    def sign_in(self, who: str) -> None:
        self.page.goto(self.site.links[who])
        self.submit()
        assert "/desk" in self.page.url or "/me" in self.page.url

    def sees(self, text: str) -> bool:
        return text in self.page.locator("body").inner_text()


def until(check: Callable[[], bool], seconds: float = 20) -> None:
    """What follows from a change comes soon, not at once."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.3)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_broken_lamp_is_raised_mended_accepted_and_struck_off(chromium: Any, site: Site) -> None:
    resident = Person(chromium, site, 360)
    clerk = Person(chromium, site, 1280)
    official = Person(chromium, site, 1280)
    clerk.sign_in("clerk")
    official.sign_in("deputy")

    # A resident raises it on a phone, without an account.
    resident.go("/raise")
    resident.fill("一句话说是什么事", "老桥头路灯不亮")
    resident.fill("说说经过", "老桥头两盏路灯坏了十天，电话13800005678，晚上看不见台阶。")
    resident.choose("哪个村", "溪尾村")
    resident.page.get_by_label("问题诉求").check()
    resident.page.get_by_label(re.compile("大家的事")).check()
    resident.fill("怎么称呼您", "柳三变")
    resident.fill("电话", "13800005678")
    resident.page.get_by_label(re.compile("我同意")).check()
    resident.press("提交")
    number = re.search(r"\d\d-\d+", resident.page.locator("main").inner_text())
    assert number is not None

    # The township's clerk lists it: owner, measures, deadline.
    clerk.go("/desk/queue/unit")
    clerk.follow("老桥头路灯不亮")
    clerk.follow("立项")
    clerk.choose("责任人", "许秋生")
    clerk.fill("具体措施", "三天内换灯头。")
    clerk.fill("完成时限", time.strftime("%Y-%m-%d", time.localtime(time.time() + 5 * 86400)))
    clerk.press("立项")
    assert clerk.sees("已立项")
    desk = clerk.page.url.partition("?")[0].partition("#")[0].removeprefix(site.address)
    desk = re.match(r"/desk/issues/\d+", desk)[0]  # type: ignore[index]

    # The village's official mends it.
    official.go(desk)
    official.press("开始办理")
    official.follow("办结")
    official.fill("办理结果", "换了两个灯头，亮了。")
    official.press("办结")
    assert official.sees("待验收")

    # The clerk publishes it, with the phone number masked; should the draft be renewed meanwhile, she reads it again.
    def approved() -> bool:
        clerk.go(f"{desk}/publication")
        assert "13800005678" not in clerk.page.get_by_label(re.compile("^公开的内容")).input_value()
        clerk.press("批准公开")
        return clerk.sees("公开板上现在就是这一稿")

    until(approved)

    # The result is fed back.
    clerk.go(desk)
    clerk.follow("反馈")
    clerk.page.get_by_label("公示栏张贴").check()
    clerk.fill("说了什么", "灯修好了，贴在公示栏。")
    clerk.press("反馈")
    assert clerk.sees("还没有居民验收")

    # The resident finds it on the board, follows it by number and phone, accepts and rates.
    def found() -> bool:
        resident.go("/search?q=路灯")
        return resident.sees("老桥头")

    until(found)
    assert not resident.sees("13800005678")
    resident.go("/follow")
    resident.fill("编号", number[0])
    resident.page.locator("main").get_by_label(re.compile("四位")).first.fill("5678")
    resident.submit()
    resident.follow("验收")
    resident.page.locator("main").get_by_label(re.compile("同意")).first.check()
    resident.submit()
    assert resident.sees("您已经验收同意")

    # The clerk strikes it off; the lamp is lit on the board.
    clerk.go(desk)
    clerk.press("销号")
    assert clerk.sees("已销号")

    def lit() -> bool:
        resident.go(f"/issues/{number[0]}")
        return resident.sees("已销号")

    until(lit)
    resident.go("/")
    assert resident.sees("老桥头路灯不亮")
