"""A panel whose loader, and a job that, keeps the whole process to itself."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.plugins.faulty import faulty

from yetan.api import Act, Job, Panel, hookimpl

plugin = faulty(__name__, package=__name__)


async def load(act: Act, subject: Any) -> Mapping[str, Any]:
    time.sleep(3600)  # noqa: ASYNC251 - that is the fault
    return {}


async def run(act: Act) -> None:
    time.sleep(3600)  # noqa: ASYNC251 - that is the fault


@hookimpl
def yetan_panels() -> Sequence[Panel]:
    return [Panel(plugin.name, "board", "faulty/panel.html", load)]


@hookimpl
def yetan_jobs() -> Sequence[Job]:
    return [Job(plugin.name, "hour", run)]
