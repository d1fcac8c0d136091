"""Administration of deliveries: what could not be delivered, why, and sending it again."""

from __future__ import annotations

from starlette.responses import Response

from yetan.events.models import Delivery
from yetan.events.replay import dead_letters, replay
from yetan.plugins.declarations import NavigationItem, Page
from yetan.web.forms import Field
from yetan.web.request import Request

REPLAY = "event.replay"
#: How many are shown, and sent again at once.
MOST = 200
_DELIVERY = Field("delivery", "哪一条", "number", required=False)


async def deliveries(request: Request) -> Response:
    """The deliveries that were given up, the latest first."""
    return request.render(
        "admin/deliveries.html",
        dead=await dead_letters(MOST),
        most=MOST,
        waiting=await Delivery.filter(state="pending").count(),
    )


async def send_again(request: Request) -> Response:
    """Make one of them, or all that are shown, due again."""
    wanted = _DELIVERY.clean((await request.values((_DELIVERY,)))["delivery"])
    ids = [wanted] if wanted is not None else [each.id for each in await dead_letters(MOST)]
    await replay(request.act, ids)
    return request.redirect("admin.deliveries")


PAGES: tuple[Page, ...] = (
    Page("/admin/deliveries", deliveries, "admin.deliveries", permission=REPLAY),
    Page("/admin/deliveries", send_again, "admin.deliveries.replay", methods=("POST",), permission=REPLAY),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "通知重发", "admin.deliveries", REPLAY, position=80),)
