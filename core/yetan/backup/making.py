"""Making a backup while the city works.

The order makes it whole. A file is stored before the row that names it is committed, and removed only after that row
is gone. So every stored file first gets a second name out of reach of any removal; then the database is taken as it
is at one instant; then the files that came in between are named as well. A file that was both stored and removed in
between is missed, and the database is taken once more.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from yetan import faults
from yetan.backup import postgresql, sqlite
from yetan.backup.archive import Member, Progress, write_archive
from yetan.backup.database import Dump
from yetan.backup.files import backups_of, link_or_copy, staging, sync_folder
from yetan.backup.manifest import (
    CONFIGURATION,
    CONFIGURATION_FILE,
    DATABASES,
    SECRET,
    UPLOADS,
    BackupRefused,
    Manifest,
)
from yetan.config import Configuration
from yetan.db.connection import sqlite_path
from yetan.searching.vocabulary import FILE as SYNONYMS

#: The folders beside yetan.toml that a city's look is read from (see `yetan.layers`).
_FOLDERS = ("templates", "static", "locale")
#: What tar holds a name in.
_LONGEST_NAME = 100
_PARTIAL = ".partial"


class Backup(Struct, frozen=True):
    """A finished backup."""

    path: Path
    manifest: Manifest


async def make_backup(
    configuration: Configuration,
    configuration_file: Path,
    output: Path | None,
    *,
    now: datetime,
    with_secret: bool,
    progress: Progress,
) -> Backup:
    """Back the city up into `output`: a file, a folder, or None for the data folder's `backups`.

    The file is there when it is whole and on the disk, for its owner alone; until then it has another name. Raises
    `BackupRefused`.
    """
    path = _place(configuration, output, now)
    if not with_secret:
        _refuse_written_secrets(configuration_file)
    with staging(configuration.data_dir) as folder:
        await asyncio.to_thread(_keep_uploads, configuration.data_dir / "files", folder / UPLOADS)
        dump, missing = await _take(configuration, folder, progress)
        _keep_configuration(configuration, configuration_file, folder)
        if with_secret:
            (folder / SECRET).touch(mode=0o600)
            (folder / SECRET).write_text(configuration.secret_key, encoding="utf-8")
        kind: Literal["sqlite", "postgresql"] = "sqlite" if configuration.is_sqlite else "postgresql"
        members = list(_members(folder, kind, [name for name in dump.uploads if name not in missing]))
        manifest = Manifest(
            city=configuration.city.name,
            taken_at=now,
            yetan=version("yetan"),
            database=kind,
            server=dump.server,
            plugins=dict(dump.plugins),
            migrations=list(dump.migrations),
            counts=dict(dump.counts),
            missing_uploads=len(missing),
            members={member.name: member.size for member in members},
        )
        await asyncio.to_thread(_write, path, manifest, members, progress)
    return Backup(path, manifest)


def _place(configuration: Configuration, output: Path | None, now: datetime) -> Path:
    """Where the backup goes: never over anything."""
    name = f"yetan-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    folder = backups_of(configuration.data_dir) if output is None else output
    path = folder / name if folder.is_dir() else folder
    if path.exists():
        raise BackupRefused(f"已经有 {path} 了，不覆盖。请换一个文件名。")
    if not path.parent.is_dir():
        raise BackupRefused(f"没有文件夹 {path.parent}。请先建好，或者换一个位置。")
    return path


def _refuse_written_secrets(configuration_file: Path) -> None:
    written = tomllib.loads(configuration_file.read_text(encoding="utf-8"))
    password = urlsplit(str(written.get("database", {}).get("url", ""))).password
    if "secret_key" in written or password:
        raise BackupRefused(
            f"{configuration_file} 里写着密钥或数据库密码，--without-secret 也会把它带走。"
            "请改用环境变量 YETAN_SECRET_KEY_FILE、YETAN_DATABASE_URL，再运行一次。"
        )


async def _take(configuration: Configuration, folder: Path, progress: Progress) -> tuple[Dump, frozenset[str]]:
    """The database, and the uploads it names that are nowhere: removed in between, or lost long ago."""
    missing: frozenset[str] | None = None
    while True:
        progress("复制数据库", 0, 1)
        if configuration.is_sqlite:
            target = folder / DATABASES["sqlite"]
            target.unlink(missing_ok=True)
            dump = await asyncio.to_thread(sqlite.take, Path(sqlite_path(configuration.database_url)), target)
        else:
            target = folder / DATABASES["postgresql"]
            dump = await postgresql.take(configuration.database_url, target)
        progress("复制数据库", 1, 1)
        faults.reached("backup.dumped")
        before, missing = missing, await asyncio.to_thread(_keep_named, configuration, folder, dump.uploads)
        # Gone again though the rows still name them: no removal, but damage, which must not keep backups from being.
        if not missing or missing == before:
            return dump, missing


def _keep_uploads(stored: Path, kept: Path) -> None:
    """Give every stored file a second name."""
    for folder, _, names in os.walk(stored):
        for name in names:
            if not name.startswith("."):
                _keep(stored, kept, str((Path(folder) / name).relative_to(stored)))


def _keep_named(configuration: Configuration, folder: Path, names: Sequence[str]) -> frozenset[str]:
    """Keep the files that rows name and that came since; returns those that are nowhere."""
    stored, kept = configuration.data_dir / "files", folder / UPLOADS
    for name in names:
        if not (kept / name).exists():
            _keep(stored, kept, name)
    return frozenset(name for name in names if not (kept / name).exists())


def _keep(stored: Path, kept: Path, name: str) -> None:
    target = kept / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # removed meanwhile
        link_or_copy(stored / name, target)


def _keep_configuration(configuration: Configuration, configuration_file: Path, folder: Path) -> None:
    """Copy yetan.toml and what Yetan reads beside it."""
    _copy(configuration_file, folder / CONFIGURATION_FILE)
    city = configuration.city
    named = [configuration.folder / each for each in (city.units, city.categories, city.calendar, SYNONYMS) if each]
    trees = [path for name in _FOLDERS for path in sorted((configuration.folder / name).rglob("*"))]
    for path in (*named, *trees):
        if path.is_file() and path.is_relative_to(configuration.folder):
            inside = path.relative_to(configuration.folder)
            if not any(part.startswith(".") for part in inside.parts):
                _copy(path, folder / CONFIGURATION / inside)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _members(folder: Path, kind: str, uploads: Sequence[str]) -> Iterator[Member]:
    names = [DATABASES[kind], *(f"{UPLOADS}{name}" for name in uploads)]
    configuration = sorted(path for path in (folder / CONFIGURATION).rglob("*") if path.is_file())
    names += [str(path.relative_to(folder)) for path in configuration]
    names += [SECRET] if (folder / SECRET).exists() else []
    for name in names:
        if len(name.encode("utf-8")) > _LONGEST_NAME:
            raise BackupRefused(f"{name} 的路径太长，备份里放不下（最多 {_LONGEST_NAME} 字节）。请改短文件名。")
        yield Member(name, folder / name, (folder / name).stat().st_size)


def _write(path: Path, manifest: Manifest, members: Sequence[Member], progress: Progress) -> None:
    partial = path.with_name(f"{path.name}{_PARTIAL}")
    for left in path.parent.glob(f"yetan-*.tar.gz{_PARTIAL}"):
        left.unlink()
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            write_archive(file, manifest, members, progress)
            file.flush()
            os.fsync(file.fileno())
        faults.reached("backup.written")
        os.rename(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
