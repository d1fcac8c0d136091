"""Writing audit records: one for each deed, look and refusal, never two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct

from yetan.act import Act
from yetan.audit.models import AuditRecord
from yetan.db.bulk import add_new


class Occasion(Struct):
    """A request while it is being answered, and whether what it did has been recorded."""

    recorded: bool = False


_occasion: ContextVar[Occasion | None] = ContextVar("yetan_audit_occasion", default=None)


@contextmanager
def occasion() -> Iterator[Occasion]:
    """What is recorded while the block runs is noted in the occasion, so that it is not recorded once more."""
    opened = Occasion()
    token = _occasion.set(opened)
    try:
        yield opened
    finally:
        _occasion.reset(token)


def note_recorded() -> None:
    """What this request does has its record: one written just now, or by the request that it repeats."""
    if (opened := _occasion.get()) is not None:
        opened.recorded = True


async def record(act: Act, action: str, subject: str = "", outcome: str = "done") -> None:
    """Who did, looked at or was refused what. Never the words of a form, never a name or a phone number.

    Pages need not call it: a change records itself, and so does a page that is declared `sensitive`, or refuses.
    """
    await write(act, action, subject, outcome)
    note_recorded()


async def write(act: Act, action: str, subject: str, outcome: str) -> None:
    """Write a record in the transaction that is open. It stands once that is committed."""
    record = AuditRecord(
        at=act.now,
        actor=act.actor.label,
        action=action[:120],
        subject=subject[:80],
        outcome=outcome[:20],
        source=act.source[:64],
    )
    await add_new([record])
