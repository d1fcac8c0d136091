"""Backing up while the city works, taking back all or nothing, and everything that is refused (F39, F40)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image
from tests.figures import keep
from tests.postgresql import execute

from yetan.access.models import Session
from yetan.app import running
from yetan.audit.models import AuditRecord
from yetan.audit.service import record
from yetan.backup import sqlite
from yetan.backup.archive import read_archive
from yetan.backup.making import Backup, make_backup
from yetan.backup.manifest import BackupRefused
from yetan.backup.restoring import Restored, restore
from yetan.cli.database import bring_up
from yetan.config import load_configuration
from yetan.db.connection import CORE_APPLICATION, Application, sqlite_path
from yetan.errors import ConfigurationError
from yetan.events.models import Delivery
from yetan.events.worker import Worker
from yetan.files.models import Attachment
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


# A city on disk


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


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Path:
    """The configuration of a city that is at work."""
    return found_city(tmp_path / "origin", database_url)


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Path:
    """The configuration of the same city on another machine, without any data."""
    folder = tmp_path / "elsewhere"
    url = f"sqlite://{folder}/var/yetan.sqlite3"
    if database_kind == "postgresql":
        url = request.getfixturevalue("empty_database_url")
    config = found_city(folder, url)
    (folder / "var" / "secret_key").unlink()
    return config


def town_of(config: Path) -> Town:
    """The town that works on a city's database; use it as `with town_of(config).open() as town`."""
    return Town(load_configuration(config).database_url, config.parent)


