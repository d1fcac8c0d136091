"""Upgrades in a child of this process, warm and cheap: to be killed, or to meet a limit, without harm to the test.

while killed_upgrade(configuration, [application], "upgrade.statement", arrival):
    ...
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from tests.children import in_child

from yetan.config import Configuration
from yetan.db.connection import Application
from yetan.db.upgrade import upgrade
from yetan.faults import arm


def killed_upgrade(
    configuration: Configuration, applications: Sequence[Application], point: str, arrival: int = 1
) -> bool:
    """Run one upgrade that dies, as by `kill -9`, at its `arrival`-th arrival at a fault point.

    False where it came to its end without arriving there that often. Call it outside of any event loop, with no
    database open. Raises `AssertionError` with what the child said where the upgrade failed by itself.
    """

    def work() -> str:
        arm(point, arrival)
        asyncio.run(upgrade(configuration, applications, lambda line: None))
        return ""

    status, said = in_child(work)
    assert status in (0, -signal.SIGKILL), f"the upgrade ended with {status}:\n{said}"
    return status != 0
