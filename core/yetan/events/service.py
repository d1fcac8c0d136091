"""Telling what happened: an event, and one delivery per subscriber, in the transaction of the change.

Order. Events of one subject commit in the order of their ids, whatever services do and in whatever order they do it:
before it takes an id, an event takes its subject's row in `yetan_subject`, and keeps it to the end of the transaction.
Two transactions that hold a row and the order of a subject the other way round end as a deadlock, not in disorder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Literal

from yetan.act import Act
from yetan.db.bulk import add_new, insert, insert_all
from yetan.db.connection import is_postgres
from yetan.db.statements import execute, fetch, marks, whole
from yetan.events.models import Delivery, Event
from yetan.events.wakeup import wake_workers
from yetan.runtime import current

Audience = Literal["public", "parties", "staff"]
_SET_DUES = """
INSERT INTO yetan_due (kind, subject_kind, subject_id, at) VALUES {rows}
ON CONFLICT (kind, subject_kind, subject_id) DO UPDATE SET at = excluded.at"""
_TAKE_OFF = "DELETE FROM yetan_due WHERE subject_kind = ? AND subject_id = ? AND kind IN ({kinds})"


def new_event(
    act: Act,
    kind: str,
    subject: tuple[str, int],
    *,
    audience: Audience = "staff",
    data: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Event:
    """An event not yet written; `data` holds codes and ids, never a person's words. The type must be declared."""
    assert kind in current().registry.event_types, f"event type {kind!r} is not declared in yetan_event_types"
    return Event(
        type=kind,
        subject_kind=subject[0],
        subject_id=subject[1],
        at=at or act.now,
        actor=act.actor.label,
        audience=audience,
        historical=act.historical,
        data=dict(data or {}),
    )


async def emit(
    act: Act,
    kind: str,
    subject: tuple[str, int],
    *,
    audience: Audience = "staff",
    data: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Event:
    """Write an event and its deliveries. Call it inside the transaction of the change itself, as its last step."""
    event = new_event(act, kind, subject, audience=audience, data=data, at=at)
    async with whole():
        await _take_order([event])
        await insert(event)
        await _deliver(act, [event])
    return event


async def emit_many(act: Act, events: Sequence[Event]) -> None:
    """Write many events and their deliveries set-wise. Call it inside the transaction of the change itself."""
    if not events:
        return
    async with whole():
        await _take_order(events)
        await insert_all(events)
        await _deliver(act, events)


async def _take_order(events: Sequence[Event]) -> None:
    """Let whoever else tells of these subjects wait for the end of the transaction. With SQLite everybody does."""
    if is_postgres():
        subjects = sorted({(event.subject_kind, event.subject_id) for event in events})
        await fetch(
            "INSERT INTO yetan_subject (subject_kind, subject_id) SELECT * FROM unnest(?::text[], ?::int[]) "
            "ON CONFLICT (subject_kind, subject_id) DO UPDATE SET subject_id = excluded.subject_id",
            [[kind for kind, _ in subjects], [number for _, number in subjects]],
        )


async def _deliver(act: Act, events: Sequence[Event]) -> None:
    await add_new([delivery for event in events for delivery in deliveries_of(event, act.now)])
    # Also where nobody subscribed: pages kept from before the change are dropped by this.
    await wake_workers()


def deliveries_of(event: Event, due_at: datetime) -> list[Delivery]:
    """One delivery for each subscriber that hears of such events; imported history goes only to those that want it."""
    return [
        Delivery(
            event_id=event.id,
            subscriber=subscription.name,
            subject_kind=event.subject_kind,
            subject_id=event.subject_id,
            due_at=due_at,
        )
        for subscription in current().registry.subscribers_to(event.type, event.subject_kind)
        if subscription.historical or not event.historical
    ]


async def set_due(kind: str, subject: tuple[str, int], at: datetime | None) -> None:
    """Let `kind` fall due for `subject` at `at` (aware UTC), in place of any earlier date; None takes it off."""
    await set_dues(subject, {kind: at})


async def set_dues(subject: tuple[str, int], dates: Mapping[str, datetime | None]) -> None:
    """`set_due` for several kinds at once."""
    for kind in dates:
        assert kind in current().registry.due_kinds, f"due kind {kind!r} is not declared in yetan_due_kinds"
    rows = [
        (kind, *subject, at.astimezone(UTC)) for kind, at in sorted(dates.items(), key=itemgetter(0)) if at is not None
    ]
    if rows:
        statement = _SET_DUES.format(rows=", ".join(["(?, ?, ?, ?)"] * len(rows)))
        await execute(statement, [each for row in rows for each in row])
    if gone := sorted(kind for kind, at in dates.items() if at is None):
        await execute(_TAKE_OFF.format(kinds=marks(len(gone))), [*subject, *gone])
