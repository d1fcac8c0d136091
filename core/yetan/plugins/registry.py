"""Everything the core and the enabled plugins declare, collected once at start and checked as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import pluggy
from msgspec import Struct, field

from yetan import hookspecs
from yetan.config import Configuration, check_dataclass
from yetan.db.connection import CORE_APPLICATION, Application
from yetan.demonstration.tales import Tale
from yetan.errors import ConfigurationError
from yetan.plugins.declarations import (
    BulkAction,
    DocumentKind,
    DueKind,
    EventType,
    Guard,
    Job,
    Metric,
    NavigationItem,
    NoticeChannel,
    NoticeKind,
    Page,
    Panel,
    Permission,
    Plugin,
    Rule,
    State,
    Subscription,
    Theme,
    Transition,
    Visibility,
)
from yetan.plugins.guarded_search import GuardedBackend
from yetan.plugins.guarding import Conduct, guard_declarations
from yetan.search import SearchBackend, SearchSource
from yetan.searching import feed
from yetan.spelling import nearest

if TYPE_CHECKING:
    from yetan.records.kind import RecordKind

#: The version plugins state a range of in `requires_api`.
API_VERSION = "0.1"

#: The core's own declarations come through the same hooks, and first.
CORE = Plugin(name="core", title="核心", version=API_VERSION, package="yetan", hooks="yetan.core_hooks")

T = TypeVar("T")


class Owners:
    """Which plugin declared what; "core" for the core's."""

    def __init__(self) -> None:
        # By identity, since not all that is declared can be hashed; held, so that no identity is used again.
        self._found: dict[int, tuple[object, str]] = {}

    def add(self, declared: object, plugin: str) -> None:
        """Note whose a declaration is."""
        self._found[id(declared)] = (declared, plugin)

    def of(self, declared: object) -> str:
        """Whose it is."""
        return self._found.get(id(declared), (declared, CORE.name))[1]


class Registry(Struct):
    """All declarations by name. Iterating any of its mappings gives the one order."""

    plugins: tuple[Plugin, ...]
    configurations: Mapping[str, Any]
    permissions: Mapping[str, Permission] = field(default_factory=dict)
    pages: tuple[Page, ...] = ()
    navigation: tuple[NavigationItem, ...] = ()
    visibility: Mapping[type[Any], Visibility] = field(default_factory=dict)
    states: Mapping[str, State] = field(default_factory=dict)
    transitions: Mapping[str, Transition] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    bulk_actions: Mapping[str, BulkAction] = field(default_factory=dict)
    event_types: Mapping[str, EventType] = field(default_factory=dict)
    subscriptions: Mapping[str, Subscription] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    due_kinds: Mapping[str, DueKind] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    documents: Mapping[str, DocumentKind] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    panels: tuple[Panel, ...] = ()
    notice_kinds: Mapping[str, NoticeKind] = field(default_factory=dict)
    notice_channels: Mapping[str, NoticeChannel] = field(default_factory=dict)
    tales: Mapping[str, Tale] = field(default_factory=dict)
    search_sources: Mapping[str, SearchSource] = field(default_factory=dict)
    record_kinds: Mapping[str, RecordKind] = field(default_factory=dict)
    #: What plugins answer to the hooks of other plugins, hook by hook in the one order.
    offered: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    theme: Theme | None = None
    search_backend: SearchBackend | None = None
    owners: Owners = field(default_factory=Owners)
    #: How each plugin behaves in this process, by name.
    conducts: Mapping[str, Conduct] = field(default_factory=dict)

    def owner_of(self, declared: object) -> str:
        """The name of the plugin that declared something; "core" for the core."""
        return self.owners.of(declared)

    def subscribers_to(self, event_type: str, subject_kind: str) -> list[Subscription]:
        """The subscriptions that hear of such events."""
        return [each for each in self.subscriptions.values() if each.hears(event_type, subject_kind)]

    @property
    def applications(self) -> tuple[Application, ...]:
        """The Tortoise apps: the core's and each plugin's that has models."""
        own = (plugin.application for plugin in self.plugins)
        return (CORE_APPLICATION, *(each for each in own if each is not None))


