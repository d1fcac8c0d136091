"""A change: its rows, event, deliveries, key and audit record stand together or not at all, once (C54, C62)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.core.event_city import MORNING, Killed, city, new_worker, scenario, subscribe

from yetan.act import ANONYMOUS, Act
from yetan.audit.models import AuditRecord
from yetan.db import change as changing
from yetan.db.change import change
from yetan.errors import Refused
from yetan.events.models import Delivery, Event, RequestKey
from yetan.events.service import emit
from yetan.plugins.declarations import Job
from yetan.runtime import current
from yetan.testing import Town
from yetan.units.models import Unit
from yetan.units.service import rename
from yetan.upkeep import KEYS_KEPT, forget

KEY = "k" * 32


@change(Unit)
async def add(act: Act, code: str) -> Unit:
    unit = await Unit.create(code=code, name=f"{code}村", kind="village")
    await emit(act, "raised", ("issue", unit.id))
    return unit


@change(Unit, action="unit.{verb}")
async def do(act: Act, verb: str, code: str) -> Unit:
    """Two changes in one."""
    await add(act, f"{code}1")
    return await add(act, f"{code}2")


@change(Unit)
async def add_one_of_two(act: Act, code: str) -> Unit:
    """Goes on after a change within it was refused."""
    try:
        await refuse(act, f"{code}1")
    except Refused:
        return await add(act, f"{code}2")
    raise AssertionError


@change(Unit)
async def refuse(act: Act, code: str) -> Unit:
    await add(act, code)
    raise Refused("不行")


async def nothing(events: Any) -> None:
    """A subscriber that does nothing."""


async def standing() -> dict[str, int]:
    """How many rows there are of each kind that a change writes."""
    kinds = {"units": Unit, "events": Event, "deliveries": Delivery, "keys": RequestKey, "records": AuditRecord}
    return {name: await model.all().count() for name, model in kinds.items()}


NOTHING = dict.fromkeys(("units", "events", "deliveries", "keys", "records"), 0)
ONE = dict.fromkeys(NOTHING, 1)


async def told() -> list[tuple[str, str, str, str]]:
    """Action, subject, outcome and source of every record."""
    rows = await AuditRecord.all().order_by("id")
    return [(row.action, row.subject, row.outcome, row.source) for row in rows]


@scenario
async def test_everything_a_change_writes_is_there_afterwards(database_url: str) -> None:
    async with city(database_url, subscriptions=[subscribe(nothing)]):
        unit = await add(current().system_act(key=KEY), "a")
        assert await standing() == ONE
        assert await told() == [("tests.add", f"Unit:{unit.id}", "done", "")]


@change(Unit)
async def add_quietly(act: Act, code: str) -> Unit:
    """No event tells of it."""
    return await Unit.create(code=code, name=f"{code}村", kind="village")


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_other_processes_are_told_of_each_change_once(database_url: str) -> None:
    """Also of one without an event, and of one in which another was undone; never of one that was undone itself."""
    async with city(database_url):
        connection = await asyncpg.connect(database_url)
        heard: asyncio.Queue[str] = asyncio.Queue()
        await connection.add_listener("yetan_deliveries", lambda *notification: heard.put_nowait("told"))
        for service in (add_quietly, add_one_of_two, add):
            with pytest.raises(Refused):
                await refuse(current().system_act(), f"{service.__name__} refused")
            await service(current().system_act(), service.__name__)
            async with asyncio.timeout(10):
                assert await heard.get() == "told"
        assert heard.empty()
        await connection.close()


@pytest.mark.parametrize("point", ["change.keyed", "change.served"])
@scenario
async def test_what_dies_on_the_way_leaves_nothing(
    database_url: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F01: at any of its points."""

    def die(reached: str) -> None:
        if reached == point:
            raise Killed

    async with city(database_url, subscriptions=[subscribe(nothing)]):
        monkeypatch.setattr(changing, "reached", die)
        with pytest.raises(Killed):
            await add(current().system_act(key=KEY), "a")
        assert await standing() == NOTHING
        monkeypatch.undo()
        await add(current().system_act(key=KEY), "a")
        assert await standing() == ONE


