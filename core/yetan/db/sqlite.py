"""The embedded database's client: write transactions take their lock at once.

A deferred transaction that reads before it writes fails with "database is locked" when another process wrote in
between, whatever the busy timeout (measured). BEGIN IMMEDIATE waits its turn instead.
"""

from __future__ import annotations

from typing import Any

from tortoise.backends.base.client import TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper


class ImmediateTransaction(SqliteTransactionWrapper):
    """A transaction that holds the write lock from its start."""

    async def begin(self) -> None:
        await self._connection.commit()
        await self._connection.execute("BEGIN IMMEDIATE")


class ImmediateTransactionContext(SqliteTransactionContext):
    """Gives the connection back when beginning fails; Tortoise's own would keep it locked for good."""

    __slots__ = ()

    async def __aenter__(self) -> TransactionalDBClient:
        try:
            return await super().__aenter__()
        except BaseException:
            if self._trxlock.locked():
                self._trxlock.release()
            raise


class EmbeddedClient(SqliteClient):
    """Tortoise's SQLite client with immediate transactions."""

    def _in_transaction(self) -> TransactionContext:
        wrapper: Any = ImmediateTransaction(self)
        return ImmediateTransactionContext(wrapper, self._lock)


client_class = EmbeddedClient
