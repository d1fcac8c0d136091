"""Strikes issues off by writing the core's table, as soon as it hears of them."""

from collections.abc import Sequence

from tests.plugins.faulty import faulty

from yetan.api import Event, Issue, Subscription, hookimpl

plugin = faulty(__name__)


async def handle(events: Sequence[Event]) -> None:
    await Issue.filter(id__in=[event.subject_id for event in events]).update(state="struck_off")


@hookimpl
def yetan_subscriptions() -> Sequence[Subscription]:
    return [Subscription(plugin.name, ("issue.reported",), handle)]
