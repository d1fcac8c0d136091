"""Nothing reaches a page that was not let through: origin, token, permission, scope, size, duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from tests.core.tiny_city import HOST, PAGES, SAME_ORIGIN, Browser, TinyCity, add_account, add_unit, say
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.plugins.checks import check_pages
from yetan.plugins.declarations import Page
from yetan.web.endpoint import is_served
from yetan.web.origin import is_same_origin, local_path, referring_path

UNSAFE = [(page.path, page.name) for page in PAGES if "POST" in page.methods]


@pytest.fixture
def city(database_url: str, tmp_path: Path) -> TinyCity:
    return TinyCity(database_url, tmp_path)


@pytest.fixture
def browser(city: TinyCity) -> Iterator[Browser]:
    with city.client() as browser:
        yield browser


def test_a_page_without_permission_is_refused_at_start(city: TinyCity) -> None:
    """C44"""
    city.pages = (Page("/bare", say, "bare"),)
    assert list(check_pages(city.registry)) == ["page 'bare' (/bare) must either name a permission or be public=True"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, False),
        ({"origin": "http://testserver"}, True),
        ({"origin": "https://testserver"}, True),  # a proxy ends TLS before us
        ({"origin": "http://TESTSERVER"}, True),
        ({"origin": "http://testserver:8080"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://testserver.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://[evil"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://testserver"}, False),
        ({"referer": "http://testserver/raise?x=1"}, True),
        ({"referer": "http://evil.example/http://testserver/"}, False),
        ({"referer": "/raise"}, False),
        ({"origin": "null", "referer": "http://testserver/raise"}, False),
    ],
)
def test_only_this_site_s_own_pages_send_forms(headers: dict[str, str], allowed: bool) -> None:
    """C15"""
    assert is_same_origin(Headers({"host": HOST, **headers})) is allowed


@pytest.mark.parametrize(("path", "name"), UNSAFE)
def test_every_unsafe_page_refuses_another_site(browser: Browser, path: str, name: str) -> None:
    answer = browser.post(path.replace("{id:int}", "1"), data={"word": "灯"}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "不是从本站页面发出的" in answer.text
    assert browser.audited() == [("anonymous", name, "Unit:1" if "unit" in name else "", "refused 403", "testclient")]


@pytest.mark.parametrize(
    "path",
    [
        "//e",
        "///e",
        "/\\e",
        "\\\\e",
        "https:e",
        "https://e",
        "%2f%2fe",
        "/%2f/e",
        "/%2F%2Fe",
        "/%5ce",
        "/%255ce",
        "/%252f%252fe",
        "/\te",
        "/\n/e",
        "/%09/e",
        "/%0d%0aSet-Cookie:x",
        "",
        " /e",
        "e",
        "?next=/",
        "javascript:alert(1)",
        "/a\x00b",
        "//e?/ok",
    ],
)
def test_next_leads_nowhere_else(path: str) -> None:
    """C19"""
    assert local_path(path, "/home") == "/home"


@pytest.mark.parametrize(
    "path", ["/", "/issues", "/issues/12?page=2&q=%E8%B7%AF%E7%81%AF", "/搜索?q=灯", "/search?back=//e", "/a%20b"]
)
def test_next_leads_within_the_site(path: str) -> None:
    assert local_path(path) == path


def test_the_way_back_is_only_of_this_site() -> None:
    assert referring_path(Headers({"host": HOST, "referer": f"http://{HOST}/issues?page=2"})) == "/issues?page=2"
    assert referring_path(Headers({"host": HOST, "referer": "http://evil.example/issues"})) == ""
    assert referring_path(Headers({"host": HOST, "referer": f"http://{HOST}//evil.example"})) == ""


def test_whoever_is_not_signed_in_is_sent_to_sign_in(browser: Browser) -> None:
    answer = browser.get("/desk/units/1?tab=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fdesk%2Funits%2F1%3Ftab%3D2"
    assert answer.headers["cache-control"] == "no-store"
    posted = browser.submit("/desk/send", {"word": "灯"}, headers={"Referer": f"http://{HOST}/desk?queue=mine"})
    assert posted.headers["location"] == "/sign-in?next=%2Fdesk%3Fqueue%3Dmine"
    assert browser.get("/desk?q=" + "x" * 3000).headers["location"] == "/sign-in"
    assert browser.get("/api/v1/mine").json()["error"]["code"] == "unauthorized"


@BOTH_DATABASES
def test_scope_of_a_row(browser: Browser) -> None:
    """C45: visible or not found; visible but beyond the post's units: refused; within: served."""

    async def units() -> tuple[int, int, int, int]:
        town = await add_unit("T")
        village = await add_unit("V", town)
        other, hidden = await add_unit("O"), await add_unit("X", town)
        await add_account("lin", "village_official", town)
        return town.id, village.id, other.id, hidden.id

    town, village, other, hidden = browser.do(units)
    browser.sign_in()
    assert browser.get(f"/desk/units/{town}").text.startswith("T村 account:")
    assert browser.get(f"/desk/units/{village}").status_code == 200
    assert browser.get(f"/desk/units/{other}").status_code == 403
    assert browser.get(f"/desk/units/{hidden}").status_code == 404
    assert browser.get("/desk/units/999999").status_code == 404
    assert browser.get("/desk/units/" + "9" * 400).status_code == 404
    token = browser.token()
    assert browser.submit(f"/desk/units/{town}", {"word": "灯", "_token": token}).status_code == 403


