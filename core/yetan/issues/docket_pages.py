"""The docket as a paper to take to the conference."""

from __future__ import annotations

from starlette.responses import Response

from yetan.issues.docket import items_of, standing
from yetan.issues.lifecycle import state_of
from yetan.plugins.declarations import NavigationItem, Page
from yetan.rules.sources import rules_in
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


PAGES = (Page("/desk/docket", docket, "desk.docket", permission="issue.list"),)
NAVIGATION = (NavigationItem("desk", "会议清单", "desk.docket", "issue.list", position=50),)
