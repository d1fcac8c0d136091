"""Templates stay compiled from start to start."""

from __future__ import annotations

import marshal
from functools import cache
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, BytecodeCache, bc_magic

from yetan.compiled import CompiledFiles
from yetan.web import fragments


class CompiledTemplates(BytecodeCache):
    """What Jinja asks for a template's bytecode, and gives it to."""

    def __init__(self, files: CompiledFiles) -> None:
        self._files = files

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the bucket what its template was compiled to, if it has not changed since."""
        code = self._files.find(bucket.key, _source_of(bucket))
        bucket.code = marshal.loads(code) if code is not None else None  # noqa: S302 - see `yetan.compiled`

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what the bucket's template was compiled to."""
        self._files.keep(bucket.key, _source_of(bucket), marshal.dumps(bucket.code))


def _source_of(bucket: Bucket) -> bytes:
    """What decides on a template's bytecode: its text, Python, Jinja, and the tags that are ours."""
    return b"".join((bc_magic, _compiler(), bucket.checksum.encode()))


@cache
def _compiler() -> bytes:
    return jinja2.__version__.encode() + Path(fragments.__file__).read_bytes()
