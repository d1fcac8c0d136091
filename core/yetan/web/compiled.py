"""What templates were compiled to: kept for the process, and in the data folder for the next start.

To compile them anew takes longer than all other work of a start together, and leaves as much memory behind. What is
read from the folder is run, as Python's own bytecode is: like the secret key beside it, it is the service's alone.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType

import jinja2
from jinja2.bccache import Bucket, BytecodeCache, bc_magic

from yetan.web import fragments

#: Of this process: its next application (tests open thousands) reads no file.
_KEPT: dict[tuple[str, str], CodeType] = {}


class CompiledTemplates(BytecodeCache):
    """Compiled templates in `folder`. A folder that takes or gives nothing only costs time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the bucket what its template was compiled to, if it has not changed since."""
        kept = (bucket.key, bucket.checksum)
        if kept not in _KEPT:
            with suppress(OSError):
                start, _, code = (self._folder / bucket.key).read_bytes().partition(b"\n")
                if start == _start_of(bucket, code):
                    _KEPT[kept] = marshal.loads(code)  # noqa: S302 - our own, see above
        bucket.code = _KEPT.get(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what the bucket's template was compiled to."""
        assert bucket.code is not None, "Jinja keeps what it has compiled."
        _KEPT[bucket.key, bucket.checksum] = bucket.code
        code = marshal.dumps(bucket.code)
        writing = self._folder / f"{bucket.key}.{secrets.token_hex(4)}"
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            try:
                writing.write_bytes(_start_of(bucket, code) + b"\n" + code)
                os.replace(writing, self._folder / bucket.key)
            finally:
                writing.unlink(missing_ok=True)


def _start_of(bucket: Bucket, code: bytes) -> bytes:
    """The line before `code` in a file: what it was compiled from and by, and that it is whole."""
    told = (bc_magic, bucket.checksum.encode(), _compiler(), code)
    return hashlib.sha256(b"".join(told)).hexdigest().encode()


@cache
def _compiler() -> bytes:
    """What stands for Jinja and the tags that are ours."""
    return jinja2.__version__.encode() + Path(fragments.__file__).read_bytes()
