"""What the base of night activities declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.api import DueKind, EventType, NoticeKind, Page, Panel, RecordKind, hookimpl
from yetan_activities import attendance, evening, evening_pages, signing_in, signing_in_pages
from yetan_activities.configuration import ActivitiesConfiguration
from yetan_activities.kinds import all_kinds, record_kind
from yetan_activities.models import Activity


@hookimpl
def yetan_record_kinds(
    plugin_configuration: ActivitiesConfiguration, offered: Mapping[str, tuple[Any, ...]]
) -> Sequence[RecordKind]:
    return [record_kind(kind, plugin_configuration) for kind in all_kinds(plugin_configuration, offered)]


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (*evening_pages.PAGES, *signing_in_pages.PAGES)


@hookimpl
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    kinds = [kind for kind in record_kinds.values() if kind.model is Activity]
    return (*evening_pages.panels_of(kinds),)


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (*evening.EVENTS, *signing_in.EVENTS, *attendance.EVENTS)


@hookimpl
def yetan_due_kinds() -> Sequence[DueKind]:
    return evening.DUES


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return evening.NOTICES
