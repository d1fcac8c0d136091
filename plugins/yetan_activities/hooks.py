"""What the base of night activities declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.api import (
    DocumentKind,
    DueKind,
    EventType,
    Metric,
    NavigationItem,
    NoticeKind,
    Page,
    Panel,
    Permission,
    RecordKind,
    Visibility,
    hookimpl,
)
from yetan_activities import (
    attendance,
    calendar_feeds,
    evening,
    evening_pages,
    invitation,
    overview,
    reflection_pages,
    reflections,
    signing_in,
    signing_in_pages,
)
from yetan_activities.configuration import ActivitiesConfiguration
from yetan_activities.kinds import METRICS, all_kinds, record_kind
from yetan_activities.models import Activity


@hookimpl
def yetan_record_kinds(
    plugin_configuration: ActivitiesConfiguration, offered: Mapping[str, tuple[Any, ...]]
) -> Sequence[RecordKind]:
    return [record_kind(kind, plugin_configuration) for kind in all_kinds(plugin_configuration, offered)]


@hookimpl
def yetan_metrics() -> Sequence[Metric]:
    return METRICS


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return (*overview.PERMISSIONS, *reflections.PERMISSIONS)


@hookimpl
def yetan_visibility(record_kinds: Mapping[str, RecordKind]) -> Sequence[Visibility]:
    """In a city that has no kind of activity yet, nobody sees any: each kind brings who sees those of its own."""
    if any(kind.model is Activity for kind in record_kinds.values()):
        return ()
    return (Visibility(Activity, lambda act: Activity.filter(id=None), _no_units),)


async def _no_units(activity: Activity) -> Mapping[str, int]:
    return {}


@hookimpl
def yetan_navigation() -> Sequence[NavigationItem]:
    return overview.NAVIGATION


@hookimpl
def yetan_documents() -> Sequence[DocumentKind]:
    return invitation.DOCUMENTS


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (
        *evening_pages.PAGES,
        *signing_in_pages.PAGES,
        *overview.PAGES,
        *calendar_feeds.PAGES,
        *reflection_pages.PAGES,
    )


@hookimpl
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    kinds = [kind for kind in record_kinds.values() if kind.model is Activity]
    return (
        *evening_pages.panels_of(kinds),
        *reflection_pages.panels_of(kinds),
        *reflection_pages.PANELS,
        *overview.PANELS,
    )


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (*evening.EVENTS, *signing_in.EVENTS, *attendance.EVENTS, *reflections.EVENTS)


@hookimpl
def yetan_due_kinds() -> Sequence[DueKind]:
    return evening.DUES


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return evening.NOTICES
