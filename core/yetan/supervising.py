"""The parent of a serving process: it replaces one that dies, or whose event loop some code holds (F19, F37).

It is small: nothing of the city is imported here, so that it costs next to no memory and no plugin can do it harm.
All that can be wrong with a city, its configuration or its port is found and said by the serving process.

The serving process, or the worker, writes a beat into a pipe twice a second, from its event loop (`yetan.heartbeat`). A
loop that some code holds does not beat. Then the parent has the process show the stack of its main thread, which works
whatever Python is doing, and finds in it whose code that is. A start that a plugin holds up is found in the same way.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from yetan.log import log

#: Seconds between beats, and without one until the process is asked where it stands.
BEAT, SILENCE = 0.5, 3.0
#: Seconds between one such question and the next: a plugin that both answers name is the one that holds the loop.
AGAIN = 0.5
#: Seconds after which a process is given up that holds its own loop, whoever it is.
HOPELESS = 30.0
#: Seconds from the first plugin's import until the city is open, before a process is asked where it stands.
START = 60.0
#: The options by which a serving process is told where its heart beats, and why the one before it was replaced.
HEART, STALLED = "--heart", "--stalled"
#: What asks a process where it stands.
QUESTION = signal.SIGUSR1
#: Seconds a process must have lived for its end to count as a new trouble, not the old one.
_SETTLED = 60.0
#: Seconds from the wish to end: requests under way have the first, then the worker finishes what is in hand. What is
#: not done by the last is cut off, as a power failure would, which loses nothing acknowledged (F37).
DRAIN, GRACE = 25, 45

_FRAME = re.compile(rb'^  File "(.+)", line \d+ in ', re.MULTILINE)


def supervise(command: Sequence[str]) -> int:
    """Keep the serving process `command` alive; pass on the wish to end. Returns the exit code of the command.

    The first SIGTERM or Ctrl-C lets it drain, the second ends it at once. One that answers nobody because a plugin
    holds its event loop is replaced by one that puts the plugin into quarantine (F19). One that ends by itself before
    the city was open cannot start: another would not either, nor where a plugin does not let it come so far.
    """
    stopping = False
    child: _Child | None = None

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        at_once, stopping = stopping or number == signal.SIGALRM, True
        signal.alarm(GRACE)
        if child is not None:
            child.send(signal.SIGKILL if at_once else signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, stop)
    pause = 0.5
    told: tuple[str, ...] = ()
    while not stopping:
        started = time.monotonic()
        child = _Child([*command, *told])
        if stopping:
            child.send(signal.SIGTERM)
        stall = child.watch(lambda: stopping)
        if stall is not None:
            child.send(signal.SIGKILL)
        code = child.end()
        if stall is not None and not child.has_served:
            log.error("%s\n%s", stall.at_the_start, stall.stack)
            return 2
        told = (STALLED, stall.told) if stall is not None and stall.plugin else ()
        if stall is not None:
            log.error(
                "the serving process has answered nobody for %.1f s and is replaced:\n%s", stall.seconds, stall.stack
            )
        if not stopping and (code == 0 or (code > 0 and not child.has_served)):
            return code
        if not stopping:
            pause = 0.5 if time.monotonic() - started > _SETTLED else min(pause * 2, 30.0)
            log.error("the serving process ended with %s; starting another in %.1f s", code, pause)
        end = time.monotonic() + pause
        while not stopping and time.monotonic() < end:
            time.sleep(0.1)
    return 0


class Stall(Struct, frozen=True):
    """A process that holds its own event loop: since how many seconds, where, and whose code it is, or ""."""

    seconds: float
    stack: str
    plugin: str

    @property
    def told(self) -> str:
        """The plugin, and what it did: what the next process is told."""
        return f"{self.plugin} held the event loop for {self.seconds:.1f} s: {self._innermost}"

    @property
    def at_the_start(self) -> str:
        """What keeps the city from starting, and what to do."""
        return (
            f"启动不了：插件 {self.plugin} 占住启动过程 {self.seconds:.0f} 秒了（{self._innermost}）。"
            "请从 yetan.toml 的 plugins 里去掉它再启动，或者先用 yetan serve --safe-mode 启动；修好以后再启用。"
        )

    @property
    def _innermost(self) -> str:
        return next((line.strip() for line in self.stack.splitlines() if line.startswith("  File ")), "")


class _Child:
    """A serving process, and what its heart says."""

    def __init__(self, command: Sequence[str]) -> None:
        self._reading, heart = os.pipe()
        # In a session of its own, so that a Ctrl-C reaches it from here alone, once.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, HEART, str(heart)],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(heart,),
        )
        os.close(heart)
        #: Where the code of each plugin lies, by its name, as it was told before the first is imported and, better,
        #: once the city is open.
        self._folders: list[Mapping[str, str]] = []
        self._unfinished = b""

    @property
    def has_served(self) -> bool:
        """Whether the city was open in it."""
        return len(self._folders) == 2

    def send(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def end(self) -> int:
        """Wait until it has ended; its exit code, or less than 0 for the signal that ended it."""
        code = self._process.wait()
        os.close(self._reading)
        return code

    def watch(self, ending: Callable[[], bool]) -> Stall | None:
        """Wait until the process ends, which gives None, or holds its own loop, or a plugin its start.

        It is judged from when it imports plugins on, and not any more once it is `ending`.
        """
        last = 0.0
        suspect = ""
        while self._process.poll() is None:
            said = self._said(BEAT)
            now = time.monotonic()
            if said is None:  # it has closed its end: it ends
                return None
            if said:
                last, suspect = now, ""
            if not self._folders or ending() or now - last < (SILENCE if self.has_served else START):
                continue
            self.send(QUESTION)
            stack = self._said(AGAIN) or b""
            if stack.strip(b".") != stack:  # it has come to itself meanwhile
                last, suspect = time.monotonic(), ""
                continue
            plugin = self._plugin_in(stack)
            silent = time.monotonic() - last
            # A start may take long for many reasons: a large index, a database that is waited for.
            if (plugin and plugin == suspect) or (self.has_served and silent > HOPELESS):
                return Stall(silent, stack.decode(errors="replace"), plugin)
            suspect = plugin
            time.sleep(AGAIN)
        return None

    def _said(self, seconds: float) -> bytes | None:
        """What the process has said, waiting for it if need be; b"" where it is silent, None where it has ended."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        said = (os.read(self._reading, 65536) or None) if ready else b""
        if said and not self.has_served:
            *lines, self._unfinished = (self._unfinished + said).split(b"\n")
            self._folders += [json.loads(line) for line in lines if line.startswith(b"{")]
        return said

    def _plugin_in(self, stack: bytes) -> str:
        """The plugin in whose code the stack stands: that of the innermost frame which is any plugin's."""
        for found in _FRAME.finditer(stack):
            path = os.fsdecode(found[1])
            inside = [
                (len(folder), name)
                for name, folder in self._folders[-1].items()
                if path == folder or path.startswith(folder + os.sep)
            ]
            if inside:
                return max(inside)[1]
        return ""
