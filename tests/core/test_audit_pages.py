"""What a page has to say for its audit: nothing but whether what it shows is sensitive (C79)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse, Response
from tests.core.tiny_city import MORNING, Browser, TinyCity, add_account, add_unit
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.act import Act
from yetan.audit import flood
from yetan.audit.service import record
from yetan.db.change import change
from yetan.db.statements import execute
from yetan.errors import Refused
from yetan.plugins.declarations import Page
from yetan.units.models import Unit
from yetan.web.request import Request

#: Action, subject and outcome of the records left since it was last asked.
Left = Callable[[], list[tuple[str, str, str]]]


async def names(request: Request) -> Response:
    request.looked_at = "names: 3"
    return PlainTextResponse("三个名字")


async def one(request: Request) -> Response:
    return PlainTextResponse(request.subject.name)


@change(Unit)
async def add(act: Act, code: str) -> Unit:
    return await add_unit(code)


@change(Unit)
async def add_and_refuse(act: Act, code: str) -> Unit:
    await add_unit(code)
    raise Refused("不行")


async def submit_add(request: Request) -> Response:
    await add(request.act, "new")
    return PlainTextResponse("好了")


async def submit_and_break(request: Request) -> Response:
    await add(request.act, "new")
    raise RuntimeError("the page cannot be drawn")


async def submit_refused(request: Request) -> Response:
    await add_and_refuse(request.act, "new")
    return PlainTextResponse("好了")


async def submit_noting(request: Request) -> Response:
    await record(request.act, "plugin.special", "Bell:1")
    return PlainTextResponse("好了")


PAGES = (
    Page("/desk/names", names, "plugin.names", permission="signed_in", sensitive=True),
    Page("/desk/villages/{id:int}", one, "plugin.village", permission="unit.look", model=Unit, sensitive=True),
    Page("/desk/add", submit_add, "plugin.add", methods=("POST",), permission="signed_in"),
    Page("/desk/break", submit_and_break, "plugin.break", methods=("POST",), permission="signed_in"),
    Page("/desk/refused", submit_refused, "plugin.refused", methods=("POST",), permission="signed_in"),
    Page("/desk/noting", submit_noting, "plugin.noting", methods=("POST",), permission="signed_in"),
)


@pytest.fixture
def browser(database_url: str, tmp_path: Path) -> Iterator[Browser]:
    city = TinyCity(database_url, tmp_path)
    city.pages = (*city.pages, *PAGES)
    with city.client(raise_server_exceptions=False) as browser:
        browser.do(_official)
        browser.sign_in()
        yield browser


async def _official() -> None:
    await add_account("lin", "village_official", await add_unit("T"))


@pytest.fixture
def left(browser: Browser) -> Left:
    seen = len(browser.audited())

    def since() -> list[tuple[str, str, str]]:
        nonlocal seen
        rows = browser.audited()[seen:]
        seen += len(rows)
        return [(action, subject, outcome) for _, action, subject, outcome, _ in rows]

    return since


def test_a_page_that_says_it_is_sensitive_records_each_look(browser: Browser, left: Left) -> None:
    assert browser.get("/desk/names").status_code == 200
    assert browser.get("/desk/names").status_code == 200
    assert left() == [("plugin.names", "names: 3", "looked")] * 2
    assert browser.head("/desk/names").status_code == 200
    assert left() == [("plugin.names", "names: 3", "looked")]
    assert browser.get("/desk/villages/1").status_code == 200
    assert left() == [("plugin.village", "Unit:1", "looked")]
    assert browser.get("/desk/units/1").status_code == 200
    assert left() == []


@BOTH_DATABASES
def test_nobody_sees_what_cannot_be_recorded_as_seen(browser: Browser, left: Left) -> None:
    table = "yetan_audit_record"
    browser.do(lambda: execute(f"ALTER TABLE {table} RENAME TO elsewhere"))
    answer = browser.get("/desk/names")
    assert answer.status_code == 500
    assert "三个名字" not in answer.text
    browser.do(lambda: execute(f"ALTER TABLE elsewhere RENAME TO {table}"))
    assert left() == []


def test_who_is_refused_a_page_leaves_a_record(browser: Browser, left: Left) -> None:
    assert browser.get("/desk/mend").status_code == 403
    assert browser.get("/desk/villages/999").status_code == 404
    browser.cookies.clear()
    assert browser.get("/desk/names").status_code == 303
    assert browser.get("/api/v1/mine").status_code == 401
    assert browser.get("/nowhere").status_code == 404
    assert left() == [
        ("desk.mend", "", "refused 403"),
        ("plugin.village", "Unit:999", "refused 404"),
        ("plugin.names", "", "refused 401"),
        ("api.mine", "", "refused 401"),
    ]


def test_tries_to_sign_in_are_recorded_one_by_one_until_the_door_is_shut(browser: Browser, left: Left) -> None:
    browser.cookies.clear()
    statuses = [browser.sign_in(password="又错了").status_code for _ in range(12)]
    assert statuses == [422] * 10 + [429] * 2
    assert left() == [("sign_in.submit", "", f"refused {status}") for status in statuses]


@BOTH_DATABASES
def test_a_change_and_its_page_leave_one_record(browser: Browser, left: Left) -> None:
    token = browser.token()
    assert browser.submit("/desk/add", {"_token": token}).status_code == 200
    assert left() == [("tests.add", "Unit:2", "done")]
    assert browser.submit("/desk/noting", {"_token": token}).status_code == 200
    assert left() == [("plugin.special", "Bell:1", "done")]


def test_a_change_that_is_made_is_recorded_as_made_even_if_the_page_breaks(browser: Browser, left: Left) -> None:
    assert browser.submit("/desk/break", {"_token": browser.token()}).status_code == 500
    assert left() == [("tests.add", "Unit:2", "done")]


@BOTH_DATABASES
def test_a_change_that_is_taken_back_is_recorded_as_refused(browser: Browser, left: Left) -> None:
    assert browser.submit("/desk/refused", {"_token": browser.token()}).status_code == 409
    assert left() == [("plugin.refused", "", "refused 409")]


# Against floods


def test_scanning_leaves_some_records_and_then_one_that_says_so(
    browser: Browser, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "FROM_ONE_ADDRESS", 3)
    browser.cookies.clear()
    for _ in range(10):
        browser.get("/desk/names")
    assert [outcome for _, _, outcome in left()] == ["refused 401", "refused 401", "refused 401, more"]
    browser.sign_in(password="又错了")
    assert left() == [("sign_in.submit", "", "refused 422")], "another page is not blinded"


def test_whoever_has_an_account_is_recorded_each_time(
    browser: Browser, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "FROM_ONE_ADDRESS", 3)
    for _ in range(10):
        browser.get("/desk/mend")
    assert left() == [("desk.mend", "", "refused 403")] * 10


def test_the_next_hour_is_counted_anew(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "FROM_ONE_ADDRESS", 2)
    city = TinyCity(database_url, tmp_path)
    with city.client() as browser:
        for _ in range(5):
            browser.get("/desk")
        city.clock.forward(hours=1)
        for _ in range(5):
            browser.get("/desk")
        assert [row[3] for row in browser.audited()] == ["refused 401", "refused 401, more"] * 2


def test_many_addresses_together_have_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "IN_ALL", 5)
    guard = flood.Flood()
    assert [guard.takes(f"192.0.2.{number}", MORNING) for number in range(8)] == ["", "", "", "", ", more", *[None] * 3]
