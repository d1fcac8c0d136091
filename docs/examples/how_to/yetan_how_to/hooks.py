"""What the plugin declares."""

from collections.abc import Sequence
from typing import Any

from yetan.api import (
    DocumentKind,
    EventType,
    Guard,
    Job,
    Metric,
    NoticeChannel,
    NoticeKind,
    Page,
    Panel,
    SearchBackend,
    SearchSource,
    State,
    Subscription,
    Theme,
    Transition,
    Visibility,
    hookimpl,
)
from yetan_how_to import channel, figure, paper, report, state
from yetan_how_to.search import InMemory


@hookimpl
def yetan_issue_states() -> Sequence[State]:
    return (state.ON_SITE,)


@hookimpl
def yetan_issue_transitions() -> Sequence[Transition]:
    return (state.GO_TO_SITE, state.BACK_FROM_SITE)


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (
        *state.EVENT_TYPES,
        EventType(report.REPORTED, "记下踏勘"),
        EventType(report.WAITING, "踏勘还没有回来"),
    )


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


@hookimpl
def yetan_visibility() -> Sequence[Visibility]:
    return (report.VISIBILITY,)


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (report.PAGE,)


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return (report.PANEL,)


@hookimpl
def yetan_issue_guards() -> Sequence[Guard]:
    return (report.GUARD,)


@hookimpl
def yetan_jobs() -> Sequence[Job]:
    return (report.JOB,)


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return (NoticeKind(report.WAITING, "《{title}》（{number}）去现场看了一个多星期，请写下结果。"),)


@hookimpl
def yetan_search_sources() -> Sequence[SearchSource]:
    return (report.SOURCE,)
