"""Towns in surroundings that fail. The fixtures start real processes; what they need is in `served`."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests import postgresql
from tests.faults.served import Cluster, ServedTown

from yetan.db.connection import CORE_APPLICATION, Application, sqlite_path
from yetan.db.upgrade import upgrade

NewTemplate = Callable[[str, Sequence[Application]], str]


@pytest.fixture(scope="session")
def founded_town(tmp_path_factory: pytest.TempPathFactory, migrated_template: NewTemplate) -> ServedTown:
    """A town on SQLite, founded once; for copying alone."""
    folder = tmp_path_factory.mktemp("founded")
    shutil.copy(sqlite_path(migrated_template("sqlite", (CORE_APPLICATION,))), folder / "yetan.sqlite3")
    town = ServedTown(folder, f"sqlite://{folder}/yetan.sqlite3")
    town.found()
    return town


@pytest.fixture
def served(founded_town: ServedTown, tmp_path: Path) -> Iterator[ServedTown]:
    """A town of its own on SQLite, nobody serving yet; its processes end with the test."""
    folder = tmp_path / "town"
    shutil.copytree(founded_town.folder, folder)
    town = ServedTown(
        folder,
        f"sqlite://{folder}/yetan.sqlite3",
        village=founded_town.village,
        cookies=founded_town.cookies,
    )
    yield town
    town.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL cluster of its own, to be taken down."""
    programs = postgresql.find_programs()
    if programs is None:
        pytest.skip(postgresql.SKIPPED)
    folder = Path(tempfile.mkdtemp(prefix="yetan-postgresql-"))
    try:
        server, url = postgresql._start(programs, folder, postgresql._initialise(programs, folder))
        # The suite's clusters may lose what they just confirmed; this one must not.
        postgresql.execute(url, "ALTER ROLE yetan SET synchronous_commit TO on")
        cluster = Cluster(folder, server, url)
        yield cluster
        if cluster.server.poll() is None:
            cluster.thaw()
            cluster.server.send_signal(signal.SIGINT)
            cluster.server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def served_on_cluster(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTown]:
    """A town on that cluster, nobody serving yet."""
    folder = tmp_path_factory.mktemp("town")
    town = ServedTown(folder, cluster.url)
    asyncio.run(upgrade(town.town.configuration, (CORE_APPLICATION,), lambda line: None))
    town.found()
    yield town
    town.stop()
