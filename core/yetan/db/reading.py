"""Reading for public pages: SQL that is compiled once and kept, beside the writer, and given up in time.

On PostgreSQL the driver keeps each statement prepared, on a connection of the pool. SQLite has several read-only
connections beside the one that writes: Tortoise's own queue every page behind every other statement. A statement
whose asker is gone, or that takes longer than it may, is cancelled in the database itself, not merely forgotten.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from tortoise.connection import get_connection
from tortoise.exceptions import DBConnectionError, OperationalError
from tortoise.fields import DatetimeField
from tortoise.models import Model

from yetan.db.commits import client_within
from yetan.db.connection import SERVING, numbered
from yetan.db.model import taken_as_they_are

M = TypeVar("M", bound=Model)

#: Seconds a statement may take unless its caller says otherwise.
PATIENCE = SERVING.statement
#: Connections that read an SQLite file.
READERS = 3
#: After how many steps of SQLite's machine it is asked whether to go on: some tenths of a millisecond. It counts a kept
#: statement's steps on from one run to the next, so that it may ask in the first moment of one.
_STEPS = 10_000
#: Seconds a statement may take where it is asked for.
_MOMENT = 0.0005

#: What a connection keeps of the file for statements that take longer. With SQLite's own 2 MB nearly half of such a
#: statement went into copying the same pages from the system again.
_KEPT_KIBIBYTES = 8192

_TOO_LONG = "reading took longer than it may"


async def read(statement: str, values: Sequence[Any] = (), *, seconds: float = PATIENCE) -> Sequence[Any]:
    """The rows of a SELECT written with ?, as committed, each by index and by name. In a transaction, as that sees it.

    On SQLite they come as they are stored: times as text, see `moment`. Raises `DBConnectionError` where it takes
    longer than `seconds`; a cancelled task has its statement cancelled.
    """
    if (within := client_within()) is not None:
        return await within.rows(statement, values)  # type: ignore[no-any-return]
    outside: Any = get_connection("default")
    if outside.capabilities.dialect != "postgres":
        return await _readers_of(str(outside.filename)).read(statement, values, seconds)
    try:
        rows: Sequence[Any] = await outside.read(numbered(statement), values, seconds)
    except TimeoutError as error:
        # The driver has the server cancel it, and the connection serves on.
        raise DBConnectionError(_TOO_LONG) from error
    return rows


class _Shape(Struct, frozen=True):
    """How the rows of a table become a model."""

    #: What asks for whole rows, each column in its place. By `*` columns would come that a later version has added.
    selected: str
    columns: tuple[str, ...]
    attributes: tuple[str, ...]
    #: What is not simply what every driver gives: which types are, and what makes of others what it is. Times are read
    #: here: the ORM takes its time to read a text.
    otherwise: tuple[tuple[str, frozenset[type], Callable[[Any], Any]], ...]
    #: What Tortoise's own says of a row that was read.
    said: Mapping[str, Any]


#: A time that needs not be read any more.
_SIMPLY: frozenset[type] = frozenset((datetime, type(None)))


@cache
def _shape(model: type[Model]) -> _Shape:
    meta = model._meta
    columns, known = meta.fields_db_projection, meta.fields_map
    otherwise = tuple(
        (name, _SIMPLY, moment)
        if isinstance(known[name], DatetimeField)
        else (name, taken_as_they_are(known[name]), known[name].to_python_value)
        for name in columns
        if known[name].field_type not in (int, str)
    )
    own_key = meta.db_pk_column not in meta.generated_db_fields
    said = {"_partial": False, "_saved_in_db": True, "_custom_generated_pk": own_key}
    names = ", ".join(f'"{column}"' for column in columns.values())
    selected = f"SELECT {names} FROM {meta.db_table} WHERE"  # noqa: S608 - constants
    return _Shape(selected, tuple(columns.values()), tuple(columns), otherwise, said)


def stored(model: type[M], row: Any) -> M:
    """A row of a whole table as its model. Other columns may be in it as well."""
    shape = _shape(model)
    found = row if isinstance(row, dict) else dict(zip(row.keys(), row, strict=True))
    return _made(model, shape, map(found.__getitem__, shape.columns))


def _made(model: type[M], shape: _Shape, columns: Iterable[Any]) -> M:
    made = model.__new__(model)
    values = vars(made)
    values.update(shape.said, _await_when_save={})
    values.update(zip(shape.attributes, columns, strict=True))
    for name, plain, taken in shape.otherwise:
        if type(values[name]) not in plain:
            values[name] = taken(values[name])
    return made


async def load(model: type[M], which: str, values: Sequence[Any] = ()) -> list[M]:
    """Rows of a whole table as models, by what stands behind WHERE; as `read` reads.

    For what every change asks: the ORM takes longer to put such a question than the database to answer it.
    """
    shape = _shape(model)
    return [_made(model, shape, row) for row in await read(f"{shape.selected} {which}", values)]


def moment(stored: datetime | str | None) -> datetime | None:
    """A stored time that was read, as an aware datetime."""
    return _written(stored) if isinstance(stored, str) else stored


#: To look up a text costs a third of reading it; a datetime, which costs more to look up, is none to be read.
_written = lru_cache(maxsize=4096)(datetime.fromisoformat)


class _Readers:
    """A few read-only connections to one SQLite file, each used by one thread at a time.

    Most reads take a tenth of a millisecond, less than it costs to hand them to a thread. So each is tried where it is
    asked for, on a connection that gives up after `_STEPS`; what needs longer, or would have to wait, goes to a thread.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="reading")
        self._idle: list[sqlite3.Connection] = []
        self._at_once: sqlite3.Connection | None = None
        self._until = 0.0

    async def read(self, statement: str, values: Sequence[Any], seconds: float) -> list[sqlite3.Row]:
        rows = self._read_at_once(statement, values)
        if rows is not None:
            return rows
        end = time.monotonic() + seconds
        abandoned = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._read, statement, values, end, abandoned
            )
        except sqlite3.OperationalError as error:
            if time.monotonic() >= end:
                raise DBConnectionError(_TOO_LONG) from error
            raise OperationalError(error) from error
        finally:
            abandoned.set()

    def close(self) -> None:
        """Close every connection; a statement at work is waited for."""
        self._threads.shutdown(cancel_futures=True)
        for connection in (*self._idle, *([self._at_once] if self._at_once is not None else ())):
            connection.close()

    def _read_at_once(self, statement: str, values: Sequence[Any]) -> list[sqlite3.Row] | None:
        """The rows, if they are to be had within a moment."""
        try:
            if self._at_once is None:
                self._at_once = self._open(patience=0)
                self._at_once.set_progress_handler(lambda: time.monotonic() > self._until, _STEPS)
            self._until = time.monotonic() + _MOMENT
            with closing(self._at_once.execute(statement, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.OperationalError:
            return None

    def _read(self, statement: str, values: Sequence[Any], end: float, abandoned: threading.Event) -> list[sqlite3.Row]:
        connection = self._idle.pop() if self._idle else self._roomy()
        try:
            connection.set_progress_handler(lambda: abandoned.is_set() or time.monotonic() > end, _STEPS)
            with closing(connection.execute(statement, values)) as cursor:
                return cursor.fetchall()
        finally:
            self._idle.append(connection)

    def _roomy(self) -> sqlite3.Connection:
        connection = self._open()
        connection.execute(f"PRAGMA cache_size = -{_KEPT_KIBIBYTES}")
        return connection

    def _open(self, patience: float = SERVING.lock) -> sqlite3.Connection:
        address = f"{Path(self.path).absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=patience, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection


_readers: _Readers | None = None


def _readers_of(path: str) -> _Readers:
    global _readers
    if _readers is None or _readers.path != path:
        close()
        _readers = _Readers(path)
    return _readers


def close() -> None:
    """Close the readers, if any; before the connection that writes, which then tidies the file up."""
    global _readers
    if _readers is not None:
        _readers.close()
        _readers = None
