"""What a person sees instead of a page, and the headers every answer carries."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from starlette.responses import Response
from tests.core.tiny_city import HOST, PASSWORD, Browser, TinyCity, add_account
from tortoise.exceptions import DBConnectionError, OperationalError

from yetan.config import Server
from yetan.db.failures import database_is_away
from yetan.errors import Conflict, TooMany
from yetan.plugins.declarations import Page
from yetan.web import errors
from yetan.web.request import Request
from yetan.web.templating import Templating

SECURE = Server(base_url=f"https://{HOST}")
EVERYWHERE = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "manifest-src 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture
def database_kind() -> str:
    """One database is enough here: nothing below depends on which."""
    return "sqlite"


@pytest.fixture
def city(database_url: str, tmp_path: Path) -> TinyCity:
    return TinyCity(database_url, tmp_path)


@pytest.fixture
def browser(city: TinyCity) -> Iterator[Browser]:
    with city.client() as browser:
        yield browser


def test_every_answer_carries_the_security_headers(city: TinyCity) -> None:
    """C13, C14"""
    city.server = SECURE
    with city.client() as browser:
        stylesheet = browser.get("/").text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        answers = {
            200: browser.get("/"),
            206: browser.get(stylesheet),
            207: browser.head("/"),
            303: browser.get("/desk"),
            400: browser.get("/", headers={"Host": "evil.example"}),
            403: browser.post("/send", data={"word": "x"}),
            404: browser.get("/nowhere"),
            405: browser.get("/send"),
            413: browser.submit("/send", {"word": "x" * 5000}, headers={"Origin": f"https://{HOST}"}),
            414: browser.get("/search?word=" + "x" * 9000),
            500: browser.get("/fail"),
        }
    for status, answer in answers.items():
        assert answer.status_code == {206: 200, 207: 200}.get(status, status)
        for name, value in {**EVERYWHERE, "strict-transport-security": "max-age=31536000"}.items():
            assert answer.headers.get(name) == value, (status, name)


def test_plain_http_promises_no_https(browser: Browser) -> None:
    assert "strict-transport-security" not in browser.get("/").headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("testserver", 200),
        ("TestServer:8000", 200),
        ("board.liuwan.example", 200),
        ("evil.example", 400),
        ("testserver.evil.example", 400),
        ("testserver@evil.example", 400),
        ("evil.example/testserver", 400),
        ("localhost", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
def test_only_known_hosts_are_answered(city: TinyCity, host: str, status: int) -> None:
    """C18"""
    city.server = replace(city.server, allowed_hosts=("board.liuwan.example",))
    with city.client() as browser:
        answer = browser.get("/", headers={"Host": host})
        assert answer.status_code == status
        assert "evil" not in answer.text


def test_a_site_at_home_is_reached_by_any_local_name(city: TinyCity) -> None:
    city.server = Server()
    with city.client() as browser:
        for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
            assert browser.get("/", headers={"Host": host}).status_code == 200
        assert browser.get("/").status_code == 400


@pytest.mark.parametrize(
    ("proxies", "forwarded", "source"),
    [
        ((), "203.0.113.9", "10.0.0.7"),
        (("10.0.0.0/24",), "203.0.113.9", "203.0.113.9"),
        (("10.0.0.7",), "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (("10.0.0.0/24",), "198.51.100.1, 203.0.113.9, 10.0.0.8", "203.0.113.9"),
        (("10.0.0.0/24",), "203.0.113.9, nonsense", "10.0.0.7"),
        (("10.0.0.9",), "203.0.113.9", "10.0.0.7"),
    ],
)
def test_forwarded_addresses_are_believed_from_our_proxies_alone(
    city: TinyCity, proxies: tuple[str, ...], forwarded: str, source: str
) -> None:
    """C68"""
    city.server = replace(city.server, trusted_proxies=proxies)
    with city.client(client=("10.0.0.7", 50000)) as browser:
        browser.submit("/send", {"word": "灯"}, headers={"X-Forwarded-For": forwarded})
        assert [row[4] for row in browser.audited()] == [source]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/search?word=%00", 400),
        ("/search?word=a%00b", 400),
        ("/sea%00rch", 400),
        ("/%0d%0aSet-Cookie:%20x", 400),
        ("/%ff%fe", 400),
        ("/%e2%80%ae", 400),
        ("/search?word=%2500", 200),
        ("/search?word=%F0%A0%AE%B7", 200),
        ("/search?word=" + "x" * 9_000, 414),
        ("/" + "x" * 9_000, 414),
    ],
    ids=lambda value: str(value)[:30],
)
def test_broken_addresses_are_refused(browser: Browser, path: str, status: int) -> None:
    """F31, F32"""
    assert browser.get(path).status_code == status


@pytest.mark.parametrize("part", ["path", "query_string"])
def test_a_megabyte_of_address_is_refused_unread(city: TinyCity, part: str) -> None:
    """F31; no client sends such a thing, so the application is asked directly."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", HOST.encode())],
        "client": ("10.0.0.7", 50000),
    }
    scope[part] = "/" + "x" * 1_000_000 if part == "path" else b"x" * 1_000_000
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    with city.client() as browser:
        browser.do(lambda: browser.app(scope, receive, send))
    assert sent[0]["status"] == 414


