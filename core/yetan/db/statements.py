"""SQL that the ORM cannot say: conditional writes that decide a race. Written with ? on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connection

from yetan.db.connection import is_postgres


def placeholders(statement: str) -> str:
    """`statement` with its ? as $1, $2 ... where the open database is PostgreSQL. No ? may stand in a literal."""
    if not is_postgres():
        return statement
    parts = statement.split("?")
    return parts[0] + "".join(f"${index}{part}" for index, part in enumerate(parts[1:], start=1))


def inside_transaction() -> bool:
    """Whether the caller is in a transaction."""
    return isinstance(get_connection("default"), TransactionalDBClient)


async def fetch(statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Run `statement` in the current transaction, if any, and return its rows."""
    return await get_connection("default").execute_query_dict(placeholders(statement), list(values))


async def execute(statement: str, values: Sequence[Any] = ()) -> int:
    """Run `statement` and return how many rows it touched."""
    count, _ = await get_connection("default").execute_query(placeholders(statement), list(values))
    return count
