"""Work in a forked child of the tests' process: warm and cheap, to be killed or to meet a limit without harm."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

#: Seconds after which a child that hangs is ended.
_PATIENCE = 120


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
