"""Hears of everything and fails each time."""

from collections.abc import Sequence

from tests.plugins.faulty import faulty

from yetan.api import Event, Subscription, hookimpl

plugin = faulty(__name__)


async def handle(events: Sequence[Event]) -> None:
    raise RuntimeError("the bell has no clapper")


@hookimpl
def yetan_subscriptions() -> Sequence[Subscription]:
    return [Subscription(plugin.name, ("issue.*",), handle)]
