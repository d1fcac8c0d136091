"""Every hook, typed and documented. All are called once, at start-up, in one order: the core first, then the
plugins as yetan.toml lists them after sorting by `depends_on`. Each returns frozen structs of
`yetan.plugins.declarations`, which hold the async functions the core runs later."""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from yetan.demonstration.tales import Tale
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
    Rule,
    State,
    Subscription,
    Theme,
    Transition,
    Visibility,
)
from yetan.search import SearchBackend, SearchSource

if TYPE_CHECKING:
    from yetan.config import Configuration
    from yetan.records.kind import RecordKind

hookspec = pluggy.HookspecMarker("yetan")
hookimpl = pluggy.HookimplMarker("yetan")


@hookspec
def yetan_permissions() -> Sequence[Permission]:
    """The rights pages and transitions ask for. A name taken twice is a start error."""


@hookspec
def yetan_pages() -> Sequence[Page]:
    """Routes. Each names its permission or is public; a path or name taken twice is a start error."""


@hookspec
def yetan_navigation() -> Sequence[NavigationItem]:
    """Places in the menus, sorted by position and then by the one order."""


@hookspec
def yetan_record_kinds(plugin_configuration: Any, offered: Mapping[str, tuple[Any, ...]]) -> Sequence[RecordKind]:
    """Kinds of record, each of which becomes permissions, desk and public pages, menus, search sources, figures and
    an Excel export. They stand behind what the same plugin declares by hand. `offered` is what other plugins answer
    to the hooks of plugins; a function that needs neither leaves the parameters out."""


@hookspec
def yetan_visibility(record_kinds: Mapping[str, RecordKind]) -> Sequence[Visibility]:
    """Which rows of a model who may see. A model that a page loads must have one; that of a kind of record has.

    `record_kinds` are all there are, by name, for a model that kinds share if there are any; a function that needs none
    leaves it out."""


@hookspec
def yetan_issue_states() -> Sequence[State]:
    """States of issues. A plugin's state names the core state it acts as while the plugin is off."""


@hookspec
def yetan_issue_transitions() -> Sequence[Transition]:
    """Ways between states. The graph is checked at start and printed by `yetan issues graph`."""


@hookspec
def yetan_issue_guards() -> Sequence[Guard]:
    """Conditions on transitions: they may only refuse, with a reason."""


@hookspec
def yetan_bulk_actions() -> Sequence[BulkAction]:
    """What officials may do to several issues of a list at once, sorted by position and then by the one order."""


@hookspec
def yetan_event_types() -> Sequence[EventType]:
    """Events that may be emitted, with the words of their timeline line."""


@hookspec
def yetan_subscriptions() -> Sequence[Subscription]:
    """Who is told of which events, after the change is committed."""


@hookspec
def yetan_jobs() -> Sequence[Job]:
    """What runs by the clock."""


@hookspec
def yetan_due_kinds() -> Sequence[DueKind]:
    """What is done when something falls due."""


@hookspec
def yetan_rules() -> Sequence[Rule]:
    """Settings that differ from town to town, by unit and date."""


@hookspec
def yetan_documents() -> Sequence[DocumentKind]:
    """Papers that can be printed."""


@hookspec
def yetan_metrics() -> Sequence[Metric]:
    """Named figures."""


@hookspec
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    """Parts of core pages and of those of kinds of record. `record_kinds` are all there are, by name, for what stands
    on the pages of several; a function that needs none leaves it out."""


@hookspec
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    """Lines for inboxes."""


@hookspec
def yetan_notice_channels() -> Sequence[NoticeChannel]:
    """Ways to bring notices to people besides the inbox: SMS, WeCom, e-mail."""


@hookspec
def yetan_search_sources() -> Sequence[SearchSource]:
    """What can be found by searching."""


@hookspec
def yetan_demonstration() -> Sequence[Tale]:
    """What a plugin adds to the demo city's history, at its time among the core's matters."""


@hookspec
def yetan_themes() -> Sequence[Theme]:
    """Looks. The one named by `theme` in yetan.toml is laid over the core's templates."""


@hookspec(firstresult=True)
def yetan_search_backend(configuration: Configuration, plugin_configuration: Any) -> SearchBackend | None:
    """The engine behind search. Asked of the plugin that `search` in yetan.toml names, and of no other."""
