"""The inbox of everyone with an account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from starlette.responses import Response

from yetan.access.scope import holds, visible
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.notices.service import inbox, mark_read, unread
from yetan.notices.wording import text_of
from yetan.plugins.checks import SIGNED_IN
from yetan.plugins.declarations import NavigationItem, Page
from yetan.web.forms import Field
from yetan.web.request import Request

BEFORE = Field("before", "从哪一条接着看", "number", required=False, minimum=1)
UP_TO = Field("up_to", "到哪一条", "number", minimum=1)
PAGE_SIZE = 30


class Line(Struct, frozen=True):
    """A notice as drawn; `href` leads to what it is about, or is None."""

    at: datetime
    text: str
    unread: bool
    href: str | None


async def notices(request: Request) -> Response:
    """The newest first. Looking marks nothing as read: that takes the button."""
    before = (await request.form((BEFORE,))).clean()["before"]
    found = await inbox(request.act, before=before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    more = None
    if len(found) > PAGE_SIZE:
        more = request.templating.addresses.path("desk.notices", before=shown[-1].id)
    return request.render(
        "desk/notices.html",
        frame="desk.html" if request.act.actor.is_staff else "base.html",
        lines=await _lines(request, shown),
        newest=shown[0].id if shown else None,
        unread=await unread(request.act),
        first=before is None,
        more=more,
    )


async def submit_read(request: Request) -> Response:
    """Everything up to the newest one that was on the page has been read; what came since has not."""
    up_to = (await request.form((UP_TO,))).clean()["up_to"]
    await mark_read(request.act, up_to)
    return request.redirect("desk.notices")


async def _lines(request: Request, shown: Sequence[Notice]) -> list[Line]:
    about = [notice.subject_id for notice in shown if notice.subject_kind == "issue"]
    issues = {issue.id: issue for issue in await visible(Issue, request.act).filter(id__in=about)}
    return [
        Line(
            notice.at,
            text_of(notice, issues.get(notice.subject_id) if notice.subject_kind == "issue" else None),
            notice.read_at is None,
            _href(request, notice, issues),
        )
        for notice in shown
    ]


def _href(request: Request, notice: Notice, issues: dict[int, Issue]) -> str | None:
    """Officials go to the desk, raisers to their own page."""
    issue = issues.get(notice.subject_id) if notice.subject_kind == "issue" else None
    if issue is None:
        return _elsewhere(request, notice)
    path = request.templating.addresses.path
    if holds(request.act.actor, "issue.view") and notice.kind != "issue.yours_moved":
        return path("desk.issue", id=issue.id)
    return path("own_issue", number=issue.number)


def _elsewhere(request: Request, notice: Notice) -> str | None:
    """Where the notice's kind says it leads, or the record it is about; None where the reader may not go there."""
    registry = request.templating.registry
    kind = registry.notice_kinds.get(notice.kind)
    record = f"desk.{notice.subject_kind}.record" if notice.subject_kind in registry.record_kinds else ""
    wanted = kind.route if kind is not None and kind.route else record
    page = next((each for each in registry.pages if each.name == wanted), None)
    if page is None or not holds(request.act.actor, page.permission):
        return None
    given = {"id": notice.subject_id} if "{id:int}" in page.path else {}
    return request.templating.addresses.path(wanted, **given)


PAGES: tuple[Page, ...] = (
    Page("/desk/notices", notices, "desk.notices", permission=SIGNED_IN),
    Page("/desk/notices", submit_read, "desk.notices.read", methods=("POST",), permission=SIGNED_IN),
)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("desk", "消息", "desk.notices", permission=SIGNED_IN, position=80),
)
