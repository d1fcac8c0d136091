"""Reading the database as it is at one instant, so that nothing that changes meanwhile looks like damage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tortoise.transactions import in_transaction

from yetan.db.connection import is_postgres
from yetan.db.statements import execute


@asynccontextmanager
async def snapshot() -> AsyncIterator[None]:
    """All reads of the block see one instant, and hold nobody up. For a command, whose process does nothing else."""
    if is_postgres():
        async with in_transaction():
            await execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
        return
    # Our own transactions on SQLite take the write lock at once, which would keep the city waiting.
    await execute("BEGIN DEFERRED")
    try:
        yield
    finally:
        await execute("ROLLBACK")


@asynccontextmanager
async def apart() -> AsyncIterator[None]:
    """A part of a snapshot that may fail by itself: on PostgreSQL, a failed statement would end all of it."""
    if is_postgres():
        async with in_transaction():
            yield
    else:
        yield
