"""What the night talks declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yetan.api import (
    NavigationItem,
    Page,
    Panel,
    Permission,
    RecordKind,
    Visibility,
    hookimpl,
)
from yetan_activities.api import ActivityKind
from yetan_meetings import interviews, ledger, messages, reception
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
    )


@hookimpl
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    return (
        *ledger.PANELS,
        *ledger.entry_panels(record_kinds),
        *interviews.PANELS,
        *messages.PANELS,
    )


@hookimpl
def yetan_permissions() -> Sequence[Permission]:
    return (*reception.PERMISSIONS,)


@hookimpl
def yetan_visibility() -> Sequence[Visibility]:
    return (
        *reception.VISIBILITY,
        *messages.VISIBILITY,
    )


@hookimpl
def yetan_navigation() -> Sequence[NavigationItem]:
    return (*reception.NAVIGATION,)
