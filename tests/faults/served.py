"""A town behind real `yetan serve` processes, in surroundings that can be made to fail."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from tests import postgresql

from yetan.access.sessions import open_session
from yetan.act import system_clock
from yetan.db.connection import sqlite_path
from yetan.testing import Town
from yetan.testing.town import SECRET, UNIT_KINDS

PLUGINS = ("whoosh", "lantern")
#: Seconds within which what is awaited comes about on any machine.
PATIENCE = 60.0
ORIGIN = "http://127.0.0.1"


def until(what: str, holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until `holds()` gives something true, and return that."""
    end = time.monotonic() + seconds
    while not (held := holds()):
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.05)
    return held


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """One `yetan serve` or `yetan worker`, with the child it supervises."""

    parent: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"{ORIGIN}:{self.port}"

    @property
    def children(self) -> list[int]:
        """The numbers of the processes it started."""
        path = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children")
        return [int(number) for number in path.read_text().split()] if path.exists() else []

    @property
    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")

    def ready(self) -> bool:
        """Whether it can serve."""
        assert self.parent.poll() is None, f"it ended with {self.parent.returncode}:\n{self.said}"
        try:
            return httpx2.get(f"{self.address}/readyz", timeout=10, verify=False).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        if self.parent.poll() is None:
            self.parent.send_signal(number)
        return self.parent.wait(PATIENCE)


