"""Workers at work: several at once, woken, hindered, and stopped."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import pytest
from asyncpg.exceptions import DeadlockDetectedError
from tests.core.event_city import (
    MODES,
    Mode,
    city,
    enter,
    eventually,
    ledger,
    new_worker,
    noting,
    raise_events,
    scenario,
    subscribe,
)
from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.db.statements import fetch
from yetan.events import worker
from yetan.events.models import Delivery, Event, JobRun
from yetan.events.replay import dead_letters, replay, replay_history
from yetan.events.worker import Worker
from yetan.plugins.declarations import Job
from yetan.runtime import current

T = TypeVar("T")


@MODES
@scenario
async def test_several_workers_deliver_once_and_in_order(database_url: str, mode: Mode) -> None:
    done: list[tuple[int, int]] = []
    at_work: set[int] = set()

    async def handle(events: Sequence[Event]) -> None:
        subjects = {event.subject_id for event in events}
        assert not at_work & subjects, "two workers at one subject"
        at_work.update(subjects)
        await asyncio.sleep(0.002)
        if mode == "transactional":
            await enter(events)
        done.extend((event.subject_id, event.id) for event in events)
        at_work.difference_update(subjects)

    async def keep_raising() -> None:
        for _ in range(15):
            await raise_events(*range(8), *range(8))
            await asyncio.sleep(0)

    async def keep_working() -> None:
        own = new_worker()
        while not raising.done():
            await own.run_once()
            await asyncio.sleep(0)

    async with city(database_url, subscriptions=[subscribe(handle, mode)]):
        raising = asyncio.create_task(keep_raising())
        await asyncio.gather(raising, *(keep_working() for _ in range(4)))
        await new_worker().run_once()
        assert await Delivery.exclude(state="done").count() == 0
        assert await Delivery.exclude(attempts=0).count() == 0
        assert len(done) == len(set(done)) == 240
        for subject in range(8):
            ids = [event for of, event in done if of == subject]
            assert ids == sorted(ids)
        if mode == "transactional":
            assert sorted(await ledger()) == sorted(event for _, event in done)


@MODES
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_nobody_takes_the_next_event_of_a_subject_somebody_is_at(
    database_url: str, mode: Mode, fails: bool
) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    done: list[int] = []

    async def handle(events: Sequence[Event]) -> None:
        if not started.is_set():
            started.set()
            await release.wait()
            if fails:
                raise OSError("unreachable")
        done.extend(event.id for event in events)

    async with city(database_url, subscriptions=[subscribe(handle, mode)]) as clock:
        [first] = await raise_events(1)
        slow = asyncio.create_task(new_worker().run_once())
        await started.wait()
        second, other = await raise_events(1, 2)
        assert await new_worker().run_once() == 1
        assert done == [other]
        release.set()
        await slow
        clock.forward(seconds=2)
        await new_worker().run_once()
        assert done == [other, first, second]


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_a_delivery_replayed_while_a_later_one_is_in_hand_waits_for_it(database_url: str) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    finished: list[int] = []

    async def handle(events: Sequence[Event]) -> None:
        if not started.is_set():
            started.set()
            await release.wait()
        await noting(finished)(events)

    async with city(database_url, subscriptions=[subscribe(handle)]):
        first, second = await raise_events(1, 1)
        await Delivery.filter(event_id=first).update(state="dead")
        slow = asyncio.create_task(new_worker().run_once())
        await started.wait()
        [third] = await raise_events(1)
        await replay(current().system_act(), [each.id for each in await Delivery.filter(state="dead")])
        other = asyncio.create_task(new_worker().run_once())
        await asyncio.sleep(0.2)
        release.set()
        await asyncio.gather(slow, other)
        assert finished == [second, first, third]
        assert await Delivery.exclude(attempts=0).count() == 0


@scenario
async def test_nobody_takes_a_second_attempt_somebody_is_at(database_url: str) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    attempts = 0
    finished: list[int] = []

    async def handle(events: Sequence[Event]) -> None:
        nonlocal attempts
        if events[0].subject_id == 1:
            attempts += 1
            if attempts == 1:
                raise OSError("unreachable")
            started.set()
            await release.wait()
        await noting(finished)(events)

    async with city(database_url, subscriptions=[subscribe(handle, "external")]) as clock:
        [first] = await raise_events(1)
        await new_worker().run_once()
        clock.forward(seconds=2)
        slow = asyncio.create_task(new_worker().run_once())
        await started.wait()
        [other] = await raise_events(2)
        async with asyncio.timeout(10):
            await new_worker().run_once()
        release.set()
        await slow
        assert finished == [other, first]
        assert attempts == 2


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_events_of_a_subject_commit_in_their_order_though_its_row_is_not_changed_first(
    database_url: str,
) -> None:
    done: list[int] = []
    async with city(database_url, subscriptions=[subscribe(noting(done))]):
        for _ in ("a subject nobody told of before", "one that is known"):
            done.clear()
            async with in_transaction():
                [first] = await raise_events(1)
                second = asyncio.create_task(outside(raise_events(1)))
                [other] = await outside(raise_events(2))
                await asyncio.sleep(0.1)
                assert not second.done()
                await outside(new_worker().run_once())
                assert done == [other]
            await second
            await new_worker().run_once()
            assert done == [other, first, *second.result()]


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_two_that_tell_of_the_same_subjects_the_other_way_round_do_not_break_their_order(
    database_url: str,
) -> None:
    done: list[int] = []
    both = asyncio.Barrier(2)

    async def tell(*subjects: int) -> list[int]:
        async with in_transaction():
            ids = await raise_events(subjects[0])
            await both.wait()
            return [*ids, *await raise_events(subjects[1])]

    async with city(database_url, subscriptions=[subscribe(noting(done))]):
        told = await asyncio.gather(tell(1, 2), tell(2, 1), return_exceptions=True)
        [lost] = [each for each in told if isinstance(each, Exception)]
        assert isinstance(lost, DeadlockDetectedError)
        [kept] = [each for each in told if not isinstance(each, BaseException)]
        await new_worker().run_once()
        assert done == kept


async def outside(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` as somebody else would: with a connection of its own, whatever transaction is open here."""
    return await asyncio.create_task(work, context=_NO_TRANSACTION.copy())


