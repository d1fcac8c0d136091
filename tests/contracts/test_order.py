"""One order for every kind of contribution: the core's, then the plugins' as yetan.toml lists them after sorting by
`depends_on` (docs/architecture.md, "One order")."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tortoise import fields

from yetan import hookspecs
from yetan.api import (
    BulkAction,
    DocumentKind,
    DueKind,
    EventType,
    Field,
    Guard,
    Issue,
    Job,
    Metric,
    NavigationItem,
    NoticeChannel,
    NoticeKind,
    Page,
    Panel,
    Permission,
    Plugin,
    Privacy,
    Record,
    RecordKind,
    Rule,
    SearchSource,
    State,
    Subscription,
    Tale,
    Theme,
    Transition,
    UnitRecord,
    Visibility,
    hookimpl,
)
from yetan.config import City, Configuration
from yetan.layers import layers
from yetan.plugins import discovery
from yetan.plugins.declared import declared_by
from yetan.plugins.registry import Registry, build_registry

#: `drums` stands first in yetan.toml and depends on `bells`.
LISTED, ORDERED = ("drums", "bells", "flutes"), ("bells", "drums", "flutes")


async def nothing(*arguments: Any) -> Any:
    """What is declared and never called here."""


def model(plugin: str, base: type[Record], **columns: Any) -> Any:
    """A model of a plugin's own."""
    table = f"yetan_{plugin}_{base.__name__.lower()}"
    meta = type("Meta", (), {"app": f"yetan_{plugin}", "table": table})
    return type(f"{plugin}_{base.__name__}", (base,), {"Meta": meta, **columns})


SEEN = {plugin: model(plugin, Record, id=fields.IntField(primary_key=True), privacy=Privacy()) for plugin in LISTED}
CONCERTS = {
    plugin: model(
        plugin,
        UnitRecord,
        title=fields.CharField(max_length=200),
        date=fields.DateField(),
        privacy=UnitRecord.tags(public="title date"),
    )
    for plugin in LISTED
}
FORM = (Field("title", "主题"), Field("date", "日期", "date"))

#: By hook: what a plugin of a name contributes, in this order.
CONTRIBUTIONS: Mapping[str, Callable[[str], list[Any]]] = {
    "yetan_permissions": lambda name: [Permission(f"{name}.{deed}", "看", frozenset()) for deed in ("view", "act")],
    "yetan_pages": lambda name: [Page(f"/{name}/{part}", nothing, f"{name}.{part}", public=True) for part in "ab"],
    "yetan_navigation": lambda name: [NavigationItem("public", label, f"{name}.a") for label in "一二"],
    "yetan_visibility": lambda name: [Visibility(SEEN[name], nothing, nothing)],
    "yetan_issue_states": lambda name: [State(f"{name}_heard", "听", "open", fallback="handling")],
    "yetan_issue_transitions": lambda name: [
        Transition(f"{name}_hear", "听", ("handling",), f"{name}_heard", f"{name}.act"),
        Transition(f"{name}_end", "完", (f"{name}_heard",), "handling", f"{name}.act"),
    ],
    "yetan_issue_guards": lambda name: [Guard(f"{name}.{part}", ("resolve",), nothing) for part in "ab"],
    "yetan_bulk_actions": lambda name: [
        BulkAction(f"{name}.{part}", "几件", f"{name}.act", nothing, nothing, irrevocable="收不回来") for part in "ab"
    ],
    "yetan_event_types": lambda name: [EventType(f"issue.{name}_{part}", "听") for part in ("hear", "end")],
    "yetan_subscriptions": lambda name: [Subscription(f"{name}.{part}", ("*",), nothing) for part in "ab"],
    "yetan_jobs": lambda name: [Job(f"{name}.{part}", "day", nothing) for part in "ab"],
    "yetan_due_kinds": lambda name: [DueKind(f"{name}.{part}", nothing) for part in "ab"],
    "yetan_rules": lambda name: [Rule(f"{name}.{part}", "天数", "int", 1, "002-B1") for part in "ab"],
    "yetan_documents": lambda name: [
        DocumentKind(f"{name}.paper", "纸", Issue, f"{name}.view", "desk/issue.html", nothing)
    ],
    "yetan_metrics": lambda name: [Metric(f"{name}.{part}", "数", "件", "") for part in "ab"],
    "yetan_panels": lambda name: [Panel(f"{name}.{part}", "issue", "public/issue.html", nothing) for part in "ab"],
    "yetan_notice_kinds": lambda name: [NoticeKind(f"{name}.{part}", "消息") for part in "ab"],
    "yetan_notice_channels": lambda name: [NoticeChannel(f"{name}.{part}", "短信", nothing) for part in "ab"],
    "yetan_demonstration": lambda name: [Tale(f"{name}.{part}", nothing) for part in "ab"],  # type: ignore[arg-type]
    "yetan_search_sources": lambda name: [SearchSource(f"{name}_{part}", nothing, nothing, {}) for part in "ab"],
    "yetan_record_kinds": lambda name: [RecordKind(f"{name}_concert", "演出", CONCERTS[name], FORM)],
    "yetan_themes": lambda name: [Theme(name, name, "yetan")],
}
#: Of one of which a city uses the one it names: there is nothing to put into an order.
CHOSEN = {"yetan_themes", "yetan_search_backend"}
#: By hook, where the registry keeps it, where it is called otherwise.
KEPT = {
    "yetan_issue_states": "states",
    "yetan_issue_transitions": "transitions",
    "yetan_issue_guards": "guards",
    "yetan_demonstration": "tales",
}


