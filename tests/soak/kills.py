"""Killing a city over and over, at named points and between any two statements, and looking what is left of it.

One process forks one life after the other at the same city and never opens it itself. Each life recovers as
people and operators would (the last request is sent again under its key, the worker finishes), verifies everything,
arms a fault and goes on working until it dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import aiosqlite
import asyncpg.connection
import asyncpg.transaction
from tests.soak.city import NewTown, at_work, registry_of
from tests.soak.journal import Journal
from tests.soak.processes import in_fork
from tests.soak.verification import settle, verify, verify_at_length
from tests.soak.workload import play, send

from yetan import faults
from yetan.plugins.registry import Registry
from yetan.testing import Town

#: Lives in one city; then a new one, so that the full verification stays quick.
LIVES = 20
#: Steps in a life that no fault ends.
STEPS = 30
#: Not a point of the code: the moment before any statement, or any commit, goes to the database.
STATEMENT = "any statement"

#: The latest arrival that is drawn for a point, and the step that leads there.
_ARRIVALS = {STATEMENT: 300, "change": 15, "deliveries": 12, "projection": 6, "files": 2, "index.switched": 1}
_LEADS = {
    "import": "import",
    "index.switched": "rebuild_index",
    "index": "work",
    "deliveries": "work",
    "projection": "publish",
    "publication": "publish",
    "files": "raise",
    "audit": "seal",
}


#: Points that only commands reach, run while the city stands still; their own tests kill those.
_COMMANDS = ("upgrade", "backup", "restore")


def points() -> list[str]:
    """Where a working city is killed."""
    return [*(point for point in faults.POINTS if point.partition(".")[0] not in _COMMANDS), STATEMENT]


@dataclass
class Kills:
    """What came of a run."""

    database: str
    seed: int
    points: Tally[str] = field(default_factory=Tally)
    survived: int = 0
    acknowledged: int = 0
    interrupted: int = 0
    told_again: int = 0
    losses: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """How many deaths there were."""
        return self.points.total()

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {
            "database": self.database,
            "seed": self.seed,
            "kills": self.kills,
            "by_point": dict(sorted(self.points.items())),
            "lives_without_a_death": self.survived,
            "acknowledged": self.acknowledged,
            "interrupted_and_sent_again": self.interrupted,
            "told_the_outside_world_again": self.told_again,
            "losses": len(self.losses),
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True)
class Death:
    """How a life ends: at an arrival at a point, counted from `since`, and what is done until then.

    `since` is "opening" the city, "recovery" being over, or the name of the first step that counts.
    """

    point: str
    arrival: int
    since: str
    plan: Sequence[str]


Draw = Callable[[Random, int], Death]


def kill(database: str, new_town: NewTown, wanted: int, seed: int, only: Sequence[str] = ()) -> Kills:
    """Kill cities `wanted` times, at each point in turn. Stops at the first loss. The n-th city has seed `seed + n`."""
    told = Kills(database, seed)
    began = time.monotonic()
    while told.kills < wanted and not told.losses:
        here = min(wanted - told.kills, LIVES)
        points = "".join(f" --point '{each}'" for each in only)
        again = f"python -m tests.soak kills --database {database} --seed {seed} --kills {here}{points}"
        _one_city(told, new_town(), seed, here, partial(_draw, seed, only), again)
        seed += 1
    told.seconds = time.monotonic() - began
    return told


def kill_transitions(database: str, new_town: NewTown, times: int, seed: int) -> Kills:
    """Kill a transition before each of its statements, the first to the last, `times` times over (F01)."""
    told = Kills(database, seed)
    began = time.monotonic()
    for again in range(seed, seed + times):
        if not told.losses:
            command = f"python -m tests.soak transitions --database {database} --seed {again} --times 1"
            _one_city(told, new_town(), again, 0, _draw_statement, command)
    told.seconds = time.monotonic() - began
    return told


def _one_city(told: Kills, town: Town, seed: int, wanted: int, draw: Draw, again: str) -> None:
    """Live in one city until it was killed `wanted` times, or, if that is 0, until a life is survived."""
    registry = registry_of(town)
    before, survived, life, last = told.kills, told.survived, 0, False
    while True:
        rng = Random(f"{seed}:{life}")
        death = None if last else draw(rng, life)
        told.interrupted += len(Journal.read(town.folder / "journal").unanswered)
        status = in_fork(partial(_live, town, registry, rng, life, death))
        if death and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            told.points[death.point] += 1
        elif status:
            how = "hangs" if os.WIFSIGNALED(status) else "fails"
            told.losses.append(f"life {life} {how}; again: {again}")
        elif death:
            told.survived += 1
        if told.survived - survived > LIVES:
            told.losses.append(f"{death} and others are never reached; again: {again}")
        if last or told.losses:
            told.acknowledged += len(Journal.read(town.folder / "journal").answers)
            return
        last = told.kills - before >= wanted if wanted else told.survived > survived
        life += 1


def _draw(seed: int, only: Sequence[str], rng: Random, life: int) -> Death:
    """The point whose turn it is, of all or of those in `only`, at any arrival; some die while they recover."""
    among = only or points()
    point = among[(seed * LIVES + life) % len(among)]
    kind = point.partition(".")[0]
    most = _ARRIVALS.get(point) or _ARRIVALS.get(kind, 2)
    since = "opening" if rng.random() < 0.2 else "recovery"
    # A few steps of any kind, then every other one that which leads to the point.
    leads = _LEADS.get(point) or _LEADS.get(kind, "")
    plan = [leads if number >= 3 and number % 2 else "" for number in range(rng.randint(0, 2), STEPS)]
    return Death(point, rng.randint(1, most), since, plan)


def _draw_statement(rng: Random, life: int) -> Death:
    return Death(STATEMENT, life + 1, "transition", ["raise", "raise", "work", "transition"])


def _live(town: Town, registry: Registry, rng: Random, life: int, death: Death | None) -> None:
    asyncio.run(_life(town, registry, rng, life, death))


async def _life(town: Town, registry: Registry, rng: Random, life: int, death: Death | None) -> None:
    """Recover, verify, and work until the fault strikes; without one, look at everything at length."""
    journal = Journal.read(town.folder / "journal")
    town.clock.now = (journal.now or town.clock.now) + timedelta(minutes=10)

    def since(what: str) -> None:
        if death and what == death.since:
            arm(death.point, death.arrival)

    since("opening")
    async with at_work(town, registry):
        for request in journal.unanswered:
            await send(town, journal, request)
        await settle(town)
        journal.clock(town.clock())
        found = await verify(town, journal)
        if death is None:
            found += await verify_at_length(town)
        assert not found, "\n".join(["LOST:", *found])
        since("recovery")
        if death:
            await play(town, journal, rng, life, death.plan, since)


def arm(point: str, arrival: int) -> None:
    """Make this process die at that arrival at a fault point, or before that statement."""
    if point == STATEMENT:
        _die_before_statement(arrival)
    else:
        faults.arm(point, arrival)


def _die_before_statement(number: int) -> None:
    """Die before the `number`-th thing that is sent to the database from now on."""
    left = number

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return await function(*args, **kwargs)

        return call

    # Everything goes through these, transactions' beginnings and ends too.
    places: Sequence[tuple[Any, str]] = (
        (aiosqlite.Connection, "_execute"),
        (asyncpg.connection.Connection, "_execute"),
        (asyncpg.connection.Connection, "_executemany"),
        (asyncpg.transaction.Transaction, "start"),
        (asyncpg.transaction.Transaction, "commit"),
    )
    for owner, name in places:
        setattr(owner, name, counted(getattr(owner, name)))