_NO_TRANSACTION = contextvars.Context()


@asynccontextmanager
async def working() -> AsyncIterator[Worker]:
    """A worker at work while the block runs, which must then stop by itself."""
    own, stop = new_worker(), asyncio.Event()
    task = asyncio.create_task(own.run(stop))
    await asyncio.sleep(0.05)
    try:
        yield own
        assert not task.done(), "the worker gave up"
        stop.set()
        async with asyncio.timeout(5):
            await task
    finally:
        task.cancel()


@MODES
@scenario
async def test_a_commit_wakes_the_worker_and_nothing_does_before_it(
    database_url: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_IDLE", 1000.0)
    given: list[int] = []

    async with city(database_url, subscriptions=[subscribe(noting(given), mode)]), working():
        with suppress(ValueError):
            async with in_transaction():
                await raise_events(1)
                await asyncio.sleep(0.1)
                raise ValueError
        async with in_transaction():
            ids = await raise_events(1, 2)
            await asyncio.sleep(0.1)
            assert given == []
        await eventually(lambda: done(2))
        assert given == ids


@scenario
async def test_what_is_sent_again_wakes_the_worker(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_IDLE", 1000.0)
    async with city(database_url):
        [early] = await raise_events(1)
    given: list[int] = []
    async with city(database_url, subscriptions=[subscribe(noting(given))]):
        [dead] = await raise_events(2)
        await Delivery.filter(event_id=dead).update(state="dead")
        async with working():
            await replay(current().system_act(), [each.id for each in await dead_letters()])
            await eventually(lambda: done(1))
            await replay_history(current().system_act(), "reader")
            await eventually(lambda: done(2))
        assert given == [dead, early]


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_a_worker_that_lost_its_connections_is_woken_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_IDLE", 1000.0)
    async with city(database_url, subscriptions=[subscribe(noting([]))]), working():
        for count in (1, 2, 3):
            await _disconnect_everybody()
            await asyncio.sleep(0.2)
            await raise_events(1)
            await eventually(partial(done, count))


async def _disconnect_everybody() -> None:
    with suppress(Exception):
        await fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() ORDER BY pid = pg_backend_pid()"
        )


async def done(count: int) -> bool:
    return await Delivery.filter(state="done").count() == count


@scenario
async def test_a_worker_goes_on_after_failures_of_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sweeps = 0
    swept_thrice = asyncio.Event()

    async def fail(events: Sequence[Event]) -> None:
        raise ValueError("cannot be read")

    async def run(act: Act) -> None:
        raise asyncio.CancelledError

    async def fail_to_sweep(act: Act) -> int:
        nonlocal sweeps
        sweeps += 1
        if sweeps > 3:
            swept_thrice.set()
        raise asyncio.CancelledError if sweeps == 1 else OSError("unreachable")

    monkeypatch.setattr(worker, "sweep", fail_to_sweep)
    monkeypatch.setattr(worker, "_IDLE", 0.01)
    async with (
        city(database_url, subscriptions=[subscribe(fail, name="broken")], scheduled=[Job("tidy", "day", run)]),
        working(),
    ):
        await raise_events(1)
        await swept_thrice.wait()
        await eventually(lambda: Delivery.filter(attempts=1).exists())
        await eventually(lambda: JobRun.exclude(error="").exists())
    assert "subscriber broken failed" in caplog.text
    assert "due failed 3 times" in caplog.text


@scenario
async def test_a_slow_external_subscriber_delays_nobody(database_url: str) -> None:
    quick: list[int] = []
    inside: list[int] = []
    release = asyncio.Event()

    async def wait(events: Sequence[Event]) -> None:
        await release.wait()

    async with (
        city(
            database_url,
            subscriptions=[
                subscribe(wait, "external", "slow"),
                subscribe(noting(quick), "external", "quick"),
                subscribe(noting(inside), name="inside"),
            ],
        ),
        working(),
    ):
        ids = await raise_events(1)
        await eventually(lambda: done(2))
        assert quick == inside == ids
        release.set()


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_a_worker_survives_the_loss_of_its_connections(database_url: str) -> None:
    async with city(database_url, subscriptions=[subscribe(enter)]), working():
        ids = []
        for _ in range(5):
            ids += await raise_events(1, 2)
            await _disconnect_everybody()
            await asyncio.sleep(0.1)
        await eventually(lambda: done(len(ids)))
        assert await ledger() == ids
