"""Taking and replacing an SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from yetan.backup.database import FORGOTTEN, MIGRATIONS, PLUGINS, UPLOADS, Dump, count_of
from yetan.backup.files import link_or_copy, sync_folder
from yetan.backup.manifest import BackupRefused

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
_PATIENCE = 60.0


def take(database: Path, target: Path) -> Dump:
    """Copy the database as it is at one instant, while others write; without what was deleted from it (C74)."""
    if not database.is_file():
        raise BackupRefused(f"还没有数据库：{database}。请先运行 yetan db upgrade，或者核对 --config。")
    with closing(_open(database)) as source:
        source.execute("VACUUM INTO ?", [str(target)])
    with closing(_open(target)) as copy:
        if "tortoise_migrations" not in _tables(copy):
            raise BackupRefused(f"{database} 里还没有夜谈的表，没有什么可以备份。请先运行 yetan db upgrade。")
        return Dump(
            server=f"SQLite {sqlite3.sqlite_version}",
            uploads=[name for (name,) in copy.execute(UPLOADS)],
            plugins=dict(copy.execute(PLUGINS).fetchall()),
            migrations=[f"{app}.{name}" for app, name in copy.execute(MIGRATIONS)],
            counts=_counts(copy),
        )


def is_empty(database: Path) -> bool:
    """Whether there is nothing to lose. Refuses while somebody has the database open."""
    if not database.exists():
        return True
    with closing(_open(database, patience=1.0)) as connection:
        try:
            # Only a connection that is the last one may leave write-ahead logging, even where the others are idle.
            alone = connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        except sqlite3.OperationalError:
            alone = False
        if not alone:
            raise BackupRefused(
                f"数据库 {database} 正有程序在用。请先停掉 yetan serve 和别的 yetan 命令，再恢复。什么都没有改动。"
            )
        return not _tables(connection)


def prepare(copy: Path, counts: Mapping[str, int]) -> None:
    """Check an unpacked database, row counts included, and end its sessions. Raises `BackupRefused`."""
    with closing(_open(copy)) as connection:
        try:
            sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            sound = sound and not connection.execute("PRAGMA foreign_key_check").fetchone()
            if not sound or _counts(connection) != dict(counts):
                raise BackupRefused("备份里的数据库和清单对不上，不能用。请换一份备份。什么都没有改动。")
            with connection:
                for model in FORGOTTEN:
                    connection.execute(f'DELETE FROM "{model._meta.db_table}"')  # noqa: S608 - our own table's name
        except sqlite3.DatabaseError as error:
            raise BackupRefused(f"备份里的数据库打不开（{error}）。请换一份备份。什么都没有改动。") from error


def switch(prepared: Path, database: Path, aside: Path) -> bool:
    """Put the prepared database in the place of `database`, in one step; the old one is kept as `aside`, if any was."""
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replaced = database.exists()
    if replaced:
        link_or_copy(database, aside)
    # A log of the old database must not be played into the new one; its owner closed it, so that it is empty.
    for leftover in ("-wal", "-shm", "-journal"):
        Path(f"{database}{leftover}").unlink(missing_ok=True)
    with prepared.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(prepared, database)
    sync_folder(database.parent)
    return replaced


def _open(path: Path, patience: float = _PATIENCE) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=patience)


def _tables(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute(_TABLES)]


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {name: connection.execute(count_of(name)).fetchone()[0] for name in _tables(connection)}
