"""What is done once a change stands: after the commit of the transaction it was asked for in, never before."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from msgspec import Struct, field


class _Transaction(Struct):
    """An outermost transaction: the client of its statements, and what waits for its commit."""

    client: Any
    waiting: list[Callable[[], None]] = field(default_factory=list)


#: The outermost transaction of the running task; None outside of any.
_transaction: ContextVar[_Transaction | None] = ContextVar("yetan_transaction", default=None)


def client_within() -> Any:
    """The client of the transaction this is called in; None outside of any."""
    transaction = _transaction.get()
    return transaction and transaction.client


def after_commit(call: Callable[[], None]) -> None:
    """Call `call` once the transaction this is called in is committed, never if it is undone; at once outside of any.

    It must not raise, and sees to what can be lost: a process killed between commit and call leaves it undone.
    """
    transaction = _transaction.get()
    if transaction is None:
        call()
    elif call not in transaction.waiting:
        transaction.waiting.append(call)


def begun(client: Any) -> Token[_Transaction | None]:
    """An outermost transaction begins; for the databases' clients alone. The token is for `ended`."""
    return _transaction.set(_Transaction(client))


def ended(token: Token[_Transaction | None], *, committed: bool) -> None:
    """That transaction ended: call what waited for its commit."""
    transaction = _transaction.get()
    _transaction.reset(token)
    if committed and transaction is not None:
        for call in transaction.waiting:
            call()
