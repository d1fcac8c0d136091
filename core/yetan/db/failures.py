"""What went wrong with the database, when it was not we who asked wrongly."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

import asyncpg
from tortoise.exceptions import DBConnectionError

#: What a database says that is away, locked or full: wait and try again. Anything else is a fault of ours.
_SQLITE_BUSY = ("locked", "busy", "full", "disk i/o error", "unable to open", "readonly")
_SERVER_BUSY = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.PostgresIOError,
)
#: What a file system says that takes no more, and one that takes nothing.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EIO)


def disk_is_full(error: BaseException) -> bool:
    """Whether a disk is full: the database's, that of the files or that of the system's temporary folder (F11)."""
    return any(
        isinstance(each, asyncpg.DiskFullError)
        or (isinstance(each, sqlite3.OperationalError) and "full" in str(each).lower())
        or (isinstance(each, OSError) and each.errno in _FULL)
        for each in _causes(error)
    )


def database_is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached, is locked or full, rather than misunderstood."""
    for each in _causes(error):
        if database_is_lost(each) or isinstance(each, _SERVER_BUSY):
            return True
        if isinstance(each, sqlite3.OperationalError) and any(word in str(each).lower() for word in _SQLITE_BUSY):
            return True
        if isinstance(each, OSError) and each.errno in _CLOSED:
            return True
    return False


def database_is_lost(error: BaseException) -> bool:
    """Whether there is no connection to the database to be had at all: nothing else need be tried with it now."""
    return any(isinstance(each, (DBConnectionError, ConnectionError)) for each in _causes(error))


def gave_way(error: BaseException) -> bool:
    """Whether the database took a whole transaction back for another's sake, so that it may be done again (F10)."""
    return any(
        isinstance(each, (asyncpg.TransactionRollbackError, asyncpg.InvalidCachedStatementError))
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        yield from (each for each in error.args if isinstance(each, BaseException))
        error = error.__cause__ or error.__context__
