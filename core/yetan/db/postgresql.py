"""The server database's client: nobody waits for it without an end, and a connection that broke is left behind.

Tortoise's own keeps the transaction in the context of its task when beginning it, or giving its connection back,
fails: everything that task asks afterwards goes to the dead connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import (
    ConnectionWrapper,
    NestedTransactionContext,
    PoolConnectionWrapper,
    TransactionalDBClient,
    TransactionContext,
    TransactionContextPooled,
)
from tortoise.connection import get_connections
from tortoise.exceptions import DBConnectionError

from yetan.db import commits
from yetan.db.connection import numbered
from yetan.db.waiting import left_to_wait

#: Seconds to undo a transaction or to clean a connection for the next user. One that takes longer is closed, which
#: undoes as well.
_TIDYING = 1.0
#: Seconds that count as not waiting.
_AT_ONCE = 0.05
#: One in so many connections of the pool may stay at hand between two uses; the pool closes others in time.
_AT_HAND = 2
#: The server finds the innermost of a name.
_SAVEPOINT = "yetan"


async def _acquire(client: ServerClient) -> Any:
    """A connection. Raises `DBConnectionError` where there is none to be had in time."""
    while client.at_hand:
        connection = client.at_hand.pop()
        if _is_open(connection):
            return connection
        await _release(client, connection, sound=False)
    left = left_to_wait.get()
    began = time.monotonic()
    client.waiting += 1
    try:
        if client._pool is None:
            async with client._pool_init_lock:
                if client._pool is None:
                    await client.create_connection(with_db=True)
        assert client._pool is not None
        # The pool's own timeout would make a task of each acquiring.
        async with asyncio.timeout(max(left[0], _AT_ONCE) if left else client.extra["timeout"]):
            return await client._pool.acquire()
    except TimeoutError as error:
        raise DBConnectionError("no connection to the database became free in time") from error
    except OSError as error:
        # Not ConnectionError alone: a host of two addresses is refused with a plain OSError.
        raise DBConnectionError(f"the database cannot be reached: {error}") from error
    finally:
        client.waiting -= 1
        if left:
            left[0] -= time.monotonic() - began


def _touched(told: str) -> int:
    """How many rows the server says that a statement touched, as in "UPDATE 1"."""
    return int(told.rpartition(" ")[2]) if told[-1:].isdigit() else 0


def _is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        # Lost while it did nothing: it has gone back to the pool by itself.
        return False


async def _raised(client: AsyncpgDBClient, error: Exception) -> Any:
    """Raise an error where it is translated into one of Tortoise's."""
    raise error


