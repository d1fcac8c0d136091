"""Lays a template over the board's that cannot be drawn, and has a panel whose template cannot either."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.plugins.faulty import faulty

from yetan.api import Act, Panel, hookimpl

plugin = faulty(__name__, package=__name__)


async def load(act: Act, subject: Any) -> Mapping[str, Any]:
    return {}


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return [Panel(plugin.name, "desk.issue", "faulty/undrawable.html", load)]
