"""Has a page where the core's page of an issue is."""

from collections.abc import Sequence

from starlette.responses import PlainTextResponse, Response
from tests.plugins.faulty import faulty

from yetan.api import Page, Request, hookimpl

plugin = faulty(__name__)


async def show(request: Request) -> Response:
    return PlainTextResponse("the bell")


@hookimpl
def yetan_pages() -> Sequence[Page]:
    return [Page("/issues/{anything}", show, plugin.name, public=True)]
