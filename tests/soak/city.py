"""The city that is cut off and raced in: every part that keeps something, and an outside world that counts."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace
from tests import postgresql

from yetan.app import assemble, running
from yetan.db.connection import sqlite_path
from yetan.db.statements import execute
from yetan.db.upgrade import upgrade
from yetan.events.models import Event
from yetan.plugins.declarations import Subscription
from yetan.plugins.registry import Registry
from yetan.testing import Town

PLUGINS = ("whoosh", "supervision")
COUNTED, OUTSIDE = "soak.counted", "soak.outside"
DATABASES = ("sqlite", "postgresql")

NewTown = Callable[[], Town]


def registry_of(town: Town) -> Registry:
    """What the town's plugins declare, and two subscribers to everything of ours.

    One adds one to a row of the database, so that work applied twice shows; the other tells the outside world, which
    knows an event told again by its key, `event:subscriber`.
    """
    registry = assemble(town.configuration)
    own = (
        Subscription(COUNTED, ("*",), _count, historical=True),
        Subscription(OUTSIDE, ("*",), partial(_tell, outside_of(town)), mode="external", historical=True),
    )
    return replace(registry, subscriptions={**registry.subscriptions, **{each.name: each for each in own}})


def outside_of(town: Town) -> Path:
    """Where the outside world writes down the keys it was told."""
    return town.folder / "outside"


async def _count(events: Sequence[Event]) -> None:
    for event in events:
        await execute(
            "INSERT INTO soak_count (event_id, times) VALUES (?, 1) "
            "ON CONFLICT (event_id) DO UPDATE SET times = soak_count.times + 1",
            [event.id],
        )


async def _tell(outside: Path, events: Sequence[Event]) -> None:
    append(outside, "".join(f"{event.id}:{OUTSIDE}\n" for event in events))


def append(path: Path, text: str) -> None:
    """Add to a file in one write, and see it on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@asynccontextmanager
async def at_work(town: Town, registry: Registry | None = None) -> AsyncIterator[Town]:
    """The town in this process, with its units and accounts known."""
    async with running(town.configuration, town.clock, registry=registry or registry_of(town)):
        await town.arrive()
        yield town


@contextmanager
def towns(kind: str, folder: Path, cluster: str = "") -> Iterator[NewTown]:
    """A function that makes one founded town after the other, each in a database of that kind and a folder of its own.

    On PostgreSQL in the cluster of that URL, else in a throw-away one that lasts as long as the block.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "postgresql" and not cluster:
        with postgresql.running_cluster() as url, towns(kind, folder, url) as new_town:
            yield new_town
        return
    numbers = itertools.count(1)
    template = _founded(kind, folder / "template", cluster)

    def new_town() -> Town:
        own = folder / f"city-{next(numbers)}"
        shutil.copytree(template.folder, own)
        url = f"sqlite://{own}/yetan.sqlite3"
        if kind == "postgresql":
            name = f"{_name(template.database_url)}_{own.name.replace('-', '_')}"
            postgresql.execute(cluster, f'CREATE DATABASE "{name}" TEMPLATE "{_name(template.database_url)}"')
            url = postgresql.database_of(cluster, name)
        return Town(url, own, plugins=PLUGINS, search="whoosh")

    yield new_town


def _founded(kind: str, folder: Path, cluster: str) -> Town:
    folder.mkdir()
    url = f"sqlite://{folder}/yetan.sqlite3"
    if kind == "postgresql":
        name = f"soak_{os.getpid()}"
        postgresql.execute(cluster, f'CREATE DATABASE "{name}"')
        url = postgresql.database_of(cluster, name)
    town = Town(url, folder, plugins=PLUGINS, search="whoosh")
    registry = registry_of(town)

    async def found() -> None:
        async with at_work(town, registry):
            await execute("CREATE TABLE soak_count (event_id BIGINT PRIMARY KEY, times INT NOT NULL)")

    asyncio.run(upgrade(town.configuration, registry.applications, lambda line: None))
    asyncio.run(found())
    if kind == "sqlite":
        assert not Path(f"{sqlite_path(url)}-wal").exists(), "a closed database can be copied"
    return town


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")
