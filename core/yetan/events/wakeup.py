"""Telling whoever waits for changes as soon as one is committed: beside us, and in every other process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tortoise.connection import get_connection

from yetan.db.commits import after_commit
from yetan.db.connection import client, is_postgres
from yetan.db.statements import fetch

_CHANNEL = "yetan_deliveries"
#: Seconds between looks whether another process, such as a command, has written to the SQLite file.
_LOOK = 0.2

#: Who waits in this process: the worker beside the site, the cache of its pages.
_beside: list[Callable[[], None]] = []


async def wake_workers() -> None:
    """Tell of the transaction this is called in once it is committed, and once for all of it; undone, it wakes nobody.

    A savepoint may be undone that told: a worker then looks once for nothing.
    """
    if is_postgres():
        await client().notify(_CHANNEL)
    after_commit(wake_beside)


def wake_beside() -> None:
    """Tell those who wait in this process."""
    for wake in tuple(_beside):
        wake()


@contextmanager
def beside(wake: Callable[[], None]) -> Iterator[None]:
    """While the block runs, call `wake` whenever this process has committed something."""
    _beside.append(wake)
    try:
        yield
    finally:
        _beside.remove(wake)


async def listen(wake: Callable[[], None]) -> None:
    """Call `wake` whenever a process has committed something, until the connection is lost.

    Raises what the database raises where it cannot be reached. What is told while nobody listens is found later by
    looking, so that nothing depends on this but promptness.
    """
    if is_postgres():
        await _listen_to_server(wake)
    else:
        with beside(wake):
            await _watch_file(wake)


async def _listen_to_server(wake: Callable[[], None]) -> None:
    lost = asyncio.Event()

    def told(*notification: Any) -> None:
        wake()

    async with get_connection("default").acquire_connection() as connection:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(_CHANNEL, told)
        try:
            wake()
            await lost.wait()
        finally:
            await connection.remove_listener(_CHANNEL, told)


async def _watch_file(wake: Callable[[], None]) -> None:
    """The file's version changes with what others commit, not with what this connection does."""
    seen = await _version()
    while True:
        await asyncio.sleep(_LOOK)
        version = await _version()
        if version != seen:
            seen = version
            wake()


async def _version() -> int:
    return int((await fetch("PRAGMA data_version"))[0]["data_version"])