def test_refusals_speak_chinese_and_say_what_to_do(browser: Browser) -> None:
    missing = browser.get("/nowhere")
    assert missing.status_code == 404
    assert "没有找到" in missing.text
    assert "请核对编号或网址" in missing.text
    wrong = browser.get("/send")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert browser.get("/board/").status_code == 404, "no redirect to an address made from the Host header"


def test_what_is_not_there_is_drawn_once(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for it as often as they like."""
    missing = browser.get("/nowhere").text
    monkeypatch.setattr(Templating, "render", None)
    assert browser.get("/elsewhere?n=1").text == missing
    assert "没有找到" in missing


def test_services_refusals_become_pages(city: TinyCity) -> None:
    async def conflict(request: Request) -> Response:
        raise Conflict("刚才有人先办了，请刷新再看。")

    async def crowd(request: Request) -> Response:
        raise TooMany("尝试的次数太多了。", retry_after=90)

    city.pages = (
        *city.pages,
        Page("/conflict", conflict, "conflict", public=True),
        Page("/crowd", crowd, "crowd", public=True),
    )
    with city.client() as browser:
        answer = browser.get("/conflict")
        assert answer.status_code == 409
        assert "刚才有人先办了，请刷新再看。" in answer.text
        assert "没有办成" in answer.text
        many = browser.get("/crowd")
        assert (many.status_code, many.headers["retry-after"]) == (429, "90")


def test_a_fault_tells_a_reference_and_nothing_else(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """C81, C82"""
    answer = browser.get("/fail?phone=13900000000")
    assert answer.status_code == 500
    assert "12345" not in answer.text.replace("0598-12345", "")
    assert "Traceback" not in answer.text
    assert "RuntimeError" not in answer.text
    [logged] = [record for record in caplog.records if record.name == "yetan.web.errors"]
    reference = logged.getMessage().split()[1]
    assert reference in answer.text
    assert logged.getMessage() == f"error {reference} at /fail"
    assert "13900000000" not in caplog.text


def test_the_interface_for_programs_answers_json(browser: Browser) -> None:
    assert browser.get("/api/v1/nowhere").json() == {"error": {"code": "not_found", "message": "请核对编号或网址。"}}
    failed = browser.get("/api/v1/fail")
    assert failed.status_code == 500
    assert failed.json()["error"]["code"] == "internal_server_error"


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OperationalError(sqlite3.OperationalError("database is locked")), True),
        (OperationalError(sqlite3.OperationalError("database or disk is full")), True),
        (OperationalError(sqlite3.OperationalError("no such column: nonsense")), False),
        (DBConnectionError("Can't establish connection"), True),
        (ConnectionRefusedError(111, "refused"), True),
        (asyncpg.TooManyConnectionsError("too many clients"), True),
        (asyncpg.AdminShutdownError("terminating"), True),
        (asyncpg.CannotConnectNowError("starting up"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.UndefinedColumnError("no such column"), False),
        (RuntimeError("a fault"), False),
    ],
    ids=repr,
)
def test_a_database_that_is_away_is_no_fault_of_ours(city: TinyCity, error: Exception, away: bool) -> None:
    assert database_is_away(error) is away

    async def ask(request: Request) -> Response:
        raise error

    city.pages = (*city.pages, Page("/ask", ask, "ask", public=True))
    with city.client() as browser:
        answer = browser.get("/ask")
        assert answer.status_code == (500 if not away else 507 if "full" in str(error) else 503)
        assert answer.headers.get("retry-after") == ("5" if away else None)


def test_a_locked_database_is_told_as_such(city: TinyCity) -> None:
    """The real thing: another process holds the write lock for longer than we wait."""
    with city.client() as browser:
        browser.do(add_account)

        async def impatient() -> None:
            from yetan.db.statements import fetch

            await fetch("PRAGMA busy_timeout = 50")

        browser.do(impatient)
        other = sqlite3.connect(city.database_url.removeprefix("sqlite://"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            answer = browser.sign_in()
        finally:
            other.execute("ROLLBACK")
            other.close()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert PASSWORD not in answer.text
        assert browser.sign_in().status_code == 303


def test_a_broken_template_leaves_a_page_without_templates(city: TinyCity, caplog: pytest.LogCaptureFixture) -> None:
    """F28: a syntax error and an error while drawing, in the deployment's own base.html."""
    for broken in ("{% block %}", "{{ nonsense.of.this }}"):
        templates = city.folder / "templates"
        templates.mkdir(exist_ok=True)
        (templates / "base.html").write_text(broken, encoding="utf-8")
        with city.client() as browser:
            answer = browser.get("/")
        assert answer.status_code == 500
        assert "<h1>出错了</h1>" in answer.text
        assert "编号 " in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "the error page itself cannot be drawn" in caplog.text


def test_a_broken_page_without_templates_leaves_plain_text(city: TinyCity, monkeypatch: pytest.MonkeyPatch) -> None:
    """F29"""

    def broken(answer: object) -> str:
        raise RuntimeError("this too")

    monkeypatch.setattr(errors, "_page", lambda scope, answer: broken(answer))
    monkeypatch.setattr(errors, "fallback_page", broken)
    with city.client() as browser:
        answer = browser.get("/fail")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("出错了。")


def test_readiness(city: TinyCity, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    assert browser.get("/healthz").text == "ok"
    ready = browser.get("/readyz")
    assert ready.status_code == 200
    checks = {"database": True, "schema": True, "data_folder": True, "deliveries": True, "search_index": True}
    assert ready.json() == {"ready": True, "checks": checks}

    async def forget_migration() -> None:
        from yetan.db.statements import execute

        await execute("DELETE FROM tortoise_migrations")

    browser.do(forget_migration)
    (city.folder / "var").rename(city.folder / "moved")
    unready = browser.get("/readyz")
    assert unready.status_code == 503
    assert unready.json() == {"ready": False, "checks": {"database": True, "schema": False, "data_folder": False}}
    assert browser.get("/healthz").status_code == 200


def test_deliveries_that_are_late_or_dead_are_told_but_do_not_stop_the_site(city: TinyCity, browser: Browser) -> None:
    from yetan.events.models import Delivery, Event

    async def add(state: str) -> None:
        event = await Event.create(
            type="raised", subject_kind="issue", subject_id=1, at=city.clock(), actor="system", audience="staff"
        )
        await Delivery.create(
            event=event, subscriber="board", subject_kind="issue", subject_id=1, state=state, due_at=city.clock()
        )

    browser.do(lambda: add("pending"))
    assert browser.get("/readyz").json()["checks"]["deliveries"] is True
    city.clock.forward(minutes=6)
    told = browser.get("/readyz")
    assert told.status_code == 200
    assert told.json()["checks"]["deliveries"] is False
    browser.do(lambda: Delivery.all().update(state="dead"))
    assert browser.get("/readyz").json()["checks"]["deliveries"] is False


def test_a_schema_behind_is_refused_at_start(city: TinyCity) -> None:
    from yetan.errors import ConfigurationError

    connection = sqlite3.connect(city.database_url.removeprefix("sqlite://"))
    connection.execute("DELETE FROM tortoise_migrations")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigurationError, match="请先运行 yetan db upgrade"), city.client():
        pass


def test_logs_say_where_not_what(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """C81: a one-time link's token stands in no log line of ours."""
    with caplog.at_level(logging.DEBUG, logger="yetan"):
        browser.get("/sign-in/a-secret-token-of-a-link")
    assert "a-secret-token" not in caplog.text
