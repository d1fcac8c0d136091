"""What the night talks declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yetan.api import (
    DocumentKind,
    EventType,
    Job,
    NavigationItem,
    NoticeKind,
    Page,
    Panel,
    Permission,
    RecordKind,
    Rule,
    Subscription,
    Tale,
    Visibility,
    hookimpl,
)
from yetan_activities.api import ActivityGuard, ActivityKind
from yetan_meetings import (
    agenda,
    agenda_pages,
    cadence,
    decisions,
    demonstration,
    interviews,
    invitations,
    leaders,
    ledger,
    messages,
    online_talk,
    reception,
    reports,
    seat_pages,
    topic_pages,
    topics,
    township,
    voting,
)
from yetan_meetings.forms import FORMS


@hookimpl
def yetan_activities_kinds() -> Sequence[ActivityKind]:
    return FORMS


@hookimpl
def yetan_record_kinds() -> Sequence[RecordKind]:
    return (ledger.KIND, township.KIND)


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (
        *ledger.PAGES,
        *interviews.PAGES,
        *cadence.PAGES,
        *leaders.PAGES,
        *township.PAGES,
        *topic_pages.PAGES,
        *reception.PAGES,
        *agenda_pages.PAGES,
        *seat_pages.PAGES,
        *messages.PAGES,
        *online_talk.PAGES,
        *invitations.PAGES,
        *reports.PAGES,
    )


@hookimpl
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    return (
        *ledger.PANELS,
        *ledger.entry_panels(record_kinds),
        *interviews.PANELS,
        *cadence.PANELS,
        *topic_pages.PANELS,
        *topic_pages.panels_of(record_kinds),
        *agenda_pages.panels_of(record_kinds),
        *seat_pages.panels_of(record_kinds),
        *messages.PANELS,
        *online_talk.PANELS,
        *invitations.panels_of(record_kinds),
        *reports.panels_of(record_kinds),
        *reports.PANELS,
    )


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return (
        *cadence.PERMISSIONS,
        *township.PERMISSIONS,
        *topics.PERMISSIONS,
        *reception.PERMISSIONS,
        *reports.PERMISSIONS,
    )


@hookimpl
def yetan_rules() -> Sequence[Rule]:
    return (*cadence.RULES,)


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (
        *cadence.EVENTS,
        *topics.EVENTS,
        *agenda.EVENTS,
        *voting.EVENTS,
        *decisions.EVENTS,
        *invitations.EVENTS,
        *reports.EVENTS,
    )


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return (
        *cadence.NOTICES,
        *invitations.NOTICES,
        *reports.NOTICES,
    )


@hookimpl
def yetan_jobs() -> Sequence[Job]:
    return (*cadence.JOBS,)


@hookimpl
def yetan_navigation() -> Sequence[NavigationItem]:
    return (
        *cadence.NAVIGATION,
        *reception.NAVIGATION,
    )


@hookimpl
def yetan_visibility() -> Sequence[Visibility]:
    return (
        *reception.VISIBILITY,
        *topics.VISIBILITY,
        agenda_pages.VISIBILITY,
        *messages.VISIBILITY,
        *reports.VISIBILITY,
    )


@hookimpl
def yetan_activities_guards() -> Sequence[ActivityGuard]:
    return (*decisions.GUARDS,)


@hookimpl
def yetan_subscriptions() -> Sequence[Subscription]:
    return (*ledger.SUBSCRIPTIONS,)


@hookimpl
def yetan_demonstration() -> Sequence[Tale]:
    return demonstration.TALES


@hookimpl
def yetan_documents() -> Sequence[DocumentKind]:
    return agenda_pages.DOCUMENTS
