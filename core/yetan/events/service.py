"""Telling what happened: an event, and one delivery per subscriber, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from yetan.act import Act
from yetan.db.bulk import insert_all
from yetan.events.models import Delivery, Due, Event
from yetan.runtime import current

Audience = Literal["public", "parties", "staff"]
_CHUNK = 200


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
    """Write an event and its deliveries. Call it inside the transaction of the change itself."""
    event = new_event(act, kind, subject, audience=audience, data=data, at=at)
    await event.save()
    await Delivery.bulk_create(deliveries_of(event, act.now))
    return event


async def emit_many(act: Act, events: Sequence[Event]) -> None:
    """Write many events and their deliveries set-wise. Call it inside the transaction of the change itself."""
    await insert_all(events)
    await Delivery.bulk_create(
        [delivery for event in events for delivery in deliveries_of(event, act.now)], batch_size=_CHUNK
    )


def deliveries_of(event: Event, due_at: datetime) -> list[Delivery]:
    """One delivery for each subscriber to the event's type; imported history goes only to those that want it."""
    return [
        Delivery(
            event_id=event.id,
            subscriber=subscription.name,
            subject_kind=event.subject_kind,
            subject_id=event.subject_id,
            due_at=due_at,
        )
        for subscription in current().registry.subscribers_to(event.type)
        if subscription.historical or not event.historical
    ]


async def set_due(kind: str, subject: tuple[str, int], at: datetime | None) -> None:
    """Let `kind` fall due for `subject` at `at` (aware UTC), in place of any earlier date; None takes it off."""
    assert kind in current().registry.due_kinds, f"due kind {kind!r} is not declared in yetan_due_kinds"
    await Due.filter(kind=kind, subject_kind=subject[0], subject_id=subject[1]).delete()
    if at is not None:
        await Due.create(kind=kind, subject_kind=subject[0], subject_id=subject[1], at=at)
