"""What every plugin keeps to, as tests that its author runs with these lines:

    from yetan.testing.contract import PluginContract

    class TestContract(PluginContract):
        plugin = "clinics"

The tests start a city with the plugin and what it depends on, look at it with the eyes of every official, a resident
and nobody, break each of the plugin's functions in turn, erase a person, and switch the plugin off and on. Rows of its
models are filled in by themselves; where the columns do not say what makes one, override `make_row`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from msgspec import Struct, field
from tortoise.models import Model

from yetan.access.scope import holds, may, visible
from yetan.cli.database import bring_up
from yetan.config import Configuration
from yetan.db.comparison import compare, tables_of_no_model
from yetan.db.connection import Application, connected, sqlite_path
from yetan.db.model import Record
from yetan.db.reversal import revert
from yetan.db.upgrade import upgrade
from yetan.errors import NotFound, YetanError
from yetan.issues.models import Issue
from yetan.people.erasure import erase_person, export_person
from yetan.plugins.checks import SIGNED_IN, example_path, models_of
from yetan.plugins.declarations import Page, Plugin
from yetan.plugins.declared import declared_by, names_a_person
from yetan.plugins.discovery import load_with_dependencies
from yetan.plugins.messages import misfilled, untranslated
from yetan.plugins.models import PluginFailure
from yetan.plugins.quarantine import release
from yetan.plugins.record import record_enabled
from yetan.plugins.registry import Registry, build_registry
from yetan.runtime import current
from yetan.testing.breaking import BreakablePlugin
from yetan.testing.databases import upgraded_copy
from yetan.testing.rows import some_row
from yetan.testing.town import SAME_ORIGIN, Browser, Town

#: A PostgreSQL server whose user may make databases, as postgresql://user:password@host/postgres.
SERVER = "YETAN_TEST_POSTGRESQL"
NOBODY = ""
LOOKS = ("GET", "HEAD")


class Trial(Struct):
    """The city in which a plugin is tried."""

    city: Town
    plugin: Plugin
    registry: Registry
    breakable: BreakablePlugin
    #: A row of each model that was needed.
    rows: dict[type[Model], Any] = field(default_factory=dict)
    #: Those that only look.
    browsers: dict[str, Browser] = field(default_factory=dict)

    @property
    def models(self) -> Sequence[type[Record]]:
        """The plugin's own models."""
        return _models(self.plugin)

    def browser(self, who: str, method: str) -> Browser:
        """The browser of an account, or nobody's; for what may end a session, one that does nothing else."""
        if method not in LOOKS:
            return self.city.browser(who)
        if who not in self.browsers:
            self.browsers[who] = self.city.browser(who)
        return self.browsers[who]

    def failures(self) -> list[str]:
        """What failed of the plugin since the last time."""

        async def told() -> list[str]:
            waiting = current().registry.conducts[self.plugin.name].failures
            found = [f"{each.call}: {each.error}" for each in waiting]
            found += [f"{each.call}: {each.error}" for each in await PluginFailure.all().order_by("id")]
            waiting.clear()
            await PluginFailure.all().delete()
            return found

        return self.city.do(told)


