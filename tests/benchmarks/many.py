"""What fifty plugins cost, each with a panel, a subscription and a place in the menu, beside none."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.kept import Databases
from tests.benchmarks.measuring import Page, compare, ratio
from tests.benchmarks.pages import LIST, places_in
from tests.benchmarks.rows import Row, median
from tests.benchmarks.sites import arguments_of, serving

PART = "many"
PLUGINS = 50

_INIT = """
from yetan.api import Plugin

plugin = Plugin(name="{name}", title="{name}", version="1", package="yetan_{name}", hooks="yetan_{name}.hooks")
"""
_HOOKS = """
from starlette.responses import Response
from yetan.api import NavigationItem, Page, Panel, Subscription, hookimpl


async def page(request):
    return Response("{name}")


async def load(act, subject):
    return {{"said": "{name}"}}


async def hear(events):
    return None


@hookimpl
def yetan_pages():
    return (Page("/{name}", page, "{name}.page", public=True),)


@hookimpl
def yetan_navigation():
    return (NavigationItem("public", "{name}", "{name}.page"),)


@hookimpl
def yetan_panels():
    return (Panel("{name}.panel", "issue", "{name}/panel.html", load),)


@hookimpl
def yetan_subscriptions():
    return (Subscription("{name}.hear", ("issue.reported",), hear),)
"""


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """A public page kept, one drawn, and the start, with fifty plugins by the same without any."""
    without = databases.town(sizes[0])
    deep = asyncio.run(places_in(without))[1]
    with _installed() as names:
        crowded = replace(without, plugins=(*without.plugins, *names))
        began = [_timed(arguments_of(town)) for _ in range(rounds) for town in (without, crowded)]
        with serving(*arguments_of(without)) as few, serving(*arguments_of(crowded)) as many:
            kept = Page("kept", lambda number: LIST, 1500)
            drawn = Page("issue", lambda number: f"{LIST}/{deep[number % len(deep)]}?n={number}")
            found = compare(
                {
                    (who, page.name): (server, page)
                    for who, server in (("few", few), ("many", many))
                    for page in (kept, drawn)
                },
                rounds,
            )
    starts = median(began[1::2]) - median(began[0::2])

    def row(name: str, value: float, unit: str, most: float) -> Row:
        return Row(PART, name, databases.kind, sizes[0], value, unit, most=most)

    return [
        row("50 plugins: a kept page / without them", ratio(found["many", "kept"], found["few", "kept"]), "", 1.1),
        row(
            "50 plugins: an issue's page / without them", ratio(found["many", "issue"], found["few", "issue"]), "", 1.25
        ),
        row("50 plugins: start, more than without them", starts, "s", 1.0),
    ]


def _timed(arguments: Sequence[str]) -> float:
    """Seconds of processor until a process has answered once."""
    with serving(*arguments) as server:
        return server.used()


@contextmanager
def _installed() -> Iterator[list[str]]:
    """Fifty packages that a process started meanwhile finds as if they were installed."""
    names = [f"many{number:02}" for number in range(PLUGINS)]
    with tempfile.TemporaryDirectory(prefix="yetan-bench-plugins-") as folder:
        for name in names:
            _write(Path(folder), name)
        before = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(each for each in (folder, before) if each)
        try:
            yield names
        finally:
            os.environ["PYTHONPATH"] = before


def _write(folder: Path, name: str) -> None:
    package = folder / f"yetan_{name}"
    templates = package / "templates" / name
    templates.mkdir(parents=True)
    (package / "__init__.py").write_text(_INIT.format(name=name))
    (package / "hooks.py").write_text(_HOOKS.format(name=name))
    (templates / "panel.html").write_text("<p>{{ said }}</p>")
    information = folder / f"yetan_{name}-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: yetan-{name}\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[yetan.plugins]\n{name} = yetan_{name}:plugin\n")