def test_a_page_about_nothing_in_particular_asks_for_its_permission_anywhere(browser: Browser) -> None:
    async def accounts() -> None:
        unit = await add_unit("T")
        await add_account("lin", "village_official", unit)
        await add_account("chen", "township_clerk", unit)

    browser.do(accounts)
    assert browser.get("/desk/mend").status_code == 303
    browser.sign_in("lin")
    assert browser.get("/desk/mend").status_code == 403
    browser.cookies.clear()
    browser.sign_in("chen")
    assert browser.get("/desk/mend").status_code == 200


@BOTH_DATABASES
def test_a_post_that_ended_grants_nothing(city: TinyCity, browser: Browser) -> None:
    async def setting() -> int:
        unit = await add_unit("T")
        account = await add_account("lin", "village_official", unit)
        await account.fetch_related("posts")
        post = account.posts[0]
        post.until = post.since.replace(month=5, day=6)
        await post.save()
        return unit.id

    unit = browser.do(setting)
    browser.sign_in()
    assert browser.get(f"/desk/units/{unit}").status_code == 200
    city.clock.now = city.clock.now.replace(hour=15, minute=59)  # 23:59 in the city, still the last day
    browser.sign_in()
    assert browser.get(f"/desk/units/{unit}").status_code == 200
    city.clock.forward(minutes=2)
    assert browser.get(f"/desk/units/{unit}").status_code == 403


def test_a_signed_in_form_needs_its_session_s_token(browser: Browser) -> None:
    """C15"""
    browser.do(add_account)
    browser.sign_in()
    token = browser.token()
    assert len(token) == 64
    assert browser.submit("/desk/send", {"word": "灯"}).status_code == 403
    assert browser.submit("/desk/send", {"word": "灯", "_token": "x" * 64}).status_code == 403
    assert browser.submit("/desk/send", {"word": "灯", "_token": [token, token]}).status_code == 400
    sent = browser.submit("/desk/send", {"word": "灯", "_token": token, "_key": "k" * 20})
    assert (sent.status_code, sent.text) == (200, f"灯|0|{'k' * 20}")
    assert browser.sign_in(_token=token).status_code == 303
    assert browser.submit("/desk/send", {"word": "灯", "_token": token}).status_code == 403, (
        "an earlier session's token"
    )


def test_every_unsafe_request_is_recorded_without_its_words(browser: Browser) -> None:
    account = browser.do(add_account)
    browser.sign_in(password="又错了又错了")
    browser.sign_in()
    browser.submit("/desk/send", {"word": "灯", "_token": browser.token()})
    browser.submit("/desk/send", {"word": "灯"})
    browser.submit("/fail")
    assert browser.audited() == [
        ("anonymous", "sign_in.submit", "", "refused 422", "testclient"),
        (f"account:{account.id}", "sign_in.submit", "", "done", "testclient"),
        (f"account:{account.id}", "desk.send", "", "done", "testclient"),
        (f"account:{account.id}", "desk.send", "", "refused 403", "testclient"),
        ("anonymous", "fail.submit", "", "failed", "testclient"),
    ]


