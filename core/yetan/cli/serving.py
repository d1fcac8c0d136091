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
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from yetan.app import build_app, running
from yetan.cli.console import CONFIG, ConfigOption, run_in
from yetan.config import Configuration, load_configuration
from yetan.db.connection import SERVING
from yetan.errors import ConfigurationError
from yetan.events.worker import Worker
from yetan.heartbeat import beating, introduce
from yetan.imports import kept_for_good
from yetan.log import log
from yetan.plugins import discovery, quarantine
from yetan.plugins.guarding import Failure
from yetan.runtime import Runtime
from yetan.searching.mending import mending
from yetan.supervising import DRAIN, GRACE, HEART, STALLED
from yetan.web.endpoint import Site
from yetan.web.server import server_configuration

#: Log lines that may wait for whoever reads them; more are dropped rather than let a request wait (F12).
_LINES_WAITING = 10_000

HeartOption = Annotated[int, typer.Option(HEART, hidden=True)]
StalledOption = Annotated[str, typer.Option(STALLED, hidden=True)]


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
    heart: HeartOption = -1,
    stalled: StalledOption = "",
) -> None:
    """Serve the site. A parent process watches the serving one, and replaces it when it dies or a plugin stalls it."""
    configuration = _chosen(load_configuration(config), safe_mode=safe_mode, keep=keep or ())
    if site not in ("all", "public", "desk"):
        raise ConfigurationError([f"--site: {site!r} is not one of public, desk, all"])
    checked: Site = "public" if site == "public" else "desk" if site == "desk" else "all"
    host, port = host or configuration.server.host, port or configuration.server.port
    require_port(host, port)
    _begin(configuration, heart, stalled)
    with kept_for_good():
        app = build_app(configuration, worker=worker, site=checked, beside=partial(beating, heart))
    _serve(app, host, port)


def _begin(configuration: Configuration, heart: int, stalled: str) -> None:
    """What a process does for its parent before it imports plugins."""
    _log_without_waiting()
    _end_with_parent()
    if stalled:
        _put_into_quarantine(configuration, *stalled.split(" ", 1))
    introduce(heart, discovery.places(configuration.plugins))


def _chosen(configuration: Configuration, *, safe_mode: bool, keep: Sequence[str]) -> Configuration:
    """The configuration, in safe mode without its plugins but for those kept. Raises `ConfigurationError`."""
    if unknown := [name for name in keep if name not in configuration.plugins]:
        raise ConfigurationError([f"--keep：yetan.toml 的 plugins 里没有 {name!r}，请核对名称。" for name in unknown])
    if keep and not safe_mode:
        raise ConfigurationError(["--keep 要和 --safe-mode 一起用。"])
    return configuration.core_alone(keep) if safe_mode else configuration


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


def _serve(app: Starlette, host: str, port: int) -> None:
    """Serve until told to end. Raises `ConfigurationError`, or whatever else keeps the city from opening."""
    # As uvicorn leaves it behind after draining; the default would end the process before its last lines are out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    # The city is opened here, not by uvicorn: that would make a traceback of what is wrong.
    configuration = server_configuration(app, host=host, port=port, lifespan="off", timeout_graceful_shutdown=DRAIN)

    async def opened() -> None:
        async with app.router.lifespan_context(app):
            await uvicorn.Server(configuration).serve()

    with asyncio.Runner(loop_factory=configuration.get_loop_factory()) as runner:
        runner.run(opened())


def _put_into_quarantine(configuration: Configuration, plugin: str, reason: str) -> None:
    """Put a plugin into quarantine that held the event loop of the process before this one."""

    async def put(city: Runtime) -> None:
        await quarantine.put(city.system_act(), plugin, Failure("event loop", reason, late=True))

    try:
        run_in(configuration.core_alone(), put)
    except Exception:
        log.exception("plugin %s could not be put into quarantine", plugin)


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
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def worker(config: ConfigOption = CONFIG, heart: HeartOption = -1, stalled: StalledOption = "") -> None:
    """Run only the worker: deliveries, jobs and due dates. For PostgreSQL; SQLite has it beside the site.

    A parent process watches it as it does the site.
    """
    configuration = load_configuration(config)
    if configuration.is_sqlite:
        raise ConfigurationError(["worker: with SQLite the worker runs beside the site; use `yetan serve`"])
    _begin(configuration, heart, stalled)

    async def go() -> None:
        stop = asyncio.Event()

        def end() -> None:
            if stop.is_set():  # asked twice
                os._exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end)
        async with running(configuration, patience=SERVING), mending(), quarantine.watching(), beating(heart):
            await Worker().run(stop)

    asyncio.run(go())
