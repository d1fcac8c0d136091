"""A city in which a test declares what is subscribed to, due and scheduled, and moves the clock."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.postgresql import configuration_for
from tortoise.transactions import in_transaction

from yetan.db.connection import CORE_APPLICATION, connected
from yetan.events.models import Delivery, Event, RequestKey
from yetan.events.service import emit
from yetan.events.worker import Worker
from yetan.plugins.declarations import DueKind, EventType, Job, Subscription
from yetan.plugins.registry import Registry
from yetan.runtime import Runtime, current, use

MORNING = datetime(2026, 5, 6, 1, 0, tzinfo=UTC)
Handle = Callable[[Sequence[Event]], Awaitable[None]]
Mode = Literal["transactional", "external"]
MODES = pytest.mark.parametrize("mode", ["transactional", "external"])


class Killed(BaseException):
    """Stands for the process dying: no `except Exception` sees it."""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@asynccontextmanager
async def city(
    url: str,
    *,
    subscriptions: Sequence[Subscription] = (),
    due_kinds: Sequence[DueKind] = (),
    scheduled: Sequence[Job] = (),
) -> AsyncIterator[Clock]:
    """A city in Shanghai's time zone in which only these things are declared."""
    clock = Clock()
    registry = Registry(
        plugins=(),
        configurations={},
        event_types={name: EventType(name, name) for name in ("raised", "listed")},
        subscriptions={each.name: each for each in subscriptions},
        due_kinds={each.name: each for each in due_kinds},
        jobs={each.name: each for each in scheduled},
    )
    absent: Any = None
    runtime = Runtime(
        configuration=configuration_for(url, Path()),
        registry=registry,
        clock=clock,
        calendar=absent,
        files=absent,
        search=None,
        plugin_configurations={},
    )
    async with connected(url, [CORE_APPLICATION]):
        use(runtime)
        try:
            yield clock
        finally:
            use(None)


def scenario(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in an event loop of its own; what waits in vain fails after a minute."""

    @functools.wraps(test)
    def run(*args: Any, **values: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **values), 60))

    return run


def subscribe(
    handle: Handle, mode: Mode = "transactional", name: str = "reader", *, historical: bool = False
) -> Subscription:
    return Subscription(name, ("raised",), handle, mode, historical)


def new_worker() -> Worker:
    """A worker whose pauses are exact."""
    return Worker(jitter=lambda: 0.0)


async def raise_events(*subjects: int, historical: bool = False) -> list[int]:
    """One event for each subject, in order; returns their ids."""
    act = current().system_act(historical=historical)
    async with in_transaction():
        return [(await emit(act, "raised", ("issue", subject))).id for subject in subjects]


async def enter(events: Iterable[Event]) -> None:
    """Enter events in a ledger that refuses to hold one twice."""
    for event in events:
        await RequestKey.create(key=str(event.id), service="ledger", fingerprint="", result_id=event.id, at=event.at)


async def ledger() -> list[int]:
    """The ids of the events entered, in the order of their entry."""
    return [row.result_id or 0 for row in await RequestKey.all().order_by("id")]


async def states() -> list[str]:
    return [delivery.state for delivery in await Delivery.all().order_by("event_id", "subscriber")]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.01)


def noting(done: list[int]) -> Handle:
    """A handler that notes the ids of the events it is given."""

    async def handle(events: Sequence[Event]) -> None:
        done.extend(event.id for event in events)

    return handle
