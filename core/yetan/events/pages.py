"""Administration of deliveries: who is owed what, what could not be delivered and why, and sending it again."""

from __future__ import annotations

from datetime import date, datetime

from starlette.responses import Response

from yetan.errors import Invalid, NotFound
from yetan.events.replay import count_missed, dead_letters, replay, replay_history, subscribers
from yetan.plugins.declarations import NavigationItem, Page
from yetan.runtime import current
from yetan.web.forms import Field
from yetan.web.request import Request

REPLAY = "event.replay"
#: How many are shown, and sent again at once.
MOST = 200
_DELIVERY = Field("delivery", "哪一条", "number", required=False)
_HISTORY_FIELDS = (
    Field("subscriber", "送给谁", "choice"),
    Field("since", "从哪天的事起", "date", required=False, hint="空着就从头算。"),
)


async def deliveries(request: Request) -> Response:
    """Who is owed what, the deliveries that were given up, and, once asked for, what somebody never was sent."""
    form = await request.form(_HISTORY_FIELDS, choices={"subscriber": _subscriptions()})
    status, missed = 200, None
    if "subscriber" in request.query_params:
        try:
            asked = form.clean()
            missed = await count_missed(request.act, asked["subscriber"], _start(asked["since"]))
        except (Invalid, NotFound) as error:
            if isinstance(error, Invalid):
                form.refuse(error)
            status = error.status
    return request.render(
        "admin/deliveries.html",
        status=status,
        dead=await dead_letters(MOST),
        most=MOST,
        subscribers=await subscribers(),
        form=form,
        missed=missed,
    )


async def send_again(request: Request) -> Response:
    """Make one of them, or all that are shown, due again."""
    wanted = _DELIVERY.clean((await request.values((_DELIVERY,)))["delivery"])
    ids = [wanted] if wanted is not None else [each.id for each in await dead_letters(MOST)]
    await replay(request.act, ids)
    return request.redirect("admin.deliveries")


async def send_history(request: Request) -> Response:
    """Send a subscriber what it never was sent."""
    form = await request.form(_HISTORY_FIELDS, choices={"subscriber": _subscriptions()})
    asked = form.clean()
    await replay_history(request.act, asked["subscriber"], _start(asked["since"]))
    return request.redirect("admin.deliveries")


def _subscriptions() -> list[tuple[str, str]]:
    return [(name, name) for name in current().registry.subscriptions]


def _start(day: date | None) -> datetime | None:
    return current().calendar.start_of_day(day) if day else None


PAGES: tuple[Page, ...] = (
    Page("/admin/deliveries", deliveries, "admin.deliveries", permission=REPLAY),
    Page("/admin/deliveries", send_again, "admin.deliveries.replay", methods=("POST",), permission=REPLAY),
    Page("/admin/deliveries/history", send_history, "admin.deliveries.history", methods=("POST",), permission=REPLAY),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "通知重发", "admin.deliveries", REPLAY, position=80),)