def configuration() -> Configuration:
    return Configuration(
        city=City(name="柳湾市"),
        folder=Path(),
        data_dir=Path("var"),
        database_url="sqlite://:memory:",
        secret_key="s" * 32,
        unit_kinds={},
        plugins=LISTED,
    )


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Three plugins that contribute to every hook, as the file lists them and with `drums` depending on `bells`."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield _built(monkeypatch)


def _built(monkeypatch: pytest.MonkeyPatch) -> Registry:
    points = {}
    for name in LISTED:
        hooks, package = ModuleType(f"order_of_{name}_hooks"), ModuleType(f"order_of_{name}")
        for hook, contributed in CONTRIBUTIONS.items():
            setattr(hooks, hook, _hook(hook, contributed, name))
        package.plugin = Plugin(  # type: ignore[attr-defined]
            name, name, "1.0", "yetan", hooks.__name__, depends_on=("bells",) if name == "drums" else ()
        )
        for module in (hooks, package):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        points[name] = EntryPoint(name, f"{package.__name__}:plugin", discovery.ENTRY_POINT_GROUP)
    return build_registry(configuration(), discovery.load(LISTED, points))


def _hook(hook: str, contributed: Callable[[str], list[Any]], plugin: str) -> Any:
    def implementation() -> list[Any]:
        return contributed(plugin)

    implementation.__name__ = hook
    return hookimpl(implementation, specname=hook)


def test_every_hook_is_put_to_the_test() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("yetan_")}
    assert set(CONTRIBUTIONS) | CHOSEN == hooks


@pytest.mark.parametrize("hook", sorted(set(CONTRIBUTIONS) - CHOSEN))
def test_the_core_comes_first_and_then_each_plugin_in_its_turn(registry: Registry, hook: str) -> None:
    attribute = KEPT.get(hook, hook.removeprefix("yetan_"))
    kept = getattr(registry, attribute)
    declared = list(kept.values() if isinstance(kept, Mapping) else kept)
    owners = [registry.owner_of(each) for each in declared]
    turns = [owner for number, owner in enumerate(owners) if number == 0 or owners[number - 1] != owner]
    assert [owner for owner in turns if owner != "core"] == list(ORDERED)
    if hook != "yetan_navigation":  # sorted by position first, and the core's are before and behind
        assert turns in (list(ORDERED), ["core", *ORDERED])
    for plugin in ORDERED:
        given = [_key(each) for each in CONTRIBUTIONS[hook](plugin)]
        own = [_key(each) for each in declared_by(plugin, registry)[attribute]]
        assert own[: len(given)] == given


def _key(declared: Any) -> Any:
    return next(found for key in ("name", "kind", "label", "model") if (found := getattr(declared, key, None)))


def test_templates_static_files_and_catalogues_are_laid_in_the_same_order(registry: Registry) -> None:
    assert [layer.name for layer in layers(configuration(), registry)] == ["", *ORDERED, "core"]


def test_the_plugins_themselves_stand_in_the_order(registry: Registry) -> None:
    assert tuple(plugin.name for plugin in registry.plugins) == ORDERED
