"""One dear public address does not stop the rest: it has room of its own, and who finds none is told when to come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message
from tests.core.tiny_city import TinyCity
from tests.databases import ONE_DATABASE

from yetan.db.reading import read
from yetan.plugins.declarations import Page
from yetan.web import admission
from yetan.web.endpoint import PageEndpoint
from yetan.web.request import Request


class Gated:
    """A page that is drawn for as long as its gate is shut; told how many were at it together."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.now = self.most = self.drawn = 0

    async def __call__(self, request: Request) -> Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.gate.wait()
        self.now -= 1
        self.drawn += 1
        return PlainTextResponse("drawn")


async def quick(request: Request) -> Response:
    return PlainTextResponse("quick")


async def answered(app: object, path: str, leaving: asyncio.Event | None = None) -> tuple[int, dict[str, str], bytes]:
    """What the application answers to a GET; status 0 to one that left before."""
    told: list[Message] = []
    coming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not coming:
            await (leaving or asyncio.Event()).wait()
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        told.append(message)

    path, _, query = path.partition("?")
    await app(  # type: ignore[operator]
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"testserver")],
            "scheme": "http",
            "server": ("testserver", 80),
            "client": ("testclient", 1),
            "root_path": "",
            "http_version": "1.1",
        },
        receive,
        send,
    )
    if not told:
        return 0, {}, b""
    headers = {name.decode(): value.decode() for name, value in told[0]["headers"]}
    return told[0]["status"], headers, b"".join(each.get("body", b"") for each in told[1:])


@pytest.mark.parametrize("kept", [True, False])
@ONE_DATABASE
def test_a_dear_address_fills_its_own_room_and_no_other(
    database_url: str, tmp_path: Path, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 600.0)
    dear = Gated()
    city = TinyCity(database_url, tmp_path)
    city.pages = (
        *city.pages,
        Page("/dear", dear, "dear", public=True, kept=kept, budget="search"),
        Page("/api/v1/dear", dear, "api.dear", public=True, kept=kept, budget="search"),
        Page("/quick", quick, "quick", public=True, kept=False),
    )
    room = admission.ROOMS["search"]
    with city.client() as browser:

        async def go() -> None:
            fitting = room.at_work + room.waiting
            crowd = [asyncio.create_task(answered(browser.app, f"/dear?n={number}")) for number in range(fitting)]
            await asyncio.sleep(0.2)
            assert dear.now == room.at_work
            status, headers, body = await answered(browser.app, "/dear?n=more")
            assert (status, headers["retry-after"], headers["cache-control"]) == (503, "2", "no-store")
            assert "系统正忙" in body.decode()
            if kept:
                # What is being drawn already takes no more room.
                crowd.append(asyncio.create_task(answered(browser.app, "/dear?n=0")))
            status, headers, body = await answered(browser.app, "/api/v1/dear")
            assert (status, b'"service_unavailable"' in body) == (503, True)
            assert [(await answered(browser.app, "/quick"))[2] for _ in range(50)] == [b"quick"] * 50
            dear.gate.set()
            assert [status for status, _, _ in await asyncio.gather(*crowd)] == [200] * len(crowd)
            assert dear.most == room.at_work
            assert dear.drawn == fitting
            assert (await answered(browser.app, "/dear?n=later"))[0] == 200

        browser.do(go)


@ONE_DATABASE
def test_who_waits_too_long_is_told_so_and_takes_no_room(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 0.05)
    dear = Gated()
    city = TinyCity(database_url, tmp_path)
    city.pages = (*city.pages, Page("/dear", dear, "dear", public=True, kept=False, budget="search"))
    with city.client() as browser:

        async def go() -> None:
            at_work = [asyncio.create_task(answered(browser.app, "/dear")) for _ in range(2)]
            await asyncio.sleep(0.1)
            assert [(await answered(browser.app, "/dear"))[0] for _ in range(3)] == [503] * 3
            leaving = asyncio.create_task(answered(browser.app, "/dear"))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])
            monkeypatch.setattr(admission, "PATIENCE", 600.0)
            dear.gate.set()
            assert [status for status, _, _ in await asyncio.gather(*at_work)] == [200, 200]
            assert (await answered(browser.app, "/dear"))[0] == 200

        browser.do(go)