class PluginContract:
    """The tests. Name the plugin; say what else its city needs; make rows that cannot be made by their columns."""

    #: The plugin's name, as cities write it in yetan.toml.
    plugin: ClassVar[str]
    #: More of what `Town` takes, such as {"rules": {...}} or the plugin's own settings {"plugin": {"clinics": {...}}}.
    options: ClassVar[Mapping[str, Any]] = {}

    def make_row(self, city: Town, model: type[Model]) -> Any:
        """A row of `model`. Of a model about a person: about `city.resident`."""
        return city.run(some_row(city, model))

    # Without a running city: one process runs one at a time

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
    def test_its_migrations_go_up_and_down(
        self, kind: str, request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Down again they leave the core and other plugins as they were, and up once more they still give the models.

        On PostgreSQL where the environment names a server (YETAN_TEST_POSTGRESQL) or the suite has one of its own.
        """
        *needed, plugin = load_with_dependencies(self.plugin)
        if plugin.application is None:
            return
        others = _applications(needed)
        town = self._town(tmp_path)
        with _postgresql(request) if kind == "postgresql" else nullcontext("") as server:
            url = server or upgraded_copy(town.configuration, tmp_path_factory.getbasetemp(), tmp_path)
            configuration = replace(town.configuration, database_url=url)
            if server:
                _upgrade(configuration, (*others, plugin.application))
            taken_back = asyncio.run(revert(url, (*others, plugin.application), plugin.application.label))
            assert taken_back, f"{plugin.application.migrations} holds no migration; make one for the models"
            left = asyncio.run(_differences(url, others))
            assert not left, _told("Taken back, the migrations leave the database changed:", left)
            _upgrade(configuration, (*others, plugin.application))

    def test_switched_off_and_on_again_it_has_kept_its_data(
        self, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """While it is off the city works without it, and an upgrade goes by its tables."""
        models = _models(load_with_dependencies(self.plugin)[-1])
        if not models:
            return
        on = self._town(tmp_path)
        on.database_url = upgraded_copy(on.configuration, tmp_path_factory.getbasetemp(), tmp_path)
        with on.open():
            issue = _published_issue(on)
            for model in models:
                self.make_row(on, model)
            on.do(lambda: record_enabled(current().registry, on.clock()))
        before = _rows(on.database_url, models)
        off = Town(on.database_url, tmp_path)
        asyncio.run(bring_up(off.configuration))
        with off.open():
            found = _failing_pages(off, issue)
            assert not found, _told("With the plugin off, pages of the core fail:", found)
        asyncio.run(bring_up(on.configuration))
        assert _rows(on.database_url, models) == before, "Rows were lost or changed while the plugin was off."

    # In a running city

    @pytest.fixture(scope="class")
    @classmethod
    def trial(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
        """The running city of the tests below."""
        folder = tmp_path_factory.mktemp("contract")
        town = cls._town(folder)
        town.database_url = upgraded_copy(town.configuration, tmp_path_factory.getbasetemp(), folder)
        *others, plugin = load_with_dependencies(cls.plugin)
        breakable = BreakablePlugin(plugin)
        registry = build_registry(town.configuration, (*others, breakable.plugin))
        with town.open(registry):
            yield Trial(town, plugin, registry, breakable)

    def test_its_pages_answer_those_who_may_and_nobody_else(self, trial: Trial) -> None:
        """Everybody asks for every page: who lacks its permission is refused, who has it is not failed; nothing that
        is not tagged public is on a page for everybody."""
        found: list[str] = []
        for model in trial.models:
            self._row(trial, model)
        pages: list[Page] = declared_by(self.plugin, trial.registry).get("pages", [])
        for page in sorted(pages, key=lambda each: "GET" not in each.methods):
            if page.public and page.path.startswith(("/desk", "/admin")):
                found.append(f"{page.name} ({page.path}) is public, and stands where only officials go")
            for method in page.methods:
                found += self._answers(trial, page, method)
        assert not found, _told("Pages answer otherwise than they should:", [*found, *trial.failures()])

    def _answers(self, trial: Trial, page: Page, method: str) -> Iterator[str]:
        city, row = trial.city, self._row(trial, page.model)
        path = example_path(page.path.replace("{id:int}", str(row.pk)) if row is not None else page.path)
        opened: dict[str, int] = {}
        for who, allowed in city.run(_who_may_open(city, page, row)):
            browser = trial.browser(who, method)
            sent = {"_token": browser.token, "_key": secrets.token_hex(16)} if method not in LOOKS else None
            answer = browser.request(method, path, data=sent, headers=SAME_ORIGIN if sent else None)
            status, about = answer.status_code, f"{page.name}: {method} {path} gives {who or 'nobody'}"
            if status >= 500:
                yield f"{about} {status}"
            elif not allowed and status not in (401, 403, 404) and "/sign-in" not in answer.headers.get("location", ""):
                yield f"{about} {status}, who may not open it"
            elif allowed:
                opened[who] = status
            if page.public and who == NOBODY:
                yield from (f"{about} the {words}" for words in _hidden_words(trial, answer.text))
        if method == "GET" and opened and all(status in (401, 403) for status in opened.values()):
            yield f"{page.name}: GET {path} lets none of those in who hold {page.permission!r}: {opened}"

    def _row(self, trial: Trial, model: type[Any] | None) -> Any:
        if model is not None and model not in trial.rows:
            trial.rows[model] = self.make_row(trial.city, model)
        return trial.rows.get(model) if model is not None else None

    def test_the_city_goes_on_whichever_of_its_functions_fails(self, trial: Trial) -> None:
        """Each function it declares raises in turn: the pages of residents and of the clerk stay, issues are raised
        and moved, and the worker goes on."""
        city = trial.city
        issue = _published_issue(city)
        whole = [*_failing_pages(city, issue), *trial.failures()]
        assert not whole, _told("Before anything was broken, something failed:", whole)
        # Those that nothing calls have their turn together: it goes as if none was broken.
        called: set[str] = set()
        while True:
            failing = _failing_with(trial, issue, set(trial.breakable.names) - called)
            if not trial.breakable.failed:
                break
            called |= trial.breakable.failed
        found = [f"after its functions failed: {each}" for each in failing]
        for name in (each for each in trial.breakable.names if each in called):
            found += [f"{name} fails: {each}" for each in _failing_with(trial, issue, {name})]
        trial.failures()
        assert not found, _told("What fails of the plugin costs the core its own:", found)

    def test_what_it_knows_of_a_person_can_be_exported_and_is_erased(self, trial: Trial) -> None:
        """Every row about the resident: its personal columns are empty afterwards, or the row is gone."""
        found: list[str] = []
        about = [model for model in trial.models if model.privacy.person]
        for model in trial.models:
            if not model.privacy.person and (column := names_a_person(model)):
                found.append(
                    f"{model.__name__}.{column} names a person, but the row is about nobody: "
                    f"say person={column!r} in its Privacy, and what is to be done with it in erase="
                )
        rows = {model: self.make_row(trial.city, model) for model in about}
        found += trial.city.run(_erased(trial.city, rows))
        assert not found, _told("Personal data outlive their person:", found)

    def test_its_catalogues_are_complete(self, trial: Trial) -> None:
        """Each language it ships has words for every message of its code, its templates, its labels."""
        missing = untranslated(trial.plugin, trial.registry)
        told = [f"{locale}: {message}" for locale, messages in missing.items() for message in messages]
        assert not told, _told("Messages without words:", told)
        unlike = list(misfilled(trial.plugin))
        assert not unlike, _told("Words with other {places} than their message:", unlike)

    @classmethod
    def _town(cls, folder: Path) -> Town:
        """A town, not on a database yet, with the plugin, what it depends on, and what makes use of it."""
        plugins = load_with_dependencies(cls.plugin)
        names = tuple(each.name for each in plugins)
        return Town("", folder, **{"plugins": names, **_use_of(plugins[-1]), **cls.options})


def _use_of(plugin: Plugin) -> dict[str, str]:
    """What of yetan.toml makes use of a plugin that is a search engine or a theme."""
    hooks = import_module(plugin.hooks)
    used = {}
    if hasattr(hooks, "yetan_search_backend"):
        used["search"] = plugin.name
    if hasattr(hooks, "yetan_themes"):
        used["theme"] = hooks.yetan_themes()[0].name
    return used


def _told(heading: str, found: Sequence[str]) -> str:
    return "\n  ".join([heading, *found])


# Databases


def _applications(plugins: Sequence[Plugin]) -> tuple[Application, ...]:
    return Registry(plugins=tuple(plugins), configurations={}).applications


def _models(plugin: Plugin) -> list[type[Record]]:
    return models_of(plugin.application) if plugin.application is not None else []


def _upgrade(configuration: Configuration, applications: Sequence[Application]) -> None:
    asyncio.run(upgrade(configuration, applications, lambda line: None))


async def _differences(url: str, applications: Sequence[Application]) -> list[str]:
    """How a database differs from the models of `applications` alone."""
    async with connected(url, applications):
        return [*await compare(), *(f"the table {name} is still there" for name in await tables_of_no_model())]


@contextmanager
def _postgresql(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of a server."""
    server, name = _server(request), f"yetan_contract_{secrets.token_hex(6)}"
    asyncio.run(_execute(server, f'CREATE DATABASE "{name}"'))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        asyncio.run(_execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


def _server(request: pytest.FixtureRequest) -> str:
    if SERVER in os.environ:
        return os.environ[SERVER]
    try:
        return str(request.getfixturevalue("postgresql_url"))
    except pytest.FixtureLookupError:
        pytest.skip(f"SKIPPED POSTGRESQL: {SERVER} names no server, as postgresql://user:password@host/postgres")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _rows(url: str, models: Sequence[type[Record]]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the models' tables."""
    with closing(sqlite3.connect(sqlite_path(url))) as connection:
        return {
            table: connection.execute(f'SELECT * FROM "{table}" ORDER BY 1').fetchall()  # noqa: S608 - its own name
            for table in (model._meta.db_table for model in models)
        }


# Pages


async def _who_may_open(city: Town, page: Page, row: Any) -> list[tuple[str, bool]]:
    """Everybody, and whether they may; those who may come last."""
    everybody = [(who, await _may_open(city, page, row, who)) for who in (NOBODY, *city.accounts)]
    return sorted(everybody, key=lambda each: each[1])


async def _may_open(city: Town, page: Page, row: Any, who: str) -> bool:
    """Whether the page is for this account, and its row too."""
    if page.public:
        return True
    if who == NOBODY:
        return False
    act = await city.act(who)
    if page.permission != SIGNED_IN and not holds(act.actor, page.permission):
        return False
    if row is None:
        return True
    if not await visible(type(row), act).filter(pk=row.pk).exists():
        return False
    units = await current().registry.visibility[type(row)].units(row)
    return await may(act, page.permission, units.values())


def _hidden_words(trial: Trial, text: str) -> Iterator[str]:
    """What of the plugin's rows is on a page that should not be: words of columns that are not tagged public."""
    for model in set(trial.models) & set(trial.rows):
        for name, tag in model.privacy.tags().items():
            value = getattr(trial.rows[model], name, None)
            if tag != "public" and isinstance(value, str) and value and value in text:
                yield f"{tag} column {model.__name__}.{name}"


# The city around it


def _published_issue(city: Town) -> Issue:
    issue = city.report()
    city.publish(issue)
    return issue


def _failing_with(trial: Trial, issue: Issue, broken: Collection[str]) -> list[str]:
    """What of the core fails in the next hour while the functions named `broken` do. It begins without a quarantine."""
    trial.city.clock.forward(hours=1)
    trial.failures()
    trial.city.run(_released(trial.plugin.name))
    trial.breakable.failed = set()
    trial.breakable.broken = broken
    try:
        return [*_failing_pages(trial.city, issue), *_failing_deeds(trial.city)]
    finally:
        trial.breakable.broken = ()


async def _released(plugin: str) -> None:
    with suppress(NotFound):
        await release(current().system_act(), plugin)


def _failing_pages(city: Town, issue: Issue) -> list[str]:
    """The pages of the core that a resident and the clerk would not get now."""
    city.app.state.cache.drop()
    desk = f"/desk/issues/{issue.id}"
    visits = {
        NOBODY: ("/", f"/issues/{issue.number}", "/search?q=路灯", "/raise"),
        "resident": (f"/issues/{issue.number}", "/me/issues"),
        "clerk": ("/desk", desk, "/desk/search?q=路灯", "/desk/notices"),
    }
    found = []
    for who, paths in visits.items():
        browser = city.browser(who)
        answers = {path: browser.get(path).status_code for path in paths}
        found += [f"{path} gives {who or 'nobody'} {status}" for path, status in answers.items() if status != 200]
    return found


def _failing_deeds(city: Town) -> Iterator[str]:
    """What of an issue's way cannot be done now. A guard that fails refuses, and says so."""
    try:
        issue = city.report()
    except Exception as error:
        yield f"an issue cannot be raised: {error!r}"
        return
    try:
        city.move(issue, "list", by="clerk")
    except YetanError:
        pass
    except Exception as error:
        yield f"an issue cannot be listed: {error!r}"
    try:
        city.run_worker()
    except Exception as error:
        yield f"the worker stops: {error!r}"


# Persons


async def _erased(city: Town, rows: Mapping[type[Record], Any]) -> list[str]:
    """Export and erase the resident; what of `rows` is not told, and what stays that tells of them."""
    found: list[str] = []
    administrator = await city.act("administrator")
    for model in rows:
        if not await model.filter(**{model.privacy.person: city.resident.id}).exists():
            found.append(f"make_row({model.__name__}) gives no row about city.resident, which its Privacy says it is")
    told = await export_person(administrator, city.resident.id)
    for model in rows:
        if model._meta.db_table not in told:
            found.append(f"{model.__name__} is not among what a person is handed of themself")
    await erase_person(administrator, city.resident.id)
    for model, row in rows.items():
        left = await model.get_or_none(pk=row.pk)
        for name, tag in model.privacy.tags().items() if left is not None else ():
            before = getattr(row, name, None)
            if tag in ("personal", "sensitive") and before and getattr(left, name, None) == before:
                found.append(f"{model.__name__}.{name} ({tag}) still says {before!r}")
    return found
