"""`yetan serve` and `yetan worker`: the site and what works beside it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
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
from yetan.web.endpoint import Site

#: The child's exit code for a configuration that cannot start: starting it again would not help.
_CANNOT_START = 78
#: Seconds a child must have lived for its end to count as a new trouble, not the old one.
_SETTLED = 60.0


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
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    checked: Site = "public" if site == "public" else "desk" if site == "desk" else "all"
    app = build_app(load_configuration(config), worker=worker, site=checked)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=25,
            h11_max_incomplete_event_size=64 * 1024,
            proxy_headers=False,
        )
    )
    try:
        server.run()
    except SystemExit:  # uvicorn's own, when the port is taken
        sys.exit(_CANNOT_START)
    if not server.started:
        sys.exit(_CANNOT_START)


def _supervise() -> int:
    """Keep a serving child alive; pass on the signals to end. Returns the exit code of the command."""
    command = [sys.executable, "-m", "yetan", *sys.argv[1:], "--supervised"]
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pause = 0.5
    while True:
        started = time.monotonic()
        child = subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"})  # noqa: S603 - our own command
        code = child.wait()
        if stopping or code in (0, 2, _CANNOT_START):
            return 0 if stopping else code
        pause = 0.5 if time.monotonic() - started > _SETTLED else min(pause * 2, 30.0)
        log.error("the serving process ended with %s; starting another in %.1f s", code, pause)
        time.sleep(pause)


def worker(config: ConfigOption = CONFIG) -> None:
    """Run only the worker: deliveries, jobs and due dates. For PostgreSQL; SQLite has it beside the site."""
    configuration = load_configuration(config)
    if configuration.is_sqlite:
        raise ConfigurationError(["worker: with SQLite the worker runs beside the site; use `yetan serve`"])
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

    async def go() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(configuration, patience=SERVING):
            await Worker().run(stop)

    asyncio.run(go())
