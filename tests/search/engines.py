"""The engines, each in a place of its own, for what all of them have to do."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace
from tests.postgresql import execute

from yetan.api import PUBLIC_SCOPE, SearchBackend, SearchDocument, SearchPage, SearchQuery
from yetan_search.postgresql_backend import PostgresqlBackend
from yetan_search.whoosh_backend import WhooshBackend

Result = TypeVar("Result")
PUBLIC = frozenset({PUBLIC_SCOPE})
RAISED = datetime(2026, 3, 1, 8, tzinfo=UTC)
NO_TANTIVY = "SKIPPED TANTIVY: not installed; make install has it, or pip install tantivy"

#: A county, and two villages under it.
COUNTY, EAST_VILLAGE, WEST_VILLAGE = 1, 2, 3

LAMP_TITLE = SearchDocument(
    "issue:1", "issue", "东村路灯不亮", "晚上出门看不见。", units=(EAST_VILLAGE, COUNTY), scopes=PUBLIC
)
LAMP_TEXT = SearchDocument(
    "issue:2",
    "issue",
    "西村夜里太黑",
    "村口没有路灯，老人摔倒过。",
    units=(WEST_VILLAGE, COUNTY),
    scopes=PUBLIC,
)
LAMP_REPLY = SearchDocument("issue:3", "issue", "道路太窄", "会车困难。", "修路时会一并安装路灯。", scopes=PUBLIC)
DEMOLITION = SearchDocument(
    "issue:4",
    "issue",
    "老屋拆迁补偿没有到账",
    numbers=("YT-2026-0012", "13800000000"),
    categories=(7, 70),
    state="open",
    raised_at=RAISED,
    scopes=PUBLIC,
)
ALL = (LAMP_TITLE, LAMP_TEXT, LAMP_REPLY, DEMOLITION)


class Place(ABC):
    """Where an engine keeps its index."""

    @abstractmethod
    def engine(self) -> SearchBackend:
        """The engine, as another process would have it, not open yet."""

    @abstractmethod
    def faults(self) -> dict[str, Callable[[], None]]:
        """What may happen to an index, by name."""

    def do(self, work: Callable[[SearchBackend], Awaitable[Result]]) -> Result:
        """Open the engine, do `work`, close it."""

        async def main() -> Result:
            backend = self.engine()
            await backend.open()
            try:
                return await work(backend)
            finally:
                await backend.close()

        return asyncio.run(main())

    def ask(self, text: str, scopes: frozenset[str] = PUBLIC, **filters: object) -> SearchPage:
        """Search."""
        query = replace(SearchQuery(text, scopes), **filters)  # type: ignore[arg-type]
        return self.do(lambda backend: backend.search(query))

    def found(self, text: str, scopes: frozenset[str] = PUBLIC, **filters: object) -> list[int]:
        """The ids of what is found, in order."""
        return numbers(self.ask(text, scopes, **filters))

    def fill(self, *documents: SearchDocument) -> None:
        """Have documents in the index."""
        self.do(lambda backend: backend.apply(documents, ()))


class Folder(Place):
    """A folder of an engine that keeps files. `damaged`: the endings of those it cannot do without."""

    def __init__(self, directory: Path, engine: Callable[[Path], SearchBackend]) -> None:
        self.directory = directory
        self._engine = engine

    def engine(self) -> SearchBackend:
        return self._engine(self.directory)

    def faults(self) -> dict[str, Callable[[], None]]:
        return {
            "files cut short": lambda: self._alter(lambda data: data[:20]),
            "a byte of each file altered": lambda: self._alter(
                lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
            ),
            "generation lost": lambda: [shutil.rmtree(path) for path in self.directory.glob("generation-*")] and None,
            "name lost": (self.directory / "current").unlink,
            "name garbled": lambda: (self.directory / "current").write_bytes(b"\xff../../elsewhere") and None,
        }

    def _alter(self, alteration: Callable[[bytes], bytes]) -> None:
        for path in self.directory.glob("generation-*/*"):
            if path.is_file() and path.stat().st_size and path.suffix not in {".json", ".lock"}:
                path.write_bytes(alteration(path.read_bytes()))


class Database(Place):
    """A PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self.url = url
        execute(url, "DROP SCHEMA IF EXISTS yetan_search CASCADE")

    def engine(self) -> SearchBackend:
        return PostgresqlBackend(self.url)

    def faults(self) -> dict[str, Callable[[], None]]:
        def tables(statement: str) -> Callable[[], None]:
            each = (
                f"FOR t IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'document%' LOOP EXECUTE '{statement}'"
            )
            return lambda: execute(self.url, f"DO $$ DECLARE t text; BEGIN {each}; END LOOP; END $$")

        return {
            "table of documents lost": tables("DROP TABLE yetan_search.' || t || '"),
            "column lost": tables("ALTER TABLE yetan_search.' || t || ' DROP COLUMN weights"),
            "no generation serves": lambda: execute(self.url, "UPDATE yetan_search.generation SET serves = false"),
        }


def numbers(page: SearchPage) -> list[int]:
    """The ids of a page's hits."""
    return [hit.id for hit in page.hits]


async def each(*documents: SearchDocument) -> AsyncIterator[SearchDocument]:
    """Documents as a rebuild reads them."""
    for document in documents:
        yield document


def tantivy_folder(directory: Path) -> Folder:
    """tantivy's; the test is skipped where it is not installed."""
    if importlib.util.find_spec("tantivy") is None:
        pytest.skip(NO_TANTIVY)
    from yetan_search.tantivy_backend import TantivyBackend

    return Folder(directory, TantivyBackend)


#: For fixtures: each engine in turn.
ENGINES = ("whoosh", pytest.param("postgresql", marks=pytest.mark.postgresql), "tantivy")


def place_of(request: pytest.FixtureRequest, directory: Path) -> Place:
    """The place of the engine that a fixture is at, without an index yet; in `directory`, should it keep files."""
    if request.param == "postgresql":
        return Database(request.getfixturevalue("postgresql_url"))
    return tantivy_folder(directory) if request.param == "tantivy" else Folder(directory, WhooshBackend)
