"""Letting in: so many public pages are drawn at once, so many wait, and who comes then is told to come again soon.

Each kind of work has room of its own, so that an address that is dear cannot stop the rest; a place where dear work
was done stands empty for a while, so that the rest has its share of the processor as well. What is kept (see
`yetan.web.caching`) needs no room, and those who ask for the same page at the same moment need one between them.
Whoever leaves waits no longer, and what was at work for him alone is given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from msgspec import Struct
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive

from yetan.i18n import translate, use_locale
from yetan.web.errors import Answer, fallback_page

T = TypeVar("T")


class Room(Struct, frozen=True):
    """How many of a kind are at work at once, and how many more wait for it.

    `rest` is how long a place stands empty after work, in times of what the work took.
    """

    at_work: int
    waiting: int
    rest: float = 0.0


#: By `Page.budget`; what `Page.narrowed_by` names is "narrowed". More at work would not be done sooner: a process draws
#: on one core.
ROOMS: Mapping[str, Room] = {
    "pages": Room(at_work=8, waiting=64),
    # Much is drawn: the board, the units.
    "overviews": Room(at_work=1, waiting=32, rest=3.0),
    # Much may be read for little that is found. To let somebody wait who then leaves is dearer than to refuse him.
    "narrowed": Room(at_work=2, waiting=8, rest=8.0),
    "search": Room(at_work=2, waiting=16, rest=6.0),
    # Asked while people type: too many of them must not keep a search waiting.
    "suggestions": Room(at_work=1, waiting=8),
}
#: Seconds somebody waits at most for room.
PATIENCE = 2.0
#: Seconds a place stands empty at most.
LONGEST_REST = 0.25
#: Seconds of work before it is watched whether its asker is still there: most is done sooner.
_UNWATCHED = 0.05
#: Seconds after which to come again.
_RETRY_AFTER = 2


class Full(Exception):  # noqa: N818 - read as "the room is full"
    """There is no room, nor will there be in time."""


class Admission:
    """The rooms of one process."""

    def __init__(self, rooms: Mapping[str, Room] = ROOMS) -> None:
        self._rooms = rooms
        self._free = {kind: asyncio.Semaphore(room.at_work) for kind, room in rooms.items()}
        self._waiting = dict.fromkeys(rooms, 0)
        self._refusals: dict[tuple[bool, str], Response] = {}

    def is_full(self, kind: str) -> bool:
        """Whether nobody more may even wait for room."""
        return self._free[kind].locked() and self._waiting[kind] >= self._rooms[kind].waiting

    @asynccontextmanager
    async def to(self, kind: str) -> AsyncIterator[None]:
        """Have room for work of `kind` while the block runs. Raises `Full`."""
        free = self._free[kind]
        if free.locked():
            await self._wait(kind, free)
        else:
            await free.acquire()
        rest = self._rooms[kind].rest
        began = time.monotonic() if rest else 0.0
        try:
            yield
        finally:
            if rest:
                seconds = min((time.monotonic() - began) * rest, LONGEST_REST)
                asyncio.get_running_loop().call_later(seconds, free.release)
            else:
                free.release()

    async def _wait(self, kind: str, free: asyncio.Semaphore) -> None:
        if self.is_full(kind):
            raise Full
        self._waiting[kind] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await free.acquire()
        except TimeoutError:
            raise Full from None
        finally:
            self._waiting[kind] -= 1

    def refusal(self, path: str, locale: str) -> Response:
        """The answer where there is no room: made once, since making one is what there is no room for."""
        to_program = path.startswith("/api/")
        if (to_program, locale) not in self._refusals:
            use_locale(locale)
            self._refusals[to_program, locale] = _refusal(to_program)
        return self._refusals[to_program, locale]


async def while_there(
    receive: Receive, work: Awaitable[T], leave: Callable[[asyncio.Task[Any]], object] = asyncio.Task.cancel
) -> T | None:
    """What `work` comes to, or None once whoever sent the request has left: then this task is given to `leave`."""
    here = asyncio.current_task()
    assert here is not None
    left = False
    watching: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        leave(here)

    def begin() -> None:
        nonlocal watching
        watching = asyncio.create_task(watch(), name="admission: watching")

    beginning = asyncio.get_running_loop().call_later(_UNWATCHED, begin)
    try:
        answer = await work
        return None if left else answer
    except asyncio.CancelledError:
        if left and here.uncancel() == 0:
            return None
        raise
    finally:
        beginning.cancel()
        if watching is not None:
            watching.cancel()


def _refusal(to_program: bool) -> Response:
    answer = Answer(503, translate("系统正忙"), translate("请过几秒再试一次。"), retry_after=_RETRY_AFTER)
    if to_program:
        code = HTTPStatus(answer.status).phrase.lower().replace(" ", "_")
        return JSONResponse({"error": {"code": code, "message": answer.message}}, answer.status, headers=answer.headers)
    return HTMLResponse(fallback_page(answer), answer.status, headers=answer.headers)
