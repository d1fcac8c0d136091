"""The desk's list of dunning notices, and issuing one."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from yetan.api import Field, Issue, NavigationItem, Page, Request, clean, current, listed, translate
from yetan_supervision.service import dun, recent

_BEFORE = (Field("before", "从哪一张起", "number", required=False, minimum=1),)
_SHOWN = 30
_MOST_EXPORTED = 2000


async def notices(request: Request) -> Response:
    """The notices within the reach of one's posts."""
    before = clean(_BEFORE, await request.values(_BEFORE))["before"]
    rows = await recent(request.act, before, _SHOWN + 1)
    more = rows[_SHOWN - 1].id if len(rows) > _SHOWN else None
    return request.render("supervision/notices.html", notices=rows[:_SHOWN], more=more)


async def export(request: Request) -> Response:
    """The newest notices within the reach of one's posts, as an Excel file."""
    rows = await recent(request.act, None, _MOST_EXPORTED)
    local = current().calendar.local_date
    headings = [
        *(translate("编号"), translate("事情"), translate("责任单位")),
        *(translate("发出"), translate("期限"), translate("离期限几天")),
    ]
    cells: list[list[Any]] = [
        [
            notice.issue.number,
            notice.issue.title,
            notice.issue.responsible_unit.name,
            local(notice.issued_at),
            local(notice.deadline),
            notice.days_left,
        ]
        for notice in rows
    ]
    return await listed(request, "notices", translate("催办单"), headings, cells)


async def issue_notice(request: Request) -> Response:
    """Issue a notice by hand."""
    issue: Issue = request.subject
    await dun(request.act, issue.id)
    return request.redirect("desk.issue", id=issue.id)


PAGES = (
    Page("/desk/supervision", notices, "supervision.notices", permission="supervision.view"),
    Page("/desk/supervision/export", export, "supervision.export", permission="supervision.view", sensitive=True),
    Page(
        "/desk/issues/{id:int}/dun",
        issue_notice,
        "supervision.dun",
        methods=("POST",),
        permission="supervision.dun",
        model=Issue,
    ),
)
NAVIGATION = (NavigationItem("desk", "催办", "supervision.notices", "supervision.view", position=60),)
