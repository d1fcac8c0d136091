"""The same site on PostgreSQL, for what happens at the same moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from tests.contracts.site import DatabaseCopy, Site, in_a_hurry, upgraded_town

_numbers = itertools.count(1)


class PostgresqlDatabase:
    """A database of the tests' cluster, by one connection of the tests' own."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection = self._runner.run(asyncpg.connect(url))
        self._tables = self.tables()
        #: Where the content of a table is kept, by what it was told apart from other contents with.
        self._kept: dict[tuple[str, str], str] = {}
        self.change(["CREATE SCHEMA copies"])

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._connection.close())
        self._runner.close()

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._runner.run(self._connection.fetch(statement))]

    def change(self, statements: Iterable[str]) -> None:
        """Run statements all together, past every trigger and foreign key."""
        script = ";\n".join(["SET LOCAL session_replication_role = replica", *statements])
        self._runner.run(self._connection.execute(f"BEGIN;\n{script};\nCOMMIT"))

    def tables(self) -> list[str]:
        """Every table, by name."""
        found = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        return [name for (name,) in found]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        return {name: self.execute(f'SELECT * FROM "{name}" ORDER BY 1') for name in self._tables}

    def columns(self, table: str) -> list[str]:
        found = self.execute(
            f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
        )
        return [name for (name,) in found]

    def copy(self) -> DatabaseCopy:
        return _PostgresqlCopy(self)

    def keep(self) -> dict[str, str]:
        """Where the content of each table is kept from now on: a table that has not changed since is not kept twice."""
        states = self._states()
        new = {name: f"copies.kept_{next(_numbers)}" for name in self._tables if (name, states[name]) not in self._kept}
        self.change(f'CREATE TABLE {kept} AS TABLE public."{name}"' for name, kept in new.items())
        self._kept |= {(name, states[name]): kept for name, kept in new.items()}
        return {name: self._kept[name, states[name]] for name in self._tables}

    def put_back(self, kept: Mapping[str, str]) -> None:
        """Give the tables that have changed the content that `keep` kept. Numbering goes on."""
        states = self._states()
        changed = [name for name in self._tables if self._kept.get((name, states[name])) != kept[name]]
        # Deleting a few rows is ten times as quick as giving a table and its indexes new files.
        self.change(
            f'DELETE FROM public."{name}"; INSERT INTO public."{name}" SELECT * FROM {kept[name]}' for name in changed
        )
        states = self._states()
        self._kept |= {(name, states[name]): kept[name] for name in changed}

    def _states(self) -> dict[str, str]:
        """What tells the contents of a table apart: its rows are so many, and were written up to this transaction."""
        each = (
            f"""(SELECT count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) FROM "{name}")"""
            for name in self._tables
        )
        ((*states,),) = self.execute(f"SELECT {', '.join(each)}")
        return dict(zip(self._tables, states, strict=True))


class _PostgresqlCopy:
    """Every table as it was."""

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database
        self._kept = database.keep()

    def put_back(self) -> None:
        self._database.put_back(self._kept)

    def close(self) -> None:
        """Nothing to let go of: another copy may be of the same tables."""


@contextmanager
def open_postgresql_site(url: str, folder: Path) -> Iterator[Site]:
    """A site in `folder`, on the empty database `url`, with every plugin of the package enabled."""
    town = upgraded_town(url, folder)
    with in_a_hurry(), town.open(), closing(PostgresqlDatabase(url)) as database:
        site = Site(town, database)
        site.found()
        yield site
