"""Somebody with a browser that runs no script, who touches nothing but keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from .conftest import Site

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
        # Chromium gives its dialogs to whoever listens, and takes a moment to know of it: from the beginning, then.
        self.page.on("filechooser", lambda opened: None)
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

    def press(self, name: str, within: str = "main", *, backwards: bool = False) -> None:
        self.click(self.page.locator(within).get_by_role("button", name=name, exact=True).first, backwards=backwards)

    def follow(self, name: str) -> None:
        self.click(self.page.locator("main").get_by_role("link", name=name).first)

    def submit(self) -> None:
        self.click(self.page.locator("main form button").first)

    def click(self, target: Any, *, backwards: bool = False) -> None:
        """Press it and wait for the answer: going elsewhere before it has come would take the form back."""
        self.reach(target, backwards=backwards)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self.look()

    def reach(self, target: Any, *, backwards: bool = False) -> None:
        """Go on from field to field, or back, until `target` is reached; it has to show."""
        target = target.element_handle()  # Looked for once, not at each step.
        for _ in range(300):
            if target.evaluate("element => element === document.activeElement"):
                assert target.evaluate(_SHOWS_FOCUS), f"nothing shows that it is here: {target}"
                return
            self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
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

    def choose_file(self, label: str, path: Path) -> None:
        """Open the dialog from its field and choose a file there, which is the browser's own."""
        self.reach(self.labelled(f"^{label}"))
        with self.page.expect_file_chooser() as opened:
            self.page.keyboard.press("Space")
        opened.value.set_files(path)

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
