"""The embedded database's client: write transactions take their lock at once.

A deferred transaction that reads before it writes fails with "database is locked" when another process wrote in
between, whatever the busy timeout (measured). BEGIN IMMEDIATE waits its turn instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from tortoise.backends.base.client import ConnectionWrapper, TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper
from tortoise.connection import get_connections

from yetan.db import commits, reading


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


class ImmediateTransaction(SqliteTransactionWrapper):
    """A transaction that holds the write lock from its start."""

    async def begin(self) -> None:
        if self._connection.in_transaction:
            await self._connection.commit()
        await self._connection.execute("BEGIN IMMEDIATE")

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
        self._begun = commits.begun()
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

    async def close(self) -> None:
        reading.close()
        await super().close()

    def acquire_connection(self) -> Connection:
        return Connection(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        wrapper: Any = ImmediateTransaction(self)
        return ImmediateTransactionContext(wrapper, self._lock)


client_class = EmbeddedClient
