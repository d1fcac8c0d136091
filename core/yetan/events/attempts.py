"""Running what others wrote: with an end, with its failure in words, and with a growing pause after it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

#: A delivery that failed this often is dead: it waits for an administrator.
MAXIMUM_ATTEMPTS = 12

_LONGEST_PAUSE = timedelta(hours=1)
_ERROR_LENGTH = 500


async def bounded(work: Awaitable[T], limit: timedelta | None) -> T:
    """Await `work`, and give it up with TimeoutError after `limit` of real time, if there is one.

    A cancellation that `work` itself lets out is a failure of `work` (RuntimeError), not the worker's end.
    """
    try:
        async with asyncio.timeout(limit.total_seconds() if limit else None):
            return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise uncalled_for() from None


def uncalled_for() -> RuntimeError:
    """The failure of work that lets out a cancellation of its own."""
    return RuntimeError("It let out a cancellation nobody had asked for.")


def describe(error: BaseException) -> str:
    """Type and message, short enough not to carry a person's text along, and fit for either database."""
    words = "".join(traceback.format_exception_only(error)).strip().replace("\x00", "")
    return words.encode("utf-8", "replace").decode()[:_ERROR_LENGTH]


def pause_after(attempts: int, jitter: float) -> timedelta:
    """How long to wait after the `attempts`-th failure: 2 s, 4 s ... 1 h, and up to a quarter more.

    `jitter`, from 0 to 1, keeps what failed together in a provider's bad minute from coming back all at once.
    """
    return min(timedelta(seconds=2**attempts), _LONGEST_PAUSE) * (1 + jitter / 4)
