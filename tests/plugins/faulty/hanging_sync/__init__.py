"""A panel whose loader keeps the whole process to itself."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.plugins.faulty import faulty

from yetan.api import Act, Panel, hookimpl

plugin = faulty(__name__, package=__name__)


async def load(act: Act, subject: Any) -> Mapping[str, Any]:
    time.sleep(3600)  # noqa: ASYNC251 - that is the fault
    return {}


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return [Panel(plugin.name, "board", "faulty/panel.html", load)]
