"""Suggestions while somebody types: by keys and by touch, with an input method, and never a word sent too early."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from yetan.db.connection import Application, sqlite_path
from yetan.publication.service import approve
from yetan.testing import Town

from .conftest import open_chromium

pytestmark = pytest.mark.browser

_SITE = "http://testserver"


class Typist:
    """Somebody at a search box, in a browser whose requests the town answers, and what was asked meanwhile."""

    def __init__(self, chromium: Any, town: Town, who: str = "", width: int = 360) -> None:
        self.context = chromium.new_context(viewport={"width": width, "height": 740}, has_touch=True)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.asked: list[str] = []
        self.server_is_busy = False
        self._browser = town.browser(who)
        self.context.route("**/*", self._answer)

    def _answer(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        if address.path.endswith("/suggest"):
            self.asked.append(parse_qs(address.query)["q"][0])
            if self.server_is_busy:
                route.fulfill(status=503)
                return
        answer = self._browser.get(route.request.url)
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def go(self, path: str) -> None:
        self.page.goto(_SITE + path)
        self.box = self.page.get_by_role("combobox").first
        self.options = self.page.get_by_role("listbox", name="可以这样查").get_by_role("option")
        self.box.focus()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def at_a_stroke(self, text: str) -> None:
        """Type faster than any machine is slow: every character in one go."""
        self.box.evaluate(
            "(box, text) => { for (const each of text) { box.value += each;"
            " box.dispatchEvent(new Event('input', {bubbles: true})); } }",
            text,
        )

    def answered(self) -> Any:
        """A block at whose end a question has been answered, however slow the machine is."""
        return self.page.expect_response(lambda response: "/suggest" in response.url)

    def quiet(self) -> None:
        """Wait longer than the box does before it asks."""
        self.page.wait_for_timeout(500)

    def suggested(self) -> list[str]:
        self.options.first.wait_for()
        return list(self.options.all_inner_texts())

    def active(self) -> str:
        """The option a screen reader is at, or "" """
        option = self.box.get_attribute("aria-activedescendant")
        return str(self.page.locator(f"#{option}").inner_text()) if option else ""

    def compose(self, *texts: str) -> None:
        """An input method at work: each of `texts` stands in the box for a while, unfinished."""
        session = self.context.new_cdp_session(self.page)
        for text in texts:
            end = len(text)
            session.send("Input.imeSetComposition", {"text": text, "selectionStart": end, "selectionEnd": end})

    def put_down(self, text: str) -> None:
        """The input method is done."""
        self.context.new_cdp_session(self.page).send("Input.insertText", {"text": text})


@pytest.fixture(scope="module")
def lamps(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_template: Callable[[str, Sequence[Application]], str],
    database_applications: tuple[Application, ...],
) -> Iterator[Town]:
    """A town with two published issues, so that there are words to suggest."""
    folder = tmp_path_factory.mktemp("town")
    copy = folder / "yetan.sqlite3"
    shutil.copy(sqlite_path(migrated_template("sqlite", database_applications)), copy)
    plugins = ("whoosh", "lantern", "supervision")
    with Town(f"sqlite://{copy}", folder, plugins=plugins, search="whoosh", theme="lantern").open() as town:
        for title in ("路灯不亮", "路口积水"):
            issue = town.report(title=title, text=f"{title}，请来看一看。", place="")

            async def go(issue_id: int = issue.id) -> None:
                await approve(await town.act("publisher"), issue_id)

            town.do(go)
        while town.run_worker():
            pass
        yield town


@pytest.fixture(scope="module")
def chromium(lamps: Town) -> Iterator[Any]:
    """The browser, after the town: see the fixture of this name that others use."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def phone(lamps: Town, chromium: Any) -> Iterator[Typist]:
    typist = Typist(chromium, lamps)
    typist.go("/search")
    yield typist
    typist.context.close()


def test_by_keys_and_by_touch(phone: Typist) -> None:
    phone.box.press_sequentially("lu")
    offered = phone.suggested()
    assert set(offered) == {"路灯", "路口"}
    assert phone.box.get_attribute("aria-expanded") == "true"
    phone.press("ArrowDown")
    assert phone.active() == offered[0]
    phone.press("ArrowDown", "ArrowDown")
    assert phone.active() == "", "behind the last one is the box itself"
    phone.press("ArrowUp")
    assert phone.active() == offered[1]
    phone.press("Escape")
    assert phone.options.count() == 0
    assert phone.box.input_value() == "lu"
    phone.press("ArrowDown", "ArrowDown")
    with phone.page.expect_navigation():
        phone.press("Enter")
    assert parse_qs(urlsplit(phone.page.url).query) == {"q": [offered[0]]}

    phone.go("/search")
    phone.box.press_sequentially("路")
    phone.suggested()
    assert all(phone.options.nth(n).bounding_box()["height"] >= 44 for n in range(2))
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360
    with phone.page.expect_navigation():
        phone.options.filter(has_text="路口").tap()
    assert phone.page.locator("mark").first.inner_text() == "路口"


def test_what_an_input_method_has_not_put_down_is_not_sent(phone: Typist) -> None:
    phone.compose("l", "lu", "lu d", "lu deng")
    phone.press("ArrowDown")
    phone.quiet()
    assert phone.asked == []
    phone.put_down("路")
    assert set(phone.suggested()) == {"路灯", "路口"}
    assert phone.asked == ["路"]


def test_nothing_is_sent_before_there_is_something_to_ask(phone: Typist) -> None:
    phone.press("ArrowDown")
    phone.box.press_sequentially("  ")
    phone.quiet()
    assert phone.asked == []
    with phone.answered():
        phone.at_a_stroke("路灯不亮")
    phone.quiet()
    assert phone.asked == ["路灯不亮"], "one question for what was typed in one go"
    phone.context.set_offline(True)
    phone.press("Backspace")
    phone.quiet()
    phone.context.set_offline(False)
    phone.server_is_busy = True
    with phone.answered():
        phone.press("Backspace")
    phone.quiet()
    phone.press("Backspace", "Backspace")
    phone.quiet()
    assert phone.asked == ["路灯不亮", "路灯"], "offline nothing is asked, and a busy server is left alone for a while"
    assert phone.options.count() == 0
    assert phone.box.get_attribute("aria-expanded") == "false"


def test_the_desk_suggests_what_its_actor_may_see(lamps: Town, chromium: Any) -> None:
    clerk = Typist(chromium, lamps, "clerk", 1280)
    clerk.go("/desk/search")
    clerk.box.press_sequentially("jis")
    assert clerk.suggested() == ["积水"]
    with clerk.page.expect_navigation():
        clerk.press("ArrowDown", "Enter")
    assert clerk.page.locator("mark").first.inner_text() == "积水"
    clerk.context.close()