def build_registry(configuration: Configuration, plugins: Sequence[Plugin]) -> Registry:
    """Call every hook of the core and of `plugins` and check the whole.

    Raises `ConfigurationError` with all problems at once, each naming its plugin.
    """
    problems: list[str] = []
    configurations = _configure(configuration, plugins, problems)
    manager = _manager((CORE, *plugins), problems)
    if problems:
        raise ConfigurationError(problems)
    calls = _Calls(manager, (CORE, *plugins), problems)
    offered = {hook: calls.listed(hook, kind) for plugin in plugins for hook, kind in _hooks_of(plugin).items()}
    record_kinds = calls.record_kinds(configurations, offered)

    def told(plugin: Plugin) -> Mapping[str, Any]:
        return {"record_kinds": record_kinds}

    registry = Registry(
        plugins=tuple(plugins),
        configurations=configurations,
        record_kinds=record_kinds,
        offered=offered,
        permissions=calls.named("yetan_permissions", Permission),
        pages=calls.listed("yetan_pages", Page),
        navigation=tuple(sorted(calls.listed("yetan_navigation", NavigationItem), key=lambda item: item.position)),
        visibility=calls.keyed("yetan_visibility", Visibility, lambda each: each.model, told),
        states=calls.named("yetan_issue_states", State),
        transitions=calls.named("yetan_issue_transitions", Transition),
        guards=calls.listed("yetan_issue_guards", Guard),
        bulk_actions=_placed(calls.named("yetan_bulk_actions", BulkAction)),
        event_types=calls.named("yetan_event_types", EventType),
        subscriptions=calls.named("yetan_subscriptions", Subscription),
        jobs=calls.named("yetan_jobs", Job),
        due_kinds=calls.named("yetan_due_kinds", DueKind),
        rules=calls.named("yetan_rules", Rule),
        documents=calls.named("yetan_documents", DocumentKind),
        metrics=calls.named("yetan_metrics", Metric),
        panels=tuple(sorted(calls.listed("yetan_panels", Panel, told), key=lambda panel: panel.position)),
        notice_kinds=calls.named("yetan_notice_kinds", NoticeKind),
        notice_channels=calls.named("yetan_notice_channels", NoticeChannel),
        tales=calls.named("yetan_demonstration", Tale),
        search_sources=calls.keyed("yetan_search_sources", SearchSource, lambda each: each.kind),
        owners=calls.owners,
        conducts={plugin.name: Conduct(plugin.name) for plugin in plugins},
    )
    _choose_theme(registry, configuration, calls.named("yetan_themes", Theme), problems)
    _choose_search(registry, configuration, manager, problems)
    if not problems:
        problems += check_registry(registry)
    if problems:
        raise ConfigurationError(problems)
    _open_channels(registry)
    guard_declarations(registry)
    _feed_index(registry)
    return registry


def _placed(actions: Mapping[str, BulkAction]) -> dict[str, BulkAction]:
    """In the order of their positions."""
    return dict(sorted(actions.items(), key=lambda each: each[1].position))


