"""Print pages of papers."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from yetan.documents.service import load_document
from yetan.issues.models import Issue
from yetan.plugins.declarations import NavigationItem, Page
from yetan.web.request import Request


async def document(request: Request) -> Response:
    """A paper about an issue, ready for the printer."""
    back = request.templating.addresses.path("desk.issue", id=request.subject.id)
    return await paper(request, request.subject, back)


async def paper(request: Request, subject: Any, back: str) -> Response:
    """The paper about `subject` that the path names; `back` leads from the screen to where it came from."""
    kind, context = await load_document(request.act, request.path_params["document"], subject)
    return request.render(kind.template, **context, document=kind, back_href=back)


PAGES: tuple[Page, ...] = (
    Page(
        "/desk/issues/{id:int}/print/{document}",
        document,
        "desk.document",
        permission="issue.view",
        model=Issue,
        sensitive=True,
    ),
)
NAVIGATION: tuple[NavigationItem, ...] = ()
