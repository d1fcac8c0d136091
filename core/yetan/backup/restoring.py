"""Taking a backup back: everything is refused before anything is touched, and one step decides.

The archive is unpacked and checked beside the data. Uploads have names nobody else has, so they are added first and
harm nothing. Then the database is switched, on SQLite by renaming a file, on PostgreSQL by one commit: before that
step the city is the old one, after it the new one. Old uploads no row names any more go with the daily sweep.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

from msgspec import Struct

from yetan import faults
from yetan.app import assemble
from yetan.backup import postgresql, sqlite
from yetan.backup.archive import Progress, read_archive, read_manifest
from yetan.backup.files import backups_of, move, staging
from yetan.backup.manifest import CONFIGURATION, CONFIGURATION_FILE, SECRET, UPLOADS, BackupRefused, Manifest
from yetan.config import Configuration, load_configuration
from yetan.db.applied import pending
from yetan.db.connection import connected, sqlite_path
from yetan.errors import ConfigurationError
from yetan.plugins.registry import Registry

#: How much of the disk a restore takes, in sizes of what is unpacked: PostgreSQL's dump is also written as text.
_ROOM = {"sqlite": 1.1, "postgresql": 2.5}


class Restored(Struct, frozen=True):
    """What a restore did."""

    manifest: Manifest
    configuration: Configuration
    #: Migrations that the restored database lacks.
    pending: tuple[str, ...]
    #: The SQLite file that was replaced, if there was one.
    aside: Path | None
    #: Configuration files written, because there were none.
    written: tuple[Path, ...]
    #: Whether the secret that is now in use is the backup's; None where it holds none.
    own_secret: bool | None


async def restore(
    archive: Path,
    configuration_file: Path,
    *,
    replace: bool,
    other_city: bool,
    now: datetime,
    progress: Progress,
) -> Restored:
    """Take a backup back into the city that `configuration_file` describes.

    Where that file does not stand yet, the backup's own configuration is written there. `replace` allows a database
    that is not empty, `other_city` a backup of another city. Raises `BackupRefused` or `ConfigurationError` with
    everything as it was.
    """
    manifest = await asyncio.to_thread(read_manifest, archive)
    written = await asyncio.to_thread(_write_configuration, archive, configuration_file, manifest, progress)
    try:
        configuration = load_configuration(configuration_file, require_secret=False)
        registry = assemble(configuration)
        if problems := list(_problems(manifest, configuration, registry, other_city=other_city)):
            raise BackupRefused(
                "\n".join(["这份备份不能恢复到这里，什么都没有改动：", *(f"  - {p}" for p in problems)])
            )
        with staging(configuration.data_dir) as folder:
            await _refuse_full(configuration, replace=replace)
            _refuse_small_disk(folder, manifest)
            await asyncio.to_thread(read_archive, archive, folder, progress)
            faults.reached("restore.unpacked")
            aside = await _switch(configuration, manifest, folder, now, progress)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    own_secret = None
    if SECRET in manifest.members:
        own_secret = (configuration.data_dir / SECRET).read_text(encoding="utf-8").strip() == _secret_in_use(
            configuration_file
        )
    async with connected(configuration.database_url, registry.applications):
        waiting = await pending(configuration, registry.applications)
    return Restored(manifest, configuration, tuple(waiting), aside, written, own_secret)


def _problems(
    manifest: Manifest, configuration: Configuration, registry: Registry, *, other_city: bool
) -> Iterator[str]:
    """What of the backup does not fit this city or this version."""
    if manifest.city != configuration.city.name and not other_city:
        yield (f"它是“{manifest.city}”的，这里是“{configuration.city.name}”。确实要用，请加 --other-city。")
    if _release(manifest.yetan) > _release(version("yetan")):
        yield f"它是夜谈 {manifest.yetan} 做的，这里装的是 {version('yetan')}。请先升级夜谈。"
    kind = "sqlite" if configuration.is_sqlite else "postgresql"
    if manifest.database != kind:
        yield (
            f"它的数据库是 {manifest.database}，这里用的是 {kind}。"
            "请用 YETAN_DATABASE_URL 或 [database] url 改成同一种。"
        )
    here = {plugin.name: plugin.version for plugin in registry.plugins}
    for name, its_version in manifest.plugins.items():
        if name not in here:
            yield f"它用着插件 {name}，这里没有启用。请安装它，并写进 yetan.toml 的 plugins。"
        elif _release(its_version) > _release(here[name]):
            yield f"它的插件 {name} 是 {its_version}，这里是 {here[name]}。请先升级这个插件。"
    known = {each.label: each.migrations for each in registry.applications}
    for label, module in known.items():
        names = {each.name for each in iter_modules(import_module(module).__path__)}
        newer = [each for each in manifest.migrations if each.partition(".")[0] == label]
        newer = [each for each in newer if each.partition(".")[2] not in names]
        if newer:
            yield f"它的数据库结构比这里装的版本新（{newer[0]}）。请先升级夜谈和插件。"


def _release(text: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


async def _refuse_full(configuration: Configuration, *, replace: bool) -> None:
    if configuration.is_sqlite:
        where = sqlite_path(configuration.database_url)
        empty = await asyncio.to_thread(sqlite.is_empty, Path(where))
    else:
        where = "PostgreSQL"
        empty = await postgresql.is_empty(configuration.database_url)
    if not empty and not replace:
        raise BackupRefused(
            f"这里的数据库（{where}）已经有表了。确实要用备份换掉它，请加 --replace；"
            "最好先运行 yetan backup 留一份。什么都没有改动。"
        )


def _refuse_small_disk(folder: Path, manifest: Manifest) -> None:
    wanted = int(manifest.total * _ROOM[manifest.database])
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise BackupRefused(
            f"磁盘不够：恢复要 {wanted >> 20} MB，数据文件夹所在的磁盘只剩 {free >> 20} MB。请清理或扩容。"
            "什么都没有改动。"
        )


def _write_configuration(
    archive: Path, configuration_file: Path, manifest: Manifest, progress: Progress
) -> tuple[Path, ...]:
    """Write the backup's configuration where there is none; files that stand there already are kept."""
    if configuration_file.exists():
        return ()
    if manifest.database == "postgresql" and not os.environ.get("YETAN_DATABASE_URL"):
        raise BackupRefused(
            f"这里还没有 {configuration_file}，而备份里的数据库地址指向原来的服务器。"
            "请用环境变量 YETAN_DATABASE_URL 指明恢复到哪个数据库，再运行一次。什么都没有改动。"
        )
    home = configuration_file.resolve().parent
    home.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=home) as temporary:
        folder = Path(temporary)
        read_archive(archive, folder, progress, part=CONFIGURATION)
        # yetan.toml last: with it there, the rest is there.
        names = [name for name in manifest.members if name.startswith(CONFIGURATION) and name != CONFIGURATION_FILE]
        for name in (*names, CONFIGURATION_FILE):
            target = configuration_file if name == CONFIGURATION_FILE else home / name.removeprefix(CONFIGURATION)
            if not target.exists():
                move(folder / name, target)
                written.append(target)
    return tuple(written)


