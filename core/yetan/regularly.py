"""Writing what a process gathers in memory: now and then, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from yetan.log import log


@asynccontextmanager
async def regularly(what: str, write: Callable[[], Awaitable[None]], seconds: float) -> AsyncIterator[None]:
    """While the block runs, `write` is called every so many seconds, and at its end.

    Where it fails, that is logged with `what` it writes: nobody waits for it, and the next time has its own.
    """

    async def write_or_say() -> None:
        try:
            await write()
        except Exception as error:
            log.warning("%s could not be written: %r", what, error)

    async def write_now_and_then() -> None:
        while True:
            await asyncio.sleep(seconds)
            await write_or_say()

    task = asyncio.create_task(write_now_and_then(), name=what)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await write_or_say()
