"""The embedded database's client: write transactions take their lock at once, and short statements are not handed on.

A deferred transaction that reads before it writes fails with "database is locked" when another process wrote in
between, whatever the busy timeout (measured). BEGIN IMMEDIATE waits its turn instead.

Within a transaction nothing has to wait for anybody: the lock is held, and nothing reaches the disk before the commit.
Most statements then take less than it costs to hand them to the connection's thread, and are made where they are asked
for. What may take longer goes to the thread, and so do BEGIN, which waits, and COMMIT, which writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import aiosqlite
from tortoise.backends.base.client import (
    ConnectionWrapper,
    NestedTransactionContext,
    TransactionalDBClient,
    TransactionContext,
)
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
    translate_exceptions,
)
from tortoise.connection import get_connections

from yetan.db import commits, reading

#: After how many steps of SQLite's machine a question is left to the thread: some tenths of a millisecond.
_STEPS = 10_000
#: What questions begin with, and no change does.
_QUESTIONS = ("SELECT", "WITH")
#: A change of at most so many values is one of a few rows, by their keys.
_FEW = 100
#: After so many statements made here one goes to the thread, so that others have their turn.
_IN_A_ROW = 50


def statements_of(script: str) -> Iterator[str]:
    """The statements of a script; a ; may stand inside a literal or a trigger."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
    if statement.strip(" \n;"):
        yield statement


def made_here(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> list[sqlite3.Row] | None:
    """Make a short statement in the caller's own thread, and return its rows; None, with nothing done, if it is long.

    Only where the connection holds the write lock, and nobody else uses it meanwhile. A question is given up after
    `_STEPS`. A change cannot be, without its whole transaction: how long it may be is told by how much it is given.
    """
    if statement.lstrip().startswith(_QUESTIONS):
        connection.set_progress_handler(lambda: True, _STEPS)
        try:
            return connection.execute(statement, values).fetchall()
        except sqlite3.OperationalError:
            return None
        finally:
            connection.set_progress_handler(None, 0)
    return connection.execute(statement, values).fetchall() if 0 < len(values) <= _FEW else None


class ImmediateTransaction(SqliteTransactionWrapper):
    """A transaction that holds the write lock from its start."""

    #: How many statements were made here in a row.
    _here = 0

    def _in_transaction(self) -> TransactionContext:
        savepoint: Any = ImmediateTransaction(self)
        return NestedTransactionContext(savepoint)

    async def begin(self) -> None:
        if self._connection.in_transaction:
            await self._connection.commit()
        await self._connection.execute("BEGIN IMMEDIATE")

    @translate_exceptions
    async def rows(self, statement: str, values: Sequence[Any]) -> Sequence[sqlite3.Row]:
        if not self._lock.locked() and self._here < _IN_A_ROW:
            self._here += 1
            rows = made_here(self._connection._conn, statement, values)
            if rows is not None:
                return rows
        self._here = 0
        async with self.acquire_connection() as connection:
            found: Sequence[sqlite3.Row] = await connection.execute_fetchall(statement, values)
            return found

    @translate_exceptions
    async def touched(self, statement: str, values: Sequence[Any]) -> int:
        before = self._connection.total_changes
        await self.rows(statement, values)
        return self._connection.total_changes - before

    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[Any]]:
        """What the ORM asks and writes."""
        if not query.startswith(_QUESTIONS):
            return await super().execute_query(query, values)  # type: ignore[no-any-return]
        rows = await self.rows(query.replace("\x00", "'||CHAR(0)||'"), values or ())
        return len(rows), rows

    async def execute_script(self, query: str) -> None:
        """Run a script within the transaction; sqlite3's own would commit it first."""
        for statement in statements_of(query):
            await self.execute_query(statement)


class ImmediateTransactionContext(SqliteTransactionContext):
    """Gives the connection back when beginning fails; Tortoise's own would keep it locked for good."""

    __slots__ = ("_begun",)

    async def __aenter__(self) -> TransactionalDBClient:
        try:
            client = await super().__aenter__()
        except BaseException:
            if hasattr(self, "token"):
                get_connections().reset(self.token)
            if self._trxlock.locked():
                self._trxlock.release()
            raise
        self._begun = commits.begun(client)
        return client

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        committed = False
        try:
            await super().__aexit__(kind, error, trace)
            committed = kind is None
        finally:
            commits.ended(self._begun, committed=committed)


class Connection(ConnectionWrapper[Any]):
    """Gives the lock back when the first connection fails; the next query would wait for it for good."""

    __slots__ = ()

    async def __aenter__(self) -> Any:
        await self._lock.acquire()
        try:
            await self.ensure_connection()
        except BaseException:
            self._lock.release()
            raise
        return self.connection


class EmbeddedClient(SqliteClient):
    """Tortoise's SQLite client with immediate transactions."""

    async def create_connection(self, with_db: bool) -> None:
        """Open the connection, for more threads than its own."""
        if self._connection:
            return
        opened = aiosqlite.connect(self.filename, isolation_level=None, check_same_thread=False)
        self._connection = await opened
        self._connection._conn.row_factory = sqlite3.Row
        for name, value in self.pragmas.items():
            await self._connection.execute_fetchall(f"PRAGMA {name}={value}")
        await self._post_connect()

    @translate_exceptions
    async def rows(self, statement: str, values: Sequence[Any]) -> Sequence[sqlite3.Row]:
        """The rows of a statement written with ?."""
        async with self.acquire_connection() as connection:
            found: Sequence[sqlite3.Row] = await connection.execute_fetchall(statement, values)
            return found

    @translate_exceptions
    async def touched(self, statement: str, values: Sequence[Any]) -> int:
        """How many rows a change touched."""
        async with self.acquire_connection() as connection:
            before = connection.total_changes
            await connection.execute_fetchall(statement, values)
            return int(connection.total_changes - before)

    async def close(self) -> None:
        reading.close()
        await super().close()

    def acquire_connection(self) -> Connection:
        return Connection(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        wrapper: Any = ImmediateTransaction(self)
        return ImmediateTransactionContext(wrapper, self._lock)


client_class = EmbeddedClient
