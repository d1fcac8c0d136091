"""Public pages kept as bytes for the next who asks, dropped by whatever is committed, in whichever process (C50).

A kept answer holds nothing of whoever asked first: its page saw of the request the address and the display alone
(`Asked.narrowed`), and an answer that sets a cookie, carries a form's key or says no-store is not kept. What a page
shows is never older than `MAXIMUM_AGE`, whatever else is missed: a lost notification, or a deadline that passed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

from msgspec import Struct
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yetan.config import City
from yetan.db.remembering import MAXIMUM_AGE, forget, remembering
from yetan.events.wakeup import beside, listen
from yetan.runtime import current
from yetan.web.bodies import Body, body_of
from yetan.web.display import Display, read_display
from yetan.web.request import cookie_name

logger = logging.getLogger(__name__)

#: Bytes of all kept pages together; the oldest go first. And of one page.
MAXIMUM_BYTES = 16 * 1024 * 1024
MAXIMUM_PAGE = 1024 * 1024
#: A smaller answer is not worth compressing.
_PACKED_FROM = 500
#: Seconds between attempts to listen.
_AGAIN = 1.0

_AGE = MAXIMUM_AGE.total_seconds()
_NOT_MODIFIED = frozenset({b"etag", b"cache-control", b"vary"})

#: Path, query, host and display: all that a kept page may depend on.
Key = tuple[str, bytes, bytes, Display]
Headers = list[tuple[bytes, bytes]]


class Asked(Struct):
    """What of a GET or HEAD decides its answer."""

    key: Key
    only_head: bool
    gzip: bool
    known: bytes

    @classmethod
    def of(cls, scope: Scope) -> Asked:
        """What `scope` asks for."""
        host = cookies = known = b""
        packed = False
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"cookie":
                cookies = cookies + b"; " + value if cookies else value
            elif name == b"if-none-match":
                known = known + b"," + value if known else value
            elif name == b"accept-encoding":
                packed = packed or _takes_gzip(value)
        skins = scope["app"].state.templating.look.skins
        city = current().configuration.city
        display = (
            _display(cookies, cookie_name("display"), city, skins)
            if b"display=" in cookies
            else _display(b"", "", city, skins)
        )
        key = (scope["path"], scope["query_string"], host, display)
        return cls(key, scope["method"] == "HEAD", packed, known)

    @property
    def display(self) -> Display:
        """How the page is to look."""
        return self.key[3]

    def narrowed(self, scope: Scope) -> Scope:
        """`scope` without anything that another who asks for the same may not share: no cookie, address or language."""
        _, _, host, display = self.key
        return {**scope, "method": "GET", "client": None, "headers": [(b"host", host)], "yetan.display": display}


async def no_body() -> Message:
    """What a kept page receives."""
    return {"type": "http.request", "body": b"", "more_body": False}


@lru_cache(maxsize=512)
def _display(cookies: bytes, name: str, city: City, skins: tuple[str, ...]) -> Display:
    return read_display(cookie_parser(cookies.decode("latin-1")).get(name, ""), city, skins)


@lru_cache(maxsize=128)
def _takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding header takes gzip."""
    for each in accepted.decode("latin-1").lower().split(","):
        coding, _, parameters = each.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class KeptPage:
    """An answer as it is sent, with the strong tag each encoding of it has."""

    def __init__(self, body: Body, headers: Headers, made: float, at: datetime) -> None:
        self._body = body
        self._headers = headers
        self.made = made
        self.at = at
        #: Bytes it takes, about: with its compressed form, a fifth.
        self.size = len(body) + len(body) // 5

    @property
    def body(self) -> bytes:
        """What is sent to whoever takes no compressed form."""
        return self._body.plain

    async def answer(self, asked: Asked, send: Send) -> None:
        """Send it: as 304 to whoever has it, without its body to a HEAD."""
        packed = asked.gzip and len(self._body) >= _PACKED_FROM
        body, told = self._body.gzipped if packed else (self._body.plain, self._body.told)
        status, headers = 200, [*self._headers, *told]
        if asked.known and _matches(asked.known, told[-1][1]):
            status, body = 304, b""
            headers = [each for each in headers if each[0] in _NOT_MODIFIED]
        elif asked.only_head:
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _matches(known: bytes, tag: bytes) -> bool:
    """Whether an If-None-Match names `tag`; a proxy that encoded the page anew has made it a weak one."""
    return any(each.strip().removeprefix(b"W/") in (tag, b"*") for each in known.split(b","))


class _Flight(Struct):
    """A page being drawn by whoever asked first, for all who ask for the same meanwhile.

    It is given up when the last of them has left; `left` says that the first has.
    """

    generation: int
    started: float
    drawer: asyncio.Task[Any] | None
    others: int = 0
    left: bool = False
    #: For the others, once there are some; None in it where there is no answer to share.
    answer: asyncio.Future[KeptPage | Response | None] | None = None


