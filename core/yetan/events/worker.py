"""The worker: brings events to their subscribers, does what is due and runs the jobs.

Any number of workers may run against PostgreSQL; with SQLite the one server process holds one.

Order. A subject's earliest pending delivery to a subscriber is its head, and only heads are taken, with what
follows them. Where several workers run, the row lock on the head (or, while an external subscriber is at
work, its lease) is therefore the lock on the subject: whoever finds it taken passes on to another subject,
and whoever comes a moment late finds, once it has the lock, that the row is no longer pending and due. A
delivery that failed stays the head, so that nothing overtakes it; a dead one no longer counts.
Earlier means a lower event id; `emit` sees to it that a subject's events commit in the order of their ids.

Leases. An external subscriber works with no transaction open, so that its worker may be overtaken: by the end of its
lease it has been cut off, and whatever it says after that is not taken down, since the mark asks for its own lease.

Promptness. A commit wakes the workers (see `yetan.events.wakeup`); looking twice a second is for what was missed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import Struct
from tortoise.queryset import QuerySet
from tortoise.transactions import in_transaction

from yetan.db.connection import is_postgres
from yetan.db.failures import database_is_away
from yetan.db.reading import moment, read, stored
from yetan.db.statements import execute, fetch, marks
from yetan.events.attempts import MAXIMUM_ATTEMPTS, bounded, describe, pause_after
from yetan.events.clock import SLACK, take_back
from yetan.events.due import sweep
from yetan.events.jobs import run_due_jobs
from yetan.events.models import Delivery, Event
from yetan.events.wakeup import listen
from yetan.faults import reached
from yetan.plugins.declarations import Subscription
from yetan.plugins.guarding import is_paused
from yetan.plugins.record import catch_up
from yetan.runtime import current

logger = logging.getLogger(__name__)

#: Deliveries in a batch, at most.
BATCH = 100

#: Real time a transactional subscriber has for a batch; it holds locks meanwhile.
TRANSACTION_LIMIT = timedelta(minutes=1)
#: Real time an external subscriber has for a batch.
EXTERNAL_LIMIT = timedelta(minutes=5)
#: How long its deliveries are its own: longer than it may run, so that no two run at once.
LEASE = EXTERNAL_LIMIT + timedelta(minutes=1)

#: Seconds between looks at the database when nothing is to be done, and at most when it cannot be reached.
_IDLE = 0.5
_UNREACHABLE = 4.0
#: Seconds a restart of the database may take, for what has to be written after it.
_RESTART = 45.0

# PostgreSQL has no statistics yet of what was written in bulk a moment ago, and takes thousands of rows for one. So
# the oldest are read first, in the order of an index and as many as the window says; all else is looked up from them
# row by row. What is asked of the head itself is asked again once it is locked.
_WAITING = """
subscriber = ? AND state = 'pending' AND due_at <= ? AND (lease_until IS NULL OR lease_until <= ?)"""
_HEADS = f"""
WITH oldest AS MATERIALIZED (
    SELECT id, subscriber, subject_kind, subject_id, due_at FROM yetan_delivery
    WHERE {_WAITING} {{which}} ORDER BY due_at, id LIMIT ?
)
SELECT head.id FROM oldest JOIN yetan_delivery head ON head.id = oldest.id
WHERE head.state = 'pending' AND head.due_at <= ? AND (head.lease_until IS NULL OR head.lease_until <= ?)
AND oldest.id = (
    SELECT earliest.id FROM yetan_delivery earliest
    WHERE earliest.subscriber = oldest.subscriber AND earliest.subject_kind = oldest.subject_kind
    AND earliest.subject_id = oldest.subject_id AND earliest.state = 'pending'
    ORDER BY earliest.event_id LIMIT 1
)
ORDER BY oldest.due_at, oldest.id LIMIT {BATCH}"""  # noqa: S608 - nothing but the constants above
_OLDEST_HEADS = _HEADS.format(which="")
_ONE_HEAD = _HEADS.format(which="AND id = ?")

#: Among how many of the oldest waiting deliveries heads are looked for: few, so that a long backlog costs little
#: per batch; should all of those be held up or taken, then all.
_WINDOWS = (10 * BATCH, 2**31)

_FOLLOWING = """
WITH subject AS MATERIALIZED (
    SELECT subscriber, subject_kind, subject_id FROM yetan_delivery WHERE id IN ({heads})
)
SELECT {columns} FROM subject JOIN yetan_delivery delivery ON delivery.subscriber = subject.subscriber
AND delivery.subject_kind = subject.subject_kind AND delivery.subject_id = subject.subject_id
JOIN yetan_event event ON event.id = delivery.event_id
WHERE delivery.state = 'pending' ORDER BY delivery.event_id LIMIT {limit}"""
_ONE = """
SELECT {columns} FROM yetan_delivery delivery JOIN yetan_event event ON event.id = delivery.event_id
WHERE delivery.id IN ({heads})"""
#: A delivery and its event; the subject is the same.
_COLUMNS = """
event.*, delivery.id AS delivery_id, delivery.attempts, delivery.due_at, delivery.lease_until"""
_DONE = "UPDATE yetan_delivery SET state = 'done', error = '' WHERE id IN ({ids}) AND state = 'pending'"

#: Which of some subscribers have something waiting: one look into the index for each, however much there is.
_SUBSCRIBERS_WAITING = f"""
SELECT wanted.column1 AS name FROM (VALUES {{names}}) AS wanted
WHERE EXISTS (SELECT 1 FROM yetan_delivery WHERE subscriber = wanted.column1 AND {_WAITING.partition(" AND ")[2]})"""  # noqa: S608

Step = Callable[[], Coroutine[Any, Any, int]]


class _Taken(Struct):
    """A delivery in hand, by its id: what is asked of it, and the event that it brings."""

    id: int
    attempts: int
    due_at: datetime
    lease_until: datetime | None
    event: Event


class Worker:
    """Does what is to be done, one round after the other.

    `jitter` gives a number from 0 to 1 that lengthens the pause after a failure.
    """

    def __init__(self, *, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._woken = asyncio.Event()
        #: The latest the clock has shown; None before the first look.
        self._latest: datetime | None = None
        self._caught_up = False
        #: By job: a period whose run went well.
        self._went_well: dict[str, str] = {}

    def wake(self) -> None:
        """Look now. To be called in the worker's event loop."""
        self._woken.set()
        self._woken = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in hand.

        External subscribers each go at their own pace; a slow provider delays nobody else. Neither an
        exception of a handler nor a lost database ends the work.
        """
        subscriptions = current().registry.subscriptions.values()
        transactional = [each for each in subscriptions if each.mode == "transactional"]
        steps: dict[str, Step] = {
            "deliveries": partial(self._deliver_to, transactional),
            "due": _sweep,
            "jobs": self._run_jobs,
            "clock": self._watch_clock,
            "history": self._catch_up,
        }
        for each in subscriptions:
            if each.mode == "external":
                steps[f"deliveries to {each.name}"] = partial(self._deliver_to, [each])
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._repeat("listening", self._listen, stop), name="worker: listening")
            for name, step in steps.items():
                group.create_task(self._repeat(name, step, stop), name=f"worker: {name}")
            await stop.wait()
            listening.cancel()
            self.wake()

    async def run_once(self) -> int:
        """Work until nothing is due; returns how many deliveries, due rows and job runs were settled.

        A failed delivery counts as settled and waits for its next attempt. Raises what the database raises.
        """
        subscriptions = list(current().registry.subscriptions.values())
        total = 0
        await self._catch_up()
        while count := await self._deliver_to(subscriptions) + await _sweep() + await self._run_jobs():
            total += count
        return total

    async def _repeat(self, name: str, step: Step, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            woken = self._woken
            try:
                settled = await bounded(step(), None)
            except Exception:
                failures += 1
                logger.exception("worker: %s failed %s times in a row", name, failures)
                pause = min(_IDLE * 2**failures, _UNREACHABLE)
            else:
                failures = 0
                pause = 0.0 if settled else _IDLE
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await woken.wait()

    async def _listen(self) -> int:
        """Be woken by commits until the connection is lost, and then at once again."""
        await listen(self.wake)
        return 1

    async def _watch_clock(self) -> int:
        """At the start, and when the clock has gone back, take back what a wrong one left in the future."""
        now = current().clock()
        back = self._latest is None or now < self._latest - SLACK
        taken = await take_back(now) if back else 0
        self._latest = now
        return taken

    async def _catch_up(self) -> int:
        """At the start, give plugins that were switched on what they missed. Plugins change with a restart alone."""
        sent = 0 if self._caught_up else await catch_up(current().system_act())
        self._caught_up = True
        return sent

    async def _run_jobs(self) -> int:
        return await run_due_jobs(self._went_well)

    async def _deliver_to(self, subscriptions: Sequence[Subscription]) -> int:
        """A batch for each subscriber that has something waiting; returns how many were settled."""
        subscriptions = [each for each in subscriptions if not is_paused(each.handle)]
        if not subscriptions:
            return 0
        now = current().clock()
        names = ", ".join("(?)" for _ in subscriptions)
        values = [*(each.name for each in subscriptions), now, now]
        waiting = {row["name"] for row in await read(_SUBSCRIBERS_WAITING.format(names=names), values)}
        return sum([await self._deliver(each) for each in subscriptions if each.name in waiting])

    async def _deliver(self, subscription: Subscription, only: int | None = None) -> int:
        """Deliver a batch, or the delivery `only` if its turn has come; returns how many were settled."""
        deliver = self._deliver_inside if subscription.mode == "transactional" else self._deliver_outside
        return await deliver(subscription, only)

    async def _deliver_inside(self, subscription: Subscription, only: int | None) -> int:
        """Work and done mark commit together, or neither does."""
        batch: list[_Taken] = []
        try:
            async with in_transaction():
                batch = await _take(subscription, current().clock(), only)
                if batch:
                    await bounded(subscription.handle([each.event for each in batch]), TRANSACTION_LIMIT)
                    done = _DONE.format(ids=marks(len(batch)))
                    await execute(done, [each.id for each in batch])
                    reached("deliveries.handled")
        except Exception as error:
            if not batch:
                raise
            return await self._failed(subscription, batch, error)
        reached("deliveries.marked")
        return len(batch)

    async def _deliver_outside(self, subscription: Subscription, only: int | None) -> int:
        """Take a lease, work with no transaction open, mark done. If the process dies, the lease runs out."""
        async with in_transaction():
            now = current().clock()
            batch = await _take(subscription, now, only)
            if not batch:
                return 0
            await _pending(batch).update(lease_until=now + LEASE)
        for each in batch:
            each.lease_until = now + LEASE
        reached("deliveries.leased")
        try:
            await bounded(subscription.handle([each.event for each in batch]), EXTERNAL_LIMIT)
        except Exception as error:
            return await self._failed(subscription, batch, error)
        reached("deliveries.handled")
        settled = await _noted(lambda: _own(batch).update(state="done", lease_until=None, error=""))
        if settled < len(batch):
            message = "subscriber %s outlived its lease: %s of %s events are done again by another worker"
            logger.error(message, subscription.name, len(batch) - settled, len(batch))
        reached("deliveries.marked")
        return settled

    async def _failed(self, subscription: Subscription, batch: Sequence[_Taken], error: Exception) -> int:
        """Try each of several by itself, so that only the bad one waits; put a single one off or give it up.

        Nothing is written to a delivery that another worker has taken since.
        """
        first = batch[0]
        if len(batch) > 1:
            message = "subscriber %s failed %s events together, now each by itself: %s"
            logger.warning(message, subscription.name, len(batch), describe(error))
            await _noted(lambda: _own(batch).update(lease_until=None))
            return sum([await self._deliver(subscription, only=each.id) for each in batch])
        attempts = first.attempts + 1
        state = "dead" if attempts >= MAXIMUM_ATTEMPTS else "pending"
        message = "subscriber %s failed event %s, attempt %s, now %s"
        logger.error(message, subscription.name, first.event.id, attempts, state, exc_info=error)
        return await _noted(
            lambda: _own(batch).update(
                state=state,
                attempts=attempts,
                due_at=current().clock() + pause_after(attempts, self._jitter()),
                lease_until=None,
                error=describe(error),
            )
        )


async def _noted(write: Callable[[], Awaitable[int]]) -> int:
    """Write how it went with a lease in hand, and wait for a database that is just being restarted.

    Given up, the deliveries would lie still until the lease runs out, and then be made again.
    """
    end = time.monotonic() + _RESTART
    while True:
        try:
            return await write()
        except Exception as error:
            if not database_is_away(error) or time.monotonic() > end:
                raise
        await asyncio.sleep(_IDLE)


async def _sweep() -> int:
    return await sweep(current().system_act())


def _pending(batch: Sequence[_Taken]) -> QuerySet[Delivery]:
    return Delivery.filter(id__in=[each.id for each in batch], state="pending")


def _own(batch: Sequence[_Taken]) -> QuerySet[Delivery]:
    """Those of `batch`, taken together, that no other worker has taken since. A later lease ends later, always."""
    return _pending(batch).filter(attempts=batch[0].attempts, lease_until=batch[0].lease_until)


async def _take(subscription: Subscription, now: datetime, only: int | None) -> list[_Taken]:
    """The next deliveries of `subscription`, in order, with their events; or `only`, if it is a head.

    Call it in a transaction: on PostgreSQL the rows are locked until its end. One that failed before goes
    alone.
    """
    waiting = [subscription.name, now, now]
    if only is not None:
        heads = await _locked(_ONE_HEAD, [*waiting, only, 1, now, now], "head", skip=True)
        rows = await _with_events(_ONE, heads) if heads else []
    else:
        rows = await _batch(waiting)
    return rows[:1] if rows and rows[0].attempts else _unbroken(rows, now)[: subscription.batch]


async def _batch(waiting: Sequence[Any]) -> list[_Taken]:
    """Heads and what follows them, in order; `waiting` are the values of the condition of that name."""
    for window in _WINDOWS:
        if heads := await _locked(_OLDEST_HEADS, [*waiting, window, *waiting[1:]], "head", skip=True):
            return await _with_events(_FOLLOWING, heads)
    return []


async def _with_events(statement: str, heads: Sequence[Mapping[str, Any]]) -> list[_Taken]:
    """The deliveries that a statement finds by `heads`, on PostgreSQL with their rows locked; each with its event."""
    asked = statement.format(columns=_COLUMNS, heads=marks(len(heads)), limit=BATCH)
    rows = await _locked(asked, [head["id"] for head in heads], "delivery", skip=False)
    return [
        _Taken(
            row["delivery_id"],
            row["attempts"],
            moment(row["due_at"]),  # type: ignore[arg-type]  # never empty
            moment(row["lease_until"]),
            stored(Event, row),
        )
        for row in rows
    ]


async def _locked(statement: str, values: Sequence[Any], alias: str, *, skip: bool) -> Sequence[Mapping[str, Any]]:
    """The rows a statement gives, on PostgreSQL locked; `skip` passes over those that others have locked."""
    if is_postgres():
        statement += f" FOR UPDATE OF {alias}" + (" SKIP LOCKED" if skip else "")
    return await fetch(statement, values)


def _unbroken(rows: Sequence[_Taken], now: datetime) -> list[_Taken]:
    """Those of `rows` that may go now, with nothing of their subject before them that may not."""
    stopped: set[tuple[str, int]] = set()
    batch = []
    for row in rows:
        subject = (row.event.subject_kind, row.event.subject_id)
        leased = row.lease_until is not None and row.lease_until > now
        if row.attempts or leased or row.due_at > now:
            stopped.add(subject)
        if subject not in stopped:
            batch.append(row)
    return batch
