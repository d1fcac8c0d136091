"""What went wrong with the database, when it was not we who asked wrongly."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from tortoise.exceptions import DBConnectionError

#: What a database says that is away, locked or full: wait and try again. Anything else is a fault of ours.
_SQLITE_BUSY = ("locked", "busy", "full", "disk i/o error", "unable to open", "readonly")
_SERVER_BUSY = (
    "InterfaceError",
    "PostgresConnectionError",
    "InsufficientResourcesError",
    "OperatorInterventionError",
    "TransactionRollbackError",
    "LockNotAvailableError",
    "IdleInTransactionSessionTimeoutError",
    "ReadOnlySQLTransactionError",
    "InvalidCachedStatementError",
    "PostgresIOError",
)
#: What a file system says that takes no more, and one that takes nothing.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EIO)


def disk_is_full(error: BaseException) -> bool:
    """Whether a disk is full: the database's, that of the files or that of the system's temporary folder (F11)."""
    return any(
        from_server(each, "DiskFullError")
        or (isinstance(each, sqlite3.OperationalError) and "full" in str(each).lower())
        or (isinstance(each, OSError) and each.errno in _FULL)
        for each in _causes(error)
    )


def database_is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached, is locked or full, rather than misunderstood."""
    for each in _causes(error):
        if database_is_lost(each) or from_server(each, *_SERVER_BUSY):
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
    return any(from_server(each, "TransactionRollbackError", "InvalidCachedStatementError") for each in _causes(error))


def from_server(error: BaseException, *kinds: str) -> bool:
    """Whether an error is one of these kinds of asyncpg's. What asyncpg did not raise does not import it: with SQLite
    no process has it."""
    if not type(error).__module__.startswith("asyncpg."):
        return False
    import asyncpg

    return isinstance(error, tuple(getattr(asyncpg, kind) for kind in kinds))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        yield from (each for each in error.args if isinstance(each, BaseException))
        error = error.__cause__ or error.__context__
