"""A figure of one's own: how often somebody went and looked, by the unit where it was raised and by month."""

from collections import Counter
from collections.abc import Mapping, Sequence

from yetan.api import CounterKey, Event, Issue, Metric, add_to_counters, ancestors_of, month_of


async def count_visits(events: Sequence[Event]) -> None:
    """Subscriber: its work commits with its done mark, so that no visit counts twice."""
    await add_to_counters(await _visits(events))


async def recount() -> Mapping[CounterKey, int]:
    """What the counters should say, for `yetan check`."""
    return await _visits(await Event.filter(type="issue.go_to_site"))


async def _visits(events: Sequence[Event]) -> Counter[CounterKey]:
    issues = await Issue.filter(id__in={event.subject_id for event in events})
    units = {issue.id: issue.unit_id for issue in issues}
    lines = await ancestors_of(set(units.values()))
    return Counter(
        (VISITS.name, unit, 0, period)
        for event in events
        for unit in lines[units[event.subject_id]]
        for period in ("", month_of(event.at))
    )


VISITS = Metric("how_to.visits", "现场踏勘", "次", "到现场看过的次数，按去的月份计", recount=recount)
