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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct
from tortoise.connection import get_connection
from tortoise.exceptions import ConfigurationError as UnfitModels
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from yetan.config import Configuration
from yetan.db.applied import applied, reachable
from yetan.db.comparison import compare, tables_of_no_model
from yetan.db.connection import (
    CORE_APPLICATION,
    Application,
    connected,
    is_postgres,
    sqlite_path,
    tortoise_configuration,
)
from yetan.db.failures import from_server
from yetan.db.schema_editors import schema_editor
from yetan.db.schema_state import forward, migration_of, state_after
from yetan.db.statements import fetch
from yetan.db.triggers import set_triggers
from yetan.faults import reached

Progress = Callable[[str], None]

#: Seconds between two looks at a lock somebody else holds.
_LOCK_INTERVAL = 0.2
#: The advisory lock's key on PostgreSQL: "yetan" in ASCII.
_LOCK_KEY = 0x796574616E


class UpgradeReport(Struct, frozen=True):
    """What an upgrade did."""

    #: Migrations applied, as in "yetan.0001_initial", in their order.
    applied: tuple[str, ...]
    #: The copy of the SQLite file made before; None where there was nothing to lose.
    copy: Path | None


class UpgradeFailed(Exception):  # noqa: N818 - read as "the upgrade failed"
    """The upgrade stopped and changed nothing. The message tells the operator what is wrong and what to do."""


async def upgrade(
    configuration: Configuration,
    applications: Sequence[Application],
    progress: Progress,
    *,
    record: Callable[[], Awaitable[None]] | None = None,
) -> UpgradeReport:
    """Apply all pending migrations of `applications`: of the enabled ones and of all ever applied (F05, F23).

    `record` writes down what belongs to the upgrade, and commits with it. Waits while another upgrade runs. Raises
    `UpgradeFailed` when a migration or a check fails, and `ConfigurationError` when the database or its folder
    cannot be used.
    """
    with _reachable(configuration):
        if configuration.is_sqlite:
            _database_file(configuration).parent.mkdir(parents=True, exist_ok=True)
        # SQLite alters a table by dropping it: with foreign keys on, rows that refer to it would go with it.
        async with connected(_upgrade_url(configuration), applications, foreign_keys=False):
            lock = _postgres_lock(progress) if is_postgres() else _sqlite_lock(configuration, progress)
            async with lock:
                return await _upgrade_locked(configuration, applications, progress, record)


async def applied_labels(configuration: Configuration) -> set[str]:
    """The labels of the apps whose migrations were ever applied to the database, switched off since or not.

    Raises `ConfigurationError` when the database cannot be reached.
    """
    if configuration.is_sqlite and not _database_file(configuration).exists():
        return set()
    with _reachable(configuration):
        async with connected(configuration.database_url, [CORE_APPLICATION]):
            return {label for label, _ in await applied()}


async def _upgrade_locked(
    configuration: Configuration,
    applications: Sequence[Application],
    progress: Progress,
    record: Callable[[], Awaitable[None]] | None,
) -> UpgradeReport:
    copy: Path | None = None
    try:
        done = {MigrationKey(*each) for each in await applied()}
        executor = await _executor(applications)
        _refuse_unknown(executor, applications, done)
        plan = _plan(executor, done)
        if plan and done and not is_postgres():
            copy = await asyncio.to_thread(_copy, configuration)
            progress(f"已把数据库复制为 {copy}")
            reached("upgrade.copied")
        async with in_transaction() as client:
            references = await _references()
            await _apply(executor, done, plan, client, progress)
            await set_triggers()
            if problems := [*await _broken_references(references), *await compare()]:
                raise UpgradeFailed(
                    "升级后的表和程序的模型对不上：\n  " + "\n  ".join(problems) + f"\n{_KEEP_THE_OLD_VERSION}"
                )
            if record is not None:
                await record()
    except UpgradeFailed as failure:
        kept = f"升级前的副本留在 {copy}。" if copy else ""
        raise UpgradeFailed(f"{failure}\n数据库没有任何改动。{kept}") from failure
    reached("upgrade.committed")
    return UpgradeReport(tuple(str(key) for key in plan), copy)


