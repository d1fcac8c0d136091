"""Delivering again: what was given up, and what happened before a subscriber came or while its plugin was off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from msgspec import Struct
from tortoise.functions import Count

from yetan.act import Act
from yetan.errors import NotFound
from yetan.events.models import Delivery, Event
from yetan.events.service import deliveries_of
from yetan.events.wakeup import wake_workers
from yetan.runtime import current

_CHUNK = 500


class Subscriber(Struct, frozen=True):
    """Somebody deliveries are written for, and how many it still has to come."""

    name: str
    #: Whether it is declared now. What waits for one whose plugin is off waits until the plugin is on again.
    subscribed: bool
    pending: int
    dead: int


async def subscribers() -> list[Subscriber]:
    """All that are declared, in the one order, and then those that are not and have something left over."""
    declared = current().registry.subscriptions
    left = Delivery.filter(state__in=["pending", "dead"]).annotate(count=Count("id")).group_by("subscriber", "state")
    counts = {
        (row["subscriber"], row["state"]): row["count"] for row in await left.values("subscriber", "state", "count")
    }
    names = dict.fromkeys([*declared, *sorted(name for name, _ in counts)])
    return [
        Subscriber(name, name in declared, counts.get((name, "pending"), 0), counts.get((name, "dead"), 0))
        for name in names
    ]


async def dead_letters(limit: int = 200) -> list[Delivery]:
    """The latest deliveries that were given up, each with its `event`."""
    return await Delivery.filter(state="dead").select_related("event").order_by("-id").limit(limit)


async def replay(act: Act, delivery_ids: Iterable[int]) -> int:
    """Make dead deliveries pending again, due at once and with all attempts before them; returns how many.

    Later events of the same subject may have been delivered meanwhile: these now come after them.
    """
    count = await Delivery.filter(id__in=list(delivery_ids), state="dead").update(
        state="pending", attempts=0, due_at=act.now, lease_until=None, error=""
    )
    await wake_workers()
    return count


async def count_missed(act: Act, subscriber: str, since: datetime | None = None) -> int:
    """How many events `replay_history` would send. Raises `NotFound` as it does."""
    return sum([len(missed) async for missed in _missed(act, subscriber, since)])


async def replay_history(act: Act, subscriber: str, since: datetime | None = None) -> int:
    """Send `subscriber` what it hears of and was never sent, told from `since` on; returns how many events.

    For a plugin enabled late, or off for a while. Imported history goes only to a subscription that wants it. A
    delivery is kept for good, done or not, so that running it again sends nothing twice. Raises `NotFound` where
    nobody subscribes by that name.
    """
    sent = 0
    async for missed in _missed(act, subscriber, since):
        await Delivery.bulk_create(missed, ignore_conflicts=True)
        sent += len(missed)
    await wake_workers()
    return sent


async def _missed(act: Act, subscriber: str, since: datetime | None) -> AsyncIterator[list[Delivery]]:
    if subscriber not in current().registry.subscriptions:
        raise NotFound("没有名为“{name}”的订阅。请核对名称，并确认它所在的插件已经启用。", name=subscriber)
    last = await _last_before(since) if since is not None else 0
    while events := await Event.filter(id__gt=last).order_by("id").limit(_CHUNK):
        known = Delivery.filter(subscriber=subscriber, event_id__gt=last, event_id__lte=events[-1].id)
        sent_before = set(await known.values_list("event_id", flat=True))
        yield [
            delivery
            for event in events
            if event.id not in sent_before
            for delivery in deliveries_of(event, act.now)
            if delivery.subscriber == subscriber
        ]
        last = events[-1].id


async def _last_before(instant: datetime) -> int:
    """The id of the last event told before the first one from `instant` on; 0 if there is none.

    Imported history bears the dates of what it tells of, so the others are asked.
    """
    live = Event.filter(historical=False)
    first = await live.filter(at__gte=instant).order_by("id").first()
    before = await (live.filter(id__lt=first.id) if first is not None else live).order_by("-id").first()
    return before.id if before is not None else 0
