"""Panels: the parts of core pages that plugins fill, loaded together and never at the page's expense."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from markupsafe import Markup

from yetan.access.scope import holds
from yetan.i18n import translate
from yetan.plugins.declarations import Panel
from yetan.plugins.guarding import SOON, Guarded, is_paused
from yetan.web.request import Request

logger = logging.getLogger(__name__)

#: Seconds all panels of a page have together; after that each that is late is cut off, and not waited for.
DEADLINE = SOON.total_seconds()


async def panels(request: Request, page: str, subject: Any) -> list[Markup]:
    """The panels of `page` about `subject` that the actor may see, drawn, in order.

    A page awaits this and hands the result to its template. A panel that fails or is late is logged and replaced
    by a quiet notice; one whose loader returns None, or whose plugin is in quarantine, is left out.
    """
    wanted = [
        each
        for each in request.templating.registry.panels
        if each.page == page and holds(request.act.actor, each.permission) and not is_paused(each.load)
    ]
    if not wanted:
        return []
    tasks = [asyncio.create_task(_draw(panel, request, subject)) for panel in wanted]
    try:
        _, late = await asyncio.wait(tasks, timeout=DEADLINE)
    finally:
        for task in tasks:
            task.cancel()
    for panel in (panel for panel, task in zip(wanted, tasks, strict=True) if task in late):
        logger.error("panel %s of page %s failed: it is too late", panel.name, panel.page)
        if isinstance(panel.load, Guarded):
            panel.load.failed(TimeoutError("it was cut off"))
    drawn = [_excuse() if task in late else task.result() for task in tasks]
    return [each for each in drawn if each is not None]


async def _draw(panel: Panel, request: Request, subject: Any) -> Markup | None:
    try:
        context = await panel.load(request.act, subject)
        if context is None:
            return None
        shown = (panel.template, request, {**context, "subject": subject})
        fragment = request.templating.fragment
        drawn = panel.load.at_once(fragment, *shown) if isinstance(panel.load, Guarded) else fragment(*shown)
    except Exception:
        logger.exception("panel %s of page %s failed", panel.name, panel.page)
        return _excuse()
    # Drawn with autoescape like every template: what comes out is markup.
    return Markup(drawn)


def _excuse() -> Markup:
    return Markup('<p class="note">{}</p>').format(translate("这一部分暂时看不到。"))
