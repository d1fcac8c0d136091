"""Files on disk: names nobody chooses, nothing half written, and clear words when the disk refuses (C26)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from yetan.errors import NotFound
from yetan.files.storage import FileStore, StorageFull, StorageUnavailable


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def files_under(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_saved_file_is_read_back_under_a_sharded_random_name(store: FileStore) -> None:
    name = store.save(b"picture", ".jpg")
    first, second, last = name.split("/")
    assert last.startswith(first + second)
    assert last.endswith(".jpg")
    assert store.open_path(name).read_bytes() == b"picture"
    assert len({store.save(b"picture", ".jpg") for _ in range(50)} | {name}) == 51
    assert len(name) <= 80  # what an attachment's column holds
    assert all(path.name.startswith(path.parent.parent.name) for path in files_under(store.root))


def test_deleting(store: FileStore) -> None:
    name = store.save(b"picture", ".png")
    store.delete(name)
    store.delete(name)
    with pytest.raises(NotFound):
        store.open_path(name)


TRAVERSALS = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../secret.txt",
    "aa/../../secret.txt",
    "aa/bb/../../../secret.txt",
    "..\\..\\secret.txt",
    "%2e%2e/secret.txt",
    "aa/bb/aabb" + "0" * 28 + ".jpg\0.txt",
    "aa/bb/aabb" + "0" * 28 + ".jpg\n",
    "aa/bb/ccdd" + "0" * 28 + ".jpg",
    "AA/BB/AABB" + "0" * 28 + ".jpg",
    "aa//bb/aabb" + "0" * 28 + ".jpg",
    "aa/bb/aabb" + "0" * 28,
    "aa/bb/aabb" + "0" * 28 + ".jpg/..",
    "aa/bb/.aabb" + "0" * 28 + ".part",
    "ａa/bb/ａabb" + "0" * 28 + ".jpg",
    "aa/bb/" + "a" * 5000,
]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_only_names_the_store_made_are_opened_or_deleted(store: FileStore, name: str) -> None:
    store.save(b"picture", ".jpg")
    secret = store.root.parent / "secret.txt"
    secret.write_text("secret")
    with pytest.raises(NotFound):
        store.open_path(name)
    with pytest.raises(NotFound):
        store.delete(name)
    assert secret.exists()


@pytest.mark.parametrize("suffix", ["", "jpg", ".JPG", ".j/g", "..", ".tar.gz", ".jpg\n", "./../x"])
def test_a_suffix_cannot_carry_a_path(store: FileStore, suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix"):
        store.save(b"picture", suffix)


def test_a_root_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    occupied = tmp_path / "data"
    occupied.write_text("a file where a folder should be")
    store = FileStore(occupied / "files")
    with pytest.raises(StorageUnavailable) as caught:
        store.check()
    assert str(store.root) in caught.value.remedy
    assert "权限" in caught.value.remedy
    assert str(store.root) not in caught.value.message  # whoever sends a photo learns no path
    assert caught.value.status == 503


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_failing_disk_leaves_nothing_half_written(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    kept = store.save(b"kept", ".jpg")

    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if call == "write":
            real_open = Path.open

            def open_failing(path: Path, *arguments: str) -> object:
                file = real_open(path, *arguments)
                patch.setattr(os, "fsync", fail)
                return file

            patch.setattr(Path, "open", open_failing)
        else:
            patch.setattr(os, call, fail)
        with pytest.raises(StorageFull if number != errno.EROFS else StorageUnavailable) as caught:
            store.save(b"lost", ".jpg")
    assert ("磁盘已满" in caught.value.remedy) == (number != errno.EROFS)
    assert files_under(store.root) == [store.open_path(kept)]


def test_every_file_and_folder_is_synced_before_the_name_is_given(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    path = store.open_path(store.save(b"picture", ".jpg"))
    assert [Path(entry).suffix for entry in synced].count(".part") == 1
    assert synced[-1] == str(path.parent)
    assert {str(store.root.parent), str(store.root), str(path.parent.parent)} <= set(synced)


def test_checking_leaves_no_file(store: FileStore) -> None:
    store.check()
    assert files_under(store.root) == []