@scenario
async def test_who_dies_after_the_commit_finds_it_done(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F17: the answer was lost; sending again gives it."""

    def die(reached: str) -> None:
        if reached == "change.committed":
            raise Killed

    async with city(database_url, subscriptions=[subscribe(nothing)]):
        monkeypatch.setattr(changing, "reached", die)
        with pytest.raises(Killed):
            await add(current().system_act(key=KEY), "a")
        assert await standing() == ONE
        monkeypatch.undo()
        unit = await add(current().system_act(key=KEY), "a")
        assert (unit.id, await standing()) == ((await Unit.get()).id, ONE)


@scenario
async def test_a_change_that_is_refused_leaves_no_key(database_url: str) -> None:
    """What was in the way may be gone when the same form is sent again."""
    async with city(database_url, subscriptions=[subscribe(nothing)]):
        with pytest.raises(Refused):
            await refuse(current().system_act(key=KEY), "a")
        assert await standing() == NOTHING


@scenario
async def test_changes_within_a_change_are_one_deed(database_url: str) -> None:
    async with city(database_url, subscriptions=[subscribe(nothing)]):
        first = await do(current().system_act(key=KEY), "found", "a")
        again = await do(current().system_act(key=KEY), "found", "a")
        assert first.id == again.id
        assert await standing() == {"units": 2, "events": 2, "deliveries": 2, "keys": 1, "records": 1}
        assert await told() == [("unit.found", f"Unit:{first.id}", "done", "")]


@scenario
async def test_what_was_refused_within_is_taken_back_alone(database_url: str) -> None:
    async with city(database_url):
        await add_one_of_two(current().system_act(), "a")
        assert [unit.code for unit in await Unit.all()] == ["a2"]
        assert [action for action, *_ in await told()] == ["tests.add_one_of_two"]


@pytest.mark.parametrize(
    "other",
    [
        lambda act: add(act, "b"),
        lambda act: add(act, code="a"),
        lambda act: add(Act(ANONYMOUS, act.now, key=act.key), "a"),
    ],
    ids=["content", "spelling", "person"],
)
@scenario
async def test_the_same_key_with_anything_else_is_refused(database_url: str, other: Any) -> None:
    async with city(database_url, subscriptions=[subscribe(nothing)]):
        act = current().system_act(key=KEY)
        await add(act, "a")
        with pytest.raises(Refused, match="已经提交过一次"):
            await other(act)
        assert await standing() == ONE


def test_no_two_contents_look_the_same() -> None:
    def looks(*values: Any) -> str:
        return changing._fingerprint(Act(ANONYMOUS, MORNING), values, {})

    pairs = [
        (({"a": "1,b:2"},), ({"a": "1", "b": "2"},)),
        ((["a", "b"],), (["a,b"],)),
        (("a", "b"), ("a\x1f'b'",)),
        ((b"1",), ("1",)),
        ((1,), ("1",)),
        ((None,), ("None",)),
        (("",), (None,)),
    ]
    for one, other in pairs:
        assert looks(*one) != looks(*other), f"{one} and {other}"


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@scenario
async def test_a_repeat_waits_for_the_first_that_is_still_running(database_url: str) -> None:
    """And gets its answer; if the first fails, it does the work itself."""
    started, finish = asyncio.Event(), asyncio.Event()

    @change(Unit)
    async def slow(act: Act, code: str) -> Unit:
        unit = await Unit.create(code=code, name=code, kind="village")
        if not started.is_set():
            started.set()
            await finish.wait()
            if fails_first:
                raise Refused("不行")
        return unit

    async with city(database_url):
        for fails_first in (False, True):
            started.clear()
            finish.clear()
            act = current().system_act(key=f"{KEY}{fails_first}")
            first = asyncio.create_task(slow(act, f"u{fails_first}"))
            await started.wait()
            repeat = asyncio.create_task(slow(act, f"u{fails_first}"))
            _, waiting = await asyncio.wait([repeat], timeout=0.3)
            assert waiting, "the repeat is answered before the first has ended"
            finish.set()
            results = await asyncio.gather(first, repeat, return_exceptions=True)
            if fails_first:
                assert isinstance(results[0], Refused)
            unit = await Unit.get(code=f"u{fails_first}")
            assert getattr(results[1], "id", None) == unit.id
            assert await AuditRecord.filter(subject=f"Unit:{unit.id}").count() == 1


def test_keys_are_kept_for_days_and_then_forgotten(town: Town) -> None:
    """At least a day: a page stays open overnight, a phone comes back into the net."""
    assert timedelta(days=1) <= KEYS_KEPT

    async def send() -> Unit:
        return await rename(await town.act(key=KEY), town.units["village"], {"name": "新溪尾村", "short_name": ""})

    async def keys_after_a_night() -> int:
        await forget(await town.act())
        return await RequestKey.filter(key=KEY).count()

    town.do(send)
    town.clock.now += KEYS_KEPT
    assert town.do(keys_after_a_night) == 1
    assert town.do(send).id == town.units["village"]
    town.clock.now += timedelta(seconds=1)
    assert town.do(keys_after_a_night) == 0


@scenario
async def test_a_job_is_named_as_where_it_came_from(database_url: str) -> None:
    async def nightly(act: Act) -> None:
        await add(act, "a")

    async with city(database_url, scheduled=[Job("town.nightly", "day", nightly)]):
        await new_worker().run_once()
        ((_, _, outcome, source),) = await told()
        assert (outcome, source) == ("done", "job town.nightly")
        record = await AuditRecord.get()
        assert record.actor == "system"
