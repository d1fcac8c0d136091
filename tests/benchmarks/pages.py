"""Public pages: what each costs beside a bare page, what it costs as the city grows, and whoever attacks them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from tests.benchmarks.kept import Databases
from tests.benchmarks.measuring import Cost, Page, Server, ask, attack, compare, milliseconds, ratio, serving, tag_of
from tests.benchmarks.rows import Row, median
from tests.soak.city import at_work

from yetan.app import assemble
from yetan.db.statements import fetch
from yetan.publication.listing import Position
from yetan.publication.models import PublicIssue
from yetan.testing import Town

PART = "pages"
LIST = "/issues"
#: Clients of the busy hour, and of the attack.
MANY = 32
#: Seconds after which an attacker leaves, and for which the list is asked.
_LEAVE, _WHILE = 0.1, 4.0
#: A page that costs more as the city grows, by target; those of the figures have more to say.
_FLAT, _STATISTICS = ("list", "list, filtered", "list, at 90 % depth", "issue"), ("figures", "units", "board")


@contextmanager
def site(databases: Databases, town: Town, *, worker: bool = False) -> Iterator[Server]:
    """The town's site in a process of its own."""
    with serving(*arguments_of(town), *(["--worker"] if worker else []), cluster=databases.server) as server:
        yield server


def arguments_of(town: Town) -> list[str]:
    """What `tests.benchmarks.serving` is told of a town."""
    told = {"url": town.database_url, "folder": town.folder, "plugins": ",".join(town.plugins), "search": town.search}
    return ["town", *(f"--{name}={value}" for name, value in told.items())]


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """Targets 1 to 4: each page beside the bare one, and its cost in the largest city by that in the smallest."""
    towns = {size: databases.town(size) for size in sizes}
    with ExitStack() as stack:
        bare = stack.enter_context(serving("bare"))
        asked: dict[str, tuple[Server, Page]] = {}
        for size, town in towns.items():
            server = stack.enter_context(site(databases, town))
            for page in _pages(town, server):
                asked[f"{size} {page.name}"] = (server, page)
        for connections in (4, MANY):
            asked[f"bare {connections}"] = (bare, Page("bare", lambda number: "/", 400, connections))
        found = compare(asked, rounds)
    rows = [
        Row(
            PART,
            "bare page",
            "",
            0,
            milliseconds(found["bare 4"]),
            "ms",
            note=f"{found['bare 4'][0].bytes / 1000:.0f} KB",
        )
    ]
    for size in sizes:
        of_size = {name.partition(" ")[2]: costs for name, costs in found.items() if name.startswith(f"{size} ")}
        rows += _beside_the_bare_page(databases.kind, size, of_size, found["bare 4"], found[f"bare {MANY}"])
    if len(sizes) > 1:
        rows += _growth(databases.kind, sizes[0], sizes[-1], found)
    return rows


def _pages(town: Town, server: Server) -> list[Page]:
    deep, numbers = asyncio.run(_places_in(town))

    def issue(number: int) -> str:
        return f"{LIST}/{numbers[number % len(numbers)]}?n={number}"

    return [
        Page("list", lambda number: f"{LIST}?n={number}"),
        Page(f"list, {MANY} connections", lambda number: f"{LIST}?n={number}", 640, MANY),
        Page("list, kept", lambda number: LIST, 1500),
        Page("list, not modified", lambda number: LIST, 1500, 4, 304, {"If-None-Match": tag_of(server, LIST)}),
        Page("list, filtered", lambda number: f"{LIST}?state=struck_off&kind=problem&unit=c0t0&n={number}"),
        Page("list, at 90 % depth", lambda number: f"{LIST}?after={deep}&n={number}"),
        Page("issue", issue),
        Page("figures", lambda number: f"/figures?n={number}"),
        Page("units", lambda number: f"/units?n={number}", 50),
        Page("board", lambda number: f"/?n={number}", 50),
    ]


