"""The docket as a paper to take to the conference."""

from __future__ import annotations

from starlette.responses import Response

from yetan.i18n import translate as _
from yetan.issues.docket import items_of, standing
from yetan.issues.lifecycle import state_of
from yetan.plugins.declarations import NavigationItem, Page
from yetan.publication.views import local_day
from yetan.rules.sources import rules_in
from yetan.web.downloads import listed
from yetan.web.request import Request


async def docket(request: Request) -> Response:
    """Every matter without a decision, with the opinion sent up and room for what is decided (002-B4)."""
    return request.render(
        "desk/docket.html",
        items=await items_of(request.act),
        standing=await standing(request.act),
        state_of=state_of,
        rules=rules_in("002-B4、002-B5"),
    )


async def export(request: Request) -> Response:
    """The same as a spreadsheet."""
    headings = (
        _("编号"),
        _("事情"),
        _("在哪里提的"),
        _("类别"),
        _("状态"),
        _("提出"),
        _("村（社区）的初步意见"),
        _("会上的决定"),
    )
    items = await items_of(request.act)
    return await listed(
        request,
        "issues",
        _("会议清单"),
        headings,
        [
            [
                item.issue.number,
                item.issue.title,
                item.issue.unit.name,
                item.issue.category.path if item.issue.category else "",
                _(state_of(item.issue.state).label),
                local_day(item.issue.raised_at),
                item.opinion,
                "",
            ]
            for item in items
        ],
    )


PAGES = (
    Page("/desk/docket", docket, "desk.docket", permission="issue.list"),
    Page("/desk/docket/export", export, "desk.docket.export", permission="issue.list", sensitive=True),
)
NAVIGATION = (NavigationItem("desk", "会议清单", "desk.docket", "issue.list", position=50),)
