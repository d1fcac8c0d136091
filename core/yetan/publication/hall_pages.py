"""The display in the hall: one unit's screens, one after the other, to be read across a room. Nothing to press."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from yetan.errors import NotFound
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.plugins.declarations import Page
from yetan.publication import board
from yetan.publication.listing import ListedIssue, ListFilters, city_unit, list_issues, unit_coded
from yetan.publication.views import row_views, street_views
from yetan.runtime import current
from yetan.statistics.service import RAISED, RESOLVED, STRUCK_OFF, values
from yetan.units.models import Unit
from yetan.web.forms import Field
from yetan.web.panels import panels
from yetan.web.qr import qr_code
from yetan.web.request import Request

#: Seconds a screen stands; and how many issues people read in that time.
STANDS, READ = 30, 5

_SCREEN = Field("screen", "哪一屏", required=False, max_length=20)
Rows = Sequence[ListedIssue]


class Screen(Struct, frozen=True):
    """What one screen lists: its heading, and the issues of a unit. A screen without issues is passed over."""

    name: str
    heading: str
    load: Callable[[Unit, datetime], Awaitable[Rows]]


async def _struck_off(unit: Unit, now: datetime) -> Rows:
    return (await board.latest_struck_off(unit.id))[:READ]


def _in_state(group: str) -> Callable[[Unit, datetime], Awaitable[Rows]]:
    async def load(unit: Unit, now: datetime) -> Rows:
        return (await list_issues(ListFilters(unit=unit, state=group), limit=READ, now=now)).rows

    return load


SCREENS: tuple[Screen, ...] = message_ids(
    (
        Screen("struck-off", "刚亮的灯", _struck_off),
        Screen("awaiting", "办好了，等您来看一眼", _in_state("awaiting")),
        Screen("open", "正在办", _in_state("open")),
    )
)


async def hall(request: Request) -> Response:
    """The city's display, or that of the unit in the address."""
    code = request.path_params.get("code")
    unit = await city_unit() if not code else await unit_coded(code)
    if unit is None:
        raise NotFound("没有这个单位。请从各单位的名单里找。")
    now = request.act.now
    listed = [(screen, rows) for screen in SCREENS if (rows := await screen.load(unit, now))]
    names = [each.name for each, rows in listed]
    asked = (await request.values((_SCREEN,)))["screen"]
    place = names.index(str(asked)) if asked in names else 0
    screen, rows = listed[place] if listed else (None, ())
    month = await board.month_shown(now)
    counted = await values(unit.id, month.period)
    url = request.templating.addresses.path
    own = {"code": code} if code else {}
    public = url("unit", code=unit.code) if code else url("board")

    context: dict[str, Any] = {
        "unit": unit,
        "month": month,
        "screen": screen,
        "rows": row_views(rows, now, lambda row: url("issue", number=row.number)),
        "figures": [(_(metric.label), counted[metric.name]) for metric in (RAISED, RESOLVED, STRUCK_OFF)],
        "street": street_views(url, await board.street(month, unit.id if code else None), month, unit_code=code),
        "panels": await panels(request, "hall", unit),
        "code": qr_code(current().configuration.base_url + public, _("用手机扫一扫，看这里的事办到哪了")),
    }
    answer = request.render("public/hall.html", **context)
    following = names[(place + 1) % len(names)] if names else ""
    # A header: an element for it in the page would be one that readers of pages cannot stop.
    answer.headers["Refresh"] = f"{STANDS}; url={url('unit.hall' if code else 'hall', **own, screen=following)}"
    return answer


PAGES: tuple[Page, ...] = (
    Page("/hall", hall, "hall", public=True, budget="overviews"),
    Page("/hall/{code}", hall, "unit.hall", public=True, budget="overviews"),
)
