"""What may keep an activity from being closed: guards of plugins, each with a reason that the host can act on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from yetan.api import Act, Refused, current, translate
from yetan_activities.models import Activity

logger = logging.getLogger(__name__)


class ActivityGuard(Struct, frozen=True):
    """May refuse the closing of activities, as long as something stands open that has to be settled first.

    `kinds` are the names of the kinds it watches; empty for all. `check(act, activity)` returns "" to let it pass, or
    the reason in the reader's language; a `Markup` may lead to what stands open. It runs inside the closing's
    transaction, while nobody else can change the evening. One that raises refuses.
    """

    name: str
    kinds: tuple[str, ...]
    check: Callable[[Act, Activity], Awaitable[str]]


class StillOpen(Refused):
    """The activity cannot be closed yet. `reasons` are the guards' own."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("还不能散场：有 {count} 件事没有定下来，见下面。", count=len(reasons))
        self.reasons = reasons


async def ask_guards(act: Act, activity: Activity) -> None:
    """Raise `StillOpen` with every guard's reason, unless all of them let the activity be closed."""
    guards: tuple[ActivityGuard, ...] = current().registry.offered["yetan_activities_guards"]
    asked = [guard for guard in guards if not guard.kinds or activity.kind in guard.kinds]
    if reasons := [reason for guard in asked if (reason := await _reason(guard, act, activity))]:
        raise StillOpen(reasons)


async def _reason(guard: ActivityGuard, act: Act, activity: Activity) -> str:
    try:
        return await guard.check(act, activity)
    except Exception:
        logger.exception("the guard %s of activities failed", guard.name)
        return translate("有一项检查出了错，没有查完。请过一会儿再试；还是不行，请告诉管理员。")
