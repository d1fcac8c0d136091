"""A town behind a real server, and an installed Chromium that looks at it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.contracts.conftest import scene as scene

from yetan.access.sessions import issue_link
from yetan.act import system_clock
from yetan.db.connection import CORE_APPLICATION, Application
from yetan.testing import Town
from yetan.testing.databases import upgraded_copy
from yetan.testing.town import SECRET, UNIT_KINDS, StandingClock
from yetan.web.server import server_configuration

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page stays long enough for optimised code to be worth what it takes to make.
    "--js-flags=--no-opt --no-maglev",
]
_SECONDS = 40


@dataclass(frozen=True)
class Site:
    """The served town: its address and a fresh one-time sign-in link for each official."""

    address: str
    links: dict[str, str]


#: The same browser without a window of its own comes first: it takes a quarter less of the processor.
_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """The installed Chromium, or "" """
    return next((path for name in _CHROMIUM if (path := shutil.which(name))), "")


@pytest.fixture
def chromium(site: Site) -> Iterator[Any]:
    """The browser. It comes after the site: while Playwright runs, no other event loop can be run in this thread."""
    with open_chromium() as browser:
        yield browser


@contextmanager
def open_chromium(*more: str) -> Iterator[Any]:
    """The installed browser, given `more` arguments; without one tests skip, or fail with YETAN_REQUIRE_BROWSER=1."""
    path = find_chromium()
    if not path:
        if os.environ.get("YETAN_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium on this machine; install Debian package chromium")
        pytest.skip("SKIPPED BROWSER: no Chromium on this machine; install Debian package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *more])
        yield browser
        browser.close()


@pytest.fixture
def site(town_database_url: str, tmp_path: Path, free_port: int) -> Iterator[Site]:
    """The town's first-party plugins switched on, served by `yetan serve` as an operator would."""
    plugins = ("whoosh", "lantern", "supervision")
    town = Town(town_database_url, tmp_path, plugins=plugins, search="whoosh", theme="lantern")
    address = f"http://127.0.0.1:{free_port}"
    links: dict[str, str] = {}
    with town.open():
        now = system_clock()
        for who, account in town.accounts.items():
            links[who] = f"{address}/sign-in/{town.run(issue_link(account, now))}"
    environment = {
        **os.environ,
        "YETAN_DATABASE_URL": town_database_url,
        "YETAN_DATA_DIR": str(tmp_path / "var"),
        "YETAN_SECRET_KEY": SECRET,
        "YETAN_BASE_URL": address,
    }
    configuration = tmp_path / "yetan.toml"
    configuration.write_text(_toml(plugins), encoding="utf-8")
    log = (tmp_path / "serve.log").open("wb")
    command = [sys.executable, "-m", "yetan", "serve", "--config", str(configuration), "--port", str(free_port)]
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(f"{address}/readyz"), tmp_path / "serve.log")
        yield Site(address, links)
    finally:
        server.terminate()
        assert server.wait(_SECONDS) == 0
        log.close()


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def database_applications() -> tuple[Application, ...]:
    """The core's tables and the supervision plugin's."""
    own = Application("yetan_supervision", "yetan_supervision.models", "yetan_supervision.migrations")
    return (CORE_APPLICATION, own)


@pytest.fixture
def town_options() -> dict[str, Any]:
    """All first-party plugins, so that the database has their tables."""
    return {"plugins": ("whoosh", "lantern", "supervision"), "search": "whoosh", "theme": "lantern"}


@contextmanager
def upgraded_town(folder: Path, clock: StandingClock, **options: Any) -> Iterator[Town]:
    """A running town in `folder` with the plugins and theme of `options`; its clock stands until it is moved."""
    url = upgraded_copy(Town("", folder, **options).configuration, folder, folder)
    with Town(url, folder, clock=clock, **options).open() as running:
        yield running


@contextmanager
def serving(town: Town) -> Iterator[int]:
    """The port at which a running town is served over the network, by its own clock."""
    server = uvicorn.Server(server_configuration(town.app, lifespan="off"))

    async def serve() -> asyncio.Task[None]:
        return asyncio.ensure_future(server.serve([listening]))

    async def stop() -> None:
        server.should_exit = True
        await served

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        served = town.run(serve())
        yield int(listening.getsockname()[1])
        town.run(stop())


def _toml(plugins: tuple[str, ...]) -> str:
    kinds = "\n".join(
        f'[unit_kinds.{name}]\nlabel = "{kind.label}"\ndepartment = {str(kind.department).lower()}\n'
        f"raises = {str(kind.raises).lower()}"
        for name, kind in UNIT_KINDS.items()
    )
    listed = ", ".join(f'"{plugin}"' for plugin in plugins)
    return f'plugins = [{listed}]\nsearch = "whoosh"\ntheme = "lantern"\n[city]\nname = "柳湾市"\n{kinds}\n'


def answers(address: str) -> bool:
    """Whether somebody serves there."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_for(ready: Callable[[], bool], log: Path | None = None) -> None:
    """Wait until a server is ready; where it does not come, its `log` is told."""
    end = time.monotonic() + _SECONDS
    while not ready():
        assert time.monotonic() < end, "the server did not come up" + (
            f":\n{log.read_text(errors='replace')}" if log else ""
        )
        time.sleep(0.2)
