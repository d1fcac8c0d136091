"""Reading for public pages: beside the writer, on connections that cannot write, and given up in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import asyncpg
import pytest
from tests.core.tiny_city import add_unit
from tortoise.exceptions import DBConnectionError, OperationalError, ValidationError
from tortoise.transactions import in_transaction

from yetan.db import reading
from yetan.db.bulk import insert
from yetan.db.connection import CORE_APPLICATION, connected, is_postgres, sqlite_path
from yetan.db.failures import database_is_away
from yetan.db.reading import load, moment, read
from yetan.db.statements import execute
from yetan.events.models import Due
from yetan.units.models import Unit

#: Counts for minutes.
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT max(i) FROM n"
UNITS = "SELECT code, id FROM yetan_unit ORDER BY id"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[None]:
    async with connected(url, [CORE_APPLICATION]):
        yield


def run(url: str, work: Callable[[], Awaitable[None]]) -> None:
    async def go() -> None:
        async with opened(url):
            await work()

    asyncio.run(go())


def test_rows_come_by_name_and_index_as_committed_and_in_a_transaction_as_that_sees_them(database_url: str) -> None:
    async def go() -> None:
        unit = await add_unit("A")
        (row,) = await read("SELECT code, id FROM yetan_unit WHERE code = ? AND id > ?", ["A", 0])
        assert (row["code"], row["id"], row[0]) == ("A", unit.id, "A")
        async with in_transaction():
            await add_unit("B")
            assert [each["code"] for each in await read(UNITS)] == ["A", "B"]
        assert [each["code"] for each in await read(UNITS)] == ["A", "B"]

    run(database_url, go)


def test_a_new_row_is_written_as_its_columns_are_whatever_it_was_given(database_url: str) -> None:
    """Times in UTC, since SQLite compares them as text; numbers as numbers; and no text longer than its column."""
    here, utc = datetime(2026, 5, 6, 9, tzinfo=timezone(timedelta(hours=8))), datetime(2026, 5, 6, 1, tzinfo=UTC)

    async def go() -> None:
        await insert(Due(kind="here", subject_kind="issue", subject_id="7", at=here))
        await insert(Due(kind="utc", subject_kind="issue", subject_id=8, at=utc))
        rows = await load(Due, "at = ? ORDER BY id", [utc])
        assert [(row.kind, row.subject_id, row.at) for row in rows] == [("here", 7, utc), ("utc", 8, utc)]
        with pytest.raises(ValidationError):
            await insert(Due(kind="k" * 61, subject_kind="issue", subject_id=9, at=utc))

    run(database_url, go)


def test_a_reader_waits_for_no_writer(database_url: str) -> None:
    async def go() -> None:
        await add_unit("A")
        written, done = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with in_transaction():
                await add_unit("B")
                written.set()
                await done.wait()

        writing = asyncio.create_task(write())
        await written.wait()
        assert [each["code"] for each in await asyncio.wait_for(read(UNITS), 30)] == ["A"]
        done.set()
        await writing
        assert [each["code"] for each in await read(UNITS)] == ["A", "B"]

    run(database_url, go)


def test_what_takes_too_long_is_given_up_and_told_as_a_busy_database(database_url: str) -> None:
    async def go() -> None:
        with pytest.raises(DBConnectionError) as refused:
            await asyncio.wait_for(read(ENDLESS, seconds=0.2), 30)
        assert database_is_away(refused.value)
        await _idle()

    run(database_url, go)


def test_what_nobody_waits_for_is_cancelled_and_leaves_room_for_others(database_url: str) -> None:
    """32 clients ask for something endless and leave; the next is answered."""

    async def go() -> None:
        await add_unit("A")
        crowd = [asyncio.create_task(read(ENDLESS, seconds=600)) for _ in range(32)]
        await asyncio.sleep(0.3)
        for each in crowd:
            each.cancel()
        await asyncio.wait(crowd, timeout=30)
        assert len(await asyncio.wait_for(read(UNITS), 30)) == 1
        await _idle()

    run(database_url, go)


async def _idle() -> None:
    """Wait until the database works on nothing any more that was given up."""
    end = time.monotonic() + 30
    while True:
        if is_postgres():
            busy = await read(
                "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'WITH RECURSIVE%' "
                "AND datname = current_database()"
            )
        else:
            assert reading._readers is not None
            busy = [1] * (len(reading._readers._threads._threads) - len(reading._readers._idle))
        if not busy:
            return
        if time.monotonic() > end:
            # A cancel that reaches PostgreSQL between two messages is lost; statement_timeout ends that one.
            assert is_postgres(), "it still works"
            assert len(busy) == 1, "it still works"
            return
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_connection_lost_while_nobody_used_it_is_left_behind(database_url: str) -> None:
    process = "SELECT pg_backend_pid() AS id"

    async def go() -> None:
        (before,) = await read(process)
        other = await asyncpg.connect(database_url)
        await other.execute("SELECT pg_terminate_backend($1, 10000)", before["id"])
        await other.close()
        (after,) = await read(process)
        async with in_transaction():
            (within,) = await read(process)
        assert before["id"] != after["id"] == within["id"]

    run(database_url, go)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_whoever_waits_for_a_connection_gets_the_first_that_is_free(database_url: str) -> None:
    async def go() -> None:
        done = asyncio.Event()

        async def hold() -> None:
            async with in_transaction():
                await done.wait()

        async def ask() -> None:
            async with in_transaction():
                await read(UNITS)
            await read(UNITS)

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(hold())
            await asyncio.gather(*(ask() for _ in range(10)))
            done.set()

    run(f"{database_url}?maxsize=2", go)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_column_that_an_upgrade_adds_disturbs_nobody_who_is_at_work(database_url: str) -> None:
    """The server refuses a statement it has prepared once its answer has other columns."""

    async def go() -> None:
        async def units() -> list[str]:
            async with in_transaction():
                return [unit.code for unit in await load(Unit, "active ORDER BY id")]

        await add_unit("A")
        assert await units() == ["A"]
        await execute("ALTER TABLE yetan_unit ADD COLUMN later text")
        assert await units() == ["A"]

    run(database_url, go)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_one_reading_has_one_processor(database_url: str) -> None:
    """Whoever asks for a dear page takes no more of the server than one process of it."""

    async def go() -> None:
        settings = await read(
            "SELECT current_setting('max_parallel_workers_per_gather') AS helpers, current_setting('jit') AS jit"
        )
        assert [tuple(row.values()) for row in settings] == [("0", "off")]

    run(database_url, go)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_reader_of_the_embedded_database_cannot_write_and_leaves_nothing_open(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        with pytest.raises(OperationalError, match="readonly"):
            await read("DELETE FROM yetan_unit")
        assert await Unit.all().count() == 0

    run(database_url, go)
    assert reading._readers is None
    # The last who closes the file tidies its journal away.
    assert not Path(f"{sqlite_path(database_url)}-wal").exists()


def test_times_are_aware_however_they_are_stored() -> None:
    at = datetime(2026, 5, 6, 1, 2, 3, tzinfo=UTC)
    assert moment("2026-05-06 01:02:03+00:00") == moment(at) == at
    assert moment(None) is None