def test_a_body_is_cut_off_at_the_limit(browser: Browser) -> None:
    """C22"""
    answer = browser.submit("/send", {"word": "灯" * 5000})
    assert answer.status_code == 413
    assert "最多 4 KB" in answer.text
    form = {**SAME_ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/send", content=b"word=1", headers={**form, "Content-Length": "x"}).status_code == 400


def test_an_endless_body_is_not_read_on(browser: Browser) -> None:
    """C22: it comes in pieces and does not say how long it is."""
    headers = {**SAME_ORIGIN, "Content-Type": "application/x-www-form-urlencoded", "Host": HOST}
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/send",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("10.0.0.7", 50000),
    }
    pulled, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal pulled
        pulled += 1
        assert pulled < 100
        return {"type": "http.request", "body": b"x" * 1024, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    browser.do(lambda: browser.app(scope, receive, send))
    assert sent[0]["status"] == 413
    assert pulled == 5


def test_values_are_only_what_is_declared(browser: Browser) -> None:
    """C48, C49"""
    assert browser.submit("/send", {"word": "灯", "id": "7", "state": "closed"}).text == "灯|0|"
    assert browser.submit("/send", {"word": ["灯", "光"]}).status_code == 400
    assert browser.get("/search?word=a&word=b").status_code == 400
    assert browser.get("/search?word=a").text == "a|0|"
    photo = ("photos", ("a.jpg", b"x", "image/jpeg"))
    assert browser.submit("/send", {"word": "灯"}, files=[photo, photo]).text == "灯|2|"
    assert (
        browser.submit("/send", {"word": "灯"}, files=[("photos", ("", b"", "application/octet-stream"))]).text
        == "灯|0|"
    )
    assert browser.submit("/send", files=[("word", ("a.txt", b"x", "text/plain"))]).status_code == 400
    assert browser.submit("/send", {"word": "灯", "photos": "a.jpg"}).status_code == 400


@pytest.mark.parametrize("key", ["short", "k" * 65, "k" * 20 + "'", "灯" * 20])
def test_a_key_no_page_drew_is_refused(browser: Browser, key: str) -> None:
    assert browser.submit("/send", {"word": "灯", "_key": key}).status_code == 400


def test_too_many_fields_or_a_strange_encoding_are_refused(browser: Browser) -> None:
    """F31"""
    assert browser.submit("/send", {f"f{number}": "1" for number in range(301)}).status_code == 400
    headers = {"Content-Type": "multipart/form-data; boundary=b; charset=punycode"}
    assert browser.post("/send", content=b"--b--", headers={**SAME_ORIGIN, **headers}).status_code == 400
    broken = {**SAME_ORIGIN, "Content-Type": "multipart/form-data"}
    assert browser.post("/send", content=b"--b--", headers=broken).status_code == 400


def test_the_sites_serve_what_their_readers_need(city: TinyCity) -> None:
    served = {site: {page.name for page in city.pages if is_served(page, site)} for site in ("public", "desk")}  # type: ignore[arg-type]
    assert {"board", "search", "send"} <= served["public"]
    assert not {"desk.unit", "desk.unit.mend"} & served["public"]
    assert {"desk.unit", "desk", "desk.send"} <= served["desk"]
    assert not {"board", "search", "send"} & served["desk"]
    assert {"sign_in", "sign_in_link.use", "sign_out", "display", "healthz"} <= served["public"] & served["desk"]


def test_caching_by_class_of_page(browser: Browser) -> None:
    """C21"""
    public = browser.get("/")
    assert public.headers["cache-control"] == "no-cache"
    assert "set-cookie" not in public.headers
    assert browser.get("/follow").headers["cache-control"] == "no-store"
    assert browser.submit("/send", {"word": "灯"}).headers["cache-control"] == "no-store"
    browser.do(add_account)
    browser.sign_in()
    assert browser.get("/desk").headers["cache-control"] == "no-store"
    assert browser.get("/nowhere").headers["cache-control"] == "no-store"
    assert browser.get("/").text.count("lin某") == 0, "a public page does not know who reads it"


def test_a_public_page_that_sets_a_cookie_is_a_fault(city: TinyCity) -> None:
    from yetan.web.request import Request, set_cookie

    async def bake(request: Request):  # type: ignore[no-untyped-def]
        response = await say(request)
        set_cookie(response, "x", "y")
        return response

    city.pages = (*city.pages, Page("/bake", bake, "bake", public=True))
    with city.client() as browser:
        answer = browser.get("/bake")
        assert answer.status_code == 500
        assert "set-cookie" not in answer.headers
