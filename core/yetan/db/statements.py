"""SQL for what the ORM cannot say, conditional writes that decide a race, or says slowly, in every change.

Written with ? on both databases. Values go to the driver as they are: times aware and in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from tortoise.transactions import in_transaction

from yetan.db import commits
from yetan.db.connection import client, is_postgres


def inside_transaction() -> bool:
    """Whether the caller is in a transaction."""
    return commits.client_within() is not None


def whole() -> AbstractAsyncContextManager[object]:
    """The caller's transaction, or one where there is none: for what only stands together and is not tried again.

    `in_transaction` within another costs two statements more, a savepoint, which only those need who go on after a
    failure.
    """
    return nullcontext() if inside_transaction() else in_transaction()


def marks(count: int) -> str:
    """`count` values of a statement, as in "id IN (?, ?)"."""
    return ", ".join("?" * count)


def locked() -> str:
    """What ends a SELECT of rows that wait for each other's changes. SQLite's write transactions wait anyway."""
    return " FOR UPDATE" if is_postgres() else ""


async def fetch(statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Run `statement` in the current transaction, if any, and return its rows. No ? may stand in a literal."""
    rows = await client().rows(statement, values)
    # Taken by position: looking each column up by its name, as dict(row) does, takes longer than the question.
    return [dict(zip(row.keys(), row, strict=True)) for row in rows]


async def execute(statement: str, values: Sequence[Any] = ()) -> int:
    """Run `statement` and return how many rows it touched."""
    touched: int = await client().touched(statement, values)
    return touched
