"""Events reach their subscribers in batches and in order, and what fails waits its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from tests.core.event_city import (
    MODES,
    MORNING,
    Killed,
    Mode,
    city,
    enter,
    ledger,
    new_worker,
    noting,
    raise_events,
    scenario,
    states,
    subscribe,
)
from tortoise.exceptions import DBConnectionError
from tortoise.transactions import in_transaction

from yetan.events import worker
from yetan.events.attempts import pause_after
from yetan.events.models import Delivery, Event
from yetan.events.replay import dead_letters, replay
from yetan.events.worker import LEASE
from yetan.runtime import current


@MODES
@scenario
async def test_a_subscriber_gets_what_waits_in_one_batch_in_order(database_url: str, mode: Mode) -> None:
    batches: list[list[int]] = []

    async def handle(events: Sequence[Event]) -> None:
        batches.append([event.id for event in events])

    async with city(database_url, subscriptions=[subscribe(handle, mode)]):
        ids = await raise_events(1, 2, 1, 3, 2, 1)
        assert await new_worker().run_once() == 6
        assert batches == [ids]
        assert await states() == ["done"] * 6
        assert await new_worker().run_once() == 0


@MODES
@scenario
async def test_a_batch_has_at_most_a_hundred(database_url: str, mode: Mode) -> None:
    batches: list[list[int]] = []

    async def handle(events: Sequence[Event]) -> None:
        batches.append([event.id for event in events])

    async with city(database_url, subscriptions=[subscribe(handle, mode)]):
        ids = await raise_events(*[1] * 210, *range(2, 12))
        assert await new_worker().run_once() == 220
        assert [len(batch) for batch in batches] == [100, 100, 20]
        assert [one for batch in batches for one in batch] == ids


@MODES
@scenario
async def test_a_bad_event_holds_back_its_own_subject_alone(database_url: str, mode: Mode) -> None:
    done: list[int] = []
    bad: set[int] = set()

    async def handle(events: Sequence[Event]) -> None:
        if bad & {event.id for event in events}:
            raise ValueError("cannot be read")
        done.extend(event.id for event in events)

    async with city(database_url, subscriptions=[subscribe(handle, mode)]) as clock:
        first, second, third, fourth, fifth = await raise_events(1, 2, 1, 1, 2)
        bad.add(third)
        await new_worker().run_once()
        assert done == [first, second, fifth]
        failed = await Delivery.get(event_id=third)
        assert (failed.state, failed.attempts, failed.lease_until) == ("pending", 1, None)
        assert failed.error == "ValueError: cannot be read"
        assert (await Delivery.get(event_id=fourth)).attempts == 0

        bad.clear()
        clock.forward(seconds=1.9)
        assert await new_worker().run_once() == 0
        clock.forward(seconds=0.1)
        assert await new_worker().run_once() == 2
        assert done == [first, second, fifth, third, fourth]


@scenario
async def test_however_much_is_held_up_the_rest_is_found(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_WINDOWS", (3, 2**31))
    done: list[int] = []
    async with city(database_url, subscriptions=[subscribe(noting(done))]) as clock:
        first, *_ = await raise_events(1, 1, 1, 1)
        await Delivery.filter(event_id=first).update(due_at=clock.now + timedelta(hours=1))
        clock.forward(seconds=1)
        ids = await raise_events(2, 3)
        await new_worker().run_once()
        assert done == ids


@scenario
async def test_a_failed_batch_leaves_no_half_of_its_work(database_url: str) -> None:
    async def handle(events: Sequence[Event]) -> None:
        await enter(events)
        if any(event.subject_id == 3 for event in events):
            raise ValueError

    async with city(database_url, subscriptions=[subscribe(handle)]):
        one, two, _, four = await raise_events(1, 2, 3, 4)
        await new_worker().run_once()
        assert await ledger() == [one, two, four]


@MODES
@scenario
async def test_another_subscriber_is_not_held_back(database_url: str, mode: Mode) -> None:
    done: list[int] = []

    async def fail(events: Sequence[Event]) -> None:
        raise OSError("unreachable")

    async with city(
        database_url, subscriptions=[subscribe(fail, mode, "broken"), subscribe(noting(done), mode, "whole")]
    ):
        ids = await raise_events(1, 1, 2)
        await new_worker().run_once()
        assert done == ids


@MODES
@scenario
async def test_pauses_grow_until_a_delivery_is_dead_and_replayed(database_url: str, mode: Mode) -> None:
    done: list[int] = []
    broken = True

    async def handle(events: Sequence[Event]) -> None:
        if broken and any(event.subject_id == 1 for event in events):
            raise OSError("unreachable")
        done.extend(event.id for event in events)

    async with city(database_url, subscriptions=[subscribe(handle, mode)]) as clock:
        first, second = await raise_events(1, 1)
        pauses = []
        for _ in range(11):
            await new_worker().run_once()
            delivery = await Delivery.get(event_id=first)
            assert delivery.state == "pending"
            pauses.append((delivery.due_at - clock.now).total_seconds())
            clock.now = delivery.due_at - timedelta(microseconds=1)
            assert await new_worker().run_once() == 0
            clock.now = delivery.due_at
        assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
        assert await dead_letters() == []

        await new_worker().run_once()
        [dead] = await dead_letters()
        assert (dead.event.id, dead.attempts, dead.error) == (first, 12, "OSError: unreachable")
        assert (await Delivery.get(event_id=second)).attempts == 1, "a dead delivery blocks nothing"

        broken = False
        clock.forward(hours=1)
        await new_worker().run_once()
        assert done == [second]
        assert await replay(current().system_act(), [dead.id]) == 1
        assert await replay(current().system_act(), [dead.id]) == 0
        await new_worker().run_once()
        assert done == [second, first]
        assert await dead_letters() == []


def test_a_pause_is_an_hour_at_most_and_a_quarter_longer_with_jitter() -> None:
    assert pause_after(12, 0.0) == timedelta(hours=1)
    assert pause_after(1, 1.0) == timedelta(seconds=2.5)


@MODES
@scenario
async def test_an_error_is_kept_short_and_storable(
    database_url: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is logged would travel to the test runner's controller, which takes no lone surrogate.
    monkeypatch.setattr(worker.logger, "disabled", True)

    async def handle(events: Sequence[Event]) -> None:
        raise ValueError("\x00\udcff" + "长" * 600)

    async with city(database_url, subscriptions=[subscribe(handle, mode)]):
        await raise_events(1)
        await new_worker().run_once()
        error = (await Delivery.get()).error
        assert error.startswith("ValueError: ?长长")
        assert len(error) == 500


@MODES
@scenario
async def test_a_cancellation_from_inside_a_handler_is_its_failure(database_url: str, mode: Mode) -> None:
    async def handle(events: Sequence[Event]) -> None:
        raise asyncio.CancelledError

    async with city(database_url, subscriptions=[subscribe(handle, mode)]):
        await raise_events(1)
        await new_worker().run_once()
        assert (await Delivery.get()).error.startswith("RuntimeError")


@MODES
@scenario
async def test_a_handler_that_hangs_is_cut_off(database_url: str, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TRANSACTION_LIMIT", timedelta(milliseconds=50))
    monkeypatch.setattr(worker, "EXTERNAL_LIMIT", timedelta(milliseconds=50))

    async def handle(events: Sequence[Event]) -> None:
        await asyncio.Event().wait()

    async with city(database_url, subscriptions=[subscribe(handle, mode)]):
        await raise_events(1)
        await new_worker().run_once()
        assert (await Delivery.get()).error == "TimeoutError"


@scenario
async def test_what_was_in_hand_when_the_process_died_is_sent_again(database_url: str) -> None:
    sent: list[str] = []
    dies = True

    async def handle(events: Sequence[Event]) -> None:
        sent.extend(f"{event.id}:sender" for event in events)
        if dies:
            raise Killed

    async with city(database_url, subscriptions=[subscribe(handle, "external", "sender")]) as clock:
        ids = [f"{one}:sender" for one in await raise_events(1, 2)]
        with pytest.raises(Killed):
            await new_worker().run_once()
        dies = False
        later = [f"{one}:sender" for one in await raise_events(1)]
        clock.forward(seconds=LEASE.total_seconds() - 1)
        assert await new_worker().run_once() == 0, "the lease holds back what follows, too"
        clock.forward(seconds=1)
        await new_worker().run_once()
        assert sent == [*ids, *ids, *later], "the same keys again, so that the receiver can tell"
        assert await states() == ["done"] * 3


@scenario
async def test_what_commits_with_its_mark_is_done_once_though_the_process_died(database_url: str) -> None:
    dies = True

    async def handle(events: Sequence[Event]) -> None:
        await enter(events)
        if dies:
            raise Killed

    async with city(database_url, subscriptions=[subscribe(handle)]):
        ids = await raise_events(1, 2, 1)
        with pytest.raises(Killed):
            await new_worker().run_once()
        assert await ledger() == []
        assert await states() == ["pending"] * 3
        dies = False
        await new_worker().run_once()
        assert await ledger() == ids


@scenario
async def test_an_external_subscriber_runs_under_a_lease_and_no_transaction(database_url: str) -> None:
    seen: list[object] = []

    async def handle(events: Sequence[Event]) -> None:
        with suppress(ValueError):
            async with in_transaction():
                seen.extend([each.lease_until for each in await Delivery.all()])
                await enter(events)
                raise ValueError("rolls back nothing but this")
        await enter(events)

    async with city(database_url, subscriptions=[subscribe(handle, "external")]):
        ids = await raise_events(1, 2)
        await new_worker().run_once()
        assert seen == [MORNING + LEASE] * 2
        assert await ledger() == ids


@scenario
async def test_one_poisoned_event_of_a_hundred_costs_the_others_nothing(database_url: str) -> None:
    async def handle(events: Sequence[Event]) -> None:
        await enter(events)
        if any(event.id == poison for event in events):
            raise ValueError("cannot be read")

    async with city(database_url, subscriptions=[subscribe(handle)]) as clock:
        ids = await raise_events(*range(90), *range(1, 11))
        poison = ids[0]
        for _ in range(3):
            await new_worker().run_once()
            clock.forward(hours=1)
        assert await ledger() == ids[1:]
        assert (await Delivery.get(event_id=poison)).attempts == 3


@scenario
async def test_a_database_lost_with_the_work_leaves_no_lease_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F07: the handler failed for want of the database, which is not there for taking that down either, at first."""
    own, away = worker._own, [True, True]

    def lost(batch: Sequence[Delivery]) -> Any:
        if away:
            away.pop()
            raise DBConnectionError("gone")
        return own(batch)

    async def handle(events: Sequence[Event]) -> None:
        if away:
            raise DBConnectionError("gone")
        await enter(events)

    monkeypatch.setattr(worker, "_own", lost)
    monkeypatch.setattr(worker, "_IDLE", 0.01)
    async with city(database_url, subscriptions=[subscribe(handle, "external")]) as clock:
        ids = await raise_events(1)
        await new_worker().run_once()
        delivery = await Delivery.get(event_id=ids[0])
        assert (delivery.state, delivery.attempts, delivery.lease_until) == ("pending", 1, None)
        clock.forward(seconds=10)
        await new_worker().run_once()
        assert await ledger() == ids


