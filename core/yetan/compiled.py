"""What was compiled from source files: kept in the data folder for the next start, and for this process.

Templates and catalogues are compiled by libraries that take longer for it than all other work of a start together, and
leave as much memory behind. What is read from the folder is run, as Python's own bytecode is: like the secret key
beside it, it is the service's alone.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

#: What this process has compiled, for the next city that is opened in it: tests open thousands.
_MADE: dict[tuple[str, bytes], bytes] = {}


class CompiledFiles:
    """Compiled files in a folder. One that takes or gives nothing only costs time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, source: bytes) -> bytes | None:
        """What `keep` was given under this name for the same `source`, whole; or None."""
        if (name, source) in _MADE:
            return _MADE[name, source]
        with suppress(OSError):
            start, _, compiled = (self._folder / name).read_bytes().partition(b"\n")
            if start == _start_of(source, compiled):
                return compiled
        return None

    def keep(self, name: str, source: bytes, compiled: bytes) -> None:
        """Keep what `source` was compiled to. It says all that decides on it: by whom as well, and how."""
        _MADE[name, source] = compiled
        writing = self._folder / f"{name}.{secrets.token_hex(4)}"
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            try:
                writing.write_bytes(_start_of(source, compiled) + b"\n" + compiled)
                os.replace(writing, self._folder / name)
            finally:
                writing.unlink(missing_ok=True)


def _start_of(source: bytes, compiled: bytes) -> bytes:
    """The line before `compiled` in a file: from what it is, and that it is whole."""
    parts = (hashlib.sha256(part).digest() for part in (source, compiled))
    return hashlib.sha256(b"".join(parts)).hexdigest().encode()
