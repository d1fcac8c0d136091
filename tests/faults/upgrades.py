"""Upgrades in a child of this process, warm and cheap: to be killed, or to meet a limit, without harm to the test.

while killed_upgrade(configuration, [application], "upgrade.statement", arrival):
    ...
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

from yetan.config import Configuration
from yetan.db.connection import Application
from yetan.db.upgrade import upgrade
from yetan.faults import arm

#: Seconds after which a child that hangs is ended.
_PATIENCE = 120


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


def in_child(work: Callable[[], str]) -> tuple[int, str]:
    """The exit code of a forked child that runs `work`, negative for the signal that ended it, and what it said: the
    result of `work`, or the traceback of what it raised (then the code is 1)."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads left behind. Those of the test runner wait for their input and hold no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            signal.alarm(_PATIENCE)
            said = work()
            code = 0
        except BaseException:
            said = traceback.format_exc()
        finally:
            os.write(writing, said.encode()[:60_000])
            sys.stdout.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
