"""Three workers at one PostgreSQL database, killed in the middle of what they do (F42)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import datetime, timedelta
from random import Random

from tests.soak.city import NewTown, at_work, outside_of, registry_of
from tests.soak.journal import Journal
from tests.soak.kills import STATEMENT, Kills, arm
from tests.soak.processes import in_fork, start
from tests.soak.verification import settle, verify
from tests.soak.workload import play

from yetan.events.models import Delivery
from yetan.events.worker import Worker
from yetan.plugins.registry import Registry
from yetan.testing import StandingClock, Town

WORKERS = 3
#: Where a worker is killed, and the latest arrival there.
_POINTS = {"deliveries.handled": 12, "deliveries.leased": 3, "deliveries.marked": 6, STATEMENT: 150}
#: Seconds of the city in a real one: a lease of six minutes that a dead worker held is over soon.
_PACE = 150
_STEPS = 30


class RunningClock(StandingClock):
    """A clock that goes at `_PACE`, the same in every process."""

    @property
    def now(self) -> datetime:
        """The instant it is."""
        return self._set + timedelta(seconds=_PACE * (time.monotonic() - self._at))

    @now.setter
    def now(self, now: datetime) -> None:
        self._set, self._at = now, time.monotonic()


def kill_workers(new_town: NewTown, wanted: int, seed: int) -> Kills:
    """Kill workers `wanted` times, three at a time at work. What people did is verified when all is delivered."""
    told = Kills("postgresql", seed)
    began = time.monotonic()
    town = new_town()
    registry = registry_of(town)
    rng = Random(seed)
    batch = 0
    while told.kills < wanted and not told.losses:
        _must(told, in_fork(lambda: asyncio.run(_people(town, registry, seed, batch))))  # noqa: B023 - run at once
        town.clock = RunningClock(_now(town))
        _one_batch(told, town, registry, rng, wanted)
        batch += 1
        _must(told, in_fork(lambda: asyncio.run(_verify(town, registry))))
    told.acknowledged = len(Journal.read(town.folder / "journal").answers)
    keys = outside_of(town).read_text().splitlines()
    told.told_again = len(keys) - len(set(keys))
    told.seconds = time.monotonic() - began
    return told


def _must(told: Kills, status: int) -> None:
    if status:
        told.losses.append(f"again: python -m tests.soak workers --seed {told.seed} --kills {told.kills}")


def _now(town: Town) -> datetime:
    return Journal.read(town.folder / "journal").now or town.clock()


async def _people(town: Town, registry: Registry, seed: int, batch: int) -> None:
    """People ask for this and that while no worker is there."""
    town.clock = StandingClock(_now(town))
    journal = Journal.read(town.folder / "journal")
    rng = Random(f"{seed}:{batch}")
    async with at_work(town, registry):
        plan = [rng.choice(("raise", "register", "transition", "transition", "action")) for _ in range(_STEPS)]
        await play(town, journal, rng, batch, plan)


def _one_batch(told: Kills, town: Town, registry: Registry, rng: Random, wanted: int) -> None:
    """Have workers at it until all is delivered; whoever dies is replaced."""
    running: dict[int, str] = {}
    done = False
    while running or not done:
        while len(running) < WORKERS and not done:
            point = rng.choice(list(_POINTS))
            fault = (point, rng.randint(1, _POINTS[point])) if told.kills + len(running) < wanted else None
            worker = start(lambda: asyncio.run(_worker(town, registry, fault)))  # noqa: B023 - forked at once
            running[worker] = point
        process, status = os.wait()
        point = running.pop(process)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            told.points[point] += 1
            continue
        done = True
        _must(told, status)


async def _worker(town: Town, registry: Registry, fault: tuple[str, int] | None) -> None:
    async with at_work(town, registry):
        if fault:
            arm(*fault)
        while await Delivery.filter(state="pending").exists():
            if not await Worker(jitter=lambda: 0).run_once():
                await asyncio.sleep(0.05)


async def _verify(town: Town, registry: Registry) -> None:
    journal = Journal.read(town.folder / "journal")
    async with at_work(town, registry):
        await settle(town)
        journal.clock(town.clock())
        found = await verify(town, journal)
        assert not found, "\n".join(["LOST:", *found])
