"""The embedded database's client: what Tortoise's own would lose or hang on."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from yetan.db.connection import CORE_APPLICATION, connected
from yetan.db.statements import execute, fetch


def test_a_file_that_is_no_database_fails_every_time_and_hangs_never(tmp_path: Path) -> None:
    (tmp_path / "broken.sqlite3").write_bytes(b"not a database at all, " * 100)

    async def ask_twice() -> None:
        async with connected(f"sqlite://{tmp_path}/broken.sqlite3", [CORE_APPLICATION]):
            for _ in range(2):
                with pytest.raises(sqlite3.DatabaseError):
                    await asyncio.wait_for(get_connection("default").execute_query("SELECT 1 FROM yetan_unit"), 5)

    async def run() -> None:
        await asyncio.wait_for(ask_twice(), 20)

    asyncio.run(run())


def test_a_script_in_a_transaction_is_undone_with_it(tmp_path: Path) -> None:
    async def write_and_fail() -> None:
        async with in_transaction() as client:
            await client.execute_script("CREATE TABLE a (b TEXT); INSERT INTO a VALUES ('x;y');")
            raise RuntimeError("undo")

    async def run() -> list[str]:
        async with connected(f"sqlite://{tmp_path}/a.sqlite3", [CORE_APPLICATION]):
            with pytest.raises(RuntimeError):
                await write_and_fail()
            rows = await get_connection("default").execute_query_dict("SELECT name FROM sqlite_master")
            return [row["name"] for row in rows]

    assert asyncio.run(run()) == []


_LONG = """
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 300000)
SELECT count(*) AS n FROM counted"""


def test_a_transaction_holds_nobody_else_up_with_a_long_question_and_outlives_it(tmp_path: Path) -> None:
    """Short statements are made in the event loop; a long one is given up there, and asked of the thread."""

    async def run() -> tuple[int, int, int]:
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with connected(f"sqlite://{tmp_path}/a.sqlite3", [CORE_APPLICATION]):
            async with in_transaction():
                await execute("CREATE TABLE a (b INTEGER)")
                await execute("INSERT INTO a VALUES (?)", [1])
                others = asyncio.create_task(count_turns())
                (counted,) = await fetch(_LONG)
                others.cancel()
            (kept,) = await fetch("SELECT count(*) AS n FROM a")
        return counted["n"], turns, kept["n"]

    counted, turns, kept = asyncio.run(run())
    assert (counted, kept) == (300_000, 1)
    assert turns > 1


def test_one_of_many_short_statements_lets_others_have_their_turn(tmp_path: Path) -> None:
    async def run() -> int:
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with connected(f"sqlite://{tmp_path}/a.sqlite3", [CORE_APPLICATION]), in_transaction():
            await execute("CREATE TABLE a (b INTEGER)")
            others = asyncio.create_task(count_turns())
            for number in range(100):
                await execute("INSERT INTO a VALUES (?)", [number])
            others.cancel()
        return turns

    assert asyncio.run(run()) > 1
