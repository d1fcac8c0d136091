"""The hooks that this plugin offers to others."""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence

from yetan.api import hookspec
from yetan_activities.guards import ActivityGuard
from yetan_activities.kinds import ActivityKind


@hookspec
def yetan_activities_kinds() -> Sequence[ActivityKind]:
    """Kinds of night activities. Each becomes a kind of record with planning and record pages, sign-in by QR code,
    calendar, public page, search, figures, Excel and print."""


@hookspec
def yetan_activities_guards() -> Sequence[ActivityGuard]:
    """What has to be settled before an activity may be closed, each with a reason that the host can act on."""
