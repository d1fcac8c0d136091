"""What is due is done once, and jobs run once per period (F43)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.core.event_city import MORNING, Killed, city, new_worker, scenario

from yetan.act import Act
from yetan.events import jobs
from yetan.events.due import PUT_OFF, sweep
from yetan.events.models import Due, Event, JobRun
from yetan.events.service import emit, set_due
from yetan.plugins.declarations import DueKind, Job
from yetan.runtime import current


@scenario
async def test_what_is_due_is_done_once_and_oldest_first(database_url: str) -> None:
    done: list[int] = []

    async def handle(act: Act, subject_id: int) -> None:
        await asyncio.sleep(0)
        done.append(subject_id)

    async with city(database_url, due_kinds=[DueKind("remind", handle)]) as clock:
        for subject, minutes in ((1, 20), (2, 10), (3, 30), (4, 31)):
            await set_due("remind", ("issue", subject), MORNING + timedelta(minutes=minutes))
        clock.forward(minutes=30)
        act = current().system_act()
        assert await sweep(act, limit=1) == 1
        assert done == [2]
        counts = await asyncio.gather(sweep(act), sweep(act), sweep(act))
        assert sum(counts) == 2
        assert done == [2, 1, 3]
        assert [row.subject_id for row in await Due.all()] == [4]


@scenario
async def test_a_row_moved_meanwhile_is_not_done(database_url: str) -> None:
    done: list[int] = []

    async def handle(act: Act, subject_id: int) -> None:
        done.append(subject_id)
        await set_due("remind", ("issue", 2), act.now + timedelta(days=1))
        await Due.filter(subject_id=3).update(at=act.now + timedelta(days=1))

    async with city(database_url, due_kinds=[DueKind("remind", handle)]):
        for subject in (1, 2, 3):
            await set_due("remind", ("issue", subject), MORNING)
        assert await sweep(current().system_act()) == 1
        assert done == [1]


@scenario
async def test_a_failing_row_is_put_off_and_undone_and_holds_nobody_back(database_url: str) -> None:
    done: list[int] = []

    async def handle(act: Act, subject_id: int) -> None:
        await emit(act, "raised", ("issue", subject_id))
        if subject_id == 1:
            raise ValueError
        done.append(subject_id)

    async with city(database_url, due_kinds=[DueKind("remind", handle)]) as clock:
        await set_due("remind", ("issue", 1), MORNING - timedelta(days=1))
        await set_due("remind", ("issue", 2), MORNING)
        await Due.create(kind="of a plugin that is off", subject_kind="issue", subject_id=9, at=MORNING)
        assert await new_worker().run_once() == 2
        assert done == [2]
        assert [event.subject_id for event in await Event.all()] == [2]
        left = {row.subject_id: row.at for row in await Due.all()}
        assert left == {1: clock.now + PUT_OFF, 9: MORNING}
        clock.forward(seconds=PUT_OFF.total_seconds())
        assert await new_worker().run_once() == 1


async def nothing(act: Act) -> None:
    """A job with nothing to do."""


@pytest.mark.parametrize(
    ("period", "at_hour", "local", "name"),
    [
        ("hour", 0, "2026-05-06T09:59", "2026-05-06T09+0800"),
        ("day", 0, "2026-05-06T00:00", "2026-05-06"),
        ("day", 3, "2026-05-06T02:59", "2026-05-05"),
        ("day", 3, "2026-05-06T03:00", "2026-05-06"),
        ("week", 0, "2026-05-10T23:59", "2026-05-04"),
        ("week", 6, "2026-05-11T05:59", "2026-05-04"),
        ("week", 6, "2026-05-11T06:00", "2026-05-11"),
        ("month", 2, "2027-01-01T01:00", "2026-12"),
        ("month", 2, "2027-01-01T02:00", "2027-01"),
    ],
)
def test_the_latest_period_that_has_come(period: Any, at_hour: int, local: str, name: str) -> None:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    assert jobs.latest_period(Job("tidy", period, nothing, at_hour), moment) == name


def test_an_hour_that_comes_twice_is_two_periods() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    job = Job("tidy", "hour", nothing)
    assert jobs.latest_period(job, first) != jobs.latest_period(job, first.replace(fold=1))


@scenario
async def test_a_job_runs_once_per_period_whatever_the_number_of_workers(database_url: str) -> None:
    runs: list[datetime] = []

    async def run(act: Act) -> None:
        await asyncio.sleep(0.01)
        runs.append(act.now)

    async with city(database_url, scheduled=[Job("tidy", "day", run, at_hour=3)]) as clock:
        for _ in range(3):
            counts = await asyncio.gather(*(new_worker().run_once() for _ in range(4)))
            assert sum(counts) == 1
            clock.forward(days=1)
        assert [moment.day for moment in runs] == [6, 7, 8]
        assert await JobRun.filter(error="", finished_at__isnull=False).count() == 3


@scenario
async def test_after_three_days_down_a_job_catches_up_once(database_url: str) -> None:
    runs: list[datetime] = []

    async def run(act: Act) -> None:
        runs.append(act.now)

    async with city(database_url, scheduled=[Job("tidy", "day", run, at_hour=3)]) as clock:
        await new_worker().run_once()
        clock.now = datetime(2026, 5, 9, 18, 30, tzinfo=UTC)  # 02:30 on the 10th in the city
        await new_worker().run_once()
        clock.forward(minutes=29)
        await new_worker().run_once()
        assert len(runs) == 2
        clock.forward(minutes=1)
        await new_worker().run_once()
        clock.forward(seconds=-7200)
        await new_worker().run_once()
        assert len(runs) == 3, "a clock set back runs nothing again"
        periods = [made.period for made in await JobRun.all().order_by("id")]
        assert periods == ["2026-05-06", "2026-05-09", "2026-05-10"]


@scenario
async def test_two_schedulers_run_a_period_once_though_the_clock_jumps_far_ahead_and_back(database_url: str) -> None:
    runs: list[str] = []

    async def run(act: Act) -> None:
        await asyncio.sleep(0)
        runs.append(act.now.date().isoformat())

    async def both() -> None:
        await asyncio.gather(new_worker().run_once(), new_worker().run_once())

    async with city(database_url, scheduled=[Job("tidy", "day", run)]) as clock:
        await both()
        clock.forward(days=40)
        await both()
        assert runs == ["2026-05-06", "2026-06-15"], "one catch-up for forty days"
        clock.now = MORNING
        await both()
        assert len(runs) == 2
        for _ in range(42):
            clock.forward(days=1)
            await both()
        assert runs[2:41] == [f"{MORNING + timedelta(days=number):%Y-%m-%d}" for number in range(1, 40)]
        assert runs[41:] == ["2026-06-16", "2026-06-17"], "the day that was run ahead is not run again"
        assert len(await JobRun.all()) == len(runs)


@scenario
async def test_runs_are_remembered_longer_than_any_period_and_then_forgotten(database_url: str) -> None:
    runs: list[datetime] = []

    async def run(act: Act) -> None:
        runs.append(act.now)

    async with city(database_url, scheduled=[Job("tidy", "month", run)]) as clock:
        await new_worker().run_once()
        clock.forward(days=jobs.REMEMBERED.days)
        await jobs.forget_runs(clock.now)
        assert await JobRun.all().count() == 1
        clock.forward(seconds=1)
        await new_worker().run_once()
        await jobs.forget_runs(clock.now)
        assert [each.started_at for each in await JobRun.all()] == [clock.now]
        await new_worker().run_once()
        assert len(runs) == 2


@scenario
async def test_a_failed_job_is_tried_three_times_more_in_its_period(database_url: str) -> None:
    runs: list[datetime] = []

    async def run(act: Act) -> None:
        runs.append(act.now)
        raise OSError("disk full")

    async with city(database_url, scheduled=[Job("tidy", "day", run)]) as clock:
        for _ in range(120):
            await asyncio.gather(new_worker().run_once(), new_worker().run_once())
            clock.forward(minutes=1)
        assert [(moment - MORNING) / timedelta(minutes=1) for moment in runs] == [0, 1, 6, 36]
        assert {each.error for each in await JobRun.all()} == {"OSError: disk full"}
        clock.forward(days=1)
        await new_worker().run_once()
        assert len(runs) == 5


@scenario
async def test_a_job_whose_process_died_is_tried_again_after_its_time(database_url: str) -> None:
    runs = 0

    async def run(act: Act) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise Killed

    async with city(database_url, scheduled=[Job("tidy", "day", run)]) as clock:
        with pytest.raises(Killed):
            await new_worker().run_once()
        clock.forward(minutes=60)
        assert await new_worker().run_once() == 0
        clock.forward(minutes=1)
        assert await new_worker().run_once() == 1
        clock.forward(minutes=90)
        assert await new_worker().run_once() == 0
        assert runs == 2
