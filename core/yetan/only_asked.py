"""A form that is to be drawn again as it was typed, since its reader wants another look: nothing is sent by that.

While a request only asks so, declared fields are not checked and no service changes anything: both raise `OnlyAsked`,
which a page treats as it treats any `Invalid`, by drawing the form again. There is nothing wrong to be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct

from yetan.errors import Invalid


class OnlyAsked(Invalid):
    """What was typed is not sent yet."""

    status = 200

    def __init__(self) -> None:
        super().__init__("")


class Asking(Struct):
    """What came of it: whether a page was told so. A page that never asked has done what it does."""

    told: bool = False


_asking: ContextVar[Asking | None] = ContextVar("yetan_only_asking", default=None)


@contextmanager
def only_asking() -> Iterator[Asking]:
    """Do nothing within but draw."""
    asking = Asking()
    token = _asking.set(asking)
    try:
        yield asking
    finally:
        _asking.reset(token)


def refuse_if_only_asked() -> None:
    """Raise `OnlyAsked` within `only_asking`."""
    asking = _asking.get()
    if asking is not None:
        asking.told = True
        raise OnlyAsked
