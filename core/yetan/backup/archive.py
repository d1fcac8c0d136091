"""The file a backup is: a compressed tar with a seal, that `tar xzf` unpacks and `sha256sum -c SHA256SUMS` checks.

    manifest.json        first: what it is, and every member that follows with its size
    database.sqlite3     or database.pgdump, which is pg_dump's custom format
    uploads/ab/cd/...    the files that rows of the database name
    configuration/...    yetan.toml and what Yetan reads beside it
    secret_key           unless it was left out
    SHA256SUMS           last: the digest of everything before it

The seal is the SHA-256 of all bytes after the gzip header, in that header's comment: a file that was cut short or
altered anywhere is refused before any of it is unpacked. It guards against accidents, not against a forger.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from yetan.backup.manifest import BackupRefused, Manifest

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"

#: What a phase is called, how much of it is done, of how much.
Progress = Callable[[str, int, int], None]

# Gzip's magic, deflate, "a comment follows", no time, no flags, no operating system; the comment ends in a NUL.
_HEADER = b"\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\xff" + b"yetan backup "
_FORMAT = b"1 sha256 "
_DIGITS = 64
_SEALED = len(_HEADER) + len(_FORMAT) + _DIGITS + 1

_MEGABYTE = 1024 * 1024
#: A manifest of a million uploads is smaller.
_LARGEST_MANIFEST = 128 * _MEGABYTE
#: Databases shrink by ten, not by hundreds: what claims more is a bomb.
_MOST_SHRUNK = 200
#: Photos are compressed already, and a nightly backup should leave the processor to the site.
_LEVEL = 1

_DAMAGED = "备份文件被截断或者改动过，不能用。请换一份备份，或者从原处重新复制一次。什么都没有改动。"
_FOREIGN = "这不是夜谈做的备份文件。请核对文件名。什么都没有改动。"


class Member(Struct, frozen=True):
    """A file to go into the archive under a name."""

    name: str
    path: Path
    size: int


def write_archive(file: IO[bytes], manifest: Manifest, members: Iterable[Member], progress: Progress) -> None:
    """Write the archive into an empty, seekable file. The manifest names exactly `members`, in their order."""
    sums: dict[str, str] = {}
    sealing: Any = _Sealing(file)
    with sealing, tarfile.open(fileobj=sealing, mode="w|", format=tarfile.GNU_FORMAT) as tar:

        def add(name: str, size: int, source: IO[bytes]) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = size, 0o600, int(manifest.taken_at.timestamp())
            digesting = _Digesting(source)
            tar.addfile(info, digesting)
            sums[name] = digesting.hexdigest()

        described = manifest.to_json()
        add(MANIFEST, len(described), io.BytesIO(described))
        for number, member in enumerate(members, start=1):
            with member.path.open("rb") as source:
                add(member.name, member.size, source)
            progress("写入备份", number, len(manifest.members))
        lines = _sums(sums)
        add(SUMS, len(lines), io.BytesIO(lines))


def read_manifest(path: Path) -> Manifest:
    """Check the seal, then read the manifest alone. Raises `BackupRefused`."""
    _check_seal(path)
    with path.open("rb") as file:
        return _Reading(file, path).manifest


def read_archive(path: Path, into: Path | None, progress: Progress, *, part: str = "") -> Manifest:
    """Read a whole archive and check every digest; with `into`, unpack members into that empty folder.

    `part` is what the names of those begin with that are wanted. Nothing but regular files of the announced names
    and sizes is taken. Raises `BackupRefused`.
    """
    _check_seal(path)
    with path.open("rb") as file:
        return _Reading(file, path).all(into, part, progress)


class _Reading:
    """One pass through an archive. Tar and gzip are trusted with nothing the manifest did not announce."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        try:
            self._tar = tarfile.open(fileobj=gzip.GzipFile(fileobj=file), mode="r|", tarinfo=_Plain)  # noqa: SIM115
            self._sums: dict[str, str] = {}
            first, source = self._next(MANIFEST, None)
            if first.size > _LARGEST_MANIFEST:
                raise BackupRefused(_FOREIGN)
            described = source.read()
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise BackupRefused(_DAMAGED) from error
        self._sums[MANIFEST] = hashlib.sha256(described).hexdigest()
        self.manifest = Manifest.from_json(described)
        if self.manifest.total > _LARGEST_MANIFEST + _MOST_SHRUNK * path.stat().st_size:
            raise BackupRefused("备份里的文件解开以后大得不合常理，可能是有人做了手脚。什么都没有改动。")

    def all(self, into: Path | None, part: str, progress: Progress) -> Manifest:
        manifest = self.manifest
        try:
            for number, (name, size) in enumerate(manifest.members.items(), start=1):
                _, source = self._next(name, size)
                digesting = _Digesting(source)
                _copy(digesting, into / name if into is not None and name.startswith(part) else None)
                self._sums[name] = digesting.hexdigest()
                progress("核对备份", number, len(manifest.members))
            expected = _sums(self._sums)
            _, source = self._next(SUMS, len(expected))
            if source.read() != expected or self._tar.next() is not None:
                raise BackupRefused(_DAMAGED)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BackupRefused(_DAMAGED) from error
        return manifest

    def _next(self, name: str, size: int | None) -> tuple[tarfile.TarInfo, IO[bytes]]:
        info = self._tar.next()
        if info is None or info.name != name or size not in (None, info.size):
            raise BackupRefused(_DAMAGED)
        source = self._tar.extractfile(info)
        assert source is not None, "a regular file has content"
        return info, source


