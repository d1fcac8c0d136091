"""Audit records are chained: whatever is done to a sealed one is found, and named (C79, C80)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.core.event_city import Clock, city, new_worker, scenario
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from yetan.audit import sealing
from yetan.audit.models import AuditChain, AuditRecord
from yetan.audit.sealing import JOBS, Verification, forget_old, seal, verify
from yetan.audit.service import record
from yetan.config import SIX_MONTHS
from yetan.db.comparison import compare
from yetan.db.connection import is_postgres
from yetan.db.statements import execute
from yetan.runtime import current

Tamper = Callable[[], Awaitable[object]]
CHAIN = "yetan_audit_chain"
RECORD = "yetan_audit_record"


async def written(count: int, action: str = "look") -> None:
    """So many records."""
    for number in range(count):
        await record(current().system_act(), f"{action}.{number}", "Issue:1")


async def past_the_triggers(*statements: str) -> None:
    """What somebody does who may set the database's own guards aside."""
    async with in_transaction():
        if is_postgres():
            await execute("SET LOCAL session_replication_role = replica")
        else:
            await drop_triggers()
        for statement in statements:
            await execute(statement)


async def drop_triggers() -> None:
    """Take away what keeps the tables append-only."""
    for table in (RECORD, CHAIN):
        for event in ("update", "delete"):
            await execute(f"DROP TRIGGER IF EXISTS {table}_{event}" + (f" ON {table}" if is_postgres() else ""))


@scenario
async def test_every_record_gets_the_next_number_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK", 4)
    async with city(database_url):
        assert await verify() == Verification(0, 0, "", "")
        await written(10)
        assert await verify() == Verification(10, 0, "", "")
        assert await seal() == 10
        assert await seal() == 0
        await written(3, "later")
        assert await seal() == 3
        rows = await AuditRecord.all().order_by("id")
        assert [row.number for row in rows] == list(range(1, 14))
        assert await verify() == Verification(13, 13, rows[-1].hash or "", "")