def run_command(*arguments: object, fault: str = "") -> subprocess.CompletedProcess[str]:
    """Run `yetan` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "yetan", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("YETAN_")},
            "YETAN_FAULT": fault,
        },
    )


# The drill


def test_what_was_acknowledged_before_a_backup_began_is_all_there_after_it_is_taken_back(
    home: Path, elsewhere: Path, tmp_path: Path
) -> None:
    """Residents and officials write and take photos all the while."""
    archive = tmp_path / "backup.tar.gz"
    with town_of(home).open() as town:
        town.run_worker()
        town.browser("clerk")  # leaves a session
        stop = threading.Event()
        acknowledged: list[str] = []

        async def look_at_something() -> None:
            await record(await town.act("clerk"), "issue.view", "Issue:1")

        def go_on() -> None:
            while not stop.is_set():
                shade = len(acknowledged)
                issue = town.report(title=f"第 {shade} 件", text=f"路灯坏了 {shade}")
                photograph(town, issue, shade)
                town.move(issue, "list", by="clerk")
                town.run_worker()
                town.do(look_at_something)
                acknowledged.append(issue.number)

        writing = threading.Thread(target=go_on)
        writing.start()
        try:
            while len(acknowledged) < 5:
                assert writing.is_alive()
            before = list(acknowledged)
            made = run_command("backup", "-o", archive, "--config", home)
            during = len(acknowledged) - len(before)
        finally:
            stop.set()
            writing.join()
        assert made.returncode == 0, made.stderr
        assert during > 0, "somebody wrote while the backup was made"
        assert town.do(Session.all().exists)
    done = take_back(archive, elsewhere)
    assert done.pending == ()

    async def look(city: Runtime) -> None:
        assert set(before) <= await numbers(city)
        assert await Delivery.all().count() == done.manifest.counts["yetan_delivery"]
        await Worker().run_once()  # what had not been delivered is
        assert await wrong(city) == {}
        names = [str(each) for each in await Attachment.all().values_list("stored_name", flat=True)]
        assert len(names) >= len(before)
        for name in names:
            assert city.files.open_path(name).read_bytes().startswith(b"\xff\xd8")
        assert await AuditRecord.all().count() >= len(before)
        assert not await Session.all().exists(), "everybody signs in again"

    ask(elsewhere, look)
    keep("restored_" + town_of(home).configuration.database_url.split(":")[0], acknowledged=len(before), during=during)


def test_the_restored_city_goes_on_where_the_old_one_stopped(home: Path, elsewhere: Path, tmp_path: Path) -> None:
    """Its secret is the old one, its numbers go on, its constraints and triggers hold."""
    with town_of(home).open() as town:
        last = town.report()
    archive = back_up(home).path
    take_back(archive, elsewhere)
    assert (elsewhere.parent / "var" / "secret_key").read_text() == SECRET

    async def raise_another(city: Runtime) -> str:
        from yetan.issues.service import report_issue

        unit = (await Issue.get(number=last.number)).unit_id
        values = {"title": "又一件", "text": "桥面破了", "kind": "problem", "collective": True, "unit": unit}
        return (await report_issue(city.system_act(), values)).number

    assert ask(elsewhere, raise_another) not in ("", last.number)
    assert ask(elsewhere, wrong) == {}


# Making


@pytest.fixture(scope="session")
def stored_city(
    tmp_path_factory: pytest.TempPathFactory, migrated_template: Callable[[str, Sequence[Application]], str]
) -> Path:
    """The data folder of a city on SQLite with two issues and a photo each. For copying alone."""
    folder = tmp_path_factory.mktemp("city")
    config = found_city(folder / "origin", f"sqlite://{folder}/origin/var/yetan.sqlite3")
    shutil.copy(
        sqlite_path(migrated_template("sqlite", (CORE_APPLICATION,))), folder / "origin" / "var" / "yetan.sqlite3"
    )
    with town_of(config).open() as town:
        for shade in range(2):
            photograph(town, town.report(title=f"第 {shade} 件"), shade)
        town.run_worker()
    return folder / "origin" / "var"


@pytest.fixture
def sqlite_home(tmp_path: Path, stored_city: Path) -> Path:
    """Such a city, at which nobody is at work."""
    config = found_city(tmp_path / "origin", f"sqlite://{tmp_path}/origin/var/yetan.sqlite3")
    shutil.copytree(stored_city, tmp_path / "origin" / "var", dirs_exist_ok=True)
    return config


def photos_of(config: Path) -> list[Path]:
    return sorted(path for path in (config.parent / "var" / "files").rglob("*") if path.is_file())


def test_a_backup_is_its_owner_s_alone_and_can_be_read_without_yetan(sqlite_home: Path, tmp_path: Path) -> None:
    made = back_up(sqlite_home)
    assert made.path == sqlite_home.parent / "var" / "backups" / "yetan-20260506T020000Z.tar.gz"
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert read_archive(made.path, None, lambda *_: None) == made.manifest
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "xzf", made.path, "-C", unpacked], check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], check=True, cwd=unpacked, capture_output=True)
    held = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    photos = {f"uploads/{path.relative_to(sqlite_home.parent / 'var' / 'files')}" for path in photos_of(sqlite_home)}
    assert held == {
        "manifest.json",
        "database.sqlite3",
        "configuration/yetan.toml",
        "configuration/units.csv",
        "configuration/templates/public/board.html",
        "secret_key",
        "SHA256SUMS",
        *photos,
    }
    assert made.manifest.counts["yetan_issue"] == 2
    assert made.manifest.migrations == ["yetan.0001_initial"]
    assert made.manifest.city == "柳湾市"


def test_nothing_is_ever_overwritten_by_a_backup(sqlite_home: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.tar.gz").write_bytes(b"an older one")
    with pytest.raises(BackupRefused, match="不覆盖"):
        back_up(sqlite_home, tmp_path / "kept.tar.gz")
    assert (tmp_path / "kept.tar.gz").read_bytes() == b"an older one"
    with pytest.raises(BackupRefused, match="没有文件夹"):
        back_up(sqlite_home, tmp_path / "nowhere" / "backup.tar.gz")


@pytest.mark.parametrize("point", ["backup.dumped", "backup.written"])
def test_a_killed_backup_leaves_nothing_that_looks_like_one(sqlite_home: Path, point: str) -> None:
    killed = run_command("backup", "--config", sqlite_home, fault=point)
    assert killed.returncode == -signal.SIGKILL
    folder = sqlite_home.parent / "var" / "backups"
    assert list(folder.glob("*.tar.gz")) == []
    made = back_up(sqlite_home)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", made.path.name], "and the next one clears up"


def test_one_backup_at_a_time(sqlite_home: Path) -> None:
    from yetan.backup.files import staging

    with staging(sqlite_home.parent / "var"), pytest.raises(BackupRefused, match="另一个备份"):
        back_up(sqlite_home)


def test_a_full_disk_leaves_no_half_backup(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("yetan.backup.making.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        back_up(sqlite_home)
    assert list((sqlite_home.parent / "var" / "backups").glob("yetan-*")) == []


def test_a_photo_removed_while_the_database_is_taken_does_not_make_a_hole(
    sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored after the files were listed and erased after the database was taken: it is taken once more."""
    taken = 0
    database = sqlite_home.parent / "var" / "yetan.sqlite3"
    late = sqlite_home.parent / "var" / "files" / "ab" / "cd" / f"abcd{'0' * 28}.jpg"
    take = sqlite.take

    def take_amid_changes(source: Path, target: Path) -> Any:
        nonlocal taken
        taken += 1
        if taken == 1:
            change(database, f"UPDATE yetan_attachment SET stored_name = 'ab/cd/{late.name}' WHERE id = 1")
        dump = take(source, target)
        if taken == 1:
            change(database, "DELETE FROM yetan_attachment WHERE id = 1")
        return dump

    monkeypatch.setattr("yetan.backup.making.sqlite.take", take_amid_changes)
    made = back_up(sqlite_home)
    assert taken == 2
    assert made.manifest.counts["yetan_attachment"] == 1
    assert made.manifest.missing_uploads == 0
    assert sum(name.startswith("uploads/") for name in made.manifest.members) == 1


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def test_a_photo_lost_long_ago_keeps_nobody_from_backing_up(sqlite_home: Path, tmp_path: Path) -> None:
    photos_of(sqlite_home)[0].unlink()
    said = run_command("backup", "--config", sqlite_home, "-o", tmp_path / "backup.tar.gz")
    assert said.returncode == 0
    assert "1 个照片文件早就丢了" in said.stdout
    assert read_archive(tmp_path / "backup.tar.gz", None, lambda *_: None).missing_uploads == 1