async def _switch(
    configuration: Configuration, manifest: Manifest, folder: Path, now: datetime, progress: Progress
) -> Path | None:
    """Bring what was unpacked into its place. Returns where the old SQLite file is kept."""
    dump = folder / manifest.database_member
    if configuration.is_sqlite:
        await asyncio.to_thread(sqlite.prepare, dump, manifest.counts)
    await asyncio.to_thread(_add_uploads, configuration.data_dir / "files", folder, manifest, progress)
    await asyncio.to_thread(os.sync)
    faults.reached("restore.prepared")
    aside = None
    if configuration.is_sqlite:
        kept = backups_of(configuration.data_dir) / f"before-restore-{now:%Y%m%dT%H%M%SZ}.sqlite3"
        database = Path(sqlite_path(configuration.database_url))
        if await asyncio.to_thread(sqlite.switch, dump, database, kept):
            aside = kept
    else:
        await postgresql.replace(configuration.database_url, dump, manifest.counts, folder)
    faults.reached("restore.switched")
    _put_secret(configuration.data_dir, folder, now)
    return aside


def _add_uploads(stored: Path, folder: Path, manifest: Manifest, progress: Progress) -> None:
    names = [name for name in manifest.members if name.startswith(UPLOADS)]
    for number, name in enumerate(names, start=1):
        move(folder / name, stored / name.removeprefix(UPLOADS))
        progress("放回照片", number, len(names))


def _put_secret(data_dir: Path, folder: Path, now: datetime) -> None:
    """The secret belongs to the data: residents' printed slips open with it. A different one is kept aside."""
    new, place = folder / SECRET, data_dir / SECRET
    if not new.exists():
        return
    if place.exists() and place.read_text(encoding="utf-8").strip() != new.read_text(encoding="utf-8").strip():
        shutil.copy2(place, data_dir / f"{SECRET}.before-restore-{now:%Y%m%dT%H%M%SZ}")
    move(new, place)


def _secret_in_use(configuration_file: Path) -> str:
    try:
        return load_configuration(configuration_file).secret_key
    except ConfigurationError:
        return ""