async def _places_in(town: Town) -> tuple[Position, list[str]]:
    """Where nine tenths of the list lie behind, and the numbers of a thousand issues from everywhere."""
    async with at_work(town, assemble(town.configuration)):
        (ends,) = await fetch("SELECT max(issue_id) AS last FROM yetan_public_issue")
        row = await PublicIssue.get(issue_id=max(1, int(ends["last"]) // 10))
        step = max(1, int(ends["last"]) // 1000)
        numbers = await fetch("SELECT number FROM yetan_public_issue WHERE issue_id % ? = 0 ORDER BY issue_id", [step])
    return Position(row.raised_at, row.issue_id), [each["number"] for each in numbers]


def _beside_the_bare_page(
    kind: str, size: int, pages: Mapping[str, list[Cost]], bare: list[Cost], bare_many: list[Cost]
) -> list[Row]:
    many = f"list, {MANY} connections"
    least = {
        "list": 0.80 if kind == "sqlite" else 0.65,
        many: 0.80 if kind == "sqlite" else 0.50,
        "list, kept": 6.0,
        "list, not modified": 7.0,
    }
    rows = []
    for name, costs in pages.items():
        value = ratio(bare_many if name == many else bare, costs)
        note = f"{milliseconds(costs):.2f} ms, {costs[0].bytes / 1000:.0f} KB"
        rows.append(Row(PART, f"bare page / {name}", kind, size, value, "", least=least.get(name), note=note))
    tail = median([cost.tail for cost in pages[many]])
    return [*rows, Row(PART, f"{many}: p99 / p50", kind, size, tail, "", most=3.0)]


def _growth(kind: str, small: int, large: int, found: Mapping[str, list[Cost]]) -> list[Row]:
    return [
        Row(PART, f"{name}: {large:,} / {small:,}", kind, large, value, "", most=most)
        for names, most in ((_FLAT, 1.2), (_STATISTICS, 1.5))
        for name in names
        for value in [ratio(found[f"{large} {name}"], found[f"{small} {name}"])]
    ]


#: Addresses that anybody may ask for and that give the database much to do. The dearest of them is attacked.
_DEAR = (
    "/?",
    "/units?",
    f"{LIST}?unit=c0&state=transferred",
    f"{LIST}?state=late&kind=suggestion&unit=c0",
    f"{LIST}?date=struck_off&year=2023&month=6&kind=suggestion",
    f"{LIST}?date=resolved&kind=suggestion&state=declined",
)


def under_attack(databases: Databases, size: int, rounds: int) -> list[Row]:
    """Target 5: how many lists a second are left while 32 clients ask for the dearest address and leave."""
    town = databases.town(size)
    with site(databases, town) as server:
        pages = {path: (server, Page(path, _numbered(path), 10)) for path in _DEAR}
        dear, costs = max(compare(pages, 1).items(), key=lambda each: each[1][0].seconds)
        return [_attacked(databases.kind, size, server, dear, rounds, f"{milliseconds(costs):.0f} ms")]


def _numbered(path: str) -> Callable[[int], str]:
    return lambda number: f"{path}&n={number}"


def _attacked(kind: str, size: int, server: Server, dear: str, rounds: int, cost: str) -> Row:
    shares = [asyncio.run(_share_left(server, dear)) for _ in range(rounds)]
    note = f"attacked: {dear} ({cost})"
    return Row(PART, "list under attack / list alone", kind, size, median(shares), "", least=0.5, note=note)


async def _share_left(server: Server, dear: str) -> float:
    """Lists a second while the address is attacked, by those before."""

    async def lists() -> float:
        end = time.monotonic() + _WHILE
        return len((await ask(server.port, lambda number: f"{LIST}?n={number}", 10**6, 4, until=end)).waited)

    alone = await lists()
    attackers = asyncio.create_task(attack(server.port, _numbered(dear), MANY, _LEAVE))
    await asyncio.sleep(0.5)
    attacked = await lists()
    attackers.cancel()
    with suppress(asyncio.CancelledError):
        await attackers
    await asyncio.sleep(0.5)
    return attacked / alone
