"""What the base of night activities declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.api import DueKind, EventType, NoticeKind, RecordKind, hookimpl
from yetan_activities import evening, signing_in
from yetan_activities.configuration import ActivitiesConfiguration
from yetan_activities.kinds import all_kinds, record_kind


@hookimpl
def yetan_record_kinds(
    plugin_configuration: ActivitiesConfiguration, offered: Mapping[str, tuple[Any, ...]]
) -> Sequence[RecordKind]:
    return [record_kind(kind, plugin_configuration) for kind in all_kinds(plugin_configuration, offered)]


@hookimpl
def yetan_event_types() -> Sequence[EventType]:
    return (*evening.EVENTS, *signing_in.EVENTS)


@hookimpl
def yetan_due_kinds() -> Sequence[DueKind]:
    return evening.DUES


@hookimpl
def yetan_notice_kinds() -> Sequence[NoticeKind]:
    return evening.NOTICES
