"""How long a request waits for connections of the pool, over all its questions together (F08)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: What is left of the seconds that the running request may wait for connections; None outside of requests.
left_to_wait: ContextVar[list[float] | None] = ContextVar("yetan_left_to_wait", default=None)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let all questions of the block together wait so long for connections, not each of them."""
    token = left_to_wait.set([seconds])
    try:
        yield
    finally:
        left_to_wait.reset(token)
