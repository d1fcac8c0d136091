"""Several processes at work in one city, on the same issues, each with a worker beside the people it serves."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter as Tally
from random import Random
from typing import Any

from tests.soak.city import NewTown, append, at_work, registry_of
from tests.soak.journal import Journal
from tests.soak.processes import in_fork, run_together
from tests.soak.verification import settle, verify, verify_at_length
from tests.soak.workload import play

from yetan.errors import YetanError
from yetan.issues.models import Issue
from yetan.issues.service import add_progress
from yetan.plugins.registry import Registry
from yetan.testing import Town

#: One process alone publishes: whether it approves or corrects is foreseen when it is asked for.
_STEPS = (
    "transition",
    "transition",
    "transition",
    "action",
    "action",
    "raise",
    "register",
    "verdict",
    "rating",
    "work",
)
_ISSUES = 20


def crowd(new_town: NewTown, processes: int, steps: int, seed: int) -> dict[str, Any]:
    """Let `processes` do `steps` things each at once. Raises AssertionError where anything fails or is lost."""
    town, began = new_town(), time.monotonic()
    registry = registry_of(town)
    again = f"python -m tests.soak crowd --processes {processes} --steps {steps} --seed {seed}"
    assert not in_fork(lambda: asyncio.run(_raise_issues(town, registry, 2 * processes))), (
        f"nothing to do; again: {again}"
    )
    failed = run_together(lambda number: asyncio.run(_person(town, registry, number + 1, steps, seed)), processes)
    assert not any(failed), f"a process fails; again: {again}"
    assert not in_fork(lambda: asyncio.run(_verify(town, registry, processes))), f"something is lost; again: {again}"
    journal = _journal(town, processes)
    return {
        "processes": processes,
        "steps": steps,
        "seed": seed,
        "acknowledged": len(journal.answers),
        "refused": len(journal.refusals),
        "losses": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


async def _person(town: Town, registry: Registry, number: int, steps: int, seed: int) -> None:
    rng, journal = Random(f"{seed}:{number}"), Journal(town.folder / f"journal-{number}")
    among = (*_STEPS, *(["publish"] * 4 if number == 1 else []))
    async with at_work(town, registry):
        await play(town, journal, rng, number, [rng.choice(among) for _ in range(steps)])


async def _verify(town: Town, registry: Registry, processes: int) -> None:
    async with at_work(town, registry):
        town.clock.forward(days=1)
        await settle(town)
        found = [*await verify(town, _journal(town, processes)), *await verify_at_length(town)]
        assert not found, "\n".join(["LOST:", *found])


def _journal(town: Town, processes: int) -> Journal:
    return Journal.of_crowd([Journal.read(town.folder / f"journal-{number}") for number in range(processes + 1)])


def write_much(new_town: NewTown, processes: int, writes: int) -> dict[str, Any]:
    """Have `processes` write `writes` changes in all, as fast as they can: none meets a locked database."""
    town, began = new_town(), time.monotonic()
    registry = registry_of(town)
    assert not in_fork(lambda: asyncio.run(_raise_issues(town, registry, _ISSUES)))
    own = writes // processes
    failed = run_together(lambda number: asyncio.run(_write(town, registry, number, own)), processes)
    assert not any(failed), (
        f"a process fails; again: python -m tests.soak writes --processes {processes} --writes {writes}"
    )
    told = [json.loads(line) for line in (town.folder / "told").read_text().splitlines()]
    answers = sum((Tally(each) for each in told), Tally[str]())
    assert answers == {"done": own * processes}, answers
    return {
        "processes": processes,
        "writes": answers.total(),
        "locked": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


async def _raise_issues(town: Town, registry: Registry, number: int) -> None:
    async with at_work(town, registry):
        await play(town, Journal(town.folder / "journal-0"), Random(0), 0, ["raise"] * number)


async def _write(town: Town, registry: Registry, number: int, writes: int) -> None:
    """Every write is a change with its key, row, event, deliveries and audit record."""
    answers = Tally[str]()
    async with at_work(town, registry):
        issues = await Issue.all().order_by("id")
        act = await town.act("village")
        for write in range(writes):
            issue = issues[write % len(issues)]
            try:
                await add_progress(act.keyed(f"{number}-{write}"), issue.id, f"第 {write} 次看过。")
            except YetanError as error:
                answers[error.message] += 1
            except Exception as error:
                answers[repr(error)] += 1
            else:
                answers["done"] += 1
    append(town.folder / "told", json.dumps(answers, ensure_ascii=False) + "\n")
