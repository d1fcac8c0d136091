"""Archives that are damaged, forged or do not fit here are refused, and nothing is changed (F40)."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import pytest
from tests.core.backup.city import ask, back_up, change, forge, member, numbers, photos_of, refuse, seal, take_back

from yetan.backup.archive import read_archive


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
