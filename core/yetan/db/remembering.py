"""What public pages ask again and again, remembered until something is committed, in whichever process (C50).

    @remembered
    async def unit_coded(code: str) -> Unit | None: ...

Nothing is remembered longer than `MAXIMUM_AGE`, by the machine's clock or by the city's, whatever else is missed; and
nothing at all outside of `remembering` or within a transaction, which sees what is not committed yet. What is given
out is everybody's: nobody changes it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from yetan.db.statements import inside_transaction
from yetan.runtime import current

P = ParamSpec("P")
T = TypeVar("T")

#: The oldest a page, or what is remembered for one, may be.
MAXIMUM_AGE = timedelta(seconds=2)
#: Answers remembered at once: readers' addresses name some of the questions, and these have no end.
MOST = 1000

_AGE = MAXIMUM_AGE.total_seconds()


class _Memory:
    """The answers of one process."""

    def __init__(self) -> None:
        self.listeners = 0
        self.generation = 0
        self.answers: dict[Hashable, tuple[float, datetime, object]] = {}


_memory = _Memory()


def forget() -> None:
    """Something has changed: forget every answer, and remember none that is being read from before."""
    _memory.generation += 1
    _memory.answers.clear()


@contextmanager
def remembering() -> Iterator[None]:
    """While the block runs, somebody calls `forget` with every commit."""
    _memory.listeners += 1
    try:
        yield
    finally:
        _memory.listeners -= 1
        forget()


def remembered(load: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """`load`, whose arguments can be compared, asked once for each of them until something changes."""

    @functools.wraps(load)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        if not _memory.listeners or inside_transaction():
            return await load(*args, **kwargs)
        key = (load, args, tuple(kwargs.items()))
        asked, at = time.monotonic(), current().clock()
        known = _memory.answers.get(key)
        if known is not None and asked - known[0] < _AGE and abs(at - known[1]) < MAXIMUM_AGE:
            return known[2]  # type: ignore[return-value]  # what `load` gave for this key
        generation = _memory.generation
        answer = await load(*args, **kwargs)
        if generation == _memory.generation:
            if len(_memory.answers) >= MOST:
                _memory.answers.clear()
            _memory.answers[key] = (asked, at, answer)
        return answer

    return answer
