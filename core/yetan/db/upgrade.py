"""`yetan db upgrade`, the only way migrations run.

Everything pending runs in one transaction, together with its records and the checks that follow. What fails,
is killed or does not give the models' schema leaves the database as it was.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from tortoise.connection import get_connection
from tortoise.exceptions import DBConnectionError, OperationalError
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.migration import Migration
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from yetan.config import Configuration
from yetan.db.comparison import compare
from yetan.db.connection import Application, connected, is_postgres, sqlite_path, tortoise_configuration
from yetan.db.schema_editors import schema_editor
from yetan.db.statements import fetch
from yetan.db.triggers import set_triggers
from yetan.errors import ConfigurationError

Progress = Callable[[str], None]

#: Seconds between two looks at a lock somebody else holds.
_LOCK_INTERVAL = 0.2
#: The advisory lock's key on PostgreSQL: "yetan" in ASCII.
_LOCK_KEY = 0x796574616E


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What an upgrade did."""

    #: Migrations applied, as in "yetan.0001_initial", in their order.
    applied: tuple[str, ...]
    #: The copy of the SQLite file made before; None where there was nothing to lose.
    copy: Path | None


class UpgradeFailed(Exception):  # noqa: N818 - read as "the upgrade failed"
    """The upgrade stopped and changed nothing. The message tells the operator, in English, what is wrong."""


async def upgrade(
    configuration: Configuration, applications: Sequence[Application], progress: Progress
) -> UpgradeReport:
    """Apply all pending migrations of `applications`: of the enabled ones and of all ever applied.

    Waits while another upgrade runs. Raises `UpgradeFailed` when a migration or a check fails, and
    `ConfigurationError` when the database or its folder cannot be used.
    """
    with _reachable(configuration):
        if configuration.is_sqlite:
            Path(sqlite_path(configuration.database_url)).parent.mkdir(parents=True, exist_ok=True)
        # SQLite alters a table by dropping it: with foreign keys on, rows that refer to it would go with it.
        async with connected(_upgrade_url(configuration), applications, foreign_keys=False):
            lock = _postgres_lock(progress) if is_postgres() else _sqlite_lock(configuration, progress)
            async with lock:
                return await _upgrade_locked(configuration, applications, progress)


async def pending(configuration: Configuration, applications: Sequence[Application]) -> list[str]:
    """The migrations that the open database lacks, as in "yetan.0001_initial", in their order.

    For start-up: with any of them pending the site must not be served. Raises `ConfigurationError` when the
    database cannot be reached.
    """
    with _reachable(configuration):
        applied = await _applied()
        return [str(key) for key in _plan(await _executor(applications), applied)]


async def _upgrade_locked(
    configuration: Configuration, applications: Sequence[Application], progress: Progress
) -> UpgradeReport:
    applied = await _applied()
    executor = await _executor(applications)
    _refuse_unknown(executor, applications, applied)
    plan = _plan(executor, applied)
    copy: Path | None = None
    if plan and applied and not is_postgres():
        copy = await asyncio.to_thread(_copy, configuration)
        progress(f"copied the database to {copy}")
    try:
        async with in_transaction() as client:
            await _apply(executor, applied, plan, client, progress)
            await set_triggers()
            if problems := [*await _broken_references(), *await compare()]:
                raise UpgradeFailed("the schema does not agree with the models:\n  " + "\n  ".join(problems))
    except UpgradeFailed as failure:
        kept = f" A copy made before is kept as {copy}." if copy else ""
        raise UpgradeFailed(f"{failure}\nNothing was changed.{kept}") from failure
    return UpgradeReport(tuple(str(key) for key in plan), copy)


async def _executor(applications: Sequence[Application]) -> MigrationExecutor:
    """Tortoise's executor with the migrations read. Used to plan: its own run records after the commit."""
    apps = tortoise_configuration("sqlite://:memory:", applications)["apps"]
    executor = MigrationExecutor(get_connection("default"), apps)
    try:
        await executor.loader.build_graph()
    except (ImportError, ValueError) as error:
        raise UpgradeFailed(f"the migrations cannot be read: {error}") from error
    return executor


async def _applied() -> set[MigrationKey]:
    """What is recorded as applied. Asked first: Tortoise's reading takes any error for an empty database."""
    table = (
        "SELECT to_regclass('tortoise_migrations')::text AS name"
        if is_postgres()
        else "SELECT max(name) AS name FROM sqlite_master WHERE name = 'tortoise_migrations'"
    )
    if (await fetch(table))[0]["name"] is None:
        return set()
    rows = await fetch("SELECT app, name FROM tortoise_migrations")
    return {MigrationKey(row["app"], row["name"]) for row in rows}


def _plan(executor: MigrationExecutor, applied: set[MigrationKey]) -> list[MigrationKey]:
    """What is not applied yet, each after what it depends on."""
    return [key for key in executor._full_plan() if key not in applied]


