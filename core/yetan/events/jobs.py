"""Running jobs by the clock, once per period, whatever the number of workers (F43)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec.structs import replace
from tortoise.exceptions import IntegrityError

from yetan.db.reading import load
from yetan.db.statements import marks
from yetan.events.attempts import bounded, describe
from yetan.events.models import JobRun
from yetan.plugins.declarations import Job
from yetan.plugins.guarding import is_paused
from yetan.runtime import current

logger = logging.getLogger(__name__)

#: How long after a failed run the next try of the same period comes. After the last, the period is given up.
RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))

#: A run has this long. One that has not finished by then was cut off, or its process died.
RUN_LIMIT = timedelta(hours=1)

#: How long runs are remembered: longer than any period is, and than a clock is likely to be wrong.
REMEMBERED = timedelta(days=400)


async def forget_runs(now: datetime) -> None:
    """Remove the rows of runs begun longer ago than `REMEMBERED`."""
    await JobRun.filter(started_at__lt=now - REMEMBERED).delete()


async def run_due_jobs(went_well: dict[str, str] | None = None) -> int:
    """Run every job whose latest period that has come has not been run; returns how many runs were made.

    Periods are those of the city's time zone. After downtime only the latest is made up for. Each run, and
    each retry of a failed one, is a row of its own, written first: whoever writes it runs it. A job must
    survive being run again for a period in which it failed or its process died.

    `went_well` is the worker's memory of what needs not be asked again: by job a period whose run went well.
    """
    settled = {} if went_well is None else went_well
    runtime = current()
    jobs = [job for job in runtime.registry.jobs.values() if not is_paused(job.run)]
    if not jobs:
        return 0
    local = runtime.clock().astimezone(runtime.configuration.city.zone)
    latest = {job.name: latest_period(job, local) for job in jobs}
    wanted = {job: _tries(period) for job, period in latest.items() if settled.get(job) != period}
    if not wanted:
        return 0
    periods = {period for tries in wanted.values() for period in tries}
    theirs = f"job IN ({marks(len(wanted))}) AND period IN ({marks(len(periods))})"
    runs = await load(JobRun, theirs, [*wanted, *periods])
    made = {(run.job, run.period): run for run in runs}
    count = 0
    for job in [each for each in jobs if each.name in wanted]:
        tries = [made.get((job.name, period)) for period in wanted[job.name]]
        number = _next_try(tries, runtime.clock())
        if number is not None:
            count += await _run(job, wanted[job.name][number])
        elif any(run is not None and run.finished_at and not run.error for run in tries):
            settled[job.name] = latest[job.name]
    return count


def latest_period(job: Job, local: datetime) -> str:
    """The name of the latest period of `job` whose run is due at the city's time `local`, as in "2026-05-01".

    A week is named by its Monday. An hour carries its offset, so that the doubled one in autumn counts twice.
    """
    return _period(job.period, job.at_hour, local.replace(minute=0, second=0, microsecond=0), local.utcoffset())


@lru_cache(maxsize=64)
def _period(kind: str, at_hour: int, hour: datetime, offset: timedelta | None) -> str:
    """`latest_period` in an hour, which a worker asks with every commit. `offset` tells the doubled one's two apart."""
    if kind == "hour":
        return hour.strftime("%Y-%m-%dT%H%z")
    day = (hour.replace(tzinfo=None) - timedelta(hours=at_hour)).date()
    if kind == "week":
        day -= timedelta(days=day.weekday())
    return day.strftime("%Y-%m") if kind == "month" else day.isoformat()


def _tries(period: str) -> list[str]:
    """What the rows of a period are called: its first run, then each retry."""
    return [period, *(f"{period} retry {number}" for number in range(1, len(RETRIES) + 1))]


def _next_try(tries: list[JobRun | None], now: datetime) -> int | None:
    """The index of the try that is to be made at `now`, if any."""
    for number, run in enumerate(tries):
        if run is None:
            return number
        if run.finished_at is None:
            failed_at = run.started_at + RUN_LIMIT
        elif run.error:
            failed_at = run.finished_at
        else:
            return None
        if number == len(RETRIES) or now < failed_at + RETRIES[number]:
            return None
    return None


async def _run(job: Job, period: str) -> bool:
    """Run `job` as `period`, and note how it went; False if another worker was quicker."""
    runtime = current()
    act = replace(runtime.system_act(), source=f"job {job.name}")
    try:
        run = await JobRun.create(job=job.name, period=period, started_at=act.now)
    except IntegrityError:
        return False
    try:
        await bounded(job.run(act), RUN_LIMIT)
    except Exception as error:
        logger.exception("job %s failed for %s", job.name, period)
        run.error = describe(error)
    run.finished_at = runtime.clock()
    await run.save(update_fields=["finished_at", "error"])
    return True