class _Calls:
    """Calls one hook plugin by plugin, so that each failure names its plugin and costs no other one's part."""

    def __init__(self, manager: pluggy.PluginManager, plugins: Sequence[Plugin], problems: list[str]) -> None:
        self.manager = manager
        self.plugins = plugins
        self.problems = problems
        self.owners = Owners()
        #: By plugin and hook, what its kinds of record have become.
        self._made: dict[tuple[str, str], list[Any]] = defaultdict(list)

    def record_kinds(
        self, configurations: Mapping[str, Any], offered: Mapping[str, tuple[Any, ...]]
    ) -> dict[str, RecordKind]:
        """The kinds of record; from now on each plugin contributes to every hook what its own become as well."""
        from yetan.records.contributions import contributions, sight_of
        from yetan.records.kind import RecordKind, check_kind

        def given(plugin: Plugin) -> Mapping[str, Any]:
            return {"plugin_configuration": configurations.get(plugin.name), "offered": offered}

        kinds = self.named("yetan_record_kinds", RecordKind, given)
        of_models: dict[type[Any], list[RecordKind]] = defaultdict(list)
        for kind in kinds.values():
            plugin = self.owners.of(kind)
            faults = list(check_kind(kind))
            self.problems += [f"plugin {plugin!r}: {fault}" for fault in faults]
            for hook, made in contributions(kind).items() if not faults else ():
                self._made[plugin, hook] += made
            of_models[kind.model].append(kind)
        for sharing in of_models.values():
            self._made[self.owners.of(sharing[0]), "yetan_visibility"].append(sight_of(sharing))
        return kinds

    def by_plugin(
        self, hook: str, kind: type[Any], given: Callable[[Plugin], Mapping[str, Any]] = lambda plugin: {}
    ) -> Iterable[tuple[Plugin, Any]]:
        """What each plugin contributes to a hook, in the one order; what is not a `kind` is a problem."""
        everybody = self.manager.get_plugins()
        for plugin in self.plugins:
            own = self.manager.get_plugin(plugin.name)
            caller = self.manager.subset_hook_caller(hook, [each for each in everybody if each is not own])
            try:
                contributed = [each for contributions in caller(**given(plugin)) for each in contributions]
            except (Exception, SystemExit) as error:
                self.problems.append(f"plugin {plugin.name!r}: {hook} failed: {error!r}")
                continue
            for each in (*contributed, *self._made[plugin.name, hook]):
                if isinstance(each, kind):
                    self.owners.add(each, plugin.name)
                    yield plugin, each
                else:
                    self.problems.append(f"plugin {plugin.name!r}: {hook} gives {each!r}, which is no {kind.__name__}")

    def listed(
        self, hook: str, kind: type[Any], given: Callable[[Plugin], Mapping[str, Any]] = lambda plugin: {}
    ) -> tuple[Any, ...]:
        return tuple(each for _, each in self.by_plugin(hook, kind, given))

    def named(
        self, hook: str, kind: type[Any], given: Callable[[Plugin], Mapping[str, Any]] = lambda plugin: {}
    ) -> dict[str, Any]:
        return self.keyed(hook, kind, lambda each: each.name, given)

    def keyed(
        self,
        hook: str,
        kind: type[Any],
        key: Callable[[Any], T],
        given: Callable[[Plugin], Mapping[str, Any]] = lambda plugin: {},
    ) -> dict[T, Any]:
        found: dict[T, Any] = {}
        for plugin, each in self.by_plugin(hook, kind, given):
            name = key(each)
            if name in found:
                self.problems.append(
                    f"plugin {plugin.name!r}: {hook} declares {name!r}, "
                    f"which {self.owners.of(found[name])!r} declares already"
                )
                continue
            found[name] = each
        return found


def _configure(configuration: Configuration, plugins: Sequence[Plugin], problems: list[str]) -> dict[str, Any]:
    configured: dict[str, Any] = {}
    for plugin in plugins:
        values = configuration.plugin.get(plugin.name, {})
        if plugin.configuration is None:
            if values:
                problems.append(f"plugin.{plugin.name}: this plugin has no settings")
            continue
        try:
            configured[plugin.name] = check_dataclass(plugin.configuration, values, f"plugin.{plugin.name}")
        except ConfigurationError as error:
            problems += error.problems
        except Exception as error:
            problems.append(f"plugin {plugin.name!r}: its settings cannot be read: {error!r}")
    return configured


def _manager(plugins: Sequence[Plugin], problems: list[str]) -> pluggy.PluginManager:
    """A manager with the hooks registered. pluggy calls the last registered first: so register in reverse."""
    manager = pluggy.PluginManager("yetan")
    manager.add_hookspecs(hookspecs)
    known = _names_of_hooks(hookspecs)
    for plugin in plugins:
        try:
            names = _hooks_of(plugin)
        except (Exception, SystemExit) as error:
            problems.append(
                f"plugin {plugin.name!r}: the hooks it offers ({plugin.hookspecs}) cannot be used: {error!r}"
            )
            continue
        for name in names:
            if not name.startswith(f"yetan_{plugin.name}_"):
                problems.append(
                    f"plugin {plugin.name!r}: offers a hook {name!r}; the names of its hooks begin with "
                    f"'yetan_{plugin.name}_'"
                )
        if names:
            manager.add_hookspecs(import_module(plugin.hookspecs))
        known += names
    for plugin in reversed(plugins):
        try:
            manager.register(import_module(plugin.hooks), name=plugin.name)
        except (Exception, SystemExit) as error:
            problems.append(f"plugin {plugin.name!r}: its hooks ({plugin.hooks}) cannot be used: {error!r}")
        if not _is_there(plugin.package):
            problems.append(f"plugin {plugin.name!r}: there is no package {plugin.package!r}; name the one it comes in")
    for plugin in plugins:
        for caller in manager.get_hookcallers(manager.get_plugin(plugin.name)) or ():
            if not caller.has_spec():
                near = nearest(caller.name, known)
                advice = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
                problems.append(f"plugin {plugin.name!r}: there is no hook {caller.name!r}; {advice}")
    return manager


