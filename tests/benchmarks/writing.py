"""Target 6: write transactions with what follows from them, beside the same statements on the raw driver; imports.

An issue is raised and listed through the services and the worker does all that follows, on one copy of a database.
The statements that reach the driver are written down and asked again of another copy, in the same transactions,
straight through aiosqlite or asyncpg. Both go in turn, a batch at a time.
"""

from __future__ import annotations

import asyncio
import functools
import io
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
from tests.benchmarks.kept import Databases
from tests.benchmarks.measuring import cluster_used
from tests.benchmarks.rows import Row, median
from tests.soak.city import at_work

from yetan.app import assemble
from yetan.db import reading, sqlite
from yetan.db.connection import sqlite_path, tortoise_configuration
from yetan.db.statements import fetch
from yetan.events.worker import Worker
from yetan.issues.importing import carry_out, plan_import
from yetan.issues.ledger import ledger_columns, parse_ledger
from yetan.issues.service import RaiserInput, report_issue, transition_issue
from yetan.people.models import Person
from yetan.spreadsheets import read_table, write_xlsx
from yetan.testing import Town
from yetan.units.service import root

PART = "writing"
#: Issues written in a batch of each side, and rows of the ledger.
_BATCH, _LEDGER = 20, 2000
_LEAST = {"sqlite": 0.55, "postgresql": 0.65}

#: A statement as the driver was asked: its method, and what it was given.
Call = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a batch took: seconds of processor, the database's included, and seconds by the clock."""

    processor: float
    clock: float


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """Writes by the raw driver's, in the smallest city; and how fast a ledger comes in."""
    town = databases.town(sizes[0])
    with tempfile.TemporaryDirectory(prefix="yetan-bench-") as temporary:
        one, other, third = (Path(temporary, name) for name in ("ours", "raw", "import"))
        with databases.copy(town, one) as ours, databases.copy(town, other) as raw:
            rows = asyncio.run(_beside_the_driver(databases, sizes[0], ours, raw, rounds))
        with databases.copy(town, third) as ours:
            rows.append(asyncio.run(_import(databases, sizes[0], ours)))
    return rows


async def _beside_the_driver(databases: Databases, size: int, town: Town, raw: Town, rounds: int) -> list[Row]:
    spent: list[tuple[Spent, Spent, int]] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(at_work(town, assemble(town.configuration)))
        driver = await _driver(databases.kind, raw, stack)
        await Worker().run_once()
        # Each issue another resident's: one who comes again and again is told apart, which takes longer.
        residents = iter(await Person.all().order_by("-id").limit(_BATCH * (rounds + 1)))
        for _ in range(rounds + 1):
            with _written_down(databases.kind) as calls:
                ours = await _spent(databases, lambda: _write(town, list(islice(residents, _BATCH))))
            asked = await _spent(databases, functools.partial(_ask_again, driver, calls))
            spent.append((ours, asked, len(calls)))
        told = await driver.execute_fetchall(_LAST) if databases.kind == "sqlite" else await driver.fetch(_LAST)
        assert tuple(told[0]) == tuple((await fetch(_LAST))[0].values()), "the driver has not done the same"
    # The first batch has prepared the statements of both.
    share = median([asked.processor / ours.processor for ours, asked, _ in spent[1:]])
    by_clock = median([asked.clock / ours.clock for ours, asked, _ in spent[1:]])
    cost = median([ours.processor for ours, _, _ in spent[1:]]) / _BATCH * 1000
    note = f"{cost:.1f} ms, {spent[-1][2] / _BATCH:.0f} statements an issue"
    kind = databases.kind
    return [
        Row(PART, "raw driver / writes with deliveries", kind, size, share, "", least=_LEAST[kind], note=note),
        Row(PART, "the same by the clock", kind, size, by_clock, ""),
    ]


async def _spent(databases: Databases, work: Callable[[], Awaitable[None]]) -> Spent:
    def used() -> float:
        return time.process_time() + (cluster_used(databases.server) if databases.server else 0.0)

    processor, clock = used(), time.monotonic()
    await work()
    return Spent(used() - processor, time.monotonic() - clock)


async def _write(town: Town, residents: Sequence[Person]) -> None:
    """Raise and list an issue of each, as at a desk and by a clerk, and let the worker do what follows from it."""
    values = {
        "title": "村口三盏路灯不亮",
        "text": "村口到老桥的三盏路灯坏了半个月，晚上老人不敢走。",
        "place": "村口到老桥",
        "kind": "problem",
        "collective": True,
        "unit": town.units["village"],
        "category": town.category,
    }
    listed = {
        "owner": town.accounts["deputy"].id,
        "measures": "照明所三天内更换灯头。",
        "deadline": town.clock().date() + timedelta(days=10),
    }
    worker = Worker()
    for resident in residents:
        raised = {**values, "text": f"{values['text']}已经说过{resident.id}次。"}
        raisers = [RaiserInput(person_id=resident.id)]
        issue = await report_issue(await town.act("village"), raised, raisers, via="visit")
        await transition_issue(await town.act("clerk"), issue.id, "list", listed)
        await worker.run_once()


