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
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer
import uvicorn

from yetan.app import build_app, running
from yetan.cli.console import CONFIG, ConfigOption, run_in
from yetan.config import Configuration, load_configuration
from yetan.db.connection import SERVING
from yetan.errors import ConfigurationError
from yetan.events.worker import Worker
from yetan.heartbeat import Stall, beating, watch
from yetan.layers import plugin_folders
from yetan.log import log
from yetan.plugins import discovery, quarantine
from yetan.plugins.guarding import Failure
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
    safe_mode: Annotated[
        bool, typer.Option("--safe-mode", help="Start without plugins; pages can be read, nothing can be changed.")
    ] = False,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="With --safe-mode: a plugin to start all the same.")
    ] = None,
    heart: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Serve the site. A parent process watches the serving one, and replaces it when it dies or a plugin stalls it."""
    configuration = _chosen(load_configuration(config), safe_mode=safe_mode, keep=keep or ())
    if site not in ("all", "public", "desk"):
        raise ConfigurationError([f"--site: {site!r} is not one of public, desk, all"])
    if heart >= 0:
        host, port = host or configuration.server.host, port or configuration.server.port
        _serve_here(configuration, host, port, site, worker=worker, heart=heart)
    else:
        # Everything wrong with configuration, database or port is said before a child is started.
        run_in(configuration, _stand)
        require_port(host or configuration.server.host, port or configuration.server.port)
        sys.exit(_supervise(configuration))


def _chosen(configuration: Configuration, *, safe_mode: bool, keep: Sequence[str]) -> Configuration:
    """The configuration, in safe mode without its plugins but for those kept. Raises `ConfigurationError`."""
    if unknown := [name for name in keep if name not in configuration.plugins]:
        raise ConfigurationError([f"--keep：yetan.toml 的 plugins 里没有 {name!r}，请核对名称。" for name in unknown])
    if keep and not safe_mode:
        raise ConfigurationError(["--keep 要和 --safe-mode 一起用。"])
    return configuration.core_alone(keep) if safe_mode else configuration


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


def _serve_here(configuration: Configuration, host: str, port: int, site: str, *, worker: bool, heart: int) -> None:
    _log_without_waiting()
    _end_with_parent()
    # As uvicorn leaves it behind after draining; the default would end the process before its last lines are out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    checked: Site = "public" if site == "public" else "desk" if site == "desk" else "all"
    app = build_app(configuration, worker=worker, site=checked, beside=partial(beating, heart))
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


def _supervise(configuration: Configuration) -> int:
    """Keep a serving child alive; pass on the wish to end. Returns the exit code of the command.

    The first SIGTERM or Ctrl-C lets it drain, the second ends it at once. A child that answers nobody because a plugin
    holds its event loop is replaced, and the plugin put into quarantine (F19).
    """
    command = [sys.executable, "-m", "yetan", *sys.argv[1:], "--heart"]
    folders = plugin_folders(discovery.load(configuration.plugins))
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
        reading, heart = os.pipe()
        # In a session of its own, so that a Ctrl-C reaches it from here alone, once.
        child = subprocess.Popen(  # noqa: S603 - our own command
            [*command, str(heart)],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(heart,),
        )
        os.close(heart)
        if stopping:
            child.terminate()
        stall = watch(child, reading, folders, lambda: stopping)
        if stall is not None:
            child.kill()
        code = child.wait()
        os.close(reading)
        if stall is not None:
            _tell(stall, configuration)
        if not stopping and code in (0, 2, _CANNOT_START):
            return code
        if not stopping:
            pause = 0.5 if time.monotonic() - started > _SETTLED else min(pause * 2, 30.0)
            log.error("the serving process ended with %s; starting another in %.1f s", code, pause)
        end = time.monotonic() + pause
        while not stopping and time.monotonic() < end:
            time.sleep(0.1)
    return 0


def _tell(stall: Stall, configuration: Configuration) -> None:
    """Say where the child stood, and put the plugin that held it into quarantine."""
    log.error("the serving process has answered nobody for %.1f s and is replaced:\n%s", stall.seconds, stall.stack)
    if not stall.plugin:
        return
    failure = Failure("event loop", f"held the event loop for {stall.seconds:.1f} s: {stall.innermost}", late=True)

    async def put(city: Runtime) -> None:
        await quarantine.put(city.system_act(), stall.plugin, failure)

    try:
        run_in(configuration.core_alone(), put)
    except Exception:
        log.exception("plugin %s could not be put into quarantine", stall.plugin)


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
        async with running(configuration, patience=SERVING), mending(), quarantine.watching():
            await Worker().run(stop)

    asyncio.run(go())
