"""What is sent of a page: bytes with the strong tag each encoding of them has, worked out once for however many."""

from __future__ import annotations

import gzip
import hashlib
from functools import cached_property

from starlette.responses import HTMLResponse, Response

Headers = list[tuple[bytes, bytes]]


class Body:
    """The body of an answer; `told` are the headers that say something of it, its tag last."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._tag = hashlib.blake2b(plain, digest_size=12).hexdigest().encode()
        self.told: Headers = [_length(plain), self._tagged(b"")]

    def __len__(self) -> int:
        return len(self.plain)

    @cached_property
    def gzipped(self) -> tuple[bytes, Headers]:
        """The compressed form, and what is told of that."""
        packed = gzip.compress(self.plain, 6, mtime=0)
        return packed, [(b"content-encoding", b"gzip"), _length(packed), self._tagged(b"-gzip")]

    def _tagged(self, suffix: bytes) -> tuple[bytes, bytes]:
        return b"etag", b'"' + self._tag + suffix + b'"'


class DrawnPage(HTMLResponse):
    """An answer whose body many others may have as well."""

    def __init__(self, body: Body) -> None:
        super().__init__(body.plain)
        self.shared = body


def body_of(response: Response) -> Body:
    """The body of an answer that is not sent in pieces."""
    return response.shared if isinstance(response, DrawnPage) else Body(bytes(response.body))


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()
