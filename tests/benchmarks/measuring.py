"""What a request costs: the serving processes' own time on the processor, while another process asks."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.benchmarks.rows import at, median

K = TypeVar("K")

#: Every address asked for has a number of its own, so that no answer is one that was kept.
NUMBERS = itertools.count(1)
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A serving process, and the first of the database cluster's where there is one."""

    port: int
    pid: int
    cluster: int = 0

    def used(self) -> float:
        """Seconds on the processor so far: of the process, and of everything the database server did."""
        return used_by(self.pid) + (cluster_used(self.cluster) if self.cluster else 0.0)


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for: `path(number)` for a number that was never asked for before."""

    name: str
    path: Callable[[int], str]
    requests: int = 150
    connections: int = 4
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a round of requests cost: seconds of processor for each, bytes of a body, seconds each one waited.

    What is refused, or answered with an error, has no cost that could be compared: it is endless.
    """

    seconds: float
    bytes: int
    waited: Sequence[float]

    @property
    def tail(self) -> float:
        """The 99th percentile of waiting, in medians."""
        return at(0.99, self.waited) / at(0.5, self.waited)


@dataclass
class Answers:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    size: int = 0
    tag: str = ""
    #: Of the last answer.
    body: bytes = b""
    waited: list[float] = field(default_factory=list)


def compare(asked: Mapping[K, tuple[Server, Page]], rounds: int) -> dict[K, list[Cost]]:
    """The cost of each in every round. All are asked in turn, so that what else the machine does hits them all."""
    for server, page in asked.values():
        _cost(server, page, max(page.connections, page.requests // 5))
    found: dict[K, list[Cost]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, (server, page) in asked.items():
            found[name].append(_cost(server, page, page.requests))
    return found


def ratio(above: Sequence[Cost], below: Sequence[Cost]) -> float:
    """The median, over the rounds, of one cost by another."""
    return median([one.seconds / other.seconds for one, other in zip(above, below, strict=True)])


def milliseconds(costs: Sequence[Cost]) -> float:
    """The median cost of a request."""
    return median([each.seconds for each in costs]) * 1000


def _cost(server: Server, page: Page, requests: int) -> Cost:
    before = server.used()
    answers = asyncio.run(ask(server.port, page.path, requests, page.connections, page.headers))
    used = server.used() - before
    failed = answers.statuses.keys() != {page.status}
    return Cost(math.inf if failed else used / requests, answers.size, answers.waited)


def tag_of(server: Server, path: str) -> str:
    """The tag of a page."""
    return asyncio.run(ask(server.port, lambda number: path, 1, 1)).tag


def used_by(pid: int) -> float:
    """Seconds on the processor of a process's threads so far, which the kernel counts in nanoseconds."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            nanoseconds += int(task.read_text().split()[0])
    return nanoseconds / 1e9


def cluster_used(first: int) -> float:
    """The same of all processes of a PostgreSQL cluster, those that have ended included."""
    path = Path(f"/proc/{first}/task/{first}/children")
    there = sum(used_by(int(child)) for child in path.read_text().split())
    ended = Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()
    return used_by(first) + there + (int(ended[13]) + int(ended[14])) / _TICK


async def ask(
    port: int,
    path: Callable[[int], str],
    requests: int,
    connections: int,
    headers: Mapping[str, str] | None = None,
    until: float | None = None,
) -> Answers:
    """Ask so often, each connection when it has its answer; no more after `until` by the monotonic clock."""
    turns = iter(range(requests))
    found = Answers()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())

    async def browse() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in turns:
            began = time.monotonic()
            if until is not None and began > until:
                break
            writer.write(f"GET {path(next(NUMBERS))} HTTP/1.1\r\nHost: testserver\r\n{more}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            told = {name: value for name, _, value in (line.lower().partition(": ") for line in head.split("\r\n")[1:])}
            status = int(head.split(" ", 2)[1])
            found.size, found.tag = int(told.get("content-length", 0)), told.get("etag", "")
            found.body = await reader.readexactly(found.size if status != 304 else 0)
            found.statuses[status] += 1
            found.waited.append(time.monotonic() - began)
        writer.close()

    await asyncio.gather(*(browse() for _ in range(connections)))
    return found
