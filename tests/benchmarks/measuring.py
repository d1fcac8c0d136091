"""What a request costs: the serving process's own time on the processor, while another process asks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.served import free_port


@dataclass(frozen=True, slots=True)
class Cost:
    """A row of the table: seconds of the server's processor for a request, on average, and bytes of its body."""

    seconds: float
    bytes: int


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[int, int]]:
    """A process of `tests.benchmarks.serving`: its port and number."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.serving", str(port), *arguments])
    try:
        end = time.monotonic() + 60
        while True:
            with suppress(OSError):
                asyncio.run(_ask(port, lambda number: "/", 1, 1, {}))
                break
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def cost(
    server: tuple[int, int],
    path: Callable[[int], str],
    *,
    requests: int,
    connections: int = 4,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Cost:
    """What a request for `path(number)` costs the server, each connection asking when it has its answer."""
    port, pid = server
    asyncio.run(_ask(port, path, requests // 10, connections, headers or {}))
    before = _used(pid)
    statuses, size, _ = asyncio.run(
        _ask(port, lambda number: path(number + requests), requests, connections, headers or {})
    )
    used = _used(pid) - before
    assert statuses == {status}, f"{path(0)} answers {statuses}"
    return Cost(used / requests, size)


def tag_of(server: tuple[int, int], path: str) -> str:
    """The tag of a page."""
    return asyncio.run(_ask(server[0], lambda number: path, 1, 1, {}))[2]


def _used(pid: int) -> float:
    """Seconds on the processor of a process's threads so far, which the kernel counts in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


async def _ask(
    port: int, path: Callable[[int], str], requests: int, connections: int, headers: dict[str, str]
) -> tuple[set[int], int, str]:
    numbers = iter(range(requests))
    statuses: set[int] = set()
    size, tag = 0, ""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def browse() -> None:
        nonlocal size, tag
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            writer.write(f"GET {path(number)} HTTP/1.1\r\nHost: testserver\r\n{more}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            told = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            statuses.add(int(head.split(" ", 2)[1]))
            size, tag = int(told.get("content-length", 0)), told.get("etag", "")
            await reader.readexactly(size if statuses != {304} else 0)
        writer.close()

    await asyncio.gather(*(browse() for _ in range(connections)))
    return statuses, size, tag
