"""`yetan serve` and `yetan worker`: the site and what works beside it."""

from __future__ import annotations

import asyncio
import atexit
import logging
import logging.handlers
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from yetan.app import build_app, running
from yetan.cli.console import CONFIG, ConfigOption, run_in
from yetan.config import load_configuration
from yetan.db.connection import SERVING
from yetan.errors import ConfigurationError
from yetan.events.worker import Worker
from yetan.log import log
from yetan.runtime import Runtime
from yetan.searching.mending import mending
from yetan.web.endpoint import Site
from yetan.web.server import server_configuration

#: The child's exit code for a configuration that cannot start: starting it again would not help.
_CANNOT_START = 78
#: Seconds a child must have lived for its end to count as a new trouble, not the old one.
_SETTLED = 60.0
#: Seconds from the wish to end: requests under way have the first, then the worker finishes what is in hand. What is
#: not done by the last is cut off, as a power failure would, which loses nothing acknowledged (F37).
_DRAIN, _GRACE = 25, 45
#: Log lines that may wait for whoever reads them; more are dropped rather than let a request wait (F12).
_LINES_WAITING = 10_000


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command("serve")(serve)
    application.command("worker")(worker)


def serve(
    config: ConfigOption = CONFIG,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    site: Annotated[str, typer.Option(help="public, desk or all.")] = "all",
    worker: Annotated[bool, typer.Option(help="Run the worker beside the site.")] = True,
    supervised: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Serve the site. A parent process watches the serving one and replaces it when it dies."""
    configuration = load_configuration(config)
    if site not in ("all", "public", "desk"):
        raise ConfigurationError([f"--site: {site!r} is not one of public, desk, all"])
    if supervised:
        _serve_here(config, host or configuration.server.host, port or configuration.server.port, site, worker)
    else:
        # Everything wrong with configuration, database or port is said before a child is started.
        run_in(configuration, _stand)
        require_port(host or configuration.server.host, port or configuration.server.port)
        sys.exit(_supervise())


async def _stand(city: Runtime) -> None:
    """The city stands: nothing more is asked of it here."""


def require_port(host: str, port: int) -> None:
    """Raise `ConfigurationError` when somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ConfigurationError(
                [f"端口 {host}:{port} 用不了（{reason}）。请停掉占用它的程序，或者换一个端口：--port，或者 PORT=。"]
            ) from error


def _serve_here(config: Path, host: str, port: int, site: str, worker: bool) -> None:
    _log_without_waiting()
    _end_with_parent()
    # As uvicorn leaves it behind after draining; the default would end the process before its last lines are out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    checked: Site = "public" if site == "public" else "desk" if site == "desk" else "all"
    app = build_app(load_configuration(config), worker=worker, site=checked)
    server = uvicorn.Server(server_configuration(app, host=host, port=port, timeout_graceful_shutdown=_DRAIN))
    try:
        server.run()
    except SystemExit as ended:  # uvicorn's own when the port is taken, ours after draining
        sys.exit(ended.code if server.started else _CANNOT_START)
    if not server.started:
        sys.exit(_CANNOT_START)


def _log_without_waiting() -> None:
    """Log to stderr from a thread of its own: one that is full, closed or not read stops nobody (F12)."""
    logging.raiseExceptions = False
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_LINES_WAITING)
    stream = logging.StreamHandler()

    def write() -> None:
        while True:
            stream.handle(lines.get())

    def write_the_last() -> None:
        end = time.monotonic() + 1
        while not lines.empty() and time.monotonic() < end:
            time.sleep(0.01)

    threading.Thread(target=write, name="log", daemon=True).start()
    atexit.register(write_the_last)
    # The queue's own end makes the line: what it puts in has no arguments or exceptions left.
    waiting = logging.handlers.QueueHandler(lines)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", handlers=[waiting])


def _end_with_parent() -> None:
    """End when the supervising parent does, however it ended: it holds the other end of stdin."""

    def watch() -> None:
        # Not through sys.stdin: a thread that waits in there would make the interpreter abort at its end.
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _supervise() -> int:
    """Keep a serving child alive; pass on the wish to end. Returns the exit code of the command.

    The first SIGTERM or Ctrl-C lets it drain, the second ends it at once.
    """
    command = [sys.executable, "-m", "yetan", *sys.argv[1:], "--supervised"]
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        at_once, stopping = stopping or number == signal.SIGALRM, True
        signal.alarm(_GRACE)
        if child is not None:
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, stop)
    pause = 0.5
    while not stopping:
        started = time.monotonic()
        # In a session of its own, so that a Ctrl-C reaches it from here alone, once.
        child = subprocess.Popen(  # noqa: S603 - our own command
            command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdin=subprocess.PIPE, start_new_session=True
        )
        if stopping:
            child.terminate()
        code = child.wait()
        if not stopping and code in (0, 2, _CANNOT_START):
            return code
        if not stopping:
            pause = 0.5 if time.monotonic() - started > _SETTLED else min(pause * 2, 30.0)
            log.error("the serving process ended with %s; starting another in %.1f s", code, pause)
        end = time.monotonic() + pause
        while not stopping and time.monotonic() < end:
            time.sleep(0.1)
    return 0


def worker(config: ConfigOption = CONFIG) -> None:
    """Run only the worker: deliveries, jobs and due dates. For PostgreSQL; SQLite has it beside the site."""
    configuration = load_configuration(config)
    if configuration.is_sqlite:
        raise ConfigurationError(["worker: with SQLite the worker runs beside the site; use `yetan serve`"])
    _log_without_waiting()

    async def go() -> None:
        stop = asyncio.Event()

        def end() -> None:
            if stop.is_set():  # asked twice
                os._exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end)
        async with running(configuration, patience=SERVING), mending():
            await Worker().run(stop)

    asyncio.run(go())
