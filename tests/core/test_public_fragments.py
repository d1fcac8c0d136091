"""Public pages made of kept parts say what they would say if all of them were drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from markupsafe import Markup
from tests.core.test_pages_public import accept, feed_back, published, resolve
from tests.databases import ONE_DATABASE

from yetan.publication.service import approve, withdraw
from yetan.testing import Browser, Town
from yetan.units.service import rename
from yetan.web.fragments import Fragments
from yetan.web.request import Request
from yetan.web.templating import Templating

DISPLAYS = ("", "elder=1&size=large", "locale=en&light=night")


def paths_of(town: Town, *numbers: str) -> list[str]:
    """Every public page whose answer may be kept, with a list of each kind and the pages of the issues `numbers`."""
    pages = [page for page in town.app.state.templating.registry.pages if page.is_kept]
    plain = [page.path for page in pages if "{" not in page.path]
    narrowed = [
        "/issues?state=late",
        "/issues?unit=village&year=2026",
        "/issues?year=x",
        "/units/village",
        "/units/city",
    ]
    return [*plain, *narrowed, *(f"/issues/{number}" for number in numbers)]


def seen(browser: Browser, town: Town, paths: list[str], displays: Sequence[str]) -> dict[tuple[str, str], bytes]:
    """What `paths` show in each display, none of them from the kept pages."""
    found = {}
    for display in displays:
        for path in paths:
            town.app.state.cache.drop()
            found[display, path] = browser.get(path, headers={"Cookie": f"yetan-display={display}"}).content
    return found


@ONE_DATABASE
def test_what_is_kept_of_a_page_never_outlives_what_it_says(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to issues, units and the day: with kept parts and without, all public pages are the same."""
    browser, first, second = town.browser(), published(town), published(town, title="井盖松动", kind="suggestion")
    town.run_worker()
    paths = paths_of(town, first.number, second.number)

    def correct() -> None:
        async def go() -> None:
            await approve(await town.act("publisher"), second.id, {**FACE, "title": "井盖换了"})

        town.do(go)

    def renamed() -> None:
        async def go() -> None:
            await rename(await town.act("administrator"), town.units["village"], {"name": "新溪尾村", "short_name": ""})

        town.do(go)

    def withdrawn() -> None:
        async def go() -> None:
            await withdraw(await town.act("publisher"), first.id, "写了别人的名字")

        town.do(go)

    def refused() -> None:
        feed_back(town, first)
        accept(town, first, False)

    happenings: list[Callable[[], Any]] = [
        lambda: None,
        lambda: resolve(town, first),
        correct,
        renamed,
        lambda: town.clock.forward(days=12),
        refused,
        lambda: town.clock.forward(days=300),
        withdrawn,
    ]
    before: dict[tuple[str, str], bytes] = {}
    for number, happening in enumerate(happenings):
        happening()
        town.run_worker()
        displays = DISPLAYS if number in (0, len(happenings) - 1) else DISPLAYS[:1]
        if number == 0:
            seen(browser, town, paths, displays)
        kept = seen(browser, town, paths, displays)
        with monkeypatch.context() as without:
            without.setattr(Fragments, "find", lambda self, key: None)
            drawn = seen(browser, town, paths, displays)
        assert [where for where in drawn if drawn[where] != kept[where]] == []
        assert drawn != before
        before = drawn


FACE = {"title": "井盖松动", "text": "井盖松动了", "place": "老桥", "measures": "", "outcome": ""}


@ONE_DATABASE
def test_a_page_is_drawn_once_for_what_it_says(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses that show the same, and a commit that changes nothing of it, have nothing drawn anew."""
    issue = published(town)
    town.run_worker()
    drawn: list[str] = []
    render = Templating.render

    def noted(self: Templating, name: str, request: Request, context: Mapping[str, Any]) -> str:
        drawn.append(name)
        return render(self, name, request, context)

    monkeypatch.setattr(Templating, "render", noted)
    browser = town.browser()
    for path in ("/", "/issues", "/units", "/units/village", "/figures", f"/issues/{issue.number}"):
        pages = []
        for more in ("", "?other=1"):
            town.app.state.cache.drop()
            pages.append(browser.get(path + more).content)
        assert pages[0] == pages[1]
    assert len(drawn) == len(set(drawn)) == 6


def test_kept_parts_take_no_more_room_than_they_may() -> None:
    """What is used goes on being kept, what is not used goes."""
    kept = Fragments(room=100)
    for number in range(1000):
        kept.keep(number, Markup("x" * 10))
        kept.keep("used", kept.find("used") or Markup("often"))
        assert sum(map(len, (*kept._lately.values(), *kept._before.values()))) <= 200
    assert kept.find("used") == "often"
    assert kept.find(999) is not None
    assert kept.find(900) is None
