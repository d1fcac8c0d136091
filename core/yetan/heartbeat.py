"""How a serving process lets its parent know that it is well, and where it stands when it is not (F19)."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yetan.layers import plugin_folders
from yetan.runtime import current
from yetan.supervising import BEAT, QUESTION


@asynccontextmanager
async def beating(descriptor: int) -> AsyncIterator[None]:
    """While the block runs, beat into a pipe, and show the stack there when asked.

    First of all the parent is told, in one line, where the code of each plugin lies.
    """
    folders = json.dumps(plugin_folders(current().registry.plugins)).encode()
    os.write(descriptor, folders + b"\n.")
    os.set_blocking(descriptor, False)
    faulthandler.register(QUESTION, file=descriptor, all_threads=False)
    task = asyncio.create_task(_beat(descriptor), name="heartbeat")
    try:
        yield
    finally:
        task.cancel()


async def _beat(descriptor: int) -> None:
    while True:
        with suppress(OSError):  # a parent that does not read, or is gone
            os.write(descriptor, b".")
        await asyncio.sleep(BEAT)