class PageCache:
    """The kept pages of one process."""

    def __init__(self) -> None:
        self._pages: dict[Key, KeptPage] = {}
        self._bytes = 0
        self._generation = 0
        self._flights: dict[Key, _Flight] = {}

    def drop(self) -> None:
        """Something has changed: forget every page, and keep none that is being drawn from before."""
        forget()
        self._generation += 1
        self._pages.clear()
        self._bytes = 0

    def find(self, key: Key) -> KeptPage | None:
        """The page kept under `key`, if it is young enough by both clocks."""
        page = self._pages.get(key)
        if page is None or time.monotonic() - page.made >= _AGE:
            return None
        return page if abs(current().clock() - page.at) < MAXIMUM_AGE else None

    def is_drawing(self, asked: Asked) -> bool:
        """Whether somebody else is having drawn what is asked for."""
        return self._in_time(asked) is not None

    def _in_time(self, asked: Asked) -> _Flight | None:
        """The drawing of what is asked for that whoever asks now may have part in."""
        flight = self._flights.get(asked.key)
        if flight is None or flight.generation != self._generation or time.monotonic() - flight.started >= _AGE:
            return None
        return flight

    async def shared(self, asked: Asked, draw: Callable[[], Awaitable[Response]]) -> KeptPage | Response:
        """The answer of `draw`; whoever asks for the same meanwhile waits for it instead of drawing it, too.

        A page that is not to be kept is drawn for each.
        """
        flight, started = self._in_time(asked), time.monotonic()
        if flight is not None:
            answer = await _shared_by(flight)
            return answer if isinstance(answer, KeptPage) else await draw()
        answer = None
        flight = self._flights[asked.key] = _Flight(self._generation, started, asyncio.current_task())
        try:
            answer = await self._drawn(asked.key, draw, started)
        finally:
            if self._flights.get(asked.key) is flight:
                del self._flights[asked.key]
            if flight.answer is not None:
                flight.answer.set_result(answer)
        return answer

    def leave(self, asked: Asked, leaving: asyncio.Task[Any]) -> None:
        """Whoever asked has left: `leaving` is cancelled, or goes on for the others who wait for what it draws."""
        flight = self._flights.get(asked.key)
        if flight is not None and flight.drawer is leaving and flight.others:
            flight.left = True
        else:
            leaving.cancel()

    async def _drawn(self, key: Key, draw: Callable[[], Awaitable[Response]], started: float) -> KeptPage | Response:
        """The answer of `draw`, kept if it may be and nothing has changed meanwhile."""
        generation, at = self._generation, current().clock()
        response = await draw()
        headers = _keepable(response)
        if headers is None:
            return response
        page = KeptPage(body_of(response), headers, started, at)
        if generation == self._generation:
            self._keep(key, page)
        return page

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """While the block runs, drop the pages with every commit: of this process at once, of others when told."""
        task = asyncio.create_task(self._listen(), name="cache: listening")
        try:
            with beside(self.drop), remembering():
                yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.drop()

    async def _listen(self) -> None:
        while True:
            try:
                await listen(self.drop)
            except Exception as error:
                logger.warning("the cache is not told of changes of other processes just now: %s", error)
            self.drop()
            await asyncio.sleep(_AGAIN)

    def _keep(self, key: Key, page: KeptPage) -> None:
        """Keep `page`; the oldest stand first, and go when they are too old or there is no more room."""
        if (earlier := self._pages.pop(key, None)) is not None:
            self._bytes -= earlier.size
        self._pages[key] = page
        self._bytes += page.size
        while True:
            oldest, kept = next(iter(self._pages.items()))
            if self._bytes <= MAXIMUM_BYTES and page.made - kept.made < _AGE:
                break
            del self._pages[oldest]
            self._bytes -= kept.size


async def _shared_by(flight: _Flight) -> KeptPage | Response | None:
    """The answer of a flight, for one of the others."""
    if flight.answer is None:
        flight.answer = asyncio.get_running_loop().create_future()
    flight.others += 1
    try:
        return await asyncio.shield(flight.answer)
    finally:
        flight.others -= 1
        if flight.left and not flight.others and flight.drawer is not None and not flight.answer.done():
            flight.drawer.cancel()


def _keepable(response: Response) -> Headers | None:
    """The headers to keep with an answer that may be given to anybody; None for one that may not."""
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or len(body) > MAXIMUM_PAGE or response.background is not None:
        return None
    told = dict(response.raw_headers)
    if response.status_code != 200 or told.get(b"cache-control") != b"no-cache" or b"set-cookie" in told:
        return None
    response.headers.add_vary_header("Accept-Encoding")
    return [(name, value) for name, value in response.raw_headers if name not in (b"content-length", b"etag")]


class KeptPages:
    """Pure ASGI, before all routing: answers what is kept."""

    def __init__(self, app: ASGIApp, cache: PageCache) -> None:
        self.app = app
        self.cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            asked = Asked.of(scope)
            page = self.cache.find(asked.key)
            if page is not None:
                await page.answer(asked, send)
                return
            scope["yetan.asked"] = asked
        await self.app(scope, receive, send)
