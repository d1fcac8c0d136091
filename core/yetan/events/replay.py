"""Delivering again: what was given up, and what happened before a subscriber came."""

from __future__ import annotations

from collections.abc import Iterable

from yetan.act import Act
from yetan.errors import NotFound
from yetan.events.models import Delivery, Event
from yetan.events.service import deliveries_of
from yetan.runtime import current

_CHUNK = 500


async def dead_letters(limit: int = 200) -> list[Delivery]:
    """The latest deliveries that were given up, each with its `event`."""
    return await Delivery.filter(state="dead").select_related("event").order_by("-id").limit(limit)


async def replay(act: Act, delivery_ids: Iterable[int]) -> int:
    """Make dead deliveries pending again, due at once and with all attempts before them; returns how many.

    Later events of the same subject may have been delivered meanwhile: these now come after them.
    """
    return await Delivery.filter(id__in=list(delivery_ids), state="dead").update(
        state="pending", attempts=0, due_at=act.now, lease_until=None, error=""
    )


async def replay_history(act: Act, subscriber: str, since_event_id: int = 0) -> int:
    """Send `subscriber` the events after `since_event_id` that it has not been sent; returns how many.

    For a plugin enabled late. Imported history goes only to a subscription that wants it. Running it again
    sends nothing twice. Raises `NotFound` where nobody subscribes by that name.
    """
    if subscriber not in current().registry.subscriptions:
        raise NotFound(f"没有名为“{subscriber}”的订阅。请核对名称，并确认它所在的插件已经启用。")
    sent = 0
    last = since_event_id
    while events := await Event.filter(id__gt=last).order_by("id").limit(_CHUNK):
        known = Delivery.filter(subscriber=subscriber, event_id__gt=last, event_id__lte=events[-1].id)
        sent_before = set(await known.values_list("event_id", flat=True))
        missing = [
            delivery
            for event in events
            if event.id not in sent_before
            for delivery in deliveries_of(event, act.now)
            if delivery.subscriber == subscriber
        ]
        await Delivery.bulk_create(missing, ignore_conflicts=True)
        sent += len(missing)
        last = events[-1].id
    return sent
