"""The serving processes that are measured."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.benchmarks.kept import FOLDER, Databases
from tests.benchmarks.measuring import Server, ask
from tests.faults.served import free_port

from yetan.testing import Town

#: As where it is installed: what Python compiled is kept for the next start, whatever the surroundings say of it.
INSTALLED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(FOLDER / "bytecode")}


@contextmanager
def site(databases: Databases, town: Town, *, worker: bool = False) -> Iterator[Server]:
    """The town's site in a process of its own."""
    with serving(*arguments_of(town), *(["--worker"] if worker else []), cluster=databases.server) as server:
        yield server


def arguments_of(town: Town) -> list[str]:
    """What `tests.benchmarks.serving` is told of a town."""
    configuration = base64.b64encode(pickle.dumps(town.configuration)).decode()
    return ["town", f"--configuration={configuration}", f"--now={town.clock().isoformat()}"]


@contextmanager
def serving(*arguments: str, cluster: int = 0) -> Iterator[Server]:
    """A process of `tests.benchmarks.serving` that answers."""
    port = free_port()
    process = start(port, *arguments)
    try:
        wait_for(port, process)
        yield Server(port, process.pid, cluster)
    finally:
        process.terminate()
        process.wait(60)


def start(port: int, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of `tests.benchmarks.serving`."""
    command = [sys.executable, "-m", "tests.benchmarks.serving", str(port), *arguments]
    return subprocess.Popen(command, env=os.environ | INSTALLED)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process answers."""
    end = time.monotonic() + 120
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            if asyncio.run(ask(port, lambda number: "/", 1, 1)).statuses:
                return
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.05)
