"""Target 7: the memory of a serving process with all plugins, and how long one takes to start."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.kept import Databases
from tests.benchmarks.measuring import Page, Server, compare, used_by
from tests.benchmarks.pages import LIST
from tests.benchmarks.rows import Row, median
from tests.benchmarks.searching import engines, make_index
from tests.benchmarks.sites import arguments_of, serving, start, wait_for
from tests.faults.served import free_port

from yetan.app import assemble
from yetan.db.upgrade import upgrade
from yetan.plugins.discovery import installed
from yetan.testing import Town

PART = "processes"
#: Of the engines a city uses one, the embedded.
ENGINE = "whoosh"


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """A worker's share of memory with two beside each other, and a start beside that of the plain application."""
    with tempfile.TemporaryDirectory(prefix="yetan-bench-") as temporary:
        small = databases.town(sizes[0], ENGINE)
        asyncio.run(make_index(small))
        with databases.copy(small, Path(temporary, "all")) as copied:
            others = tuple(name for name in installed() if name not in engines())
            town = Town(copied.database_url, copied.folder, plugins=(ENGINE, *others), search=ENGINE)
            asyncio.run(upgrade(town.configuration, assemble(town.configuration).applications, lambda line: None))
            # A first start compiles templates and catalogues, and keeps what that takes until the next.
            started = _start(databases, sizes[0], town, rounds)
            return [_memory(databases, sizes[0], town), *started]


def _memory(databases: Databases, size: int, town: Town) -> Row:
    with ExitStack() as stack:
        workers = [stack.enter_context(serving(*arguments_of(town), "--worker")) for _ in range(2)]
        for server in workers:
            paths = (f"{LIST}?n=", "/?n=", "/units?n=", "/figures?n=", "/search?q=%E8%B7%AF%E7%81%AF&n=")
            compare({path: (server, _page(path)) for path in paths}, 1)
        value = max(_share_of_memory(server) for server in workers)
    note = ", ".join(town.plugins)
    return Row(PART, "memory (PSS) of a worker", databases.kind, size, value, "MiB", most=66.0, note=note)


def _page(path: str) -> Page:
    return Page(path, lambda number: f"{path}{number}", 40, 1)


def _share_of_memory(server: Server) -> float:
    """MiB of a process, what it shares counted in parts."""
    lines = Path(f"/proc/{server.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _start(databases: Databases, size: int, town: Town, rounds: int) -> list[Row]:
    plain: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    # The first start of each is not counted: it leaves behind what was compiled.
    for _ in range(rounds + 1):
        plain.append(_started("plain", f"--url={town.database_url}"))
        ours.append(_started(*arguments_of(town), "--worker"))
    del plain[0], ours[0]
    ratio = median([mine[0] / other[0] for mine, other in zip(ours, plain, strict=True)])
    seconds = [median([each[0] for each in starts]) for starts in (ours, plain)]
    note = f"{seconds[0]:.1f} s of processor, plain {seconds[1]:.1f} s"
    return [Row(PART, "cold start / plain application's", databases.kind, size, ratio, "", most=2.0, note=note)]


def _started(*arguments: str) -> tuple[float, float]:
    """Seconds of processor, and by the clock, from the start of a process to its first answer."""
    port, began = free_port(), time.monotonic()
    process = start(port, *arguments)
    try:
        wait_for(port, process)
        return used_by(process.pid), time.monotonic() - began
    finally:
        process.terminate()
        process.wait(60)
