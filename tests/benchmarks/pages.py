"""Targets 1 to 4: what each public page costs beside a bare page, and what it costs as the city grows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from tests.benchmarks.kept import Databases
from tests.benchmarks.measuring import Cost, Page, Server, compare, milliseconds, ratio, tag_of
from tests.benchmarks.rows import Row, median
from tests.benchmarks.sites import serving, site
from tests.soak.city import at_work

from yetan.app import assemble
from yetan.db.statements import fetch
from yetan.publication.listing import Position
from yetan.publication.models import PublicIssue
from yetan.testing import Town

PART = "pages"
LIST = "/issues"
#: Clients of the busy hour.
MANY = 32
#: The bare page by how many ask for it, in no city.
_BARE = {connections: (0, f"bare page, {connections} connections") for connections in (4, MANY)}
_EVERY = "SELECT issue_id FROM yetan_public_issue WHERE issue_id % ? = 0"
#: A page that costs more as the city grows, by target; those of the figures have more to say.
_FLAT, _STATISTICS = ("list", "list, filtered", "list, at 90 % depth", "issue"), ("figures", "units", "board")


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """Each page beside the bare one, and its cost in the largest city by that in the smallest."""
    towns = {size: databases.town(size) for size in sizes}
    with ExitStack() as stack:
        bare = stack.enter_context(serving("bare"))
        asked: dict[tuple[int, str], tuple[Server, Page]] = {}
        for size, town in towns.items():
            server = stack.enter_context(site(databases, town))
            for page in _pages(town, server):
                asked[size, page.name] = (server, page)
        for connections in _BARE:
            asked[_BARE[connections]] = (bare, Page("bare", lambda number: "/", 400, connections))
        found = compare(asked, rounds)
    few, many = (found[key] for key in _BARE.values())
    rows = [Row(PART, "bare page", "", 0, milliseconds(few), "ms", note=f"{few[0].bytes / 1000:.0f} KB")]
    for size in sizes:
        of_size = {name: costs for (of, name), costs in found.items() if of == size}
        rows += _beside_the_bare_page(databases.kind, size, of_size, few, many)
    if len(sizes) > 1:
        rows += _growth(databases.kind, sizes[0], sizes[-1], found)
    return rows


def _pages(town: Town, server: Server) -> list[Page]:
    deep, numbers, places = asyncio.run(places_in(town))

    def issue(number: int) -> str:
        return f"{LIST}/{numbers[number % len(numbers)]}?n={number}"

    return [
        Page("list", lambda number: f"{LIST}?n={number}"),
        Page(f"list, {MANY} connections", lambda number: f"{LIST}?n={number}", 640, MANY),
        Page("list, kept", lambda number: LIST, 1500),
        Page("list, not modified", lambda number: LIST, 1500, 4, 304, {"If-None-Match": tag_of(server, LIST)}),
        Page("list, filtered", lambda number: f"{LIST}?state=struck_off&kind=problem&unit=c0t0&n={number}"),
        Page("list, at 90 % depth", lambda number: f"{LIST}?after={deep}&n={number}"),
        Page("list, walked through", lambda number: f"{LIST}?after={places[number % len(places)]}"),
        Page("issue", issue),
        Page("figures", lambda number: f"/figures?n={number}"),
        Page("units", lambda number: f"/units?n={number}", 50),
        Page("board", lambda number: f"/?n={number}", 50),
    ]


async def places_in(town: Town) -> tuple[Position, list[str], list[Position]]:
    """Where nine tenths of the list lie behind; the numbers of a thousand issues from everywhere, and their places."""
    async with at_work(town, assemble(town.configuration)):
        (ends,) = await fetch("SELECT max(issue_id) AS last FROM yetan_public_issue")
        row = await PublicIssue.get(issue_id=max(1, int(ends["last"]) // 10))
        step = max(1, int(ends["last"]) // 1000)
        ids = [each["issue_id"] for each in await fetch(_EVERY, [step])]
        found = await PublicIssue.filter(issue_id__in=ids).order_by("issue_id")
    numbers, places = [each.number for each in found], [Position(each.raised_at, each.issue_id) for each in found]
    return Position(row.raised_at, row.issue_id), numbers, places


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


def _growth(kind: str, small: int, large: int, found: Mapping[tuple[int, str], list[Cost]]) -> list[Row]:
    return [
        Row(PART, f"{name}: {large:,} / {small:,}", kind, large, value, "", most=most)
        for names, most in ((_FLAT, 1.2), (_STATISTICS, 1.5))
        for name in names
        for value in [ratio(found[large, name], found[small, name])]
    ]