class _Plain(tarfile.TarInfo):
    """Regular files alone: no links, no devices, no folders, and no extended headers, which may be of any size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
        info = super().frombuf(buf, encoding, errors)
        if info.type != tarfile.REGTYPE:
            raise BackupRefused("备份里有普通文件以外的东西（链接、设备），不是夜谈做的。什么都没有改动。")
        return info


def _copy(source: _Digesting, path: Path | None) -> None:
    if path is None:
        while source.read(_MEGABYTE):
            pass
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := source.read(_MEGABYTE):
            file.write(block)


def _sums(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode("utf-8")


def _check_seal(path: Path) -> None:
    """Compare the file with the digest in its header: every bit of it counts."""
    if not path.is_file():
        raise BackupRefused(f"没有这个备份文件：{path}。请核对路径。")
    with path.open("rb") as file:
        header = file.read(_SEALED)
        if not header.startswith(_HEADER):
            raise BackupRefused(_FOREIGN)
        if not header.startswith(_HEADER + _FORMAT):
            raise BackupRefused("这份备份的格式这个版本不认识，可能是更新的版本做的。请先升级夜谈。什么都没有改动。")
        if header != _header(hashlib.file_digest(file, "sha256").hexdigest()):
            raise BackupRefused(_DAMAGED)


def _header(digest: str) -> bytes:
    return _HEADER + _FORMAT + digest.encode("ascii") + b"\x00"


class _Digesting:
    """A file read through its digest."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        self._digest.update(block)
        return block

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class _Sealing:
    """A gzip file being written whose header ends up with the digest of what follows it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._digest = hashlib.sha256()
        self._checksum = 0
        self._size = 0

    def __enter__(self) -> _Sealing:
        self._file.write(_header("0" * _DIGITS))
        return self

    def write(self, data: bytes) -> int:
        self._checksum = zlib.crc32(data, self._checksum)
        self._size += len(data)
        self._put(self._deflate.compress(data))
        return len(data)

    def __exit__(self, failed: type[BaseException] | None, *rest: object) -> None:
        if failed is None:
            self._put(self._deflate.flush())
            self._put(struct.pack("<LL", self._checksum, self._size & 0xFFFFFFFF))
            self._file.seek(0)
            self._file.write(_header(self._digest.hexdigest()))

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
