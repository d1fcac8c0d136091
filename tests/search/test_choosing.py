"""Which engine a city has, and that a town lives with each of them as with any other."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tests.search.engines import LAMP_TITLE, NO_TANTIVY

from yetan.app import assemble
from yetan.backup import postgresql
from yetan.config import City, Configuration
from yetan.errors import ConfigurationError
from yetan.health import index
from yetan.runtime import current
from yetan.searching.feed import rebuild
from yetan.searching.service import Filters, search_desk
from yetan.testing.town import Town
from yetan_search.postgresql_backend import PostgresqlBackend


def problems_of(folder: Path, *plugins: str, search: str) -> list[str]:
    """Why a city on SQLite with these plugins does not start."""
    with pytest.raises(ConfigurationError) as refused:
        assemble(
            Configuration(
                city=City(name="测试市"),
                folder=folder,
                data_dir=folder,
                database_url=f"sqlite://{folder}/town.sqlite3",
                secret_key="not a secret, but long enough to be one",
                unit_kinds={},
                plugins=plugins,
                search=search,
            )
        )
    return list(refused.value.problems)


def test_an_index_in_postgresql_needs_a_city_in_postgresql(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, "postgresql_search", search="postgresql_search")
    assert "SQLite" in problem
    assert "换成 whoosh" in problem


def test_of_two_engines_switched_on_both_are_named(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, "whoosh", "tantivy", search="whoosh")
    assert "2 个搜索引擎（whoosh、tantivy）" in problem


def test_an_engine_that_is_not_installed_says_how_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yetan_search.hooks.tantivy.find_spec", lambda name: None)
    [problem] = problems_of(tmp_path, "tantivy", search="tantivy")
    assert "pip install 'yetan[tantivy]'" in problem


@pytest.fixture(
    params=[pytest.param(("postgresql", "postgresql_search"), marks=pytest.mark.postgresql), ("sqlite", "tantivy")]
)
def chosen(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A kind of database, and an engine; the pages' own tests have a town with Whoosh."""
    database, engine = request.param
    if engine == "tantivy" and importlib.util.find_spec("tantivy") is None:
        pytest.skip(NO_TANTIVY)
    return str(database), str(engine)


@pytest.fixture
def database_kind(chosen: tuple[str, str]) -> str:
    return chosen[0]


@pytest.fixture
def town_options(chosen: tuple[str, str]) -> dict[str, Any]:
    return {"plugins": (chosen[1],), "search": chosen[1]}


def test_a_town_feeds_asks_compares_and_rebuilds_its_index(town: Town) -> None:
    """What `yetan search rebuild` and `yetan check` do, with whichever engine there is."""
    town.report(title="村口第一盏路灯不亮")
    kept = town.report(title="村口第二盏路灯不亮")
    town.run_worker()

    async def titles() -> list[str]:
        found = await search_desk(await town.act("village"), "路灯", Filters())
        assert not found.degraded
        return sorted(each.row.title for each in found.found)

    async def health() -> str:
        told = await index.keys(current())
        return "" if told.ok else told.message

    assert town.do(titles) == ["村口第一盏路灯不亮", "村口第二盏路灯不亮"]
    assert town.do(health) == ""

    async def lose_one() -> None:
        search = current().search
        assert search is not None
        await search.apply((), [f"issue:{kept.id}"])

    town.do(lose_one)
    assert town.do(titles) == ["村口第一盏路灯不亮"]
    assert "1 条" in town.do(health)
    told: list[int] = []
    assert town.do(lambda: rebuild(told.append)) == 2
    assert told[-1] == 2
    assert town.do(titles) == ["村口第一盏路灯不亮", "村口第二盏路灯不亮"]
    assert town.do(health) == ""


@pytest.mark.postgresql
@pytest.mark.parametrize("chosen", [("postgresql", "postgresql_search")])
def test_a_backup_leaves_the_index_to_be_made_anew(database_url: str, tmp_path: Path) -> None:
    """Restored into the same database, nothing of it stands in the way."""

    async def go() -> int:
        backend = PostgresqlBackend(database_url)
        await backend.open()
        await backend.apply([LAMP_TITLE], ())
        await backend.close()
        dump = await postgresql.take(database_url, tmp_path / "dump")
        await postgresql.replace(database_url, tmp_path / "dump", dump.counts, tmp_path)
        await backend.open()
        try:
            return await backend.count()
        finally:
            await backend.close()

    assert asyncio.run(go()) == 1
