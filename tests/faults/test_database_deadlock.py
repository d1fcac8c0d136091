"""Two changes that wait for each other: the database takes one back, and it is made again (F10)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from tortoise.transactions import in_transaction

from yetan.db.again import TRIES_AGAIN, made_again
from yetan.db.connection import CORE_APPLICATION, connected
from yetan.db.statements import execute, fetch


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_of_two_that_wait_for_each_other_both_are_done(database_url: str) -> None:
    tries: list[str] = []

    @made_again
    async def add(first: str, second: str) -> None:
        async with in_transaction():
            tries.append(first)
            await execute("UPDATE yetan_sequence SET value = value + 1 WHERE name = ?", [first])
            await asyncio.sleep(0.3)
            await execute("UPDATE yetan_sequence SET value = value + 1 WHERE name = ?", [second])

    async def run() -> None:
        async with connected(database_url, [CORE_APPLICATION]):
            await execute("INSERT INTO yetan_sequence (name, value) VALUES ('one', 0), ('two', 0)")
            await asyncio.gather(add("one", "two"), add("two", "one"))
            rows = await fetch("SELECT name, value FROM yetan_sequence WHERE name IN ('one', 'two')")
            assert {row["name"]: row["value"] for row in rows} == {"one": 2, "two": 2}

    asyncio.run(run())
    assert len(tries) > 2


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_storm_is_not_fought_for_ever(database_url: str) -> None:
    tries: list[int] = []

    @made_again
    async def lose() -> None:
        tries.append(1)
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    @made_again
    async def within() -> None:
        async with in_transaction():
            await lose()

    async def run() -> None:
        async with connected(database_url, [CORE_APPLICATION]):
            with pytest.raises(asyncpg.DeadlockDetectedError):
                await lose()
            assert len(tries) == 1 + TRIES_AGAIN
            tries.clear()
            # The inner one is lost with the whole, which alone is made again.
            with pytest.raises(asyncpg.DeadlockDetectedError):
                await within()
            assert len(tries) == 1 + TRIES_AGAIN

    asyncio.run(run())
