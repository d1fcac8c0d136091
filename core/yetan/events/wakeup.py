"""Waking the workers as soon as a change is committed: beside us, and on PostgreSQL in every other process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tortoise.connection import get_connection

from yetan.db.connection import is_postgres
from yetan.db.statements import fetch

_CHANNEL = "yetan_deliveries"

#: With SQLite: the worker beside the site, while it works.
_beside: set[Callable[[], None]] = set()


async def wake_workers() -> None:
    """Let the workers look once the transaction this is called in is committed; undone, it wakes nobody for anything.

    PostgreSQL tells its listeners after the commit. With SQLite the worker may stir at once: its first look waits
    for the one connection, and so for the end of the transaction.
    """
    if is_postgres():
        await fetch("SELECT pg_notify(?, '')", [_CHANNEL])
    for wake in tuple(_beside):
        wake()


async def listen(wake: Callable[[], None]) -> None:
    """Call `wake` whenever a process has committed something for the workers, until the connection is lost.

    Raises what the database raises where it cannot be reached. What is told while nobody listens is found later by
    looking, so that nothing depends on this but promptness.
    """
    if is_postgres():
        await _listen_to_server(wake)
        return
    _beside.add(wake)
    try:
        await asyncio.Event().wait()
    finally:
        _beside.discard(wake)


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
