"""The folder of an index kept in files: one generation of it serves, a file names which, another may be in the making.

A rebuild fills a generation beside the one that serves and then moves the name, so that there is always a whole
index to read. Each generation lists its files with size and checksum: one that was altered silently would find less
without a word, and is told as damaged when a process first opens it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path

from whoosh.util.filelock import FileLock, try_for

from yetan.api import IndexBusy, IndexDamaged, reached
from yetan_search import making
from yetan_search.making import Making

#: How long a write waits for another process that is writing, in seconds.
LOCK_TIMEOUT = 5.0

_PREFIX = "generation-"
_POINTER = "current"
#: Beside an engine's own files: what a generation was made with, its vocabulary, and the checksums.
_MADE, WORDS, _FILES = "made.json", "words.tsv", "files.json"
_BLOCK = 1 << 20


class Generations:
    """The generations in the folder `directory`. One process writes at a time, many read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = FileLock(str(directory / "lock"))
        self._held = False
        #: The files whose checksums are known to be right, by folder and name.
        self._checked: AbstractSet[tuple[str, str]] = frozenset()

    def serving(self) -> Path:
        """The folder of the generation that serves. Raises `OSError` or `IndexDamaged` where there is none."""
        name = (self._directory / _POINTER).read_text(encoding="ascii")
        if not name.startswith(_PREFIX) or Path(name).name != name:
            raise IndexDamaged(f"{_POINTER!r} does not name a generation of the index")
        return self._directory / name

    def prepare(self, create: Callable[[], Path]) -> None:
        """Close the folder to others, remove what an interrupted rebuild left, make an index where none is."""
        self.make_folder()
        with self.locked():
            if (self._directory / _POINTER).exists():
                self._remove_all_but(self.serving())
            elif not self._all():
                self.serve(create())

    def make_folder(self) -> None:
        """The folder, closed to others: engines trust their files."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)

    def new(self, made: Making) -> Path:
        """The folder of another generation, which does not serve yet."""
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._directory))
        write_making(path, made)
        return path

    def serve(self, generation: Path) -> None:
        """Move the name to `generation`, in one step, and remove the others."""
        _replace(self._directory / _POINTER, generation.name)
        reached("index.switched")
        self._remove_all_but(generation)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing; within `hold` they are kept out already."""
        if self._held:
            yield
            return
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """Keep other processes from writing until `release`. Raises `IndexBusy` where one is at it."""
        if not try_for(self._lock.acquire, LOCK_TIMEOUT):
            raise IndexBusy("another process is writing to the search index")
        self._held = True

    def release(self) -> None:
        """Let others write."""
        self._held = False
        self._lock.release()

    def check(self, generation: Path) -> None:
        """Read the files of a generation that this process has not read before. Raises `IndexDamaged`."""
        listed = _listed(generation)
        for name, (size, checksum) in listed.items():
            if (generation.name, name) in self._checked:
                continue
            with suppress(FileNotFoundError):  # Merged away since; where it is needed, the engine itself misses it.
                if _checksum(generation / name, size) != checksum:
                    raise IndexDamaged(f"{name} of the index is not as it was written")
        self._checked = {(generation.name, name) for name in listed}

    def _all(self) -> list[Path]:
        return list(self._directory.glob(f"{_PREFIX}*"))

    def _remove_all_but(self, generation: Path) -> None:
        for path in self._all():
            if path != generation:
                shutil.rmtree(path, ignore_errors=True)


def making_in(generation: Path) -> Making:
    """What a generation was made with; of one that does not say, nothing is known."""
    try:
        return making.read((generation / _MADE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Making("", ())


def write_making(generation: Path, made: Making) -> None:
    """Write down what a generation is made with."""
    _replace(generation / _MADE, made.written())


def list_files(generation: Path, changing: frozenset[str]) -> None:
    """Write down size and checksum of all files of a generation but those the engine writes anew (`changing`).

    A file is never altered once it is listed; of one that grows, what stood then stays.
    """
    before = _listed(generation)
    listed = {}
    for path in generation.iterdir():
        if path.name in changing | {_MADE, _FILES} or not path.is_file():
            continue
        size = path.stat().st_size
        known = before.get(path.name)
        listed[path.name] = known if known and known[0] == size else (size, _checksum(path, size))
    _replace(generation / _FILES, json.dumps(listed))


def _listed(generation: Path) -> dict[str, tuple[int, int]]:
    try:
        listed = json.loads((generation / _FILES).read_text(encoding="ascii"))
        return {str(name): (int(size), int(checksum)) for name, (size, checksum) in listed.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"the list of the index's files cannot be read: {error}") from error


def _checksum(path: Path, size: int) -> int:
    """The checksum of the first `size` bytes of a file; -1 where it has fewer."""
    checksum, left = 0, size
    with path.open("rb") as file:
        while left and (block := file.read(min(left, _BLOCK))):
            checksum, left = zlib.crc32(block, checksum), left - len(block)
    return -1 if left else checksum


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads meanwhile reads the old or the new."""
    moved = path.with_name(f"{path.name}.new")
    with moved.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    moved.replace(path)