@scenario
async def test_sealers_at_the_same_moment_make_one_chain(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK", 5)
    async with city(database_url):
        await written(40)
        assert sum(await asyncio.gather(*(seal() for _ in range(4)))) == 40
        assert (await verify()).sealed == 40
        assert (await verify()).ok


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_a_record_that_is_committed_late_is_not_passed_over(database_url: str) -> None:
    """Its id is lower than that of records that are sealed already."""
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with in_transaction():
            await written(1, "slow")
            started.set()
            await finish.wait()

    async with city(database_url):
        task = asyncio.create_task(slow())
        await started.wait()
        await written(2, "quick")
        assert await seal() == 2
        finish.set()
        await task
        assert await seal() == 1
        assert [row.action for row in await AuditRecord.all().order_by("number")] == ["quick.0", "quick.1", "slow.0"]
        assert [row.action for row in await AuditRecord.all().order_by("id")] == ["slow.0", "quick.0", "quick.1"]
        assert (await verify()).ok


_MOVED = (
    f"UPDATE {RECORD} SET number = 99 WHERE number = 5",
    f"UPDATE {RECORD} SET number = 5 WHERE number = 6",
    f"UPDATE {RECORD} SET number = 6 WHERE number = 99",
)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        *(
            ([f"UPDATE {RECORD} SET {column} = 'x' WHERE number = 7"], "第 7 条（id 7，2026-05-06 01:00:00 UTC）被改过")
            for column in ("actor", "action", "subject", "outcome", "source", "hash")
        ),
        ([f"UPDATE {RECORD} SET at = '2026-05-06 01:00:01+00:00' WHERE number = 7"], "第 7 条（id 7"),
        ([f"UPDATE {RECORD} SET id = 700 WHERE number = 7"], "第 7 条（id 700"),
        ([f"DELETE FROM {RECORD} WHERE number = 1"], "第 1 条缺失"),
        ([f"DELETE FROM {RECORD} WHERE number = 7"], "第 7 条缺失"),
        ([f"DELETE FROM {RECORD} WHERE number IN (4, 5, 6)"], "第 4 条缺失"),
        ([f"DELETE FROM {RECORD} WHERE number = 20"], "第 20 条缺失"),
        ([f"DELETE FROM {RECORD} WHERE number > 10"], "第 11 条缺失"),
        ([f"DELETE FROM {RECORD}"], "第 1 条缺失"),
        ([f"UPDATE {RECORD} SET number = NULL, hash = NULL WHERE number = 7"], "第 7 条缺失"),
        (_MOVED, "第 5 条（id 6"),
        (
            [
                f"UPDATE {RECORD} SET number = number + 1000 WHERE number > 7",
                f"UPDATE {RECORD} SET number = number - 999 WHERE number > 7",
                f"INSERT INTO {RECORD} (at, actor, action, subject, outcome, source, number, hash) "
                f"SELECT at, actor, action, subject, outcome, source, 8, hash FROM {RECORD} WHERE number = 7",
            ],
            "第 8 条（id 21",
        ),
        (
            [
                f"INSERT INTO {RECORD} (at, actor, action, subject, outcome, source, number, hash) "
                f"SELECT at, actor, action, subject, outcome, source, 21, hash FROM {RECORD} WHERE number = 7"
            ],
            "第 21 条（id 21）是多出来的",
        ),
        ([f"UPDATE {CHAIN} SET hash = 'x'"], "登记的链尾和第 20 条对不上"),
        ([f"UPDATE {CHAIN} SET sealed = 19"], "登记的链尾和第 19 条对不上"),
        ([f"UPDATE {CHAIN} SET forgotten = 3"], "第 1 条（id 1，2026-05-06 01:00:00 UTC）是多出来的"),
        ([f"UPDATE {CHAIN} SET forgotten = 3", f"DELETE FROM {RECORD} WHERE number <= 3"], "第 4 条（id 4"),
        ([f"DELETE FROM {CHAIN}"], "第 20 条（id 20）是多出来的"),
    ],
)
@scenario
async def test_whatever_is_done_to_the_chain_is_found(
    database_url: str, statements: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the first record concerned is named, wherever the chunks end."""
    monkeypatch.setattr(sealing, "CHUNK", 6)
    async with city(database_url):
        await written(20)
        await seal()
        assert (await verify()).ok
        await past_the_triggers(*statements)
        found = await verify()
        assert found.fault.startswith(said)
        assert not found.ok


@scenario
async def test_a_head_kept_elsewhere_shows_that_the_end_was_cut_off(database_url: str) -> None:
    """Who cuts off records and puts the chain's end back leaves no trace inside, and one outside."""
    async with city(database_url):
        await written(20)
        await seal()
        kept = (await verify()).head
        await written(5)
        await seal()
        assert (await verify(expect=kept)).ok
        await past_the_triggers(
            f"DELETE FROM {RECORD} WHERE number > 15",
            f"UPDATE {CHAIN} SET sealed = 15, hash = (SELECT hash FROM {RECORD} WHERE number = 15)",
        )
        assert (await verify()).ok
        assert kept in (await verify(expect=kept)).fault


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {RECORD} SET actor = 'x' WHERE number = 3",
        f"UPDATE {RECORD} SET number = NULL, hash = NULL WHERE number = 6",
        f"UPDATE {RECORD} SET number = 99 WHERE number = 3",
        f"UPDATE {RECORD} SET actor = 'x' WHERE number IS NULL",
        f"DELETE FROM {RECORD} WHERE number = 3",
        f"DELETE FROM {RECORD} WHERE number IS NULL",
        f"DELETE FROM {RECORD}",
        f"DELETE FROM {CHAIN}",
        f"UPDATE {CHAIN} SET sealed = 3",
        f"UPDATE {CHAIN} SET forgotten = 100",
    ],
)
@scenario
async def test_the_database_itself_refuses_to_change_records(database_url: str, statement: str) -> None:
    async with city(database_url):
        await written(6)
        await seal()
        await written(1)
        before = await AuditRecord.all().order_by("id").values(), await AuditChain.all().values()
        with pytest.raises(IntegrityError, match="append-only"):
            await execute(statement)
        assert (await AuditRecord.all().order_by("id").values(), await AuditChain.all().values()) == before


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_the_table_cannot_be_emptied_as_a_whole(database_url: str) -> None:
    async with city(database_url):
        await written(1)
        with pytest.raises(IntegrityError, match="append-only"):
            await execute(f"TRUNCATE {RECORD}")


