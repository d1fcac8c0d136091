"""How a serving process lets its parent know that it is well, and where it stands when it is not (F19)."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from yetan.layers import plugin_folders
from yetan.runtime import current
from yetan.supervising import BEAT, QUESTION


def introduce(descriptor: int, folders: Mapping[str, str]) -> None:
    """Before plugins are imported: show the stack in a pipe when asked, and tell where their code will come from."""
    faulthandler.register(QUESTION, file=descriptor, all_threads=False)
    os.write(descriptor, json.dumps(folders).encode() + b"\n")


@asynccontextmanager
async def beating(descriptor: int) -> AsyncIterator[None]:
    """While the block runs, the city is open: tell where the code of each plugin lies, and beat."""
    folders = json.dumps(plugin_folders(current().registry.plugins)).encode()
    os.write(descriptor, b"\n" + folders + b"\n.")
    os.set_blocking(descriptor, False)
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
