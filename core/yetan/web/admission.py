"""Letting in: so many public pages are drawn at once, so many wait, and who comes then is told to come again soon.

Each kind of work has room of its own, so that an address that is dear cannot stop the rest. What is kept (see
`yetan.web.caching`) needs no room, and those who ask for the same page at the same moment need one between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from yetan.i18n import translate
from yetan.web.errors import Answer, fallback_page


@dataclass(frozen=True, slots=True)
class Room:
    """How many of a kind are at work at once, and how many more wait for it."""

    at_work: int
    waiting: int


#: By `Page.budget`. More at work would not be done sooner: a process draws on one core.
ROOMS: Mapping[str, Room] = {
    "pages": Room(at_work=8, waiting=64),
    "search": Room(at_work=2, waiting=16),
    # Asked while people type: too many of them must not keep a search waiting.
    "suggestions": Room(at_work=1, waiting=8),
}
#: Seconds somebody waits at most for room.
PATIENCE = 2.0
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

    @asynccontextmanager
    async def to(self, kind: str) -> AsyncIterator[None]:
        """Have room for work of `kind` while the block runs. Raises `Full`."""
        free = self._free[kind]
        if free.locked():
            await self._wait(kind, free)
        else:
            await free.acquire()
        try:
            yield
        finally:
            free.release()

    async def _wait(self, kind: str, free: asyncio.Semaphore) -> None:
        if self._waiting[kind] >= self._rooms[kind].waiting:
            raise Full
        self._waiting[kind] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await free.acquire()
        except TimeoutError:
            raise Full from None
        finally:
            self._waiting[kind] -= 1


def full_response(scope: Scope) -> Response:
    """The answer where there is no room: of few words, since drawing a page is what there is no room for."""
    answer = Answer(503, translate("系统正忙"), translate("请过几秒再试一次。"), retry_after=_RETRY_AFTER)
    if scope["path"].startswith("/api/"):
        code = HTTPStatus(answer.status).phrase.lower().replace(" ", "_")
        return JSONResponse({"error": {"code": code, "message": answer.message}}, answer.status, headers=answer.headers)
    return HTMLResponse(fallback_page(answer), answer.status, headers=answer.headers)
