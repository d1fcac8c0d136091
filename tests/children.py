"""Work in a forked child of the tests' process: warm and cheap, to be killed or to meet a limit without harm."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout

from yetan import cli
from yetan.faults import arm

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


def command(
    *arguments: object, environment: Mapping[str, str] = {}, fault: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a `yetan` command as an operator would, without a second start; it dies as by `kill -9` at the point `fault`.

    Of the variables YETAN_* it sees those in `environment` alone. `fault` may name the arrival: "upgrade.statement:30".
    """

    def work() -> str:
        for name in [name for name in os.environ if name.startswith("YETAN_")]:
            del os.environ[name]
        os.environ.update(environment)
        if fault:
            point, _, arrival = fault.partition(":")
            arm(point, int(arrival or 1))
        sys.argv = ["yetan", *map(str, arguments)]
        code, out, err = 0, io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        return json.dumps([code, out.getvalue(), err.getvalue()])

    status, said = in_child(work)
    if status != 0:
        return subprocess.CompletedProcess(arguments, status, "", said)
    code, out, err = json.loads(said)
    return subprocess.CompletedProcess(arguments, code, out, err)
