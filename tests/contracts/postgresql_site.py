"""The same site on PostgreSQL, for what happens at the same moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from tests.contracts.site import DatabaseCopy, Site, in_a_hurry, upgraded_town

T = TypeVar("T")
_numbers = itertools.count(1)


class PostgresqlDatabase:
    """A database of the tests' cluster, by connections of the tests' own."""

    def __init__(self, url: str) -> None:
        self._url = url

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        return self._run(lambda connection: _fetch(connection, [statement]))[0]

    def change(self, statements: Iterable[str]) -> None:
        """Run statements all together, past every trigger and foreign key."""
        script = ";\n".join(["SET LOCAL session_replication_role = replica", *statements])
        self._run(lambda connection: connection.execute(f"BEGIN;\n{script};\nCOMMIT"))

    def _run(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async def go() -> T:
            connection = await asyncpg.connect(self._url)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(go())

    def tables(self) -> list[str]:
        """Every table, by name."""
        found = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        return [name for (name,) in found]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        names = self.tables()
        statements = [f'SELECT * FROM "{name}" ORDER BY 1' for name in names]
        return dict(zip(names, self._run(lambda connection: _fetch(connection, statements)), strict=True))

    def columns(self, table: str) -> list[str]:
        found = self.execute(
            f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
        )
        return [name for (name,) in found]

    def copy(self) -> DatabaseCopy:
        return _PostgresqlCopy(self)


async def _fetch(connection: asyncpg.Connection, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in await connection.fetch(each)] for each in statements]


class _PostgresqlCopy:
    """Every table in a schema of its own. Numbering goes on: nothing is given out twice."""

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database, self._schema = database, f"copy_{next(_numbers)}"
        self._tables = database.tables()
        made = (f'CREATE TABLE {self._schema}."{name}" AS TABLE public."{name}"' for name in self._tables)
        database.change([f"CREATE SCHEMA {self._schema}", *made])

    def put_back(self) -> None:
        # Deleting a few rows is ten times as quick as giving every table and index a new file.
        self._database.change(
            f'DELETE FROM public."{name}"; INSERT INTO public."{name}" SELECT * FROM {self._schema}."{name}"'
            for name in self._tables
        )

    def close(self) -> None:
        self._database.change([f"DROP SCHEMA {self._schema} CASCADE"])


@contextmanager
def open_postgresql_site(url: str, folder: Path) -> Iterator[Site]:
    """A site in `folder`, on the empty database `url`, with every plugin of the package enabled."""
    town = upgraded_town(url, folder)
    with in_a_hurry(), town.open():
        site = Site(town, PostgresqlDatabase(url))
        site.found()
        yield site
