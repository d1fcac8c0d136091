"""Public pages kept as bytes: the same for everybody, of nobody in particular, gone with the next change."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from tests.core.test_pages_public import published
from tests.core.tiny_city import PAGES, Browser, TinyCity, add_unit
from tests.databases import ONE_DATABASE
from tortoise.transactions import in_transaction

from yetan.db.commits import after_commit
from yetan.events.wakeup import beside, wake_workers
from yetan.plugins.declarations import Page
from yetan.testing import Town
from yetan.units.models import Unit
from yetan.web import caching
from yetan.web.caching import Asked, KeptPage, PageCache
from yetan.web.display import Display
from yetan.web.request import Request, set_cookie

LENGTH = 2000


class Counted:
    """A page that says how often it was drawn."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, request: Request) -> Response:
        self.times += 1
        return HTMLResponse(f"第{self.times}次 {request.display.locale} " + "灯" * LENGTH)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def city(database_url: str, tmp_path: Path, counted: Counted) -> TinyCity:
    city = TinyCity(database_url, tmp_path)
    city.pages = (*city.pages, Page("/counted", counted, "counted", public=True))
    return city


@pytest.fixture
def browser(city: TinyCity) -> Iterator[Browser]:
    with city.client() as browser:
        yield browser


@ONE_DATABASE
def test_the_second_who_asks_is_given_the_same_bytes(browser: Browser, counted: Counted) -> None:
    first, second = browser.get("/counted"), browser.get("/counted")
    assert (first.content, first.headers["etag"]) == (second.content, second.headers["etag"])
    assert counted.times == 1
    assert first.headers["cache-control"] == second.headers["cache-control"] == "no-cache"
    assert second.headers["x-content-type-options"] == "nosniff"
    assert {each.strip() for each in second.headers["vary"].split(",")} == {"Cookie", "Accept-Encoding"}