def test_a_backup_without_the_secret_says_what_that_means(sqlite_home: Path, tmp_path: Path) -> None:
    said = run_command("backup", "--without-secret", "--config", sqlite_home, "-o", tmp_path / "backup.tar.gz")
    assert said.returncode == 0
    assert "查询纸条" in said.stdout
    assert SECRET.encode() not in gzip.decompress((tmp_path / "backup.tar.gz").read_bytes())
    assert SECRET.encode() in gzip.decompress(back_up(sqlite_home).path.read_bytes())


def test_a_secret_written_into_yetan_toml_cannot_be_left_out(sqlite_home: Path) -> None:
    sqlite_home.write_text(f'secret_key = "{SECRET}"\n' + sqlite_home.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(BackupRefused, match="也会把它带走"):
        back_up(sqlite_home, with_secret=False)


# Refusing


@pytest.fixture
def archive(sqlite_home: Path, tmp_path: Path) -> Path:
    return back_up(sqlite_home, tmp_path / "backup.tar.gz").path


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The same city on another machine, on SQLite, without any data."""
    config = found_city(tmp_path / "there", f"sqlite://{tmp_path}/there/var/yetan.sqlite3")
    (tmp_path / "there" / "var" / "secret_key").unlink()
    return config


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


def test_every_flipped_bit_is_refused(archive: Path, there: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    choose = random.Random(40)
    bits = [*(choose.randrange(len(whole) * 8) for _ in range(100)), *range(0, 120 * 8, 7), len(whole) * 8 - 1]
    altered = tmp_path / "altered.tar.gz"
    for bit in bits:
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        altered.write_bytes(data)
        refuse(altered, there)


def test_every_cut_is_refused(archive: Path, there: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    choose = random.Random(41)
    cut = tmp_path / "cut.tar.gz"
    for length in (0, 1, 50, len(whole) - 1, *(choose.randrange(len(whole)) for _ in range(20))):
        cut.write_bytes(whole[:length])
        refuse(cut, there)
    cut.write_bytes(whole + b"\0")
    refuse(cut, there)


def test_other_programs_files_are_refused(there: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    with tarfile.open(other, "w:gz") as tar:
        tar.add(there, "yetan.toml")
    assert "不是夜谈做的备份" in refuse(other, there)
    other.write_text("a letter")
    assert "不是夜谈做的备份" in refuse(other, there)
    assert "没有这个备份文件" in refuse(tmp_path / "nothing", there)


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


def test_a_forged_copy_that_changes_nothing_is_taken(archive: Path, there: Path, tmp_path: Path) -> None:
    """The forgeries below are refused for what they hold, not for how they are made."""
    take_back(forge(tmp_path / "forged.tar.gz", archive), there)
    assert len(photos_of(there)) == 2


@pytest.mark.parametrize(
    "name",
    [
        "../../outside",
        "configuration/../../../outside",
        "/etc/cron.d/outside",
        "configuration//outside",
        "configuration/.ssh/outside",
        "configuration/a\\b",
        "configuration/a\nb",
        "uploads/../outside.jpg",
        "uploads/ab/cd/outside.jpg",
        "outside",
    ],
)
def test_names_that_lead_elsewhere_are_refused(archive: Path, there: Path, tmp_path: Path, name: str) -> None:
    manifest = read_archive(archive, None, lambda *_: None)
    members = {**manifest.members, name: 4}
    forged = forge(tmp_path / "forged.tar.gz", archive, manifest={"members": members}, add=[(member(name, 4), b"evil")])
    assert "不该有的文件名" in refuse(forged, there)
    assert not list(tmp_path.rglob("outside*"))


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_are_refused(archive: Path, there: Path, tmp_path: Path, kind: bytes) -> None:
    def replace(info: tarfile.TarInfo) -> tarfile.TarInfo:
        return member("secret_key", kind=kind, target="/etc/passwd") if info.name == "secret_key" else info

    assert "普通文件以外" in refuse(forge(tmp_path / "forged.tar.gz", archive, replace=replace), there)


def test_what_is_not_announced_is_refused(archive: Path, there: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.tar.gz"
    refuse(forge(forged, archive, add=[(member("outside", 4), b"evil")]), there)
    refuse(forge(forged, archive, replace=lambda info: None if info.name == "secret_key" else info), there)
    members = read_archive(archive, None, lambda *_: None).members
    refuse(forge(forged, archive, manifest={"members": {**members, "secret_key": 1}}), there)
    refuse(forge(forged, archive, manifest={"members": {}}), there)
    refuse(forge(forged, archive, manifest={"surprise": 1}), there)
    refuse(forge(forged, archive, manifest={"taken_at": "yesterday"}), there)


def test_size_bombs_are_refused_before_they_are_unpacked(archive: Path, there: Path, tmp_path: Path) -> None:
    members = read_archive(archive, None, lambda *_: None).members
    forged = tmp_path / "forged.tar.gz"
    bomb = {**members, "secret_key": 10**12}
    assert "大得不合常理" in refuse(forge(forged, archive, manifest={"members": bomb}), there)
    refuse(forge(forged, archive, manifest={"members": {**members, "secret_key": -1}}), there)
    # A header that claims to be followed by ten gigabytes of further headers.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(member("x", 0, tarfile.XHDTYPE))
    block = bytearray(packed.getvalue())
    block[124:136] = b"77777777777\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    assert "普通文件以外" in refuse(seal(forged, bytes(block)), there)


def test_what_does_not_fit_here_is_told_all_at_once(archive: Path, there: Path, tmp_path: Path) -> None:
    forged = forge(
        tmp_path / "forged.tar.gz",
        archive,
        manifest={
            "city": "别的市",
            "yetan": "99.0",
            "plugins": {"points": "1.2"},
            "migrations": ["yetan.0001_initial", "yetan.0099_later"],
        },
    )
    said = refuse(forged, there)
    for word in ("别的市", "99.0", "points", "yetan.0099_later"):
        assert word in said
    assert "别的市" not in refuse(forged, there, other_city=True)


def test_a_backup_of_the_other_kind_of_database_is_refused(archive: Path, there: Path, tmp_path: Path) -> None:
    text = there.read_text(encoding="utf-8").replace("sqlite://", "postgresql://nobody@127.0.0.1:1/")
    there.write_text(text, encoding="utf-8")
    assert "它的数据库是 sqlite，这里用的是 postgresql" in refuse(archive, there)


def test_another_city_s_backup_is_taken_only_when_told_so(archive: Path, there: Path) -> None:
    there.write_text(there.read_text(encoding="utf-8").replace("柳湾市", "石桥市"), encoding="utf-8")
    assert "--other-city" in refuse(archive, there)
    take_back(archive, there, other_city=True)
    assert len(ask(there, numbers)) == 2


def test_a_plugin_that_is_not_there_is_refused(sqlite_home: Path, there: Path) -> None:
    change(
        sqlite_home.parent / "var" / "yetan.sqlite3",
        "INSERT INTO yetan_enabled_plugin (name, version, enabled, declared, first_enabled_at, seen_at, catching_up) "
        "VALUES ('points', '1.0', 1, '{}', '2026-01-01', '2026-01-01', 0)",
    )
    assert "它用着插件 points" in refuse(back_up(sqlite_home).path, there)


def test_a_database_that_lost_rows_is_refused(archive: Path, there: Path, tmp_path: Path) -> None:
    counts = read_archive(archive, None, lambda *_: None).counts
    forged = forge(tmp_path / "forged.tar.gz", archive, manifest={"counts": {**counts, "yetan_issue": 3}})
    assert "对不上" in refuse(forged, there)


def test_a_backup_that_does_not_fit_on_the_disk_is_refused(
    archive: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("yetan.backup.restoring.shutil.disk_usage", lambda path: usage)
    assert "磁盘不够" in refuse(archive, there)


# Taking back


def test_a_database_that_is_not_empty_is_replaced_only_when_told_so(home: Path, elsewhere: Path) -> None:
    with town_of(home).open() as town:
        town.report(title="备份里的")
    archive = back_up(home).path
    take_back(archive, elsewhere)
    with pytest.raises(BackupRefused, match="--replace"):
        take_back(archive, elsewhere)

    async def add(city: Runtime) -> None:
        issue = await Issue.get()
        issue.id, issue.number = 99, "99-9"
        await issue.save(force_create=True)

    ask(elsewhere, add)
    done = take_back(archive, elsewhere, replace=True)
    assert "99-9" not in ask(elsewhere, numbers)
    assert ask(elsewhere, wrong) == {}
    if done.aside is not None:
        with closing(sqlite3.connect(done.aside)) as kept:
            assert kept.execute("SELECT count(*) FROM yetan_issue").fetchone() == (2,)
        assert stat.S_IMODE(done.aside.stat().st_mode) & 0o077 == 0


def test_a_database_somebody_uses_is_refused(home: Path, elsewhere: Path) -> None:
    with town_of(home).open() as town:
        town.report()
    archive = back_up(home).path
    take_back(archive, elsewhere)
    with town_of(elsewhere).open() as running:
        running.do(Issue.all().count)
        said = run_command("restore", archive, "--replace", "--config", elsewhere)
        assert said.returncode == 1
        assert "请先停掉" in said.stderr
        assert running.do(Issue.all().count) == 1


@pytest.mark.parametrize(
    ("database_kind", "point", "number"),
    [
        ("sqlite", "unpacked", 2),
        ("sqlite", "prepared", 2),
        ("sqlite", "switched", 1),
        pytest.param("postgresql", "prepared", 2, marks=pytest.mark.postgresql),
    ],
    indirect=["database_kind"],
)
def test_a_restore_that_is_killed_leaves_the_old_city_or_the_new_one(
    home: Path, elsewhere: Path, point: str, number: int
) -> None:
    with town_of(home).open() as town:
        photograph(town, town.report())
    archive = back_up(home).path
    take_back(archive, elsewhere)

    async def add(city: Runtime) -> None:
        issue = await Issue.get()
        issue.id, issue.number = 99, "99-9"
        await issue.save(force_create=True)

    ask(elsewhere, add)
    killed = run_command("restore", archive, "--replace", "--config", elsewhere, fault=f"restore.{point}")
    assert killed.returncode == -signal.SIGKILL
    assert len(ask(elsewhere, numbers)) == number
    take_back(archive, elsewhere, replace=True)
    assert len(ask(elsewhere, numbers)) == 1
    assert ask(elsewhere, wrong) == {}
    assert not list((elsewhere.parent / "var" / "backups").glob(".in-progress-*"))


def test_where_no_configuration_stands_the_backup_s_own_is_written(archive: Path, tmp_path: Path) -> None:
    config = tmp_path / "fresh" / "yetan.toml"
    text = (tmp_path / "origin" / "yetan.toml").read_text(encoding="utf-8")
    assert "database" in text
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("YETAN_DATABASE_URL", f"sqlite://{tmp_path}/fresh/var/yetan.sqlite3")
        done = take_back(archive, config)
        assert len(ask(config, numbers)) == 2
    assert {path.name for path in done.written} == {"yetan.toml", "units.csv", "board.html"}
    assert config.read_text(encoding="utf-8") == text
    assert done.own_secret is True


def test_a_configuration_written_for_a_restore_that_is_refused_is_taken_away(archive: Path, tmp_path: Path) -> None:
    config = tmp_path / "fresh" / "yetan.toml"
    config.parent.mkdir()
    with pytest.raises(BackupRefused, match="--replace"):  # it names the old city's database, which is not empty
        take_back(archive, config)
    assert standing(config) == {}


def test_a_secret_from_the_environment_is_told(archive: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YETAN_SECRET_KEY", "another secret that is long enough to be one")
    assert take_back(archive, there).own_secret is False
    assert (there.parent / "var" / "secret_key").read_text() == SECRET


def test_a_different_secret_is_kept_aside(archive: Path, there: Path) -> None:
    (there.parent / "var" / "secret_key").write_text("what `yetan init` wrote here before the restore")
    take_back(archive, there)
    (kept,) = (there.parent / "var").glob("secret_key.before-restore-*")
    assert kept.read_text() == "what `yetan init` wrote here before the restore"
    assert (there.parent / "var" / "secret_key").read_text() == SECRET


def test_a_backup_with_an_older_schema_is_taken_back_and_upgraded(home: Path, elsewhere: Path) -> None:
    with town_of(home).open() as town:
        town.report()
    archive = back_up(home).path
    text = elsewhere.read_text(encoding="utf-8").replace("plugins = []", 'plugins = ["supervision"]')
    elsewhere.write_text(text, encoding="utf-8")
    done = take_back(archive, elsewhere)
    assert [each.partition(".")[0] for each in done.pending] == ["yetan_supervision"]
    with pytest.raises(ConfigurationError):
        ask(elsewhere, numbers)
    asyncio.run(bring_up(load_configuration(elsewhere)))
    assert len(ask(elsewhere, numbers)) == 1
    assert ask(elsewhere, wrong) == {}


def test_the_command_tells_what_comes_next(archive: Path, there: Path) -> None:
    said = run_command("restore", archive, "--config", there)
    assert said.returncode == 0, "an empty footer is something to do, no damage"
    assert "恢复好了。所有人都要重新登录。" in said.stdout
    assert "todo  footer" in said.stdout
    assert "Traceback" not in said.stderr
    assert "13800001234" not in said.stdout + said.stderr
    verified = run_command("backup", "verify", archive)
    assert (verified.returncode, "备份完好。" in verified.stdout) == (0, True)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_without_postgresql_s_programs_it_is_said_what_to_install(
    home: Path, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yetan.backup.postgresql._version", lambda program: 9)
    with pytest.raises(BackupRefused, match="postgresql-client-"):
        back_up(home)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_a_restore_that_fails_half_way_on_postgresql_changes_nothing(
    home: Path, elsewhere: Path, database_kind: str
) -> None:
    with town_of(home).open() as town:
        town.report()
    archive = back_up(home).path
    take_back(archive, elsewhere)
    url = load_configuration(elsewhere).database_url
    execute(url, "CREATE DOMAIN mobile AS text")
    execute(url, "CREATE TABLE somebody_elses (phone mobile)")
    counts = read_archive(archive, None, lambda *_: None).counts
    forged = forge(elsewhere.parent / "forged.tar.gz", archive, manifest={"counts": {**counts, "yetan_issue": 5}})
    with pytest.raises(BackupRefused, match="yetan_issue are missing"):
        take_back(forged, elsewhere, replace=True)
    assert len(ask(elsewhere, numbers)) == 1
    execute(url, "SELECT phone FROM somebody_elses")
