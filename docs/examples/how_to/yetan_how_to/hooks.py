"""What the plugin declares."""

from collections.abc import Sequence
from typing import Any

from yetan.api import (
    DocumentKind,
    EventType,
    Metric,
    NoticeChannel,
    SearchBackend,
    State,
    Subscription,
    Theme,
    Transition,
    hookimpl,
)
from yetan_how_to import channel, figure, paper, state
from yetan_how_to.search import InMemory


@hookimpl
def yetan_issue_states() -> Sequence[State]:
    return (state.ON_SITE,)


@hookimpl
def yetan_issue_transitions() -> Sequence[Transition]:
    return (state.GO_TO_SITE, state.BACK_FROM_SITE)


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return state.EVENT_TYPES


@hookimpl
def yetan_documents() -> Sequence[DocumentKind]:
    return (paper.SITE_SHEET,)


@hookimpl
def yetan_metrics() -> Sequence[Metric]:
    return (figure.VISITS,)


@hookimpl
def yetan_subscriptions() -> Sequence[Subscription]:
    return (Subscription("how_to.visits", ("issue.go_to_site",), figure.count_visits, historical=True),)


@hookimpl
def yetan_notice_channels() -> Sequence[NoticeChannel]:
    return (NoticeChannel("how_to.sms", "短信", channel.send),)


@hookimpl
def yetan_themes() -> Sequence[Theme]:
    return (Theme("how_to", "素", "yetan_how_to.look"),)


@hookimpl
def yetan_search_backend(configuration: Any, plugin_configuration: Any) -> SearchBackend:
    return InMemory()
