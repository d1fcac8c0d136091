"""Panels: the parts of core pages that plugins fill, loaded together and never at the page's expense."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from markupsafe import Markup

from yetan.access.scope import holds
from yetan.i18n import translate
from yetan.plugins.declarations import Panel
from yetan.web.request import Request

logger = logging.getLogger(__name__)

#: Seconds all panels of a page have together.
DEADLINE = 2.0


async def panels(request: Request, page: str, subject: Any) -> list[Markup]:
    """The panels of `page` about `subject` that the actor may see, drawn, in order.

    A page awaits this and hands the result to its template. A panel that fails or is late is logged and replaced
    by a quiet notice; one whose loader returns None is left out.
    """
    registry = request.templating.registry
    wanted = [each for each in registry.panels if each.page == page and holds(request.act.actor, each.permission)]
    drawn = await asyncio.gather(*(_draw(panel, request, subject) for panel in wanted))
    return [each for each in drawn if each is not None]


async def _draw(panel: Panel, request: Request, subject: Any) -> Markup | None:
    try:
        async with asyncio.timeout(DEADLINE):
            context = await panel.load(request.act, subject)
        if context is None:
            return None
        # Drawn with autoescape like every template: what comes out is markup.
        return Markup(request.templating.render(panel.template, request, {**context, "subject": subject}))
    except Exception:
        logger.exception("panel %s of page %s failed", panel.name, panel.page)
        return Markup('<p class="note">{}</p>').format(translate("这一部分暂时显示不出来。"))
