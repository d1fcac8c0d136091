"""What the night talks declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yetan.api import Page, Panel, RecordKind, hookimpl
from yetan_activities.api import ActivityKind
from yetan_meetings import interviews, ledger
from yetan_meetings.forms import FORMS


@hookimpl
def yetan_activities_kinds() -> Sequence[ActivityKind]:
    return FORMS


@hookimpl
def yetan_record_kinds() -> Sequence[RecordKind]:
    return (ledger.KIND,)


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return (*ledger.PAGES, *interviews.PAGES)


@hookimpl
def yetan_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    return (*ledger.PANELS, *ledger.entry_panels(record_kinds), *interviews.PANELS)
