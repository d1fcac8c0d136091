"""A panel whose loader never comes back, and does not let itself be cut off either."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tests.plugins.faulty import faulty

from yetan.api import Act, Panel, hookimpl

plugin = faulty(__name__)


async def load(act: Act, subject: Any) -> Mapping[str, Any]:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)
    return {}


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return [Panel(plugin.name, "desk.issue", "faulty/panel.html", load)]