@dataclass
class ServedTown:
    """The town of `yetan.testing` with real processes: its clock is the machine's.

    `cookies` are what browsers signed in as an account hold.
    """

    folder: Path
    database_url: str
    village: int = 0
    cookies: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "var"

    @property
    def town(self) -> Town:
        """The same town for work within this process."""
        return Town(self.database_url, self.folder, plugins=PLUGINS, search="whoosh", theme="lantern")

    def found(self) -> None:
        """Its units, officials, a few issues in the index, and somebody signed in."""
        town = self.town
        with town.open():
            self.village = town.units["village"]
            for number in range(3):
                town.report(title=f"村口第{number}盏路灯不亮")
            town.run_worker()
            for who in ("village", "clerk"):
                # The town's own clock stands; the session is of today.
                self.cookies[who] = town.run(open_session(town.accounts[who], system_clock()))
        kinds = "\n".join(
            f'[unit_kinds.{name}]\nlabel = "{kind.label}"\ndepartment = {str(kind.department).lower()}\n'
            f"raises = {str(kind.raises).lower()}"
            for name, kind in UNIT_KINDS.items()
        )
        listed = ", ".join(f'"{plugin}"' for plugin in PLUGINS)
        (self.folder / "yetan.toml").write_text(
            f'plugins = [{listed}]\nsearch = "whoosh"\ntheme = "lantern"\n[city]\nname = "柳湾市"\n{kinds}\n',
            encoding="utf-8",
        )

    def variables(self, port: int = 8000) -> dict[str, str]:
        """The environment of a command in this town."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("YETAN_")},
            "YETAN_DATABASE_URL": self.database_url,
            "YETAN_DATA_DIR": str(self.data),
            "YETAN_SECRET_KEY": SECRET,
            "YETAN_BASE_URL": f"{ORIGIN}:{port}",
            **self.environment,
        }

    def _yetan(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "yetan", *arguments, "--config", str(self.folder / "yetan.toml")]

    def command(self, *arguments: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a `yetan` command to its end, through the program `before` if one is named."""
        return subprocess.run(
            [*before, *self._yetan(*arguments)],
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def serve(self, *arguments: str, port: int = 0, wait: bool = True, **options: Any) -> Process:
        """Start `yetan serve`, and wait until it can."""
        port = port or free_port()
        process = self._start(port, "serve", "--port", str(port), *arguments, **options)
        if wait:
            until(f"{process.address} serves", process.ready)
        return process

    def work(self) -> Process:
        """Start `yetan worker`."""
        return self._start(free_port(), "worker")

    def _start(self, port: int, *arguments: str, **options: Any) -> Process:
        log = self.folder / f"{arguments[0]}-{len(self.processes)}.log"
        with log.open("wb") as said:
            parent = subprocess.Popen(
                self._yetan(*arguments), env=self.variables(port), **{"stdout": said, "stderr": said, **options}
            )
        process = Process(parent, port, log)
        self.processes.append(process)
        return process

    def browser(self, process: Process, who: str = "") -> httpx2.Client:
        """A browser at a process, signed in as an account."""
        cookies = {"yetan-session": self.cookies[who]} if who else {}
        headers = {"Origin": process.address, "Sec-Fetch-Site": "same-origin"}
        # Nothing is encrypted here: reading the machine's certificates would take longer than most answers.
        return httpx2.Client(base_url=process.address, cookies=cookies, headers=headers, timeout=PATIENCE, verify=False)

    def token(self, process: Process, who: str) -> str:
        """What the forms of that account's session carry."""
        with self.browser(process, who) as browser:
            return token_of(browser.get("/desk/register").text)

    def form(self, title: str, token: str, key: str = "") -> dict[str, Any]:
        """What an official sends to register an issue."""
        return {
            "_token": token,
            "_key": key or secrets.token_urlsafe(16),
            "via": "visit",
            "title": title,
            "text": "村口到老桥的路灯坏了半个月，晚上老人不敢走。",
            "unit": self.village,
            "kind": "problem",
            "name_1": "柳三变",
        }

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database answers to a statement, asked past the town."""
        if self.database_url.startswith("sqlite"):
            with closing(sqlite3.connect(sqlite_path(self.database_url))) as connection:
                found = connection.execute(statement).fetchall()
                connection.commit()
                return found
        return asyncio.run(_rows(self.database_url, statement))

    def titles(self) -> list[str]:
        """The titles of all issues, as the database has them now."""
        return sorted(title for (title,) in self.rows("SELECT title FROM yetan_issue"))

    def stop(self) -> None:
        """End every process, however it stands."""
        for process in self.processes:
            if process.parent.poll() is None:
                process.parent.terminate()
        for process in self.processes:
            try:
                process.parent.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.parent.kill()
                process.parent.wait()


async def _rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def token_of(page: str) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="_token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


@dataclass
class Cluster:
    """A throw-away PostgreSQL cluster that can be taken down and brought back at its place."""

    folder: Path
    server: subprocess.Popen[bytes]
    url: str

    def down(self) -> None:
        """As `pg_ctl -m immediate stop`: nobody is waited for, nothing is put in order."""
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait(PATIENCE)

    def up(self) -> None:
        """Start it again and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(
                self.server.args, stdout=log, stderr=log, **postgresql._as_server_user(self.folder)
            )
        assert asyncio.run(postgresql._answers(self.server, self.url)), "it does not come back"

    def freeze(self) -> None:
        """Let none of its processes answer any more, while all connections stand."""
        for number in self._processes():
            os.kill(number, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for number in self._processes():
            os.kill(number, signal.SIGCONT)

    def _processes(self) -> list[int]:
        path = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        return [self.server.pid, *(int(number) for number in path.read_text().split())]

    @contextmanager
    def holding(self, url: str, statement: str) -> Iterator[None]:
        """A session of its own that keeps the locks of `statement`."""

        async def hold(stop: asyncio.Event, held: asyncio.Event) -> None:
            connection = await asyncpg.connect(url)
            try:
                async with connection.transaction():
                    await connection.execute(statement)
                    held.set()
                    await stop.wait()
            finally:
                await connection.close()

        with asyncio.Runner() as runner:
            stop, held = asyncio.Event(), asyncio.Event()
            task = runner.get_loop().create_task(hold(stop, held))
            runner.run(held.wait())
            try:
                yield
            finally:
                stop.set()
                runner.run(_ended(task))


async def _ended(task: asyncio.Task[None]) -> None:
    await task
