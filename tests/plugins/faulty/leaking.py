"""A panel that leaves a task behind each time it is drawn."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tests.plugins.faulty import faulty

from yetan.api import Act, Panel, hookimpl

plugin = faulty(__name__)
left: list[asyncio.Task[None]] = []


async def load(act: Act, subject: Any) -> Mapping[str, Any] | None:
    left.append(asyncio.create_task(asyncio.sleep(3600)))
    return None


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return [
        Panel(f"{plugin.name}.{page}", page, "faulty/panel.html", load) for page in ("board", "issue", "desk.issue")
    ]
