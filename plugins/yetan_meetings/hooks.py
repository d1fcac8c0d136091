"""What the night talks declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yetan.api import EventType, NavigationItem, Page, Panel, Permission, RecordKind, Visibility, hookimpl
from yetan_activities.api import ActivityGuard, ActivityKind
from yetan_meetings import agenda, agenda_pages, decisions, interviews, ledger, messages, reception, seat_pages, voting
from yetan_meetings.forms import FORMS


@hookimpl
def yetan_activities_kinds() -> Sequence[ActivityKind]:
    return FORMS


@hookimpl
def yetan_record_kinds() -> Sequence[RecordKind]:
    return (ledger.KIND,)


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (
        *ledger.PAGES,
        *interviews.PAGES,
        *reception.PAGES,
        *messages.PAGES,
        *agenda_pages.PAGES,
        *seat_pages.PAGES,
    )


@hookimpl
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    return (
        *ledger.PANELS,
        *ledger.entry_panels(record_kinds),
        *interviews.PANELS,
        *messages.PANELS,
        *agenda_pages.panels_of(record_kinds),
        *seat_pages.panels_of(record_kinds),
    )


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return (*reception.PERMISSIONS,)


@hookimpl
def yetan_visibility() -> Sequence[Visibility]:
    return (
        *reception.VISIBILITY,
        *messages.VISIBILITY,
        agenda_pages.VISIBILITY,
    )


@hookimpl
def yetan_navigation() -> Sequence[NavigationItem]:
    return (*reception.NAVIGATION,)


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (
        *agenda.EVENTS,
        *voting.EVENTS,
        *decisions.EVENTS,
    )


@hookimpl
def yetan_activities_guards() -> Sequence[ActivityGuard]:
    return (*decisions.GUARDS,)
