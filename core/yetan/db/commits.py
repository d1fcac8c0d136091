"""What is done once a change stands: after the commit of the transaction it was asked for in, never before."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token

#: What waits for the outermost transaction of the running task; None outside of any.
_waiting: ContextVar[list[Callable[[], None]] | None] = ContextVar("yetan_after_commit", default=None)


def after_commit(call: Callable[[], None]) -> None:
    """Call `call` once the transaction this is called in is committed, never if it is undone; at once outside of any.

    It must not raise, and sees to what can be lost: a process killed between commit and call leaves it undone.
    """
    waiting = _waiting.get()
    if waiting is None:
        call()
    elif call not in waiting:
        waiting.append(call)


def begun() -> Token[list[Callable[[], None]] | None]:
    """An outermost transaction begins; for the databases' clients alone. The token is for `ended`."""
    return _waiting.set([])


def ended(token: Token[list[Callable[[], None]] | None], *, committed: bool) -> None:
    """That transaction ended: call what waited for its commit."""
    waiting = _waiting.get() or []
    _waiting.reset(token)
    if committed:
        for call in waiting:
            call()
