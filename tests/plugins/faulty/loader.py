"""A panel on the pages of an issue whose loader fails."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.plugins.faulty import faulty

from yetan.api import Act, Panel, hookimpl

plugin = faulty(__name__)


async def load(act: Act, subject: Any) -> Mapping[str, Any]:
    raise RuntimeError("the bell has no clapper")


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return [
        Panel(f"{plugin.name}.{page}", page, "faulty/panel.html", load) for page in ("board", "issue", "desk.issue")
    ]
