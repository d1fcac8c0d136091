"""Files on disk, under random names of our own (C26)."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path

from yetan.errors import NotFound, YetanError


class StorageUnavailable(YetanError):  # noqa: N818 - read as "the storage is unavailable"
    """The folder for files cannot be used now.

    `message` is for whoever sent the file; `remedy` tells the operator, in Chinese, what is wrong where.
    """

    status = 503

    def __init__(self, remedy: str) -> None:
        super().__init__("文件暂时存取不了，请稍后再试；如果一直这样，请告诉管理员。")
        self.remedy = remedy


class StorageFull(StorageUnavailable):
    """The disk that holds the files is full."""

    status = 507


_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_NAME = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/\1\2[0-9a-f]{28}\.[a-z0-9]{1,8}")
_FULL = {errno.ENOSPC, errno.EDQUOT}


class FileStore:
    """Files under `root`, named like "ab/cd/abcd....jpg": at random, in two levels of folders.

    A file stands under its name only when all of it is on the disk: written aside, synced, then renamed.
    All methods touch the disk and belong in a thread.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, data: bytes, suffix: str) -> str:
        """Store `data` under a new name that ends in `suffix` (".jpg"). Raises StorageUnavailable."""
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"A suffix is a dot and up to eight small letters or digits, not {suffix!r}.")
        token = secrets.token_hex(16)
        name = f"{token[:2]}/{token[2:4]}/{token}{suffix}"
        path = self.root / name
        aside = path.with_name(f".{token}.part")
        try:
            self._make_folders(path.parent)
            try:
                with aside.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(aside, path)
            except OSError:
                with contextlib.suppress(OSError):
                    aside.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)
        except OSError as error:
            raise self._unavailable(error) from error
        return name

    def open_path(self, name: str) -> Path:
        """Where the file `name` lies. Raises NotFound for anything that is not the name of a stored file."""
        if not _NAME.fullmatch(name):
            raise NotFound
        path = self.root / name
        try:
            stored = path.is_file()
        except OSError as error:
            raise self._unavailable(error) from error
        if not stored:
            raise NotFound
        return path

    def delete(self, name: str) -> None:
        """Remove the file `name`; a second time does nothing. Raises NotFound for what never was a name."""
        if not _NAME.fullmatch(name):
            raise NotFound
        path = self.root / name
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync_folder(path.parent)
        except OSError as error:
            raise self._unavailable(error) from error

    def check(self) -> None:
        """Store a file and remove it again, to learn at the start whether the folder can be used."""
        self.delete(self.save(b"", ".check"))

    def _make_folders(self, folder: Path) -> None:
        """Create `folder` and what is missing above it, each entry synced in the folder that holds it."""
        missing = [folder, *folder.parents]
        missing = missing[: next(index for index, parent in enumerate(missing) if parent.exists())]
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            _sync_folder(new.parent)

    def _unavailable(self, error: OSError) -> StorageUnavailable:
        if error.errno in _FULL:
            return StorageFull(f"文件夹 {self.root} 所在的磁盘已满。请清理磁盘或扩容。")
        return StorageUnavailable(
            f"文件夹 {self.root} 无法读写（{error.strerror}）。"
            "请检查它是否存在、运行本系统的用户有没有读写权限，或在配置里改用别的数据文件夹。"
        )


def _sync_folder(folder: Path) -> None:
    """Make a folder's entries outlast a power cut; file systems that cannot sync folders are left alone."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