async def _executor(applications: Sequence[Application]) -> MigrationExecutor:
    """Tortoise's executor with the migrations read. Used to plan: its own run records after the commit."""
    apps = tortoise_configuration("sqlite://:memory:", applications)["apps"]
    executor = MigrationExecutor(get_connection("default"), apps)
    try:
        await executor.loader.build_graph()
    except (ImportError, ValueError) as error:
        raise UpgradeFailed(f"读不了迁移：{error}\n请重新安装这个版本和它的插件。") from error
    return executor


def _plan(executor: MigrationExecutor, done: set[MigrationKey]) -> list[MigrationKey]:
    """What is not applied yet, each after what it depends on."""
    return [key for key in executor._full_plan() if key not in done]


def _refuse_unknown(executor: MigrationExecutor, applications: Sequence[Application], done: set[MigrationKey]) -> None:
    labels = {application.label for application in applications}
    known = executor.loader.graph.nodes
    if unknown := sorted(str(key) for key in done if key.app_label in labels and key not in known):
        raise UpgradeFailed(
            f"数据库已经由更新的版本升级过（{'、'.join(unknown)}）。请安装那个版本，或者恢复升级前的副本。"
        )


async def _apply(
    executor: MigrationExecutor,
    done: set[MigrationKey],
    plan: Sequence[MigrationKey],
    client: Any,
    progress: Progress,
) -> None:
    """Apply and record `plan` in the transaction of `client`."""
    editor = schema_editor(client)
    recorder = MigrationRecorder(client)
    create = editor._get_model_sql_data(recorder.model).table_sql
    await editor._run_sql(create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
    if not plan:
        return
    state = await state_after(executor, done)
    for key in plan:
        progress(f"正在升级 {key}")
        migration = migration_of(executor, key)
        if not migration.atomic:
            raise UpgradeFailed(
                f"迁移 {key} 要求 atomic = False，而整个升级在一个事务里进行。\n{_KEEP_THE_OLD_VERSION}"
            )
        try:
            state = await forward(migration, state, editor)
            await recorder.record_applied(key.app_label, key.name)
        except Exception as error:
            raise UpgradeFailed(f"迁移 {key} 没有成功：{type(error).__name__}：{error}\n{_remedy(error)}") from error
        reached("upgrade.recorded")


_KEEP_THE_OLD_VERSION = "请把以上内容发给这个版本或插件的维护者；在此之前可以继续用原来的版本。"
_FREE_SPACE = "磁盘写不下了，或者出了错：请腾出空间、检查磁盘，再运行一次 yetan db upgrade。"
_STOP_OTHERS = "别的程序占着要改的表：请停下 yetan serve 和 yetan worker，再运行一次 yetan db upgrade。"


def _remedy(error: Exception) -> str:
    """What to do where a migration failed: the disk is full (F23), the table is in use, or the migration is wrong."""
    # Tortoise wraps the driver's exception.
    said = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    # SQLite's extended codes keep the plain one in their lowest byte.
    code = getattr(said, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or from_server(said, "DiskFullError"):
        return _FREE_SPACE
    return _STOP_OTHERS if from_server(said, "LockNotAvailableError") else _KEEP_THE_OLD_VERSION


async def _broken_references(before: set[tuple[str, str]]) -> list[str]:
    """References that the upgrade broke: of rows, on SQLite where foreign keys were off until now, and of tables
    that belong to no model here, such as those of a plugin that is not installed any more (F23)."""
    others = set(await tables_of_no_model())
    lost = sorted({table for table, _ in before - await _references() if table in others})
    problems = [
        f"{table}：它引用的表或列没有了。它属于一个没有安装的插件，请先装回那个插件，再运行 yetan db upgrade。"
        for table in lost
    ]
    if is_postgres():
        return problems
    rows = await fetch(
        'SELECT "table", parent, count(*) AS count FROM pragma_foreign_key_check GROUP BY "table", parent'
    )
    return problems + [
        f"{row['table']}：有 {row['count']} 行引用了 {row['parent']} 里不存在的行"
        for row in rows
        if row["table"] not in lost
    ]


async def _references() -> set[tuple[str, str]]:
    """All foreign keys whose target is there, each as its table and what it is called by."""
    rows = await fetch(_POSTGRES_REFERENCES if is_postgres() else _SQLITE_REFERENCES)
    return {(row["name"], str(row["reference"])) for row in rows}


#: Dropping what it refers to drops a foreign key: Tortoise drops with CASCADE.
_POSTGRES_REFERENCES = """
SELECT relname AS name, conname AS reference FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE contype = 'f' AND relnamespace = current_schema()::regnamespace
"""

#: A foreign key outlives what it refers to. Without a column named it refers to the key.
_SQLITE_REFERENCES = """
SELECT owner.name AS name, reference.id AS reference
FROM sqlite_master owner, pragma_foreign_key_list(owner.name) reference
WHERE owner.type = 'table' AND EXISTS (
    SELECT * FROM pragma_table_xinfo(reference."table") target
    WHERE reference."to" IS NULL OR target.name = reference."to"
)
"""


def _copy(configuration: Configuration) -> Path:
    """Copy the SQLite file into the data folder; only a whole copy gets its name."""
    folder = configuration.data_dir / "backups"
    path = folder / f"before-upgrade-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.sqlite3"
    partial = path.with_suffix(_PARTIAL)
    try:
        # The copy holds personal data: nobody else on the machine may read it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_partial_copies(folder)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(_database_file(configuration))) as source,
            closing(sqlite3.connect(partial)) as target,
        ):
            source.backup(target)
        reached("upgrade.copying")
        partial.rename(path)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            _remove_partial_copies(folder)
        raise UpgradeFailed(
            f"在 {folder} 里复制不了数据库：{error}\n"
            "请核对磁盘是否还有空间、当前用户能不能在这个文件夹里写，再运行一次 yetan db upgrade。"
        ) from error
    return path


_PARTIAL = ".partial"


def _remove_partial_copies(folder: Path) -> None:
    """Remove what a copy that was broken off left behind; who upgrades holds the lock, so that nobody is at it."""
    for leftover in folder.glob(f"before-upgrade-*{_PARTIAL}*"):
        leftover.unlink()


@asynccontextmanager
async def _sqlite_lock(configuration: Configuration, progress: Progress) -> AsyncIterator[None]:
    """Hold the lock file beside the database. The system frees it when the process ends, however it ends."""
    path = Path(f"{_database_file(configuration)}.upgrade-lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        said = False
        while not _flock(descriptor):
            if not said:
                holder = os.pread(descriptor, 200, 0).decode()
                progress(_waiting(holder))
                said = True
            await asyncio.sleep(_LOCK_INTERVAL)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{socket.gethostname()} 上的进程 {os.getpid()}".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _waiting(holder: str | None) -> str:
    return f"请稍等：{holder or '另一个进程'}正在升级这个数据库"


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
                progress(_waiting(holder))
                said = True
            await asyncio.sleep(_LOCK_INTERVAL)
        try:
            yield
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


#: pg_locks shows an advisory key as two halves.
_POSTGRES_LOCK_HOLDER = """
SELECT format('来自 %s 的用户 %s（服务器进程 %s，%s 起连接）', coalesce(host(client_addr), '数据库本机'), usename, pid,
              date_trunc('second', backend_start))
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = $1
"""


def _database_file(configuration: Configuration) -> Path:
    return Path(sqlite_path(configuration.database_url))


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
    """Say what keeps the database from being upgraded, instead of a traceback."""
    try:
        with reachable(configuration):
            yield
    except UnfitModels as error:
        raise UpgradeFailed(
            f"插件的模型和这个版本对不上：{error}\n请安装与这个版本相配的插件。\n数据库没有任何改动。"
        ) from error
