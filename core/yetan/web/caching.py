"""Public pages kept as bytes for the next who asks, dropped by whatever is committed, in whichever process (C50).

A kept answer holds nothing of whoever asked first: its page saw of the request the address and the display alone
(`Asked.narrowed`), and an answer that sets a cookie, carries a form's key or says no-store is not kept. What a page
shows is never older than `MAXIMUM_AGE`, whatever else is missed: a lost notification, or a deadline that passed.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yetan.db.remembering import MAXIMUM_AGE, forget, remembering
from yetan.events.wakeup import beside, listen
from yetan.runtime import current
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


@dataclass(slots=True)
class Asked:
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
        locale = current().configuration.city.locale
        display = _display(cookies if b"display=" in cookies else b"", cookie_name("display"), locale, skins)
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
def _display(cookies: bytes, name: str, locale: str, skins: tuple[str, ...]) -> Display:
    return read_display(cookie_parser(cookies.decode("latin-1")).get(name, ""), locale, skins)


@lru_cache(maxsize=128)
def _takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding header takes gzip."""
    for each in accepted.decode("latin-1").lower().split(","):
        coding, _, parameters = each.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class KeptPage:
    """An answer as bytes, with the strong tag each encoding of it has."""

    def __init__(self, body: bytes, headers: Headers, made: float, at: datetime) -> None:
        self.body = body
        self.made = made
        self.at = at
        self._headers = headers
        self._tag = hashlib.blake2b(body, digest_size=12).hexdigest().encode()
        self._plain = self._encoded(body, b"")
        self._gzipped: tuple[bytes, Headers] | None = None

    @property
    def size(self) -> int:
        """Bytes it takes, about: with its compressed form, a fifth."""
        return len(self.body) + len(self.body) // 5

    async def answer(self, asked: Asked, send: Send) -> None:
        """Send it: as 304 to whoever has it, without its body to a HEAD."""
        body, headers = self._plain
        if asked.gzip and len(self.body) >= _PACKED_FROM:
            if self._gzipped is None:
                self._gzipped = self._encoded(gzip.compress(self.body, 6, mtime=0), b"-gzip")
            body, headers = self._gzipped
        status = 200
        if asked.known and _matches(asked.known, headers[-1][1]):
            status, body = 304, b""
            headers = [each for each in headers if each[0] in _NOT_MODIFIED]
        elif asked.only_head:
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    def answering(self, asked: Asked) -> ASGIApp:
        """The page as the application that answers what was asked."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await self.answer(asked, send)

        return answer

    def _encoded(self, body: bytes, suffix: bytes) -> tuple[bytes, Headers]:
        coding = [(b"content-encoding", b"gzip")] if suffix else []
        length = (b"content-length", str(len(body)).encode())
        return body, [*self._headers, *coding, length, (b"etag", b'"' + self._tag + suffix + b'"')]


def _matches(known: bytes, tag: bytes) -> bool:
    """Whether an If-None-Match names `tag`; a proxy that encoded the page anew has made it a weak one."""
    return any(each.strip().removeprefix(b"W/") in (tag, b"*") for each in known.split(b","))


@dataclass(slots=True)
class _Flight:
    """A page being drawn, for all who ask for the same meanwhile; given up when the last of them has left."""

    generation: int
    started: float
    drawing: asyncio.Task[KeptPage | Response]
    waiting: int = 0


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

    async def shared(self, asked: Asked, draw: Callable[[], Awaitable[Response]]) -> KeptPage | Response:
        """The answer of `draw`; whoever asks for the same meanwhile waits for it instead of drawing it, too.

        A page that is not to be kept is drawn for each.
        """
        flight = self._flights.get(asked.key)
        started = time.monotonic()
        first = flight is None or flight.generation != self._generation or started - flight.started >= _AGE
        if flight is None or first:
            drawing = asyncio.create_task(self._drawn(asked.key, draw, started), name="cache: drawing")
            flight = self._flights[asked.key] = _Flight(self._generation, started, drawing)
        flight.waiting += 1
        try:
            answer = await asyncio.shield(flight.drawing)
        except Exception:
            if first:
                raise
            return await draw()
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.drawing.cancel()
            if (flight.drawing.done() or not flight.waiting) and self._flights.get(asked.key) is flight:
                del self._flights[asked.key]
        return answer if first or isinstance(answer, KeptPage) else await draw()

    async def _drawn(self, key: Key, draw: Callable[[], Awaitable[Response]], started: float) -> KeptPage | Response:
        """The answer of `draw`, kept if it may be and nothing has changed meanwhile."""
        generation, at = self._generation, current().clock()
        response = await draw()
        headers = _keepable(response)
        if headers is None:
            return response
        page = KeptPage(bytes(response.body), headers, started, at)
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
        for oldest, kept in list(self._pages.items()):
            if self._bytes <= MAXIMUM_BYTES and page.made - kept.made < _AGE:
                break
            del self._pages[oldest]
            self._bytes -= kept.size


def _keepable(response: Response) -> Headers | None:
    """The headers to keep with an answer that may be given to anybody; None for one that may not."""
    body = getattr(response, "body", None)
    headers = response.headers
    if not isinstance(body, bytes) or len(body) > MAXIMUM_PAGE or response.background is not None:
        return None
    if response.status_code != 200 or headers.get("cache-control") != "no-cache" or "set-cookie" in headers:
        return None
    headers.add_vary_header("Accept-Encoding")
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
