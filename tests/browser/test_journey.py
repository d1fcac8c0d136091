"""Three people carry one issue through the whole loop, each in their own browser: with keys alone, without script."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from .conftest import Site

pytestmark = pytest.mark.browser


#: Whether somebody sees where they are: the ring, or the ground behind a link.
_SHOWS_FOCUS = """
element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
}
"""


class Person:
    """Somebody with a browser: a phone for residents, an office screen for officials. They touch nothing but keys."""

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
        """Press it and wait for the answer: going elsewhere before it has come would take the form back."""
        self.reach(target)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self.look()

    def reach(self, target: Any) -> None:
        """Go on from field to field until `target` is reached; it has to show."""
        for _ in range(300):
            if target.evaluate("element => element === document.activeElement"):
                assert target.evaluate(_SHOWS_FOCUS), f"nothing shows that it is here: {target}"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key never comes to {target}")

    def labelled(self, label: str) -> Any:
        return self.page.locator("main").get_by_label(re.compile(label)).first

    def fill(self, label: str, text: str) -> None:
        self.reach(self.labelled(f"^{label}"))
        self.page.keyboard.insert_text(text)

    def choose(self, label: str, option: str) -> None:
        select = self.labelled(f"^{label}")
        value = select.locator("option").filter(has_text=option).first.get_attribute("value")
        self.reach(select)
        self._turn(lambda: select.input_value() == value)

    def check(self, label: str) -> None:
        """Tick a box, or go to one of several choices, of which one is reached by Tab."""
        box = self.labelled(label)
        if box.get_attribute("type") == "checkbox":
            self.reach(box)
            self.page.keyboard.press("Space")
        else:
            self.reach(self.page.locator(f"[name={box.get_attribute('name')}]").first)
            self.page.keyboard.press("Space")
            self._turn(box.is_checked)
        assert box.is_checked()

    def _turn(self, there: Callable[[], bool]) -> None:
        for _ in range(100):
            if there():
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError("the arrow keys never come to it")

    def date(self, label: str, day: date) -> None:
        """Type a date into its parts, whose order depends on the language of the browser."""
        field = self.labelled(f"^{label}")
        self.reach(field)
        for order in ("%m%d%Y", "%Y\t%m%d", "%d%m%Y"):
            for key in day.strftime(order):
                self.page.keyboard.press("Tab" if key == "\t" else key)
            if field.input_value() == day.isoformat():
                return
            self.page.keyboard.press("Shift+Tab")
            self.page.keyboard.press("Shift+Tab")
        raise AssertionError(f"the date cannot be typed: {field.input_value()!r}")

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
    resident.check("问题诉求")
    resident.check("大家的事")
    resident.fill("怎么称呼您", "柳三变")
    resident.fill("电话", "13800005678")
    resident.check("我同意")
    resident.press("提交")
    number = re.search(r"\d\d-\d+", resident.page.locator("main").inner_text())
    assert number is not None

    # The township's clerk lists it: owner, measures, deadline.
    clerk.go("/desk/queue/unit")
    clerk.follow("老桥头路灯不亮")
    clerk.follow("立项")
    clerk.choose("责任人", "许秋生")
    clerk.fill("具体措施", "三天内换灯头。")
    clerk.date("完成时限", datetime.now(UTC).date() + timedelta(days=5))
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
    clerk.check("公示栏张贴")
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
    resident.fill(".*四位", "5678")
    resident.submit()
    resident.follow("验收")
    resident.check("同意")
    resident.submit()
    assert resident.sees("您已经验收同意")
    resident.follow("填测评")
    resident.check("^满意")
    resident.submit()
    assert not resident.sees("填测评：满意不满意"), "one rating each time"

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