async def _driver(kind: str, town: Town, stack: AsyncExitStack) -> Any:
    """A connection of the raw driver with the settings of the product's own."""
    if kind == "postgresql":
        connection = await asyncpg.connect(town.database_url)
        stack.push_async_callback(connection.close)
        return connection
    settings = tortoise_configuration(town.database_url, ())["connections"]["default"]["credentials"]
    database = await aiosqlite.connect(sqlite_path(town.database_url), isolation_level=None)
    stack.push_async_callback(database.close)
    for name, value in settings.items():
        if name != "file_path":
            await database.execute(f"PRAGMA {name}={value}")
    return database


async def _ask_again(driver: Any, calls: Sequence[Call]) -> None:
    for method, given in calls:
        await getattr(driver, method)(*given)


_METHODS: dict[str, tuple[Any, Sequence[str]]] = {
    "sqlite": (aiosqlite.Connection, ("execute", "executemany", "execute_fetchall", "execute_insert", "commit")),
    "postgresql": (asyncpg.Connection, ("execute", "executemany", "fetch", "fetchrow")),
}
#: What the product asks SQLite past aiosqlite's thread, and what aiosqlite is asked in its place. A question given up
#: there is asked of aiosqlite as well, and counts once.
_PAST = {
    "sqlite": ((sqlite, "made_here"), (reading._Readers, "_read_at_once"), (reading._Readers, "_read")),
    "postgresql": (),
}
_IN_ITS_PLACE = "execute_fetchall"
#: What both sides have written, by its ids.
_LAST = "SELECT (SELECT max(id) FROM yetan_issue) AS issue, (SELECT max(id) FROM yetan_delivery) AS delivery"
#: What asyncpg's pool says to clean a connection for the next: one of its own needs it not.
_CLEANING = "pg_advisory_unlock_all"


@contextmanager
def _written_down(kind: str) -> Iterator[list[Call]]:
    """Write down what the driver is asked while the block runs, transactions and savepoints included."""
    driver, methods = _METHODS[kind]
    calls: list[Call] = []
    kept = [(driver, name, getattr(driver, name)) for name in methods]
    past = [(owner, name, getattr(owner, name)) for owner, name in _PAST[kind]]

    def noting(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(own)
        def call(connection: Any, *given: Any, **options: Any) -> Any:
            if not (given and _CLEANING in str(given[0])):
                calls.append((name, given))
            return own(connection, *given, **options)

        return call

    def noting_past(own: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(own)
        def call(connection: Any, statement: str, values: Sequence[Any], *more: Any) -> Any:
            rows = own(connection, statement, values, *more)
            if rows is not None:
                calls.append((_IN_ITS_PLACE, (statement, values)))
            return rows

        return call

    try:
        for owner, name, own in kept:
            setattr(owner, name, noting(name, own))
        for owner, name, own in past:
            setattr(owner, name, noting_past(own))
        yield calls
    finally:
        for owner, name, own in (*kept, *past):
            setattr(owner, name, own)


async def _import(databases: Databases, size: int, town: Town) -> Row:
    """Rows a second of a ledger that is read, planned, written, published and put on the board."""
    headings = ("编号", "标题", "内容", "反映时间", "答复", "答复时间", "一级分类", "单位", "反映人", "联系电话")
    rows = [
        (f"T{number}", f"第{number}盏路灯坏了", f"第{number}盏路灯坏了半个月，晚上老人不敢走。", "2025-03-01 08:00:00",
         "换了灯头。" if number % 3 else "", "2025-03-05 09:30" if number % 3 else "", "城乡建设", "溪尾村",
         f"林某{number % 700}", f"139{number % 700:08}")
        for number in range(_LEDGER)
    ]  # fmt: skip
    file = io.BytesIO(write_xlsx(headings, rows))
    async with at_work(town, assemble(town.configuration)):

        async def bring_in() -> None:
            columns = ledger_columns()
            table = read_table(file, filename="台账.xlsx", columns=columns)
            ledger = parse_ledger(table, columns, town.configuration.city.zone, now=town.clock())
            plan = await plan_import(ledger, table, await root())
            assert len(plan.rows) == _LEDGER
            await carry_out(await town.act(), plan, publish=True, progress=lambda *told: None)

        spent = await _spent(databases, bring_in)
    note = f"{_LEDGER / spent.clock:.0f} rows/s by the clock"
    return Row(PART, "import of a ledger", databases.kind, size, _LEDGER / spent.processor, "rows/s", note=note)
