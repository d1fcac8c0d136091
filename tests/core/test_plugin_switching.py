"""A plugin is switched on, off and on again: its data stay, and it is told what happened meanwhile (F21)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tortoise import fields
from tortoise.models import Model

from yetan.api import Event, EventType, Plugin, State, Subscription, Transition, hookimpl
from yetan.cli.database import bring_up
from yetan.config import Configuration
from yetan.db.connection import CORE_APPLICATION, Application, connected
from yetan.db.statements import fetch
from yetan.events.models import Delivery
from yetan.issues.lifecycle import state_of, states_of
from yetan.plugins import discovery
from yetan.plugins.checks import models_of
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.record import installed_applications
from yetan.runtime import current
from yetan.testing import Town

#: Every plugin of this distribution, but of the search engines, which have no tables and of which a city has one, the
#: embedded one. Others that are installed are their authors' to test.
INSTALLED = sorted(
    name
    for name, point in discovery.installed().items()
    if point.value.startswith("yetan_") and (name == "whoosh" or not point.value.startswith("yetan_search"))
)


@pytest.fixture(scope="module")
def database_kind() -> str:
    """Which tables a plugin has does not depend on the database; tests of upgrades run on both."""
    return "sqlite"


@pytest.fixture
def switched(database_url: str, tmp_path: Path) -> Callable[..., Any]:
    """`with switched("supervision") as town`: the same town with these plugins on, and their tables there."""

    @contextmanager
    def on(*plugins: str) -> Iterator[Town]:
        town = Town(database_url, tmp_path, plugins=plugins)
        if set(plugins) & set(INSTALLED):
            asyncio.run(bring_up(town.configuration))
        with town.open():
            yield town

    return on


async def tables(names: Sequence[str]) -> dict[str, str]:
    """The rows of all tables of some plugins, as text."""
    kept = [table for row in await EnabledPlugin.filter(name__in=names) for table in row.declared["tables"]]
    return {table: json.dumps(await fetch(f'SELECT * FROM "{table}" ORDER BY id'), default=str) for table in kept}


async def fill(model: type[Model]) -> Model:
    """A row of a model, with something in every column that asks for it."""
    earlier = await model.all().first()
    if earlier is not None:
        return earlier
    values: dict[str, Any] = {}
    for name, field in model._meta.fields_map.items():
        if isinstance(field, fields.relational.ForeignKeyFieldInstance):
            values[name] = await fill(field.related_model)
        elif isinstance(field, fields.relational.RelationalField):
            continue
        elif field.required and not field.pk and not name.endswith("_id"):
            values[name] = _VALUES[type(field)]()
    return await model.create(**values)


_VALUES: dict[type[Any], Callable[[], Any]] = {
    fields.CharField: lambda: "灯",
    fields.TextField: lambda: "灯",
    fields.IntField: lambda: 1,
    fields.SmallIntField: lambda: 1,
    fields.BigIntField: lambda: 1,
    fields.FloatField: lambda: 1.0,
    fields.DatetimeField: lambda: current().clock(),
    fields.DateField: lambda: date(2026, 5, 6),
    fields.BooleanField: lambda: True,
    fields.JSONField: dict,
}


async def fill_all(applications: Sequence[Application]) -> None:
    for application in applications:
        if application != CORE_APPLICATION:
            for model in models_of(application):
                await fill(model)


def test_every_installed_plugin_is_switched_off_and_on_again_with_its_data(switched: Callable[..., Any]) -> None:
    with switched(*INSTALLED) as town:
        town.report()
        town.run_worker()
        town.do(lambda: fill_all(current().registry.applications))
        before = town.do(lambda: tables(INSTALLED))
    assert len(before) == sum(len(models_of(each)) for name in INSTALLED for each in _own(name))
    assert "[]" not in before.values()
    with switched() as town:
        issue = town.report(title="桥头的灯也不亮")
        town.run_worker()
        assert town.browser().get("/").status_code == 200
        assert town.browser("clerk").get(f"/desk/issues/{issue.id}").status_code == 200
        assert town.do(lambda: tables(INSTALLED)) == before
        page = town.browser("administrator").get("/admin/plugins").text
        assert all(name in page.partition("以前用过的")[2] for name in INSTALLED)
    with switched(*INSTALLED) as town:
        assert town.do(lambda: tables(INSTALLED)) == before
        town.run_worker()
        assert town.browser("clerk").get(f"/desk/issues/{issue.id}").status_code == 200


def _own(name: str) -> list[Application]:
    return [each for each in installed_applications(f"yetan_{name}") if each.label == f"yetan_{name}"]


heard: list[tuple[str, str]] = []


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed plugin with a state of its own and two subscribers, one of which wants history."""
    module = ModuleType("yetan_bells_hooks")

    def listener(name: str) -> Any:
        async def handle(events: Sequence[Event]) -> None:
            heard.extend((name, event.type) for event in events)

        return handle

    def hook(name: str, *contributed: Any) -> None:
        def implementation() -> Sequence[Any]:
            return contributed

        implementation.__name__ = name
        setattr(module, name, hookimpl(implementation))

    hook(
        "yetan_subscriptions",
        Subscription("bells.history", ("issue.*",), listener("history"), historical=True),
        Subscription("bells.news", ("issue.*",), listener("news")),
    )
    hook("yetan_issue_states", State("ringing", "敲钟", "open", fallback="handling"))
    hook(
        "yetan_issue_transitions",
        Transition("ring", "敲", ("listed",), "ringing", "issue.handle"),
        Transition("still", "停", ("ringing",), "handling", "issue.handle"),
    )
    hook("yetan_event_types", EventType("issue.ring", "敲"), EventType("issue.still", "停"))
    module.plugin = Plugin("bells", "钟", "1.0", "yetan", module.__name__)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    known = {"bells": EntryPoint("bells", f"{module.__name__}:plugin", "yetan.plugins")}
    monkeypatch.setattr(discovery, "installed", lambda: known)
    heard.clear()
    return "bells"


