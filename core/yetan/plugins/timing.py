"""How long calls of plugins take in all processes: written by each of them every minute, kept for a month.

`yetan plugin list` and the page 管理 > 插件 show what it comes to in the last days; /metrics tells what its process has
counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

from msgspec.structs import asdict

from yetan.db.statements import execute
from yetan.plugins.guarding import Figures
from yetan.plugins.models import PluginTime
from yetan.regularly import regularly
from yetan.runtime import current

#: Days, today among them, that are shown; and how long figures are kept.
SHOWN, KEPT = 7, timedelta(days=30)
#: Seconds from one writing to the next. What a process that is killed had counted since is in no figure.
_PAUSE = 60.0

_FIGURES = Figures.__struct_fields__
#: Of these the largest is kept; of all others the sum.
_LARGEST = ("slowest", "longest")
_ADD = f"""
INSERT INTO yetan_plugin_time (plugin, call, day, {", ".join(_FIGURES)}) VALUES {{rows}}
ON CONFLICT (plugin, call, day) DO UPDATE SET {
    ", ".join(
        f"{name} = CASE WHEN excluded.{name} > yetan_plugin_time.{name} THEN excluded.{name} "
        f"ELSE yetan_plugin_time.{name} END"
        if name in _LARGEST
        else f"{name} = yetan_plugin_time.{name} + excluded.{name}"
        for name in _FIGURES
    )
}"""  # noqa: S608 - names of our own


@asynccontextmanager
async def written() -> AsyncIterator[None]:
    """While the block runs, what calls of plugins take is written down every minute, and at its end."""
    async with regularly("what calls of plugins take", write, _PAUSE):
        yield


async def write() -> None:
    """Write what this process has counted since the last time."""
    city = current()
    taken: dict[tuple[str, str], Figures] = defaultdict(Figures)
    for conduct in city.registry.conducts.values():
        for call, figures in conduct.take().items():
            taken[conduct.plugin, call[:120]].add(figures)
    if not taken:
        return
    day = _stored(city.calendar.local_date(city.clock()))
    # In one order, so that processes wait for each other instead of locking each other out.
    rows = [(*key, day, *asdict(figures).values()) for key, figures in sorted(taken.items())]
    marks = f"({', '.join('?' * len(rows[0]))})"
    await execute(_ADD.format(rows=", ".join([marks] * len(rows))), [value for row in rows for value in row])


async def time_of_calls() -> Mapping[str, Mapping[str, Figures]]:
    """By plugin and call, what it comes to in the last days in all processes, what this one has yet to write included.

    Calls of a plugin that took longest together come first; what only helped a call that was not made is left out.
    """
    city = current()
    since = city.calendar.local_date(city.clock()) - timedelta(days=SHOWN - 1)
    found: dict[str, dict[str, Figures]] = defaultdict(lambda: defaultdict(Figures))
    for row in await PluginTime.filter(day__gte=since):
        found[row.plugin][row.call].add(Figures(*(getattr(row, name) for name in _FIGURES)))
    for conduct in city.registry.conducts.values():
        for call, figures in conduct.counting.items():
            found[conduct.plugin][call].add(figures)
    return {
        plugin: {
            call: figures
            for call, figures in sorted(calls.items(), key=lambda each: -each[1].seconds)
            if figures.calls or figures.failures
        }
        for plugin, calls in found.items()
    }


async def forget_times(now: datetime) -> None:
    """Remove the figures of days longer ago than `KEPT`."""
    await PluginTime.filter(day__lt=current().calendar.local_date(now - KEPT)).delete()


def _stored(day: date) -> object:
    return PluginTime._meta.fields_map["day"].to_db_value(day, PluginTime)