def _hooks_of(plugin: Plugin) -> dict[str, type[Any]]:
    """The hooks a plugin offers to others, each with the class of what it is answered with: `Sequence[Kind]`."""
    if not plugin.hookspecs:
        return {}
    module = import_module(plugin.hookspecs)
    return {name: get_args(get_type_hints(getattr(module, name))["return"])[0] for name in _names_of_hooks(module)}


def _names_of_hooks(module: ModuleType) -> list[str]:
    return [name for name, each in vars(module).items() if hasattr(each, "yetan_spec")]


def _is_there(package: str) -> bool:
    try:
        found = find_spec(package)
    except (ImportError, ValueError):
        return False
    return found is not None and found.submodule_search_locations is not None


def _choose_theme(
    registry: Registry, configuration: Configuration, themes: Mapping[str, Theme], problems: list[str]
) -> None:
    if not configuration.theme:
        return
    registry.theme = themes.get(configuration.theme)
    if registry.theme is None:
        problems.append(f"theme: plugin {configuration.theme!r} declares no theme of that name")


def _choose_search(
    registry: Registry, configuration: Configuration, manager: pluggy.PluginManager, problems: list[str]
) -> None:
    engines = [plugin.name for plugin in registry.plugins if _is_engine(manager, plugin)]
    if len(engines) > 1:
        problems.append(
            f"plugins：打开了 {len(engines)} 个搜索引擎（{'、'.join(engines)}），一座城市只用一个。请去掉不用的，"
            "换引擎以后运行 yetan search rebuild。"
        )
        return
    if not configuration.search:
        return
    others = [each for each in manager.get_plugins() if each is not manager.get_plugin(configuration.search)]
    try:
        backend = manager.subset_hook_caller("yetan_search_backend", others)(
            configuration=configuration,
            plugin_configuration=registry.configurations.get(configuration.search),
        )
    except ConfigurationError as error:
        problems += error.problems
        return
    except Exception as error:
        problems.append(f"search: plugin {configuration.search!r} failed: {error!r}")
        return
    if backend is None:
        problems.append(f"search: plugin {configuration.search!r} offers no search backend")
        return
    registry.search_backend = GuardedBackend(backend, registry.conducts[configuration.search])


def _is_engine(manager: pluggy.PluginManager, plugin: Plugin) -> bool:
    callers = manager.get_hookcallers(manager.get_plugin(plugin.name)) or ()
    return any(caller.name == "yetan_search_backend" for caller in callers)


def _feed_index(registry: Registry) -> None:
    """Let the index hear what the sources name: the core's by itself, and those of each plugin by themselves."""
    if registry.search_backend is None:
        return
    sources: dict[str, list[SearchSource]] = defaultdict(list)
    for source in registry.search_sources.values():
        sources[registry.owner_of(source)].append(source)
    feeding = {plugin: feed.subscription(plugin, own) for plugin, own in sources.items()}
    for plugin, subscription in feeding.items():
        registry.owners.add(subscription, plugin)
    _subscribe(registry, feeding.values())


def _open_channels(registry: Registry) -> None:
    """Let each channel hear of notices, as a subscriber of its own plugin's."""
    from yetan.notices.channels import subscription

    opened = []
    for channel in registry.notice_channels.values():
        bringing = subscription(channel)
        registry.owners.add(bringing, registry.owner_of(channel))
        opened.append(bringing)
    _subscribe(registry, opened)


def _subscribe(registry: Registry, added: Iterable[Subscription]) -> None:
    """Add what other declarations have become, each behind the subscriptions that its plugin declares."""
    turns = {name: turn for turn, name in enumerate((CORE.name, *(plugin.name for plugin in registry.plugins)))}
    all_of_them = [*registry.subscriptions.values(), *added]
    all_of_them.sort(key=lambda each: turns[registry.owner_of(each)])
    registry.subscriptions = {each.name: each for each in all_of_them}


def check_registry(registry: Registry) -> list[str]:
    """What does not fit together: open routes, paths taken twice, a broken lifecycle, untagged columns."""
    from yetan.issues.lifecycle import check_lifecycle
    from yetan.plugins.checks import (
        check_bulk_actions,
        check_models,
        check_navigation,
        check_notice_kinds,
        check_pages,
        check_parts,
        check_subscriptions,
    )

    return [
        *check_pages(registry),
        *check_navigation(registry),
        *check_notice_kinds(registry),
        *check_bulk_actions(registry),
        *check_parts(registry),
        *check_subscriptions(registry),
        *check_lifecycle(registry),
        *check_models(registry),
    ]
