"""Processes of one thread that are forked, do one thing, and end."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

#: Seconds after which a process counts as hanging, and is ended.
PATIENCE = 900


def in_fork(work: Callable[[], Any]) -> int:
    """Run `work` in a process of its own and return its status as os.wait does."""
    return os.waitpid(start(work), 0)[1]


def start(work: Callable[[], Any]) -> int:
    """Begin `work` in a process of its own, which must end within PATIENCE; returns its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.alarm(PATIENCE)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run_together(work: Callable[[int], Any], number: int) -> list[int]:
    """Run `work(0)`, `work(1)` ... in `number` processes at the same time, and return their statuses."""
    processes = [start(partial(work, each)) for each in range(number)]
    return [os.waitpid(process, 0)[1] for process in processes]
