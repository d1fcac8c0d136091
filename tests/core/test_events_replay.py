"""What a subscriber is sent again, or late, and what of it is history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.core.event_city import MODES, Mode, city, new_worker, noting, raise_events, scenario, subscribe

from yetan.errors import NotFound
from yetan.events import replay
from yetan.events.models import Delivery
from yetan.events.replay import Subscriber
from yetan.events.service import emit
from yetan.runtime import current


@scenario
async def test_imported_history_goes_only_to_those_that_want_it(database_url: str) -> None:
    got: dict[str, list[int]] = {"notices": [], "figures": []}

    async with city(
        database_url,
        subscriptions=[
            subscribe(noting(got["notices"]), name="notices"),
            subscribe(noting(got["figures"]), name="figures", historical=True),
        ],
    ):
        [old] = await raise_events(1, historical=True)
        [new] = await raise_events(1)
        await new_worker().run_once()
        assert got == {"notices": [new], "figures": [old, new]}


@pytest.mark.parametrize("historical", [True, False])
@scenario
async def test_a_subscriber_that_comes_late_can_be_sent_what_it_missed(
    database_url: str, historical: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_CHUNK", 2)
    done: list[int] = []

    async with city(database_url) as clock:
        imported = await raise_events(1, historical=True)
        early = await raise_events(1)
        clock.now = noon = clock.now + timedelta(hours=3)
        early += await raise_events(2, 1)
        other = await emit(current().system_act(), "listed", ("issue", 1))
    elsewhere: list[int] = []
    late = subscribe(noting(done), historical=historical)
    async with city(database_url, subscriptions=[late, subscribe(noting(elsewhere), name="other")]):
        live = await raise_events(2)
        act = current().system_act()
        expected = [*(imported if historical else []), *early, *live]
        assert await replay.count_missed(act, "reader", since=noon) == 2, "the clock was set back since, they count"
        assert await replay.replay_history(act, "reader", since=noon) == 2
        assert await replay.count_missed(act, "reader") == len(expected) - 3
        assert await replay.replay_history(act, "reader") == len(expected) - 3
        assert await replay.replay_history(act, "reader") == 0
        await new_worker().run_once()
        assert done == expected
        assert other.id not in done
        assert elsewhere == live, "nobody else is sent anything"
        with pytest.raises(NotFound, match="nobody"):
            await replay.replay_history(act, "nobody")


@MODES
@scenario
async def test_what_waits_for_a_plugin_that_is_off_holds_nobody_up_and_goes_on_when_it_is_on(
    database_url: str, mode: Mode
) -> None:
    got: dict[str, list[int]] = {"points": [], "notices": []}
    points = subscribe(noting(got["points"]), mode, name="points")
    notices = subscribe(noting(got["notices"]), mode, name="notices")
    async with city(database_url, subscriptions=[points, notices]):
        before = await raise_events(1, 2)
    async with city(database_url, subscriptions=[notices]):
        meanwhile = await raise_events(1)
        assert await new_worker().run_once() == 3
        assert await new_worker().run_once() == 0
        assert await replay.subscribers() == [Subscriber("notices", True, 0, 0), Subscriber("points", False, 2, 0)]
    async with city(database_url, subscriptions=[points, notices]):
        await new_worker().run_once()
        assert got == {"points": before, "notices": [*before, *meanwhile]}
        assert await replay.replay_history(current().system_act(), "points") == 1, "what it missed can be sent later"
        await new_worker().run_once()
        assert got["points"] == [*before, *meanwhile]


@scenario
async def test_a_replayed_delivery_takes_nothing_along_past_one_that_waits(database_url: str) -> None:
    done: list[int] = []
    async with city(database_url, subscriptions=[subscribe(noting(done))]) as clock:
        first, second, third = await raise_events(1, 1, 1)
        await Delivery.filter(event_id=first).update(state="dead")
        await Delivery.filter(event_id=second).update(attempts=1, due_at=clock.now + timedelta(seconds=2))
        await replay.replay(current().system_act(), [each.id for each in await replay.dead_letters()])
        await new_worker().run_once()
        assert done == [first]
        clock.forward(seconds=2)
        await new_worker().run_once()
        assert done == [first, second, third]
