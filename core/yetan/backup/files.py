"""What making and taking back share about the disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yetan.backup.manifest import BackupRefused

_STAGING = ".in-progress-"


def backups_of(data_dir: Path) -> Path:
    """The folder of backups inside the data folder; its owner's alone, since everything personal is in there."""
    folder = data_dir / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def staging(data_dir: Path) -> Iterator[Path]:
    """An empty folder beside the data for what is not finished, gone afterwards; only one at a time.

    What a killed run left is removed by the next. Raises `BackupRefused` while another run is at work.
    """
    folder = backups_of(data_dir)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused("另一个备份或恢复正在进行。请等它结束，再运行一次。") from None
        for left in folder.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)
        path = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file that never changes, or a copy where the file system has no such names."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o600)


def move(source: Path, target: Path) -> None:
    """Put a file in the place of `target` in one step, on another file system as well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    shutil.move(source, aside)
    os.replace(aside, target)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
