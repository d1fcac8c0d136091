"""Target 5: how many pages are left for others while one dear address is attacked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.benchmarks.kept import Databases
from tests.benchmarks.measuring import NUMBERS, Page, Server, ask, compare, milliseconds
from tests.benchmarks.pages import LIST, MANY
from tests.benchmarks.rows import Row, median
from tests.benchmarks.sites import site

PART = "attack"
#: Seconds after which an attacker leaves, and for which the list is asked.
_LEAVE, _WHILE = 0.1, 4.0

#: Addresses that anybody may ask for and that give the database much to do; the dearest of them is attacked.
_DEAR = (
    "/?",
    "/units?",
    f"{LIST}?unit=c0&state=transferred",
    f"{LIST}?state=late&kind=suggestion&unit=c0",
    f"{LIST}?date=struck_off&year=2023&month=6&kind=suggestion",
    f"{LIST}?date=resolved&kind=suggestion&state=declined",
)
#: And a search as it is while the index is lost: every text of the board is read.
_SEARCH = "/search?q=%E8%B7%AF%E7%81%AF"


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """How many lists a second are left while 32 clients ask for a dear address and leave."""
    rows = []
    for size in sizes:
        town = databases.town(size)
        for name, addresses in (("a page", _DEAR), ("search without index", (_SEARCH,))):
            with site(databases, town) as server:
                pages = {path: (server, Page(path, _numbered(path), 10)) for path in addresses}
                dear, costs = max(compare(pages, 1).items(), key=lambda each: each[1][0].seconds)
                left, by_processor = asyncio.run(_left(server, dear, rounds))
            note = f"by processor time {by_processor:.2f}; {dear}, {milliseconds(costs):.0f} ms"
            rows.append(Row(PART, f"lists left under attack on {name}", databases.kind, size, left, "", 0.5, note=note))
    return rows


def _numbered(path: str) -> Callable[[int], str]:
    return lambda number: f"{path}&n={number}"


async def _left(server: Server, dear: str, rounds: int) -> tuple[float, float]:
    """Lists while the address is attacked by those before: in a second, and in a second of the server's processor."""

    async def lists() -> tuple[float, float]:
        began, used = time.monotonic(), server.used()
        answers = await ask(server.port, _numbered(f"{LIST}?"), 10**6, 4, until=began + _WHILE)
        drawn = answers.statuses[200]
        return drawn / (time.monotonic() - began), drawn / (server.used() - used)

    alone = [await lists() for _ in range(rounds)]
    attackers = asyncio.create_task(_attack(server.port, _numbered(dear), MANY, _LEAVE))
    await asyncio.sleep(0.5)
    attacked = [await lists() for _ in range(rounds)]
    attackers.cancel()
    with suppress(asyncio.CancelledError):
        await attackers
    by_clock, by_processor = (
        median(under) / median(before)
        for under, before in zip(zip(*attacked, strict=True), zip(*alone, strict=True), strict=True)
    )
    return by_clock, by_processor


async def _attack(port: int, path: Callable[[int], str], clients: int, leave_after: float) -> None:
    """So many ask and leave without waiting, again and again, until cancelled."""

    async def knock() -> None:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET {path(next(NUMBERS))} HTTP/1.1\r\nHost: testserver\r\n\r\n".encode())
                await asyncio.sleep(leave_after)
                writer.transport.abort()

    await asyncio.gather(*(knock() for _ in range(clients)))