def test_who_is_switched_on_later_is_told_what_happened_if_it_wants_history(
    switched: Callable[..., Any], bells: str
) -> None:
    with switched() as town:
        town.report()
        town.run_worker()
    with switched(bells) as town:
        town.run_worker()
        assert heard == [("history", "issue.reported")]
    with switched() as town:
        town.report()
        town.run_worker()
        assert len(heard) == 1
    with switched(bells) as town:
        town.run_worker()
        assert heard == [("history", "issue.reported")] * 2
        town.run_worker()
        town.report()
        town.run_worker()
    assert sorted(heard[2:]) == [("history", "issue.reported"), ("news", "issue.reported")]


def test_an_issue_in_a_state_whose_plugin_is_off_goes_on_from_its_fallback(
    switched: Callable[..., Any], bells: str
) -> None:
    with switched(bells) as town:
        issue = town.move(town.report(), "list", by="clerk")
        issue = town.move(issue, "ring", by="deputy")
        assert issue.state == "ringing"
    with switched() as town:

        async def acting() -> tuple[str, str, str, bool]:
            state = state_of("ringing")
            return state.name, state.label, state.category, "ringing" in states_of("open")

        assert town.do(acting) == ("handling", "敲钟", "open", True)
        page = town.browser("deputy").get(f"/desk/issues/{issue.id}")
        assert (page.status_code, "敲钟" in page.text) == (200, True)
        for path in ("/desk", "/issues?state=open", "/figures", f"/desk/issues/{issue.id}/print/ledger_entry"):
            assert town.browser("deputy").get(path).status_code == 200, path
        assert town.reload(issue).state == "ringing"
        assert town.move(issue, "resolve", by="deputy").state == "resolved"


# Taking leave


def test_a_plugin_is_exported_before_its_tables_go_and_only_when_told(
    switched: Callable[..., Any], database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from yetan.act import SYSTEM, Act
    from yetan.app import running
    from yetan.errors import NotFound, Refused
    from yetan.plugins.removal import drop_tables, export_tables

    with switched("supervision") as town:
        town.report()
        town.do(lambda: fill_all(current().registry.applications))
        configuration = town.configuration
        act = Act(SYSTEM, town.clock())

    async def within(given: Configuration, work: Callable[[], Any]) -> Any:
        async with running(given):
            return await work()

    def leave(work: Callable[[], Any], *, on: bool = False) -> Any:
        return asyncio.run(within(configuration if on else configuration_off, work))

    configuration_off = Town(database_url, tmp_path).configuration
    with pytest.raises(Refused, match="还在启用"):
        leave(lambda: drop_tables(act, "supervision"), on=True)
    with pytest.raises(NotFound, match="从来没有启用过"):
        leave(lambda: export_tables(act, "nothing", tmp_path / "none"))
    table = "yetan_supervision_dunning_notice"
    assert leave(lambda: export_tables(act, "supervision", tmp_path / "out")) == {table: 1}
    (written,) = (tmp_path / "out" / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(written)["days_left"] == 1
    assert (tmp_path / "out" / f"{table}.jsonl").stat().st_mode & 0o077 == 0
    assert leave(lambda: fetch(f"SELECT count(*) AS count FROM {table}"))[0]["count"] == 1
    assert leave(lambda: drop_tables(act, "supervision")) == [table]

    async def left() -> list[Any]:
        found = await fetch("SELECT name FROM sqlite_master WHERE name LIKE 'yetan_supervision%'")
        return [*found, *await Delivery.filter(subscriber="supervision.deadlines", state="pending")]

    assert leave(left) == []
    # Whoever wants it again begins anew.
    with switched("supervision") as town:
        assert town.do(lambda: tables(["supervision"])) == {table: "[]"}
    asyncio.run(_closed(configuration))


async def _closed(configuration: Configuration) -> None:
    async with connected(configuration.database_url, [CORE_APPLICATION]):
        assert (await EnabledPlugin.get(name="supervision")).enabled
