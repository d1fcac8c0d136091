"""Panels: the parts of core pages that plugins fill, loaded together and never at the page's expense."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from itertools import chain
from typing import Any

from markupsafe import Markup

from yetan.access.scope import holds
from yetan.i18n import translate
from yetan.plugins.declarations import Panel
from yetan.plugins.guarding import SOON, Guarded, is_paused
from yetan.web.request import Request
from yetan.web.templating import Templating

logger = logging.getLogger(__name__)

#: Seconds all panels of a page have together; after that each that is late is cut off, and not waited for.
DEADLINE = SOON.total_seconds()


async def panels(request: Request, page: str, subject: Any) -> list[Markup]:
    """The panels of `page` about `subject` that the actor may see, drawn, in order.

    A page awaits this and hands the result to its template. A panel that fails or is late is logged and replaced
    by a quiet notice; one whose loader returns None, or whose plugin is in quarantine, is left out.
    """
    templating = request.templating
    wanted = [
        each
        for each in templating.registry.panels
        if each.page == page and holds(request.act.actor, each.permission) and not is_paused(each.load)
    ]
    if not wanted:
        return []
    drawn: dict[int, Markup | None] = {}

    async def draw(number: int) -> None:
        drawn[number] = await _draw(wanted[number], templating, request, subject)

    tasks = [asyncio.create_task(draw(number)) for number, panel in enumerate(wanted) if not _is_quick(panel)]
    end = asyncio.get_running_loop().time() + DEADLINE
    quick = iter([number for number, panel in enumerate(wanted) if _is_quick(panel)])
    try:
        # A task for each would take longer than what it does. One that waits for once does so here, to the deadline at
        # most; those after it, which do not, are drawn all the same.
        while (first := next(quick, None)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(end):
                    for number in chain([first], quick):
                        drawn[number] = await _draw(wanted[number], templating, request, subject)
        if tasks:
            await asyncio.wait(tasks, timeout=max(end - asyncio.get_running_loop().time(), 0))
    finally:
        for task in tasks:
            task.cancel()
    for panel in (panel for number, panel in enumerate(wanted) if number not in drawn):
        logger.error("panel %s of page %s failed: it is too late", panel.name, panel.page)
        if isinstance(panel.load, Guarded):
            panel.load.failed(TimeoutError("it was cut off"))
    found = (drawn[number] if number in drawn else _excuse() for number in range(len(wanted)))
    return [each for each in found if each is not None]


def _is_quick(panel: Panel) -> bool:
    """Whether its loader, as far as it was called, has never waited for anything."""
    return isinstance(panel.load, Guarded) and panel.load.waits is False


async def _draw(panel: Panel, templating: Templating, request: Request, subject: Any) -> Markup | None:
    try:
        context = await panel.load(request.act, subject)
        if context is None:
            return None
        shown = (panel.template, request, {**context, "subject": subject})
        fragment = templating.fragment
        drawn = panel.load.at_once(fragment, *shown) if isinstance(panel.load, Guarded) else fragment(*shown)
    except Exception:
        logger.exception("panel %s of page %s failed", panel.name, panel.page)
        return _excuse()
    # Drawn with autoescape like every template: what comes out is markup.
    return Markup(drawn)


def _excuse() -> Markup:
    return Markup('<p class="note">{}</p>').format(translate("这一部分暂时看不到。"))