@ONE_DATABASE
def test_who_has_the_page_is_told_so_in_few_bytes(browser: Browser) -> None:
    plain = browser.get("/counted", headers={"Accept-Encoding": "identity"})
    packed = browser.get("/counted", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 10
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    for known in (plain.headers["etag"], f'"other", W/{plain.headers["etag"]}', "*"):
        answer = browser.get("/counted", headers={"Accept-Encoding": "identity", "If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", plain.headers["etag"])
        assert answer.headers["cache-control"] == "no-cache"
    other = browser.get("/counted", headers={"Accept-Encoding": "identity", "If-None-Match": packed.headers["etag"]})
    assert other.status_code == 200
    refused = browser.get("/counted", headers={"Accept-Encoding": "gzip;q=0, *;q=1"})
    assert "content-encoding" not in refused.headers


@ONE_DATABASE
def test_a_head_has_the_headers_of_the_page(browser: Browser, counted: Counted) -> None:
    for _ in range(2):
        head = browser.head("/counted", headers={"Accept-Encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
    page = browser.get("/counted", headers={"Accept-Encoding": "identity"})
    assert head.headers["content-length"] == str(len(page.content))
    assert head.headers["etag"] == page.headers["etag"]
    assert counted.times == 1
    assert browser.options("/counted").status_code == 405


@ONE_DATABASE
def test_each_address_and_display_has_its_own_page(browser: Browser, counted: Counted) -> None:
    browser.get("/counted")
    browser.get("/counted?a=1")
    browser.get("/counted", headers={"Host": "testserver:8000"})
    assert counted.times == 3
    for display in ("elder=1", "locale=en", "light=night", "size=large"):
        for _ in range(2):
            page = browser.get("/counted", headers={"Cookie": f"yetan-display={display}; other=1"})
        assert ("en" in page.text.split()) is (display == "locale=en")
    assert counted.times == 7
    browser.get("/counted", headers={"Cookie": "yetan-display=nonsense"})
    assert counted.times == 7


@ONE_DATABASE
def test_a_page_is_never_older_than_two_seconds_by_either_clock(
    city: TinyCity, browser: Browser, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.get("/counted")
    city.clock.forward(seconds=1.9)
    browser.get("/counted")
    assert counted.times == 1
    city.clock.forward(seconds=0.1)
    browser.get("/counted")
    assert counted.times == 2
    elapsed = 0.0
    began = time.monotonic()
    monkeypatch.setattr(caching.time, "monotonic", lambda: began + elapsed)
    browser.app.state.cache.drop()  # type: ignore[attr-defined]
    browser.get("/counted")
    elapsed = 1.9
    browser.get("/counted")
    assert counted.times == 3
    elapsed = 2.0
    browser.get("/counted")
    assert counted.times == 4


# What is not kept


async def with_key(request: Request) -> Response:
    return HTMLResponse(request.new_key())


async def with_cookie(request: Request) -> Response:
    response = PlainTextResponse("x")
    set_cookie(response, "seen", "1")
    return response


async def nosy(request: Request) -> Response:
    seen = [request.cookies.get("yetan-session"), request.client, request.headers.get("x-secret"), await request.body()]
    return PlainTextResponse(repr(seen))


@pytest.mark.parametrize("more", [{}, {"personal": True}, {"sensitive": True}, {"kept": False}])
@ONE_DATABASE
def test_what_is_personal_sensitive_or_declared_so_is_drawn_for_each(
    city: TinyCity, counted: Counted, more: dict[str, bool]
) -> None:
    city.pages = (*PAGES, Page("/counted", counted, "counted", public=True, **more))  # type: ignore[arg-type]
    with city.client() as browser:
        assert [browser.get("/counted").status_code for _ in range(3)] == [200] * 3
    assert counted.times == (3 if more else 1)


@ONE_DATABASE
def test_a_form_s_key_is_given_to_one_browser_alone(city: TinyCity) -> None:
    city.pages = (*city.pages, Page("/form", with_key, "form", public=True))
    with city.client() as browser:
        first, second = browser.get("/form"), browser.get("/form")
    assert first.text != second.text
    assert first.headers["cache-control"] == second.headers["cache-control"] == "no-store"
    assert "etag" not in second.headers


@ONE_DATABASE
def test_a_public_page_cannot_set_a_cookie(city: TinyCity) -> None:
    city.pages = (*city.pages, Page("/cookie", with_cookie, "cookie", public=True))
    with city.client() as browser:
        for _ in range(2):
            answer = browser.get("/cookie")
            assert (answer.status_code, "set-cookie" in answer.headers) == (500, False)


@ONE_DATABASE
def test_a_kept_page_sees_nothing_of_who_asks(city: TinyCity) -> None:
    city.pages = (*city.pages, Page("/nosy", nosy, "nosy", public=True))
    with city.client() as browser:
        browser.carry("somebody's session")
        answer = browser.request("GET", "/nosy", headers={"X-Secret": "1"}, content=b"mine")
    assert answer.text == "[None, None, None, b'']"


@ONE_DATABASE
def test_what_is_not_found_or_fails_is_not_kept(browser: Browser) -> None:
    for path, status in (("/nowhere", 404), ("/fail", 500)):
        for _ in range(2):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
            assert "etag" not in answer.headers


@ONE_DATABASE
def test_every_public_page_of_the_city_is_the_same_for_everybody(town: Town) -> None:
    """By introspection of all pages: drawn anew for each of three, one of them signed in with everything odd."""
    issue = published(town)
    town.run_worker()
    parameters = {"number": issue.number, "code": "village", "id": "1", "name": "x"}
    cache: PageCache = town.app.state.cache
    strangest = {
        "Cookie": f"yetan-session={'x' * 40}; follow=1; yetan-follow=2",
        "Accept-Language": "en",
        "User-Agent": "curl",
        "X-Forwarded-For": "10.1.2.3",
        "Referer": "http://testserver/desk",
        "Authorization": "Basic eDp5",
    }
    tried = 0
    for page in town.app.state.templating.registry.pages:
        if not page.is_kept:
            continue
        path = page.path
        for name, value in parameters.items():
            for written in (f"{{{name}}}", f"{{{name}:int}}", f"{{{name}:path}}"):
                path = path.replace(written, value)
        drawn = []
        for browser, headers in ((town.browser(), {}), (town.browser(), strangest), (town.browser("clerk"), strangest)):
            cache.drop()
            answer = browser.get(path, headers=headers)
            assert "set-cookie" not in answer.headers, page.name
            assert "_token" not in answer.text, page.name
            assert "_key" not in answer.text, page.name
            drawn.append(answer.content)
        assert drawn[0] == drawn[1] == drawn[2], page.name
        tried += answer.status_code == 200
    assert tried >= 8


# Dropping


def test_a_committed_change_is_seen_at_once(city: TinyCity, browser: Browser, counted: Counted) -> None:
    told: list[str] = []

    async def change(fails: bool) -> None:
        with beside(lambda: told.append("committed")):
            async with in_transaction():
                await wake_workers()
                told.append("inside")
                if fails:
                    raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - our own
        browser.do(lambda: change(True))
    assert told == ["inside"]
    browser.get("/counted")
    seen = counted.times
    browser.do(lambda: change(False))
    assert told == ["inside", "inside", "committed"]
    browser.get("/counted")
    assert counted.times == seen + 1


def test_what_waits_for_the_commit_is_done_once_and_after_it(browser: Browser) -> None:
    seen: list[str] = []

    async def look() -> list[str]:
        called = lambda: seen.append("committed")  # noqa: E731 - compared by identity
        async with in_transaction():
            await add_unit("A")
            async with in_transaction():
                after_commit(called)
                after_commit(called)
            seen.append("inside")
        seen.append(f"{await Unit.all().count()} unit")
        after_commit(called)
        return seen

    assert browser.do(look) == ["inside", "committed", "1 unit", "committed"]


@ONE_DATABASE
def test_a_page_drawn_from_before_a_change_is_answered_but_not_kept(browser: Browser) -> None:
    cache: PageCache = browser.app.state.cache  # type: ignore[attr-defined]

    async def go() -> None:
        asked = Asked(("/x", b"", b"", Display()), only_head=False, gzip=False, known=b"")

        async def drawn_meanwhile() -> Response:
            cache.drop()
            return HTMLResponse("old", headers={"Cache-Control": "no-cache"})

        page = await cache.shared(asked, drawn_meanwhile)
        assert isinstance(page, KeptPage)
        assert page.body == b"old"
        assert cache.find(asked.key) is None

    browser.do(go)


@ONE_DATABASE
def test_those_who_ask_at_the_same_moment_have_it_drawn_once(browser: Browser) -> None:
    """Nobody who asks after a change is given what was begun before it; a page that is not kept is each one's own."""
    cache: PageCache = browser.app.state.cache  # type: ignore[attr-defined]
    drawn: list[int] = []

    async def go() -> None:
        asked = Asked(("/x", b"", b"", Display()), only_head=False, gzip=False, known=b"")
        gate = asyncio.Event()

        async def draw(caching: str = "no-cache", fails: bool = False) -> Response:
            drawn.append(len(drawn))
            await gate.wait()
            if fails:
                raise ValueError("no")
            return HTMLResponse(str(drawn[-1]), headers={"Cache-Control": caching})

        async def together(count: int, *given: object) -> list[object]:
            gate.clear()
            tasks = [asyncio.create_task(cache.shared(asked, lambda: draw(*given))) for _ in range(count)]  # type: ignore[arg-type]
            await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_soon(gate.set)
            return await asyncio.gather(*tasks, return_exceptions=True)

        pages = await together(20)
        assert len(drawn) == 1
        assert len({id(page) for page in pages}) == 1
        await together(3, "no-store")
        assert len(drawn) == 4
        failures = await together(3, "no-cache", True)
        assert [type(each) for each in failures] == [ValueError] * 3
        assert len(drawn) == 7

        gate.clear()
        before = asyncio.create_task(cache.shared(asked, draw))
        await asyncio.sleep(0.01)
        cache.drop()
        after = asyncio.create_task(cache.shared(asked, draw))
        await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(before, after)
        assert len(drawn) == 9

    browser.do(go)


@ONE_DATABASE
def test_kept_pages_take_no_more_room_than_they_may(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MAXIMUM_BYTES", 100_000)
    cache: PageCache = browser.app.state.cache  # type: ignore[attr-defined]
    for number in range(100):
        browser.get(f"/counted?n={number}")
        assert cache._bytes == sum(page.size for page in cache._pages.values()) <= 100_000
    assert 5 < len(cache._pages) < 20
    assert any(query == b"n=99" for _, query, _, _ in cache._pages)
    monkeypatch.setattr(caching, "MAXIMUM_PAGE", 100)
    browser.get("/counted?large=1")
    assert not any(query == b"large=1" for _, query, _, _ in cache._pages)


WITHDRAW = """
import asyncio, sys
from pathlib import Path
from yetan.act import SYSTEM, Act
from yetan.app import running
from yetan.publication.service import withdraw
from yetan.testing import Town

async def go():
    town = Town(sys.argv[1], Path(sys.argv[2]))
    async with running(town.configuration, town.clock):
        await withdraw(Act(SYSTEM, town.clock()), int(sys.argv[3]), "写了别人的名字")

asyncio.run(go())
"""


def test_what_another_process_withdraws_is_gone_here(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """C50, by what the other process tells: the age that would end these pages is far away."""
    monkeypatch.setattr(caching, "_AGE", 3600.0)
    issue = published(town, title="会撤下的路灯")
    browser = town.browser()
    places = ("/", "/issues", "/units/village", "/api/v1/issues", f"/issues/{issue.number}", "/search?q=会撤下的路灯")
    for path in places:
        for _ in range(2):
            assert "会撤下的路灯" in browser.get(path).text, path
    script = [sys.executable, "-c", WITHDRAW, town.database_url, str(town.folder), str(issue.id)]
    subprocess.run(script, check=True, timeout=60)
    end = time.monotonic() + 30
    while left := [
        path for path in places[:5] if issue.number in browser.get(path).text and browser.get(path).is_success
    ]:
        assert time.monotonic() < end, left
        time.sleep(0.05)
    assert browser.get(f"/issues/{issue.number}").status_code == 404
    assert "会撤下的路灯</" not in browser.get("/search?q=会撤下的路灯").text
