"""Plugins are found, ordered and checked at start; what is wrong is said all at once, naming the plugin (F20)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from tortoise import fields

from yetan.api import (
    Act,
    ConfigurationError,
    EventType,
    Issue,
    Metric,
    NavigationItem,
    NoticeKind,
    Page,
    Panel,
    Permission,
    Plugin,
    Privacy,
    Record,
    Rule,
    State,
    Subscription,
    Transition,
    UnitRecord,
    hookimpl,
    hookspec,
)
from yetan.app import assemble
from yetan.config import City, Configuration, Role, UnitKind
from yetan.db.connection import Application
from yetan.plugins import discovery
from yetan.plugins.checks import models_of
from yetan.plugins.discovery import api_mismatch, index_entry_points, load
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.record import record_enabled, recorded_states
from yetan.plugins.registry import Registry, build_registry
from yetan.testing import Town


def configuration(**given: Any) -> Configuration:
    return Configuration(
        city=City(name="柳湾市"),
        folder=Path(),
        data_dir=Path("var"),
        database_url="sqlite://:memory:",
        secret_key="s" * 32,
        unit_kinds={"city": UnitKind("市")},
        **given,
    )


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugin]:
    """A plugin whose hooks give what is told: `make("bells", yetan_permissions=[Permission(...)])`."""

    def made(name: str, *, about: Mapping[str, Any] | None = None, **hooks: Any) -> Plugin:
        module = ModuleType(f"yetan_{name}_hooks")
        for hook, answer in hooks.items():
            setattr(module, hook, hookimpl(_answering(answer), specname=hook))
            monkeypatch.setattr(getattr(module, hook), "__name__", hook)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return Plugin(name, name, "1.0", "yetan", module.__name__, **(about or {}))

    return made


def _answering(answer: Any) -> Callable[[], Any]:
    def implementation() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return implementation


def problems_of(*plugins: Plugin, **given: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        build_registry(configuration(plugins=tuple(plugin.name for plugin in plugins), **given), plugins)
    return refused.value.problems


def points(*plugins: Plugin) -> dict[str, Any]:
    """Entry points as an installed distribution would have them."""
    return {
        each.name: SimpleNamespace(name=each.name, value=f"yetan_{each.name}:plugin", load=lambda each=each: each)
        for each in plugins
    }


async def nobody(request: Any) -> Any:
    """A page."""


@dataclass(frozen=True)
class Chime:
    """What the plugin of the bells asks others for."""

    name: str


@pytest.fixture
def belfry(make: Callable[..., Plugin], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Plugin]:
    """A plugin named bells that offers one hook of the given name, answered with bells."""

    def made(hook: str) -> Plugin:
        def spec() -> Sequence[Chime]:
            return ()

        specs = ModuleType("yetan_bells_hookspecs")
        monkeypatch.setattr(spec, "__name__", hook)
        setattr(specs, hook, hookspec(spec))
        monkeypatch.setattr(spec, "__annotations__", {"return": Sequence[Chime]})
        monkeypatch.setitem(sys.modules, specs.__name__, specs)
        return make("bells", about={"hookspecs": specs.__name__})

    return made


# Discovery


def test_the_core_alone_fits_together() -> None:
    assert build_registry(configuration(), ()).plugins == ()


def test_first_party_plugins_are_installed_like_a_strangers() -> None:
    assert {"whoosh", "lantern", "supervision"} <= set(discovery.installed())


def test_two_distributions_that_claim_one_name_are_refused() -> None:
    one, two = (
        SimpleNamespace(name="bells", value="bells:plugin", dist=SimpleNamespace(name=name))
        for name in ("yetan-bells", "another-bells")
    )
    with pytest.raises(ConfigurationError, match="claimed by yetan-bells and by another-bells; uninstall one"):
        index_entry_points([one, two])  # type: ignore[list-item]
    assert index_entry_points([one, one]) == {"bells": one}  # type: ignore[list-item]


def test_what_is_not_installed_is_said_with_the_name_it_may_have_meant(make: Callable[..., Plugin]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(("belsl", "nothing-like-it"), points(make("bells")))
    assert refused.value.problems == [
        "plugins: 'belsl' is not installed; did you mean 'bells'?",
        "plugins: 'nothing-like-it' is not installed; install the package that provides it",
    ]


def test_what_is_not_listed_is_never_imported() -> None:
    def explode() -> Plugin:
        raise AssertionError("it was imported")

    broken: Any = SimpleNamespace(name="bells", value="bells:plugin", load=explode)
    assert load((), {"bells": broken}) == ()


def test_a_plugin_that_cannot_be_imported_or_is_none_is_named(make: Callable[..., Plugin]) -> None:
    def explode() -> Plugin:
        raise ImportError("no module named 'bronze'")

    found: dict[str, Any] = {
        "bells": SimpleNamespace(name="bells", value="bells:plugin", load=explode),
        "drums": SimpleNamespace(name="drums", value="drums:plugin", load=lambda: "no plugin"),
        "flutes": SimpleNamespace(name="flutes", value="pipes:plugin", load=lambda: make("pipes")),
    }
    with pytest.raises(ConfigurationError) as refused:
        load(tuple(found), found)
    first, second, third = refused.value.problems
    assert first.startswith("plugin 'bells' (bells:plugin) failed to import")
    assert "bronze" in first
    assert second == "plugin 'drums': drums:plugin is not a Plugin named 'drums'"
    assert third == "plugin 'flutes': pipes:plugin is not a Plugin named 'flutes'"


def test_the_order_is_the_files_except_that_a_plugin_follows_what_it_depends_on(make: Callable[..., Plugin]) -> None:
    bells = make("bells", about={"depends_on": ("drums",)})
    plugins = (bells, make("flutes"), make("drums"))
    assert [each.name for each in load(("bells", "flutes", "drums"), points(*plugins))] == ["drums", "bells", "flutes"]
    assert [each.name for each in load(("flutes", "drums", "bells"), points(*plugins))] == ["flutes", "drums", "bells"]


def test_a_circle_and_a_missing_dependency_are_said(make: Callable[..., Plugin]) -> None:
    plugins = (
        make("bells", about={"depends_on": ("drums",)}),
        make("drums", about={"depends_on": ("bells",)}),
        make("flutes", about={"depends_on": ("reeds",)}),
    )
    with pytest.raises(ConfigurationError) as refused:
        load(("bells", "drums", "flutes"), points(*plugins))
    assert refused.value.problems == [
        "plugins depend on each other in a circle: bells -> drums -> bells",
        "plugin 'flutes' depends on 'reeds'; add it to plugins",
    ]


@pytest.mark.parametrize("asked", [">=0.1", ">=0.1,<0.2", "== 0.1.0", "<=0.1", ">0.0.9, <1"])
def test_a_version_of_the_api_within_the_range_is_taken(make: Callable[..., Plugin], asked: str) -> None:
    assert api_mismatch(make("bells", about={"requires_api": asked}), "0.1") == ""


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        (">=0.2", "install a newer version of yetan"),
        (">0.1", "install a newer version of yetan"),
        ("==0.10", "install a newer version of yetan"),
        (">=0.0.1,<0.1", "install a newer version of the plugin"),
        ("<=0.0.9", "install a newer version of the plugin"),
        ("~=0.1", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_version_outside_the_range_is_a_start_error_that_says_what_to_upgrade(
    make: Callable[..., Plugin], asked: str, remedy: str
) -> None:
    plugin = make("bells", about={"requires_api": asked})
    assert remedy in api_mismatch(plugin, "0.1")
    with pytest.raises(ConfigurationError, match=r"plugin 'bells' 1\.0 works with yetan\.api"):
        load(("bells",), points(plugin))


# The one order


def test_contributions_come_in_the_one_order_the_core_first(make: Callable[..., Plugin]) -> None:
    def metric(name: str) -> Metric:
        return Metric(name, name, "件", "")

    first = make("bells", yetan_metrics=[metric("bells.rung"), metric("bells.cast")])
    second = make("drums", yetan_metrics=[metric("drums.beaten")])
    names, turned = ([*build_registry(configuration(), each).metrics] for each in ((first, second), (second, first)))
    assert names[0] == turned[0] == "issues.raised"
    assert names[-3:] == ["bells.rung", "bells.cast", "drums.beaten"]
    assert turned[-3:] == ["drums.beaten", "bells.rung", "bells.cast"]


def test_panels_and_navigation_are_sorted_by_position_and_then_by_the_one_order(make: Callable[..., Plugin]) -> None:
    def panel(name: str, position: int) -> Panel:
        return Panel(name, "issue", "public/issue.html", nobody, position=position)  # type: ignore[arg-type]

    first = make("bells", yetan_panels=[panel("late", 200), panel("bells", 100)])
    second = make("drums", yetan_panels=[panel("early", 1), panel("drums", 100)])
    panels = build_registry(configuration(), (first, second)).panels
    assert [each.name for each in panels] == ["early", "bells", "drums", "late"]


# What does not fit


def test_a_page_without_permission_is_refused_with_its_path(make: Callable[..., Plugin]) -> None:
    """C44: deny by default."""
    pages = [
        Page("/bells", nobody, "bells"),
        Page("/both", nobody, "both", permission="issue.view", public=True),
        Page("/asks", nobody, "asks", permission="bells.ring"),
        Page("/bells/{id:int}", nobody, "bell", permission="issue.view"),
        Page("/load/{id:int}", nobody, "load", permission="issue.view", model=Record),
        Page("/plain", lambda request: None, "plain", public=True),  # type: ignore[arg-type, return-value]
        Page("/", nobody, "front", public=True),
        Page("/elsewhere", nobody, "board", public=True),
    ]
    assert problems_of(make("bells", yetan_pages=pages)) == [
        "plugin 'bells': page 'bells' (/bells) must either name a permission or be public=True",
        "plugin 'bells': page 'both' (/both) must either name a permission or be public=True",
        "plugin 'bells': page 'asks' (/asks) asks for the permission 'bells.ring', which nobody declares",
        "plugin 'bells': page 'bell' (/bells/{id:int}) has an id without naming its model, or a model without an id",
        "plugin 'bells': page 'load' (/load/{id:int}) loads Record, for which no yetan_visibility is declared",
        "plugin 'bells': page 'plain' (/plain): its endpoint must be an async function",
        "plugin 'bells': page 'board' (/elsewhere): the name is taken by 'core'",
        "plugin 'bells': page 'front' (/): GET / is taken by 'core' for its page 'board'",
    ]


def test_a_menu_item_that_leads_nowhere_is_refused(make: Callable[..., Plugin]) -> None:
    items = [NavigationItem("desk", "钟", "bells"), NavigationItem("desk", "鼓", "desk", "drums.beat")]
    assert problems_of(make("bells", yetan_navigation=items)) == [
        "plugin 'bells': navigation '钟' leads to the page 'bells', which nobody declares",
        "plugin 'bells': navigation '鼓' asks for the permission 'drums.beat', which nobody declares",
    ]


def test_a_figure_that_leads_nowhere_is_refused(make: Callable[..., Plugin]) -> None:
    figures = [
        Metric("bells.rung", "响了", "次", "响了几次", page="bells"),
        Metric("bells.cast", "铸了", "口", "铸了几口"),
    ]
    assert problems_of(make("bells", yetan_metrics=figures)) == [
        "plugin 'bells': figure 'bells.rung' leads to 'bells', which is no page",
    ]


def test_a_notice_that_leads_nowhere_is_refused(make: Callable[..., Plugin]) -> None:
    kinds = [NoticeKind("bells.rung", "响了", route="bells"), NoticeKind("bells.cast", "铸好了", route="desk")]
    assert problems_of(make("bells", yetan_notice_kinds=kinds)) == [
        "plugin 'bells': notice 'bells.rung' leads to the page 'bells', which nobody declares",
    ]


def test_what_would_never_be_drawn_or_called_is_refused(make: Callable[..., Plugin]) -> None:
    def hears(name: str, *events: str) -> Subscription:
        return Subscription(f"bells.{name}", events, nobody)

    plugin = make(
        "bells",
        yetan_event_types=[EventType("bells.rung", "响了"), EventType("bells.cast", "铸好了")],
        yetan_panels=[
            Panel("bells.lost", "desk.isue", "public/issue.html", nobody),  # type: ignore[arg-type]
            Panel("bells.bare", "issue", "bells/bare.html", nobody),  # type: ignore[arg-type]
        ],
        yetan_subscriptions=[
            hears("right", "bells.*", "issue.reported", "drums.beaten"),
            hears("wrong", "issue.reportet", "bells.melted"),
        ],
    )
    assert problems_of(plugin) == [
        "plugin 'bells': panel 'bells.lost': the page 'desk.isue' has no place for panels; board, desk, desk.issue, "
        "hall, issue, unit have",
        "plugin 'bells': panel 'bells.bare': there is no template 'bells/bare.html'; it belongs into the folder "
        "templates/ of the package",
        "plugin 'bells': subscription 'bells.wrong': nobody declares 'issue.reportet'; did you mean 'issue.reported'?",
        "plugin 'bells': subscription 'bells.wrong': nobody declares 'bells.melted'; there are bells.rung, bells.cast",
    ]


def test_a_name_taken_twice_names_both_plugins(make: Callable[..., Plugin]) -> None:
    first = make("bells", yetan_rules=[Rule("bells.days", "钟", "int", 1, "002-B1")])
    second = make("drums", yetan_rules=[Rule("bells.days", "鼓", "int", 1, "002-B1")])
    third = make("flutes", yetan_permissions=[Permission("issue.view", "看", frozenset())])
    assert problems_of(first, second, third) == [
        "plugin 'flutes': yetan_permissions declares 'issue.view', which 'core' declares already",
        "plugin 'drums': yetan_rules declares 'bells.days', which 'bells' declares already",
    ]


def test_a_misspelt_hook_is_refused_with_the_name_it_may_have_meant(make: Callable[..., Plugin]) -> None:
    first = make("bells", yetan_permisions=[], yetan_pages=[])
    second = make("drums", whatever=[])
    one, two = problems_of(first, second)
    assert one == "plugin 'bells': there is no hook 'yetan_permisions'; did you mean 'yetan_permissions'?"
    assert two.startswith("plugin 'drums': there is no hook 'whatever'; there are yetan_permissions, ")


def test_a_hook_that_fails_or_gives_something_else_is_named(
    make: Callable[..., Plugin],
) -> None:
    first = make("bells", yetan_metrics=RuntimeError("cracked"), yetan_issue_states=ValueError("no clapper"))
    second = make("drums", yetan_metrics=["a string"], yetan_rules=None)
    assert problems_of(first, second) == [
        "plugin 'bells': yetan_issue_states failed: ValueError('no clapper')",
        "plugin 'bells': yetan_metrics failed: RuntimeError('cracked')",
        "plugin 'drums': yetan_metrics gives 'a string', which is no Metric",
    ]


def test_hooks_that_cannot_be_imported_are_named() -> None:
    (problem,) = problems_of(Plugin("bells", "钟", "1.0", "yetan", "bells.no_such_module"))
    assert problem.startswith("plugin 'bells': its hooks (bells.no_such_module) cannot be used")


@dataclass(frozen=True)
class Tuning:
    """[plugin.bells]"""

    strokes: int = 3


def test_settings_are_typed_and_all_problems_are_said_at_once(make: Callable[..., Plugin]) -> None:
    bells = make("bells", about={"configuration": Tuning})
    settings = {"bells": {"stroks": 4, "strokes": "many"}, "drums": {"skin": "goat"}}
    problems = problems_of(bells, make("drums"), plugin=settings)
    assert "plugin.bells.stroks: unknown key; did you mean 'strokes'?" in problems
    assert any(each.startswith("plugin.bells.strokes: ") for each in problems)
    assert "plugin.drums: this plugin has no settings" in problems
    registry = build_registry(configuration(plugin={"bells": {"strokes": 7}}), (bells,))
    assert registry.configurations == {"bells": Tuning(7)}


def test_a_lifecycle_that_does_not_hold_together_is_refused(make: Callable[..., Plugin]) -> None:
    states = [
        State("ringing", "敲钟", "open", fallback="nowhere"),
        State("silent", "静", "closed", fallback="declined"),
    ]
    transitions = [Transition("ring", "敲", ("reported",), "ringing", "bells.ring")]
    assert problems_of(make("bells", yetan_issue_states=states, yetan_issue_transitions=transitions)) == [
        "transition 'ring' asks for 'bells.ring', which nobody declares",
        "transition 'ring' needs an event type named 'issue.ring'",
        "state 'ringing' must name a state of the core as its fallback; it names 'nowhere'",
        "state 'ringing' is open, but no transition leads out of it",
        "state 'silent' cannot be reached from 'reported'",
    ]


# Models


class Bell(Record):
    """A model with a column nobody tagged, and a tag for a column there is not."""

    privacy: ClassVar[Privacy] = Privacy(public="name weight")

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=10)
    tone = fields.CharField(max_length=10)

    class Meta:
        app = "yetan_bells"
        table = "yetan_bells_bell"


class Untagged(Record):
    """A model without any tags, in a table the core has."""

    id = fields.IntField(primary_key=True)

    class Meta:
        app = "yetan_bells"
        table = "yetan_issue"


class Stray(Record):
    """A model that does not say whose it is."""

    privacy: ClassVar[Privacy] = Privacy()

    id = fields.IntField(primary_key=True)

    class Meta:
        table = "yetan_stray"


def test_a_column_without_a_tag_and_a_model_of_nobody_are_refused(
    make: Callable[..., Plugin], monkeypatch: pytest.MonkeyPatch
) -> None:
    """C72."""
    module = ModuleType("yetan_bells_models")
    vars(module).update(Bell=Bell, Untagged=Untagged, Stray=Stray, Issue=Issue)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    bells = make("bells", about={"models": module.__name__, "migrations": "none"})
    assert problems_of(bells) == [
        "model Bell: column 'tone' has no privacy tag",
        "model Bell: the tag for 'weight' names no column",
        "model Untagged: the table 'yetan_issue' is that of 'yetan' already",
        "model Untagged (yetan_issue) has no privacy tags",
        "model Stray (yetan_bells_models) must say app = 'yetan_bells' in its Meta",
    ]
    assert models_of(Application("yetan_bells", module.__name__, "none")) == [Bell, Untagged]


def test_models_that_cannot_be_imported_are_named(make: Callable[..., Plugin]) -> None:
    bells = make("bells", about={"models": "yetan_bells.no_models", "migrations": "none"})
    (problem,) = problems_of(bells)
    assert problem.startswith("app 'yetan_bells': its models (yetan_bells.no_models) cannot be imported")


# The city's own choices


def test_roles_and_rules_of_the_city_are_checked_together() -> None:
    given = configuration(
        roles={"clerk": Role("专人", grants=("issue.veiw",), revokes=("issue.list", "bells"))},
        rules={"issue.longest_day": 3, "issue.remind_days": 0, "publication.second_reader": "maybe"},
    )
    with pytest.raises(ConfigurationError) as refused:
        assemble(given)
    assert refused.value.problems == [
        "roles.clerk.grants: no enabled plugin declares 'issue.veiw'; did you mean 'issue.view'?",
        "roles.clerk.revokes: no enabled plugin declares 'bells'",
        "rules.issue.longest_day: no enabled plugin declares this rule; did you mean 'issue.longest_days'?",
        "rules.issue.remind_days: 0 is not allowed: “到期前几天提醒”不能少于 1 天。",
        "rules.publication.second_reader: 'maybe' is not allowed: “公开前要另一个人审核”请填是或者否。",
    ]


# The record of what was ever enabled


def test_what_was_enabled_is_remembered_when_it_is_switched_off(town: Town, make: Callable[..., Plugin]) -> None:
    states = [State("ringing", "敲钟", "open", fallback="handling")]
    transitions = [
        Transition("ring", "敲", ("reported",), "ringing", "issue.handle"),
        Transition("still", "停", ("ringing",), "handling", "issue.handle"),
    ]
    events = [EventType("issue.ring", "敲"), EventType("issue.still", "停")]
    hooks: dict[str, Sequence[Any]] = {
        "yetan_issue_states": states,
        "yetan_issue_transitions": transitions,
        "yetan_event_types": events,
    }
    on: Registry = build_registry(configuration(), (make("bells", **hooks),))
    off = build_registry(configuration(), ())

    async def remember(act: Act, registry: Registry) -> EnabledPlugin:
        await record_enabled(registry, act.now)
        return await EnabledPlugin.get(name="bells")

    async def go() -> tuple[EnabledPlugin, EnabledPlugin, EnabledPlugin, Mapping[str, Mapping[str, str]]]:
        act = await town.act()
        return (
            await remember(act, on),
            await remember(act.at(town.clock.forward(days=1)), off),
            await remember(act.at(town.clock.forward(days=1)), on),
            await recorded_states(),
        )

    first, second, third, recorded = town.do(go)
    assert [each.enabled for each in (first, second, third)] == [True, False, True]
    assert second.first_enabled_at == third.first_enabled_at == first.seen_at
    assert recorded["ringing"] == {"label": "敲钟", "category": "open", "fallback": "handling"}
    assert "handling" not in recorded


def test_the_record_holds_a_plugins_own_tables_and_tags_alone(town: Town) -> None:
    (point,) = [each for each in _installed() if each.name == "supervision"]
    registry = build_registry(configuration(plugins=("supervision",)), (point.load(),))

    async def go() -> EnabledPlugin:
        await record_enabled(registry, town.clock())
        return await EnabledPlugin.get(name="supervision")

    declared = town.do(go).declared
    assert declared["tables"] == ["yetan_supervision_dunning_notice"]
    assert declared["tags"]["yetan_supervision_dunning_notice"]["issued_by"] == "internal"


def _installed() -> list[EntryPoint]:
    return list(discovery.installed().values())


# Hooks that plugins offer to each other


def test_a_plugin_is_told_what_others_answer_to_its_hook(
    make: Callable[..., Plugin], belfry: Callable[[str], Plugin]
) -> None:
    """In the one order: that of yetan.toml, whoever offers the hook."""
    hook, needs = "yetan_bells_kinds", {"depends_on": ("bells",)}
    first = make("tower", about=needs, **{hook: [Chime("晚钟"), Chime("晨钟")]})
    second = make("chapel", about=needs, **{hook: [Chime("小钟")]})
    plugins = (belfry(hook), second, first)
    registry = build_registry(configuration(plugins=tuple(plugin.name for plugin in plugins)), plugins)
    assert [bell.name for bell in registry.offered[hook]] == ["小钟", "晚钟", "晨钟"]


def test_what_is_answered_to_a_plugins_hook_is_what_it_asked_for(
    make: Callable[..., Plugin], belfry: Callable[[str], Plugin]
) -> None:
    wrong = make("tower", about={"depends_on": ("bells",)}, yetan_bells_kinds=["晚钟"])
    (problem,) = problems_of(belfry("yetan_bells_kinds"), wrong)
    assert problem == "plugin 'tower': yetan_bells_kinds gives '晚钟', which is no Chime"


def test_the_hooks_a_plugin_offers_bear_its_name(belfry: Callable[[str], Plugin]) -> None:
    """So that no two offer the same, and nobody takes it for the core's."""
    (problem,) = problems_of(belfry("yetan_kinds"))
    assert "'yetan_bells_'" in problem


def test_a_hook_of_a_plugin_that_is_off_is_none(make: Callable[..., Plugin]) -> None:
    (problem,) = problems_of(make("tower", yetan_bells_kinds=[Chime("晚钟")]))
    assert "there is no hook 'yetan_bells_kinds'" in problem


def test_models_of_one_base_have_relations_of_their_own() -> None:
    """Tortoise has them share one field, whose model is whichever was made last: possibly one of no open database."""

    class Concert(UnitRecord):
        privacy: ClassVar[Privacy] = UnitRecord.tags()

        class Meta:
            app = "concerts"
            table = "concerts_concert"

    class Film(UnitRecord):
        privacy: ClassVar[Privacy] = UnitRecord.tags()

        class Meta:
            app = "films"
            table = "films_film"

    assert [model._meta.fields_map["unit"].model for model in (Concert, Film)] == [Concert, Film]
