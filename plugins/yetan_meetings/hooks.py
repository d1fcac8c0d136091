"""What the night talks declare."""

from __future__ import annotations

from collections.abc import Sequence

from yetan.api import hookimpl
from yetan_activities.api import ActivityKind
from yetan_meetings.forms import FORMS


@hookimpl
def yetan_activities_kinds() -> Sequence[ActivityKind]:
    return FORMS