@scenario
async def test_a_trigger_that_is_gone_is_told_by_the_comparison_of_the_schema(database_url: str) -> None:
    async with city(database_url):
        assert await compare() == []
        await drop_triggers()
        assert sorted(await compare()) == [
            f"{table}：缺少拒绝 {event} 的触发器" for table in (CHAIN, RECORD) for event in ("DELETE", "UPDATE")
        ]


async def _over_days(clock: Clock, days: int) -> None:
    for _ in range(days):
        await written(1, "daily")
        await seal()
        clock.forward(days=1)


@scenario
async def test_records_are_forgotten_in_time_and_the_rest_stays_a_chain(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C80: none is younger than the retention; that they went is recorded."""
    monkeypatch.setattr(sealing, "CHUNK", 3)
    async with city(database_url) as clock:
        retention = timedelta(days=current().configuration.audit.retention_days)
        await _over_days(clock, 10)
        head = (await verify()).head
        clock.now += retention - timedelta(days=2)  # the last of them is 399 days old, the first 408
        assert await forget_old(current().system_act()) == 8
        kept = await AuditRecord.exclude(number=None).order_by("number")
        assert [row.number for row in kept] == [9, 10]
        assert all(clock.now - row.at <= retention for row in kept)
        told = await AuditRecord.filter(action="audit.forget").order_by("id")
        assert [row.subject for row in told] == ["AuditRecord:1-3", "AuditRecord:4-6", "AuditRecord:7-8"]
        await seal()
        found = await verify(expect=head)
        assert found == Verification(5, 5, found.head, "")
        assert await forget_old(current().system_act()) == 0
        await past_the_triggers(f"DELETE FROM {RECORD} WHERE number = 9")
        assert (await verify()).fault.startswith("第 9 条缺失")


@scenario
async def test_what_is_not_sealed_yet_is_not_forgotten(database_url: str) -> None:
    async with city(database_url) as clock:
        await written(3)
        clock.forward(days=1000)
        assert await forget_old(current().system_act()) == 0
        assert await AuditRecord.all().count() == 3
        await seal()
        assert await forget_old(current().system_act()) == 3


@scenario
async def test_forgetting_during_a_look_is_no_fault(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK", 3)
    async with city(database_url) as clock:
        await written(9)
        await seal()
        await written(3, "young")
        clock.forward(days=500)
        await written(3, "younger")
        await seal()
        begun = asyncio.Event()

        async def forget() -> int:
            await begun.wait()
            return await forget_old(current().system_act())

        found, forgotten = await asyncio.gather(verify(progress=lambda done, total: begun.set()), forget())
        assert forgotten == 12
        assert found.fault == ""


@scenario
async def test_the_jobs_seal_each_hour_and_forget_each_day(database_url: str) -> None:
    async with city(database_url, scheduled=JOBS) as clock:
        await written(2)
        await new_worker().run_once()
        assert (await verify()).sealed == 2
        await written(1)
        clock.forward(hours=1)
        await new_worker().run_once()
        assert (await verify()).sealed == 3
        clock.forward(days=SIX_MONTHS)
        await new_worker().run_once()
        assert (await verify()).records == 3
        clock.forward(days=500)
        await new_worker().run_once()
        assert await AuditRecord.filter(action__startswith="look").count() == 0
