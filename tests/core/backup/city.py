"""A city on disk, its backups, and those that somebody forged."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image

from yetan.app import running
from yetan.backup.making import Backup, make_backup
from yetan.backup.manifest import BackupRefused
from yetan.backup.restoring import Restored, restore
from yetan.config import load_configuration
from yetan.files.service import add_photos
from yetan.health import inspect
from yetan.issues.models import Issue
from yetan.runtime import Runtime
from yetan.testing import StandingClock, Town
from yetan.testing.town import SECRET, UNIT_KINDS

T = TypeVar("T")
NOW = datetime(2026, 5, 6, 2, 0, tzinfo=UTC)
#: What a city of these tests leaves out.
EXPECTED = {"footer"}


def found_city(folder: Path, url: str, plugins: Sequence[str] = (), name: str = "柳湾市") -> Path:
    """A deployment's folder with a yetan.toml for the town's database; its data lie in var/."""
    (folder / "templates" / "public").mkdir(parents=True)
    (folder / "templates" / "public" / "board.html").write_text("公开板", encoding="utf-8")
    (folder / "units.csv").write_text("编码,名称,类型,上级编码\n", encoding="utf-8")
    (folder / "ledger.xlsx").write_bytes(b"somebody's own file")
    (folder / "var").mkdir()
    (folder / "var" / "secret_key").write_text(SECRET, encoding="utf-8")
    kinds = "".join(
        f'[unit_kinds.{each}]\nlabel = "{kind.label}"\nraises = {str(kind.raises).lower()}\n'
        f"department = {str(kind.department).lower()}\n"
        for each, kind in UNIT_KINDS.items()
    )
    config = folder / "yetan.toml"
    config.write_text(
        f'plugins = {json.dumps(list(plugins))}\n[city]\nname = "{name}"\nhotline = "0598-12345"\n'
        f'[database]\nurl = "{url}"\n{kinds}',
        encoding="utf-8",
    )
    return config


def back_up(config: Path, output: Path | None = None, **options: Any) -> Backup:
    given: dict[str, Any] = {"now": NOW, "with_secret": True, "progress": lambda *_: None, **options}
    return asyncio.run(make_backup(load_configuration(config), config, output, **given))


def take_back(archive: Path, config: Path, **options: Any) -> Restored:
    given: dict[str, Any] = {"replace": False, "other_city": False, "now": NOW, "progress": lambda *_: None, **options}
    return asyncio.run(restore(archive, config, **given))


def ask(config: Path, work: Callable[[Runtime], Coroutine[Any, Any, T]]) -> T:
    async def go() -> T:
        async with running(load_configuration(config), StandingClock()) as city:
            return await work(city)

    return asyncio.run(go())


async def numbers(city: Runtime) -> set[str]:
    return {str(each) for each in await Issue.all().values_list("number", flat=True)}


async def wrong(city: Runtime) -> dict[str, str]:
    """What `yetan check` finds, besides what these cities leave out."""
    return {each.name: each.message for each in await inspect(city) if not each.ok and each.name not in EXPECTED}


class Picture:
    """An upload."""

    def __init__(self, shade: int) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (shade % 256, 90, 30)).save(buffer, "JPEG")
        self._data = buffer.getvalue()
        self.size: int | None = len(self._data)

    async def read(self) -> bytes:
        return self._data


def photograph(town: Town, issue: Issue, shade: int = 0) -> str:
    """Attach a photo to an issue; the name it is stored under."""

    async def go() -> str:
        (row,) = await add_photos(await town.act("deputy"), "issue", issue.id, [Picture(shade)])
        return row.stored_name

    return town.do(go)


def town_of(config: Path) -> Town:
    """The town that works on a city's database; use it as `with town_of(config).open() as town`."""
    return Town(load_configuration(config).database_url, config.parent)


def run_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `yetan` in a process of its own: beside threads of the test, where nothing may be forked."""
    return subprocess.run(
        [sys.executable, "-m", "yetan", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith("YETAN_")},
    )


def photos_of(config: Path) -> list[Path]:
    return sorted(path for path in (config.parent / "var" / "files").rglob("*") if path.is_file())


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def refuse(archive: Path, config: Path, **options: Any) -> str:
    """The refusal, after which everything is as it was."""
    before = standing(config)
    with pytest.raises(BackupRefused) as refused:
        take_back(archive, config, **options)
    assert standing(config) == before
    return refused.value.message


def standing(config: Path) -> dict[str, bytes]:
    """Every file of a deployment but the lock of backups."""
    files = (path for path in config.parent.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(config.parent)): path.read_bytes() for path in files}


def forge(
    path: Path,
    archive: Path,
    *,
    manifest: Mapping[str, Any] = {},
    replace: Callable[[tarfile.TarInfo], tarfile.TarInfo | None] = lambda info: info,
    add: Sequence[tuple[tarfile.TarInfo, bytes]] = (),
) -> Path:
    """An archive with a right seal and right digests, made from `archive` by somebody who means harm."""
    packed = io.BytesIO()
    sums: dict[str, str] = {}
    with tarfile.open(archive) as source, tarfile.open(fileobj=packed, mode="w") as tar:
        for info in source:
            content = source.extractfile(info)
            data = content.read() if content else b""
            if info.name == "manifest.json":
                data = json.dumps({**json.loads(data), **manifest}).encode()
            if info.name == "SHA256SUMS":
                for extra, its_data in add:
                    tar.addfile(extra, io.BytesIO(its_data))
                    sums[extra.name] = hashlib.sha256(its_data).hexdigest()
                data = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
            changed = replace(info)
            if changed is not None:
                changed.size = len(data) if changed.isreg() else 0
                tar.addfile(changed, io.BytesIO(data))
                sums[changed.name] = hashlib.sha256(data).hexdigest()
    return seal(path, packed.getvalue())


def seal(path: Path, tar: bytes) -> Path:
    body = gzip.compress(tar)[10:]
    comment = b"yetan backup 1 sha256 " + hashlib.sha256(body).hexdigest().encode()
    path.write_bytes(b"\x1f\x8b\x08\x10\0\0\0\0\0\xff" + comment + b"\0" + body)
    return path


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info
