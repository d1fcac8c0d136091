"""Filled databases are kept in var/bench and used again while seed, size, generator and the tables filled are the same.

Other tables may have come meanwhile: they are added to a kept database, empty.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import inspect
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests import postgresql
from tests.benchmarks.city import town_at
from tests.benchmarks.filling import MODELS, fill
from tortoise import Tortoise

from yetan.app import assemble
from yetan.db.comparison import compare
from yetan.db.connection import connected
from yetan.db.triggers import set_triggers
from yetan.db.upgrade import upgrade
from yetan.testing import Town
from yetan.testing.town import MORNING, OFFICIALS, UNITS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "var" / "bench"
DATABASES = ("sqlite", "postgresql")
SEED = 1

#: The files that decide how a filled database looks, and which tables there are.
GENERATOR = tuple(f"tests/benchmarks/{name}.py" for name in ("city", "issues", "filling"))
SCHEMA = ("core/yetan/**/migrations/0*.py", "plugins/**/migrations/0*.py")


@dataclass(frozen=True, slots=True)
class Databases:
    """Where databases of a kind are kept: files, or databases of a cluster that is up."""

    kind: str
    cluster: str = ""
    #: The number of the cluster's first process.
    server: int = 0

    def town(self, size: int, search: str = "") -> Town:
        """The town with so many issues; filled now if it is not there. For reading alone."""
        name = f"{self.kind}_{size}_{_key()}"
        folder = FOLDER / name
        with _alone(name):
            self._fill(name, folder, size)
        return town_at(self._url(name), folder, search)

    def _fill(self, name: str, folder: Path, size: int) -> None:
        town, schema = town_at(self._url(name), folder), digest(SCHEMA)
        if (folder / schema).exists() or ((folder / "filled").exists() and asyncio.run(_brought_up(town))):
            (folder / schema).touch()
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.monotonic()
        if self.kind == "postgresql":
            postgresql.execute(self.cluster, f'DROP DATABASE IF EXISTS "{name}"')
            postgresql.execute(self.cluster, f'CREATE DATABASE "{name}"')
        make(town, size)
        (folder / "filled").write_text(f"{time.monotonic() - began:.0f}")
        (folder / schema).touch()

    def seconds(self, size: int) -> float:
        """How long filling the town of a size took, by the clock."""
        return float((self.town(size).folder / "filled").read_text())

    @contextmanager
    def copy(self, town: Town, folder: Path) -> Iterator[Town]:
        """A copy of a town that may be written to, with its own data in `folder`, an index in files included."""
        shutil.copytree(town.folder / "var", folder / "var")
        if self.kind == "sqlite":
            shutil.copy(town.folder / "yetan.sqlite3", folder / "yetan.sqlite3")
            yield Town(f"sqlite://{folder}/yetan.sqlite3", folder, plugins=town.plugins, search=town.search)
            return
        name, of = f"copy_{os.getpid()}_{folder.name}", urlsplit(town.database_url).path.lstrip("/")
        postgresql.execute(self.cluster, f'CREATE DATABASE "{name}" TEMPLATE "{of}"')
        try:
            url = postgresql.database_of(self.cluster, name)
            yield Town(url, folder, plugins=town.plugins, search=town.search)
        finally:
            postgresql.execute(self.cluster, f'DROP DATABASE "{name}" WITH (FORCE)')

    def _url(self, name: str) -> str:
        if self.kind == "postgresql":
            return postgresql.database_of(self.cluster, name)
        return f"sqlite://{FOLDER}/{name}/yetan.sqlite3"


@contextmanager
def databases(kind: str) -> Iterator[Databases]:
    """The kept databases of a kind; one run at a time has the cluster."""
    if kind == "sqlite":
        yield Databases(kind)
        return
    with _alone("cluster"), _kept_cluster(FOLDER / "cluster") as (url, server):
        yield Databases(kind, url, server)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let other runs wait that want the same."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make(town: Town, size: int, counties: int = 4) -> None:
    """Found and fill a town in its empty database."""
    applications = assemble(town.configuration).applications
    asyncio.run(upgrade(town.configuration, applications, lambda line: None))
    asyncio.run(fill(town, size, SEED, counties=counties))


@contextmanager
def _kept_cluster(folder: Path) -> Iterator[tuple[str, int]]:
    """The cluster in `folder`, made where there is none, up while the block runs: its URL and first process.

    Nothing but what is measured works in it meanwhile: what was filled is analysed, and not vacuumed again.
    """
    programs = postgresql.find_programs()
    assert programs is not None, postgresql.SKIPPED
    if not (folder / "data" / "PG_VERSION").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        postgresql._initialise(programs, folder)
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write("autovacuum = off\nmax_wal_size = '4GB'\n")
    server, url = postgresql._start(programs, folder, (folder / "password").read_text())
    try:
        yield url, server.pid
    finally:
        server.send_signal(signal.SIGINT)  # the server's "fast shutdown"
        server.wait(60)


async def _brought_up(town: Town) -> bool:
    """Whether a kept database, with the tables that have come since, has the schema of this version."""
    async with connected(town.database_url, assemble(town.configuration).applications):
        await Tortoise.generate_schemas(safe=True)
        await set_triggers()
        return not await compare()


def _key() -> str:
    """What stands for seed, generator and the tables filled."""
    told = [repr((SEED, UNITS, OFFICIALS, MORNING)), *map(inspect.getsource, MODELS)]
    return digest(GENERATOR, "".join(told))


def digest(patterns: Sequence[str], told: str = "") -> str:
    """What stands for files of the project, and for what is told."""
    found = hashlib.sha256(told.encode())
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()[:10]