@scenario
async def test_a_worker_whose_lease_ran_out_takes_nothing_down_as_done(database_url: str) -> None:
    started, taken_over, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    sent: list[int] = []

    async def handle(events: Sequence[Event]) -> None:
        sent.extend(event.id for event in events)
        if not started.is_set():
            started.set()
            await taken_over.wait()
            return
        taken_over.set()
        await ended.wait()
        raise OSError("refused")

    async with city(database_url, subscriptions=[subscribe(handle, "external")]) as clock:
        [first] = await raise_events(1)
        slow = asyncio.create_task(new_worker().run_once())
        await started.wait()
        clock.forward(seconds=LEASE.total_seconds())
        [second] = await raise_events(1)
        other = asyncio.create_task(new_worker().run_once())
        await slow
        assert await states() == ["pending", "pending"]
        assert sent == [first, first, second], "nobody else takes what the second worker has"
        ended.set()
        await other
        delivery = await Delivery.get(event_id=first)
        assert (delivery.state, delivery.attempts, delivery.error) == ("pending", 1, "OSError: refused")


@scenario
async def test_a_worker_whose_lease_ran_out_changes_nothing_any_more(database_url: str) -> None:
    started, taken_over, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(events: Sequence[Event]) -> None:
        if not started.is_set():
            started.set()
            await release.wait()
            raise OSError("too late")
        taken_over.set()
        await release.wait()

    async with city(database_url, subscriptions=[subscribe(handle, "external")]) as clock:
        await raise_events(1)
        slow = asyncio.create_task(new_worker().run_once())
        await started.wait()
        clock.forward(seconds=LEASE.total_seconds())
        second = asyncio.create_task(new_worker().run_once())
        async with asyncio.timeout(10):
            await taken_over.wait()
        release.set()
        await asyncio.gather(slow, second)
        delivery = await Delivery.get()
        assert (delivery.state, delivery.attempts, delivery.error) == ("done", 0, "")
