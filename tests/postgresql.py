"""Databases for tests: SQLite files and databases of a throw-away PostgreSQL cluster.

A test that takes `database_url` runs twice, on a migrated and empty database of each kind:

    def test_something(database_url):
        async def run():
            async with connected(database_url, [CORE_APPLICATION]):
                ...
        asyncio.run(run())

`empty_database_url` gives a database without tables. To run on one kind only:

    @pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)

(with the mark `postgresql` on the test, so that it can be chosen). A module or folder whose tests need a
plugin's tables overrides the fixture `database_applications`.

Without PostgreSQL's programs the tests marked `postgresql` are skipped, and the summary says so; with
YETAN_REQUIRE_POSTGRESQL=1 in the environment the run fails instead.

With YETAN_TEST_UPGRADE_WITH=/path/to/another/python the migrated databases have the schema of the version that is
installed there: `make previous` runs the last version's tests so, on the schema of this one.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from yetan.config import City, Configuration
from yetan.db.connection import CORE_APPLICATION, Application, sqlite_path
from yetan.db.upgrade import upgrade
from yetan.testing import Town

SKIPPED = "SKIPPED POSTGRESQL: no initdb on this machine; install Debian package postgresql to run these tests"

#: How long the server may take to start and to stop.
_SECONDS = 60
_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    # Where what was deleted stays, rows lie in the order they came in: as in a database of its own.
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
}
_numbers = itertools.count(1)


def find_programs() -> Path | None:
    """The folder of PostgreSQL's server programs: of the initdb on the path, or Debian's newest."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    for folder in [*([Path(on_path).resolve().parent] if on_path else []), *reversed(debian)]:
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    return None


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("YETAN_REQUIRE_POSTGRESQL") == "1" and find_programs() is None:
        raise pytest.UsageError(f"YETAN_REQUIRE_POSTGRESQL=1, but {SKIPPED.removeprefix('SKIPPED POSTGRESQL: ')}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that ask for the cluster by name, and skip all marked ones where there is none."""
    missing = find_programs() is None
    for item in items:
        if "postgresql_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgresql)
        if missing and item.get_closest_marker("postgresql"):
            item.add_marker(pytest.mark.skip(reason=SKIPPED))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if SKIPPED in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{SKIPPED} ({len(skipped)} skipped)", red=True, bold=True)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A running throw-away cluster: the URL of its database `postgres`, as superuser.

    One for each worker of pytest-xdist, on a free port of 127.0.0.1 and with a socket in its own folder.
    """
    if find_programs() is None:
        pytest.skip(SKIPPED)
    with running_cluster() as url:
        yield url


@contextmanager
def running_cluster() -> Iterator[str]:
    """A throw-away cluster that runs while the block does: the URL of its database `postgres`, as superuser."""
    programs = find_programs()
    assert programs is not None, SKIPPED
    folder = Path(tempfile.mkdtemp(prefix="yetan-postgresql-"))
    try:
        password = _initialise(programs, folder)
        server, url = _start(programs, folder, password)
        try:
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # the server's "fast shutdown"
            server.wait(timeout=_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_server_user(folder: Path) -> dict[str, Any]:
    """Arguments of Popen that run a program as the owner of `folder`; the programs refuse to run as root."""
    owner = folder.stat()
    other = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"cwd": folder, **other}


def _initialise(programs: Path, folder: Path) -> str:
    """Make the cluster in `folder` and return the superuser's password."""
    password = secrets.token_hex(16)
    (folder / "password").write_text(password)
    if os.geteuid() == 0:
        users = {user.pw_name: user for user in pwd.getpwall()}
        user = users.get("postgres") or users["nobody"]
        for path in (folder, folder / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
    # Of all that asks for a password the one that is checked at once: a run connects thousands of times.
    arguments = ("--no-sync", "--encoding=UTF8", "--locale=C", "--username=yetan", "--auth=md5")
    made = subprocess.run(
        [programs / "initdb", "-D", folder / "data", f"--pwfile={folder / 'password'}", *arguments],
        capture_output=True,
        text=True,
        **_as_server_user(folder),
    )
    assert made.returncode == 0, f"initdb failed:\n{made.stdout}{made.stderr}"
    return password


def _start(programs: Path, folder: Path, password: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server and wait until it answers; should somebody take the free port, on another one."""
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = {**_OPTIONS, "port": str(port), "unix_socket_directories": str(folder)}
        # The server must not outlive a run that is killed.
        with_parent = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
        with (folder / "log").open("ab") as log:
            server = subprocess.Popen(
                [*with_parent, programs / "postgres", "-D", folder / "data"]
                + [f"--{name}={value}" for name, value in options.items()],
                stdout=log,
                stderr=log,
                **_as_server_user(folder),
            )
        url = f"postgresql://yetan:{password}@127.0.0.1:{port}/postgres"
        if asyncio.run(_answers(server, url)):
            return server, url
    raise AssertionError(f"PostgreSQL does not start:\n{(folder / 'log').read_text()}")


async def _answers(server: subprocess.Popen[bytes], url: str) -> bool:
    """Whether the server answers in time; False as soon as it has ended."""
    until = time.monotonic() + _SECONDS
    while server.poll() is None and time.monotonic() < until:
        try:
            await (await asyncpg.connect(url)).close()
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.05)
        else:
            return True
    if server.poll() is None:
        server.kill()
        server.wait()
    return False


def database_of(url: str, name: str) -> str:
    """The URL of database `name` in the cluster of `url`."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def execute(url: str, statement: str) -> None:
    """Run one statement in a PostgreSQL database, outside any transaction."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def configuration_for(url: str, folder: Path, plugins: tuple[str, ...] = ()) -> Configuration:
    """A small town's configuration on a database, with `folder` for its data."""
    return Configuration(
        city=City(name="测试市"),
        folder=folder,
        data_dir=folder,
        database_url=url,
        secret_key="not a secret, but long enough to be one",
        unit_kinds={},
        plugins=plugins,
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def database_applications() -> tuple[Application, ...]:
    """The apps whose tables `database_url` has: the core's. Override it where a plugin's are needed."""
    return (CORE_APPLICATION,)


@pytest.fixture(scope="session")
def migrated_template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Sequence[Application]], str]:
    """The URL of a migrated database of a kind for some apps, made at the first call. For copying alone."""
    made: dict[tuple[str, tuple[Application, ...]], str] = {}

    def template(kind: str, applications: Sequence[Application]) -> str:
        wanted = (kind, tuple(applications))
        if wanted not in made:
            folder = tmp_path_factory.mktemp("template")
            url = f"sqlite://{folder}/template.sqlite3"
            if kind == "postgresql":
                cluster = request.getfixturevalue("postgresql_url")
                name = f"template_{next(_numbers)}"
                execute(cluster, f'CREATE DATABASE "{name}"')
                url = database_of(cluster, name)
            migrate(url, folder, applications)
            made[wanted] = url
        return made[wanted]

    return template


@pytest.fixture(scope="session")
def founded_template(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_template: Callable[[str, Sequence[Application]], str],
) -> Callable[[str, Sequence[Application], Mapping[str, Any]], str]:
    """The URL of a database where a town with some options was founded; empty if it has plugins. For copying alone."""
    made: dict[tuple[str, tuple[Application, ...], str], str] = {}

    def template(kind: str, applications: Sequence[Application], options: Mapping[str, Any]) -> str:
        empty = migrated_template(kind, applications)
        if options.get("plugins"):
            return empty  # They may listen to the founding, and keep files of their own.
        wanted = (kind, tuple(applications), repr(options))
        if wanted not in made:
            folder = tmp_path_factory.mktemp("founded")
            if kind == "sqlite":
                url = f"sqlite://{folder}/template.sqlite3"
                shutil.copy(sqlite_path(empty), sqlite_path(url))
            else:
                url = copied(request.getfixturevalue("postgresql_url"), empty)
            with Town(url, folder, **options).open():
                made[wanted] = url
        return made[wanted]

    return template


def migrate(url: str, folder: Path, applications: Sequence[Application]) -> None:
    """Bring a database up to this version; or to the one whose Python YETAN_TEST_UPGRADE_WITH names (F06)."""
    newer = os.environ.get("YETAN_TEST_UPGRADE_WITH")
    if not newer:
        asyncio.run(upgrade(configuration_for(url, folder), applications, lambda line: None))
        return
    plugins = [each.label.removeprefix("yetan_") for each in applications if each != CORE_APPLICATION]
    (folder / "yetan.toml").write_text(
        f'plugins = {json.dumps(plugins)}\nsecret_key = "{secrets.token_hex()}"\n'
        '[city]\nname = "测试市"\n[unit_kinds.city]\nlabel = "市"\n',
        encoding="utf-8",
    )
    done = subprocess.run(
        [newer, "-m", "yetan", "db", "upgrade", "--config", "yetan.toml"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "YETAN_DATABASE_URL": url, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, f"{newer} cannot upgrade {url}:\n{done.stdout}{done.stderr}"


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of its own without any table, once of each kind."""
    if database_kind == "sqlite":
        yield f"sqlite://{tmp_path}/yetan.sqlite3"
        return
    cluster = request.getfixturevalue("postgresql_url")
    with database(cluster) as url:
        yield url


@pytest.fixture
def database_url(
    database_kind: str,
    database_applications: tuple[Application, ...],
    migrated_template: Callable[[str, Sequence[Application]], str],
    copy_of: Callable[[str], AbstractContextManager[str]],
) -> Iterator[str]:
    """The URL of a database of its own, migrated and empty, once of each kind."""
    with copy_of(migrated_template(database_kind, database_applications)) as url:
        yield url


@pytest.fixture
def copy_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], AbstractContextManager[str]]:
    """The URL of a copy of the database at a URL: a file in `tmp_path`, or a database lent by the cluster."""

    @contextmanager
    def copy(template: str) -> Iterator[str]:
        if template.startswith("sqlite"):
            shutil.copy(sqlite_path(template), tmp_path / "yetan.sqlite3")
            yield f"sqlite://{tmp_path}/yetan.sqlite3"
            return
        with request.getfixturevalue("postgresql_copies").lent(template) as url:
            yield url

    return copy


@pytest.fixture(scope="session")
def postgresql_copies(postgresql_url: str) -> Iterator[Copies]:
    """Copies of template databases, lent to one test after the other."""
    with asyncio.Runner() as runner:
        copies = Copies(postgresql_url, runner)
        yield copies
        copies.close()


class Copies:
    """Databases that are copies of a template, each lent to one test at a time and put back after it.

    Rows are put back with less work than a new database takes, by a connection that stays: a new one would have to
    read the catalogues anew. A test that touched the schema has its copy dropped.
    """

    #: How often a copy is lent: what was deleted stays in its tables.
    TIMES = 50

    def __init__(self, cluster: str, runner: asyncio.Runner) -> None:
        self._cluster = cluster
        self._run = runner.run
        self._idle: dict[str, list[_Copy]] = {}

    @contextmanager
    def lent(self, template: str) -> Iterator[str]:
        """The URL of a copy of the database at the URL `template`, nobody else's while the block runs."""
        idle = self._idle.setdefault(template, [])
        copy = idle.pop() if idle else self._run(_copy(copied(self._cluster, template)))
        copy.times += 1
        yield copy.url
        if copy.times < self.TIMES and self._run(_is_put_back(copy)):
            idle.append(copy)
        else:
            self._drop(copy)

    def close(self) -> None:
        """Drop every copy."""
        for copy in itertools.chain.from_iterable(self._idle.values()):
            self._drop(copy)

    def _drop(self, copy: _Copy) -> None:
        copy.connection.terminate()
        _drop(self._cluster, copy.url)


@dataclass
class _Copy:
    """A database and how a test finds it, `schema` being another after every change to it; how often it was lent."""

    url: str
    connection: asyncpg.Connection
    schema: str
    rows: Mapping[str, bytes]
    sequences: Mapping[str, int | None]
    times: int = 0


_CATALOGUES = (
    "pg_namespace",
    "pg_class",
    "pg_attribute",
    "pg_attrdef",
    "pg_constraint",
    "pg_index",
    "pg_trigger",
    "pg_proc",
)
_SCHEMA = (
    "SELECT concat_ws(' ', "
    + ", ".join(f"(SELECT concat(count(*), ':', max(xmin::text::bigint)) FROM {name})" for name in _CATALOGUES)
    + ")"
)


async def _copy(url: str) -> _Copy:
    connection = await asyncpg.connect(url)
    rows = {}
    for table in await _filled(connection):
        content = io.BytesIO()
        await connection.copy_from_table(table, output=content, format="binary")
        rows[table] = content.getvalue()
    return _Copy(url, connection, await connection.fetchval(_SCHEMA), rows, await _sequences(connection))


async def _is_put_back(copy: _Copy) -> bool:
    """Whether every table has the rows it had and every sequence its place; not if the schema is another now, or
    whoever was at the database has been cut off from it."""
    try:
        return await _put_back(copy)
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError):
        return False


async def _put_back(copy: _Copy) -> bool:
    connection = copy.connection
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    if await connection.fetchval(_SCHEMA) != copy.schema:
        return False
    async with connection.transaction():
        # Past every trigger and foreign key.
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table in await _filled(connection):
            await connection.execute(f'DELETE FROM "{table}"')
        for table, content in copy.rows.items():
            await connection.copy_to_table(table, source=io.BytesIO(content), format="binary")
        for name, value in (await _sequences(connection)).items():
            if value != (first := copy.sequences[name]):
                await connection.execute(
                    "SELECT setval($1::text::regclass, $2, $3)", name, first or 1, first is not None
                )
    return True


async def _filled(connection: asyncpg.Connection) -> list[str]:
    """The tables that have a row."""
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for (name,) in names)
    return [name for (name,) in await connection.fetch(asked)]


async def _sequences(connection: asyncpg.Connection) -> dict[str, int | None]:
    """The last number each sequence gave, None before the first."""
    found = await connection.fetch("SELECT quote_ident(sequencename), last_value FROM pg_sequences ORDER BY 1")
    return dict(found)


@contextmanager
def database(cluster: str) -> Iterator[str]:
    """The URL of a new database without any table, dropped after the block."""
    url = copied(cluster, database_of(cluster, "template1"))
    try:
        yield url
    finally:
        _drop(cluster, url)


def copied(cluster: str, template: str) -> str:
    """The URL of a new database that is a copy of the one at the URL `template`."""
    url = database_of(cluster, f"test_{next(_numbers)}")
    execute(cluster, f'CREATE DATABASE "{_name(url)}" TEMPLATE "{_name(template)}" STRATEGY FILE_COPY')
    return url


def _drop(cluster: str, url: str) -> None:
    execute(cluster, f'DROP DATABASE "{_name(url)}" WITH (FORCE)')


def _name(url: str) -> str:
    """The name of the database at a URL."""
    return urlsplit(url).path.lstrip("/")