async def _release(client: ServerClient, connection: Any, *, sound: bool) -> None:
    """Give a connection back; a sound one, where nobody waits for it, to whoever asks next.

    For a process, the pool's taking and giving is work as great as two statements. What fails in that has closed the
    connection, and changes nothing in what was done.
    """
    if client._pool is None:
        return
    if sound and not client.waiting and len(client.at_hand) < client._pool.get_max_size() // _AT_HAND:
        client.at_hand.append(connection)
    else:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await client._pool.release(connection, timeout=_TIDYING)


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that goes back to the pool as it is.

    asyncpg would have the server clean it each time, a question more for every question outside of a transaction.
    Nothing here leaves anything in a session: no setting, cursor or advisory lock; who listens stops it themselves.
    """

    @property
    def itself(self) -> PooledConnection:
        """The connection, from what the pool gives out for it, which passes on each question for a price."""
        return self

    def get_reset_query(self) -> str:
        """Nothing is to be cleaned."""
        return ""


class Connection(PoolConnectionWrapper[Any]):
    """A connection for one statement."""

    __slots__ = ()
    client: ServerClient

    async def __aenter__(self) -> Any:
        self.connection = await _acquire(self.client)
        return self.connection

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        connection: Any = self.connection
        if kind is not None and issubclass(kind, TimeoutError):
            connection.terminate()
        await _release(self.client, connection, sound=kind is None)


class PooledTransaction(TransactionContextPooled):
    """A transaction that leaves nothing behind in its task, whatever breaks."""

    __slots__ = ("_begun", "_connections", "_given")
    client: Any

    async def __aenter__(self) -> TransactionalDBClient:
        self._given = await _acquire(self.client._parent)
        self.client._connection = self._given.itself
        self._connections = get_connections()
        self.token = self._connections.set(self.connection_name, self.client)
        try:
            await self.client.begin()
        except BaseException:
            await self._leave(committed=False)
            raise
        self._begun = commits.begun(self.client)
        return self.client  # type: ignore[no-any-return]

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        committed = False
        try:
            if self.client._finalized:
                return
            if kind is None:
                await self.client.commit()
                committed = True
            elif issubclass(kind, DBConnectionError):
                self.client._connection.terminate()
            else:
                # What went wrong is in `error`; a connection that cannot undo any more is closed.
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                    async with asyncio.timeout(_TIDYING):
                        await self.client.rollback()
        finally:
            await self._leave(committed=committed)
            commits.ended(self._begun, committed=committed)

    async def _leave(self, *, committed: bool) -> None:
        self._connections.reset(self.token)
        await _release(self.client._parent, self._given, sound=committed)


class ServerClient(AsyncpgDBClient):
    """Tortoise's PostgreSQL client, bounded in time."""

    connection_class = PooledConnection

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: Connections of the pool that are open and do nothing, the one used last at the end.
        self.at_hand: list[Any] = []
        #: How many ask the pool for one.
        self.waiting = 0

    async def read(self, statement: str, values: Sequence[Any], seconds: float) -> Sequence[asyncpg.Record]:
        """The rows of a SELECT outside of transactions. Raises `TimeoutError` after so many seconds."""
        connection = await _acquire(self)
        sound = False
        try:
            rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *values, timeout=seconds)
            sound = True
        finally:
            await _release(self, connection, sound=sound)
        return rows

    async def notify(self, channel: str) -> None:
        """Tell who listens to `channel`, in whichever process."""
        await self.rows("SELECT pg_notify(?, '')", [channel])

    async def close(self) -> None:
        while self.at_hand:
            await _release(self, self.at_hand.pop(), sound=False)
        await super().close()

    def acquire_connection(self) -> ConnectionWrapper[Any] | PoolConnectionWrapper[Any]:
        return Connection(self, self._pool_init_lock)

    async def rows(self, statement: str, values: Sequence[Any]) -> Sequence[asyncpg.Record]:
        """The rows of a statement written with ?."""
        try:
            async with self.acquire_connection() as connection:
                found: Sequence[asyncpg.Record] = await connection.fetch(numbered(statement), *values)
                return found
        except Exception as error:
            return await self._translate_exceptions(_raised, error)  # type: ignore[no-any-return]

    async def touched(self, statement: str, values: Sequence[Any]) -> int:
        """How many rows a change touched."""
        try:
            async with self.acquire_connection() as connection:
                return _touched(await connection.execute(numbered(statement), *values))
        except Exception as error:
            return await self._translate_exceptions(_raised, error)  # type: ignore[no-any-return]

    def _in_transaction(self) -> TransactionContext:
        transaction: Any = ServerTransaction(self)
        return PooledTransaction(transaction, self._pool_init_lock)

    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._translate_exceptions(func, *args, **kwargs)
        except TimeoutError as error:
            raise DBConnectionError("the database did not answer in time") from error


class ServerTransaction(TransactionWrapper, ServerClient):
    """What is asked within a transaction, and how it begins and ends."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        #: Channels that are told of the commit.
        self._told: set[str] = set()

    def _in_transaction(self) -> TransactionContext:
        transaction: Any = ServerTransaction(self)
        return NestedTransactionContext(transaction)

    async def rows(self, statement: str, values: Sequence[Any]) -> Sequence[asyncpg.Record]:
        # By `async with` it is dearer than all else here.
        await self._lock.acquire()
        try:
            found: Sequence[asyncpg.Record] = await self._connection.fetch(numbered(statement), *values)
            return found
        except Exception as error:
            return await self._translate_exceptions(_raised, error)  # type: ignore[no-any-return]
        finally:
            self._lock.release()

    async def touched(self, statement: str, values: Sequence[Any]) -> int:
        await self._lock.acquire()
        try:
            return _touched(await self._connection.execute(numbered(statement), *values))
        except Exception as error:
            return await self._translate_exceptions(_raised, error)  # type: ignore[no-any-return]
        finally:
            self._lock.release()

    async def notify(self, channel: str) -> None:
        """Tell who listens to `channel` once this is committed. It goes to the server together with the commit."""
        self._told.add(channel)

    async def begin(self) -> None:
        await self._say("BEGIN")

    async def commit(self) -> None:
        await self._say("; ".join([*(f"NOTIFY {channel}" for channel in sorted(self._told)), "COMMIT"]))
        self._finalized = True

    async def rollback(self) -> None:
        await self._say("ROLLBACK")
        self._finalized = True

    async def savepoint(self) -> None:
        await self._say(f"SAVEPOINT {_SAVEPOINT}")

    async def release_savepoint(self) -> None:
        await self._say(f"RELEASE {_SAVEPOINT}")
        self._finalized = True

    async def savepoint_rollback(self) -> None:
        # Taken away as well: those of one name lie on each other.
        await self._say(f"ROLLBACK TO {_SAVEPOINT}; RELEASE {_SAVEPOINT}")
        self._finalized = True

    async def _say(self, statements: str) -> None:
        try:
            await self._connection.execute(statements)
        except Exception as error:
            await self._translate_exceptions(_raised, error)


client_class = ServerClient