@pytest.mark.parametrize(
    ("query", "room"),
    [
        ("", "pages"),
        ("unit=&after=1", "pages"),
        ("n=unit", "pages"),
        ("n=1&unit=c0", "narrowed"),
        ("%75nit=c0", "narrowed"),
    ],
)
def test_a_list_takes_the_room_of_the_narrowed_however_its_address_is_written(query: str, room: str) -> None:
    page = PageEndpoint(Page("/list", quick, "list", public=True, narrowed_by=("unit",)))
    assert page.room_of({"query_string": query.encode()}) == room


#: A statement that counts for minutes.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT max(i) FROM n"


@pytest.mark.parametrize("kept", [True, False])
def test_a_narrowed_list_whose_asker_has_left_is_read_and_waited_for_no_more(
    database_url: str, tmp_path: Path, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 600.0)
    begun = []

    async def listed(request: Request) -> Response:
        begun.append(request.url.query)
        if "endless" in request.url.query:
            await read(ENDLESS, seconds=600)
        return PlainTextResponse("listed")

    city = TinyCity(database_url, tmp_path)
    city.pages = (*city.pages, Page("/list", listed, "list", public=True, kept=kept, narrowed_by=("unit",)))
    room = admission.ROOMS["narrowed"]
    with city.client() as browser:

        async def go() -> None:
            leaving = asyncio.Event()
            crowd = [
                asyncio.create_task(answered(browser.app, f"/list?%75nit=endless&n={number}", leaving))
                for number in range(room.at_work + room.waiting)
            ]
            await asyncio.sleep(0.2)
            assert len(begun) == room.at_work
            assert (await answered(browser.app, "/list?unit=few"))[0] == 503
            # The list itself, and a form sent with nothing chosen, have room.
            assert [(await answered(browser.app, f"/list?unit=&n={number}"))[0] for number in range(20)] == [200] * 20
            begun.clear()
            leaving.set()
            assert {status for status, _, _ in await asyncio.gather(*crowd)} == {0}
            assert (await answered(browser.app, "/list?unit=few"))[0] == 200
            assert begun == ["unit=few"]
            # The threads and connections that read are free as well.
            many = (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT max(i) FROM n"
            )
            assert (await asyncio.gather(*(asyncio.wait_for(read(many), 60) for _ in range(12))))[-1][0][0] == 20000

        browser.do(go)


@ONE_DATABASE
def test_a_page_is_given_up_when_the_last_who_asked_for_it_has_left(database_url: str, tmp_path: Path) -> None:
    dear = Gated()
    city = TinyCity(database_url, tmp_path)
    city.pages = (*city.pages, Page("/dear", dear, "dear", public=True))
    with city.client() as browser:

        async def go() -> None:
            leaving = [asyncio.Event() for _ in range(3)]
            crowd = [asyncio.create_task(answered(browser.app, "/dear", each)) for each in leaving]
            await asyncio.sleep(0.1)
            leaving[0].set()
            leaving[1].set()
            assert (await crowd[1])[0] == 0
            dear.gate.set()
            assert [(await each)[0] for each in crowd] == [0, 0, 200]
            assert (dear.drawn, dear.most) == (1, 1)

            dear.gate.clear()
            all_leaving = [asyncio.create_task(answered(browser.app, "/dear?all", leaving[0])) for _ in range(3)]
            assert [(await asyncio.wait_for(each, 30))[0] for each in all_leaving] == [0, 0, 0]
            gone = asyncio.create_task(answered(browser.app, "/dear?again", leaving[1]))
            await asyncio.sleep(0.1)
            leaving[1].set()
            assert (await gone)[0] == 0
            later = asyncio.create_task(answered(browser.app, "/dear?again"))
            await asyncio.sleep(0.1)
            dear.gate.set()
            assert (await later)[0] == 200
            assert dear.drawn == 2

        browser.do(go)