def _refuse_unknown(
    executor: MigrationExecutor, applications: Sequence[Application], applied: set[MigrationKey]
) -> None:
    labels = {application.label for application in applications}
    known = executor.loader.graph.nodes
    if unknown := sorted(str(key) for key in applied if key.app_label in labels and key not in known):
        raise UpgradeFailed(
            f"the database was upgraded by a newer version, which applied {', '.join(unknown)}; "
            "install that version, or go back to a copy made before"
        )


async def _apply(
    executor: MigrationExecutor,
    applied: set[MigrationKey],
    plan: Sequence[MigrationKey],
    client: Any,
    progress: Progress,
) -> None:
    """Apply and record `plan` in the transaction of `client`."""
    editor = schema_editor(client)
    recorder = MigrationRecorder(client)
    create = editor._get_model_sql_data(recorder.model).table_sql
    await editor._run_sql(create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
    state = await executor._project_state(applied)
    for key in plan:
        progress(f"applying {key}")
        migration = executor.loader.graph.nodes[key]
        assert isinstance(migration, Migration)
        if not migration.atomic:
            raise UpgradeFailed(f"migration {key} says atomic = False, but upgrades run in one transaction")
        try:
            state = await migration.apply(state, schema_editor=editor)
            await recorder.record_applied(key.app_label, key.name)
        except Exception as error:
            raise UpgradeFailed(f"migration {key} failed: {type(error).__name__}: {error}") from error


async def _broken_references() -> list[str]:
    """Rows that refer to rows that are not there: on SQLite, where foreign keys were off until now."""
    if is_postgres():
        return []
    rows = await fetch(
        'SELECT "table", parent, count(*) AS count FROM pragma_foreign_key_check GROUP BY "table", parent'
    )
    return [f"{row['table']}: {row['count']} rows refer to rows of {row['parent']} that are not there" for row in rows]


def _copy(configuration: Configuration) -> Path:
    """Copy the SQLite file into the data folder; only a whole copy gets its name."""
    folder = configuration.data_dir / "backups"
    path = folder / f"before-upgrade-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.sqlite3"
    partial = path.with_suffix(".partial")
    try:
        # The copy holds personal data: nobody else on the machine may read it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(sqlite_path(configuration.database_url))) as source,
            closing(sqlite3.connect(partial)) as target,
        ):
            source.backup(target)
        partial.rename(path)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink()
        raise UpgradeFailed(f"the copy in {folder} cannot be made: {error}\nNothing was changed.") from error
    return path


@asynccontextmanager
async def _sqlite_lock(configuration: Configuration, progress: Progress) -> AsyncIterator[None]:
    """Hold the lock file beside the database. The system frees it when the process ends, however it ends."""
    path = Path(f"{sqlite_path(configuration.database_url)}.upgrade-lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        said = False
        while not _flock(descriptor):
            if not said:
                holder = os.pread(descriptor, 200, 0).decode()
                progress(f"waiting: the database is being upgraded by {holder or 'another process'}")
                said = True
            await asyncio.sleep(_LOCK_INTERVAL)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _postgres_lock(progress: Progress) -> AsyncIterator[None]:
    """Hold an advisory lock on a connection of its own. The server frees it when the connection ends."""
    async with get_connection("default").acquire_connection() as connection:
        said = False
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
            if not said:
                holder = await connection.fetchval(_POSTGRES_LOCK_HOLDER, _LOCK_KEY)
                progress(f"waiting: the database is being upgraded by {holder or 'another process'}")
                said = True
            await asyncio.sleep(_LOCK_INTERVAL)
        try:
            yield
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


#: pg_locks shows an advisory key as two halves.
_POSTGRES_LOCK_HOLDER = """
SELECT format('%s from %s, connected since %s', usename, coalesce(host(client_addr), 'this machine'),
              date_trunc('second', backend_start))
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = $1
"""


def _upgrade_url(configuration: Configuration) -> str:
    """The database's URL; on PostgreSQL with a second connection for the lock, and without cached statements,
    which a migration would outdate within the transaction."""
    if configuration.is_sqlite:
        return configuration.database_url
    parts = urlsplit(configuration.database_url)
    query = {**dict(parse_qsl(parts.query)), "minsize": "1", "maxsize": "2", "statement_cache_size": "0"}
    return urlunsplit(parts._replace(query=urlencode(query)))


@contextmanager
def _reachable(configuration: Configuration) -> Iterator[None]:
    """Say in one line what keeps the database from being used."""
    try:
        yield
    except (
        OSError,
        sqlite3.Error,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        DBConnectionError,
        OperationalError,
    ) as error:
        parts = urlsplit(configuration.database_url)
        if configuration.is_sqlite:
            where = sqlite_path(configuration.database_url)
            remedy = "check that the disk has room and that this user may write in the folder"
        else:
            where = f"{parts.path.lstrip('/')} on {parts.hostname}:{parts.port or 5432}"
            remedy = "check that the server runs and that user and password are right"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError([f"database.url: {where} cannot be used: {reason}; {remedy}"]) from error
