"""Who hears of what: as little as is wanted, since every event that is heard costs a row and a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from yetan.events.models import Delivery, Event
from yetan.plugins.declarations import Subscription
from yetan.publication.projection import PROJECTED
from yetan.publication.service import approve
from yetan.testing import Town


async def nothing(events: Sequence[Event]) -> None:
    """A subscriber with nothing to do."""


@pytest.mark.parametrize(
    ("declared", "heard"),
    [
        ({"events": ("issue.rated",)}, {"issue.rated about issue"}),
        ({"events": ("issue.*",)}, {"issue.rated about issue", "issue.list about issue"}),
        (
            {"events": ("*",), "subjects": ("issue",)},
            {"issue.rated about issue", "issue.list about issue", "publication.approved about issue"},
        ),
        (
            {"events": ("*",), "without": ("issue.*", "unit.added")},
            {"publication.approved about issue", "publication.projected about public_issue"},
        ),
    ],
)
def test_a_subscription_hears_what_it_names(declared: dict[str, Any], heard: set[str]) -> None:
    told = [
        *(("issue.rated", "issue"), ("issue.list", "issue"), ("publication.approved", "issue")),
        *(("publication.projected", "public_issue"), ("unit.added", "unit")),
    ]
    subscription = Subscription("reader", handle=nothing, **declared)
    assert {f"{event} about {kind}" for event, kind in told if subscription.hears(event, kind)} == heard


class TestWithAnIndex:
    """A town with a search engine."""

    @pytest.fixture
    def town_options(self) -> dict[str, Any]:
        return {"plugins": ("whoosh",), "search": "whoosh"}

    def test_the_board_and_the_index_are_told_what_concerns_them_and_no_more(self, town: Town) -> None:
        issue = town.report()
        town.run_worker()

        async def publish() -> set[tuple[str, str]]:
            await approve(await town.act("publisher"), issue.id)
            heard = await Delivery.filter(event__type__startswith="publication.").values_list(
                "subscriber", "event__type"
            )
            assert await Event.filter(type="publication.approved").count() == 1
            return {(str(subscriber), str(event)) for subscriber, event in heard}

        assert town.do(publish) == {("core.search", PROJECTED)}


def test_without_an_engine_nothing_waits_for_the_index(town: Town) -> None:
    town.report()

    async def subscribers() -> set[str]:
        return {str(name) for name in await Delivery.all().values_list("subscriber", flat=True)}

    assert "core.board" in town.do(subscribers)
    assert "core.search" not in town.do(subscribers)


def test_the_administrator_sees_what_a_subscriber_missed_and_sends_it(town: Town) -> None:
    town.report()
    town.run_worker()

    async def forget() -> None:
        await Delivery.filter(subscriber="core.board").delete()

    async def pending() -> int:
        return await Delivery.filter(subscriber="core.board", state="pending").count()

    town.do(forget)
    admin = town.browser("administrator")
    assert "补送这些" not in admin.get("/admin/deliveries").text
    assert "有1件没有收到过" in admin.get("/admin/deliveries?subscriber=core.board").text
    assert "没有缺的" in admin.get("/admin/deliveries?subscriber=core.board&since=2026-05-07").text
    assert admin.get("/admin/deliveries?subscriber=core.bord").status_code == 422
    assert town.do(pending) == 0
    assert admin.submit("/admin/deliveries/history", {"subscriber": "core.board"}).status_code == 303
    assert town.do(pending) == 1
