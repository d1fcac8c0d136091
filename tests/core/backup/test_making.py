"""Backups: whose they are, what is in them, what is never left half done (F39)."""

from __future__ import annotations

import gzip
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.children import command
from tests.core.backup.city import back_up, change, photos_of

from yetan.backup import sqlite
from yetan.backup.archive import read_archive
from yetan.backup.manifest import BackupRefused
from yetan.testing.town import SECRET


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
    killed = command("backup", "--config", sqlite_home, fault=point)
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


def test_a_photo_lost_long_ago_keeps_nobody_from_backing_up(sqlite_home: Path, tmp_path: Path) -> None:
    photos_of(sqlite_home)[0].unlink()
    said = command("backup", "--config", sqlite_home, "-o", tmp_path / "backup.tar.gz")
    assert said.returncode == 0
    assert "1 个照片文件早就丢了" in said.stdout
    assert read_archive(tmp_path / "backup.tar.gz", None, lambda *_: None).missing_uploads == 1


def test_a_backup_without_the_secret_says_what_that_means(sqlite_home: Path, tmp_path: Path) -> None:
    said = command("backup", "--without-secret", "--config", sqlite_home, "-o", tmp_path / "backup.tar.gz")
    assert said.returncode == 0
    assert "查询纸条" in said.stdout
    assert SECRET.encode() not in gzip.decompress((tmp_path / "backup.tar.gz").read_bytes())
    assert SECRET.encode() in gzip.decompress(back_up(sqlite_home).path.read_bytes())


def test_a_secret_written_into_yetan_toml_cannot_be_left_out(sqlite_home: Path) -> None:
    sqlite_home.write_text(f'secret_key = "{SECRET}"\n' + sqlite_home.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(BackupRefused, match="也会把它带走"):
        back_up(sqlite_home, with_secret=False)
