"""How the parent of a serving process knows that it is well, and where it stands when it is not (F19).

The process writes a beat into a pipe twice a second, from its event loop. A loop that some code holds does not beat.
Then the parent has the process show the stack of its main thread, which works whatever Python is doing, and finds in it
whose code that is.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

#: Seconds between beats, and without one until the process is asked where it stands.
BEAT, SILENCE = 0.5, 3.0
#: Seconds between one such question and the next: a plugin that both answers name is the one that holds the loop.
AGAIN = 0.5
#: Seconds after which a process is given up that holds its own loop, whoever it is.
HOPELESS = 30.0

_SIGNAL = signal.SIGUSR1
_FRAME = re.compile(rb'^  File "(.+)", line \d+ in ', re.MULTILINE)


@asynccontextmanager
async def beating(descriptor: int) -> AsyncIterator[None]:
    """While the block runs, beat into a pipe, and show the stack there when asked."""
    os.set_blocking(descriptor, False)
    faulthandler.register(_SIGNAL, file=descriptor, all_threads=False)
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


@dataclass(frozen=True, slots=True)
class Stall:
    """A process that holds its own event loop: since how many seconds, where, and whose code it is, or ""."""

    seconds: float
    stack: str
    plugin: str

    @property
    def innermost(self) -> str:
        """The first frame of the stack, in words."""
        return next((line.strip() for line in self.stack.splitlines() if line.startswith("  File ")), "")


def watch(
    process: subprocess.Popen[bytes], reading: int, folders: Mapping[str, str], ending: Callable[[], bool]
) -> Stall | None:
    """Wait until the process ends, which gives None, or holds its own loop. `folders` are those of plugins, by name.

    It is judged from its first beat on, and not any more once it is `ending`.
    """
    last = 0.0
    suspect = ""
    while process.poll() is None:
        said = _said(reading, BEAT)
        now = time.monotonic()
        if said is None:  # it has closed its end: it ends
            process.wait()
            return None
        if said:
            last, suspect = now, ""
        if not last or ending() or now - last < SILENCE:
            continue
        with suppress(ProcessLookupError):
            process.send_signal(_SIGNAL)
        stack = _said(reading, AGAIN) or b""
        if stack.strip(b".") != stack:  # it has come to itself meanwhile
            last, suspect = time.monotonic(), ""
            continue
        plugin = _plugin_in(stack, folders)
        silent = time.monotonic() - last
        if (plugin and plugin == suspect) or silent > HOPELESS:
            return Stall(silent, stack.decode(errors="replace"), plugin)
        suspect = plugin
        time.sleep(AGAIN)
    return None


def _said(reading: int, seconds: float) -> bytes | None:
    """What the process has said, waiting for it if need be; b"" where it is silent, None where it has ended."""
    ready, _, _ = select.select([reading], [], [], seconds)
    return (os.read(reading, 65536) or None) if ready else b""


def _plugin_in(stack: bytes, folders: Mapping[str, str]) -> str:
    """The plugin in whose code the stack stands: that of the innermost frame which is any plugin's."""
    for found in _FRAME.finditer(stack):
        path = os.fsdecode(found[1])
        inside = [(len(folder), name) for name, folder in folders.items() if path.startswith(folder + os.sep)]
        if inside:
            return max(inside)[1]
    return ""
