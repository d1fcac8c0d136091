"""Search: how long each engine takes for each kind of question, how fast it indexes, and when a change is found."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from pathlib import Path
from urllib.parse import quote

from tests.benchmarks.city import MATTERS, TOWNSHIPS, town_at
from tests.benchmarks.kept import ROOT, SEED, Databases, digest
from tests.benchmarks.measuring import ask, cluster_used
from tests.benchmarks.rows import Row, at
from tests.benchmarks.sites import site
from tests.soak.city import at_work

from yetan.app import assemble
from yetan.errors import ConfigurationError
from yetan.plugins.discovery import installed
from yetan.publication.models import PublicIssue
from yetan.publication.service import approve
from yetan.runtime import current
from yetan.searching.feed import rebuild
from yetan.searching.service import Filters, search_board, suggestions
from yetan.testing import Town

PART = "search"
#: Questions of each kind.
_QUESTIONS = 60
#: What no issue says, and how it is asked for: only an index finds it, not the database that answers in its stead.
_RARE = (
    ("鸬鹚", "鸕鶿"), ("鹦鹉", "鸚鵡"), ("骆驼", "駱駝"), ("缫丝", "繅絲"), ("锣鼓", "鑼鼓"),
    ("风筝", "風箏"), ("鲤鱼", "鯉魚"), ("凤凰", "鳳凰"), ("蚕茧", "蠶繭"), ("烟囱", "煙囪"),
)  # fmt: skip
#: An engine that would take longer for an index is not waited for, in minutes; its rate says how long that would be.
PATIENCE = 15.0

Question = Callable[[str], Awaitable[object]]


@cache
def engines() -> tuple[str, ...]:
    """The installed plugins that are a search engine, whichever database they need."""
    return tuple(name for name in installed() if installed()[name].value.partition(":")[0] == "yetan_search")


def _towns(databases: Databases, size: int) -> list[Town]:
    """The city of a size with each engine: on SQLite those that keep files, on PostgreSQL those that need it."""
    at_home = {name for name in engines() if _works(town_at("sqlite://none", ROOT, name))}
    wanted = at_home if databases.kind == "sqlite" else {*engines()} - at_home
    towns = [databases.town(size, name) for name in engines() if name in wanted]
    return [town for town in towns if _works(town)]


def _works(town: Town) -> bool:
    """Whether its engine is installed whole, and can be used on its database."""
    try:
        assemble(town.configuration)
    except ConfigurationError:
        return False
    return True


def measure(databases: Databases, sizes: Sequence[int], rounds: int) -> list[Row]:
    """Every engine in cities of every size."""
    rows: list[Row] = []
    for small in _towns(databases, sizes[0]):
        with (
            tempfile.TemporaryDirectory(prefix="yetan-bench-") as temporary,
            databases.copy(small, Path(temporary, "search")) as town,
        ):
            made = asyncio.run(_index(databases, town))
            rows.append(_row(databases, small, sizes[0], "index", made, "documents/s"))
            rows.append(_until_found(databases, sizes[0], town))
        for size in sizes:
            town = databases.town(size, small.search)
            minutes = 2 * size / made / 60
            if not _is_built(town) and minutes > PATIENCE:
                rows.append(_row(databases, town, size, "index not built: it would take", minutes, "min"))
                continue
            rows += asyncio.run(_asked(databases, town, size))
    return rows


def _row(databases: Databases, town: Town, size: int, name: str, value: float, unit: str, note: str = "") -> Row:
    return Row(PART, f"{town.search}: {name}", databases.kind, size, value, unit, note=note)


async def _index(databases: Databases, town: Town) -> float:
    """Documents a second, by the processor's time, of an index that is made from nothing."""
    async with at_work(town, assemble(town.configuration)):
        began = _used(databases)
        return await rebuild() / (_used(databases) - began)


def _used(databases: Databases) -> float:
    return time.process_time() + (cluster_used(databases.server) if databases.server else 0.0)


def _is_built(town: Town) -> bool:
    """Whether the kept town's index was made by this engine as it stands. A city has one: engines that keep files take
    each other's place."""
    return _mark(town).exists() and _mark(town).read_text() == _maker(town)


def _mark(town: Town) -> Path:
    return town.folder / "indexed-by"


def _maker(town: Town) -> str:
    return f"{town.search} {digest(('search_index/**/*.py',))}"


async def make_index(town: Town) -> None:
    """Have the kept town's index as its engine makes it now."""
    if not _is_built(town):
        _mark(town).unlink(missing_ok=True)
        async with at_work(town, assemble(town.configuration)):
            await rebuild()
        _mark(town).write_text(_maker(town))


async def _asked(databases: Databases, town: Town, size: int) -> list[Row]:
    rows = []
    await make_index(town)
    async with at_work(town, assemble(town.configuration)):
        board = partial(search_board, limit=20)
        kinds: dict[str, tuple[Question, Callable[[random.Random], str]]] = {
            "one word": (lambda text: board(text, Filters()), _word),
            "two words": (lambda text: board(text, Filters()), _two_words),
            "filter, by date": (
                lambda text: board(text, Filters(state="struck_off", year=2025, sort="newest")),
                _word,
            ),
            "with facets": (lambda text: board(text, Filters(), counted=True), _two_words),
            "suggestion": (_suggested, lambda chance: _word(chance)[:1]),
        }
        for name, (question, words) in kinds.items():
            chance = random.Random(SEED)
            waited = []
            await question(words(chance))
            began = _used(databases)
            for _ in range(_QUESTIONS):
                start = time.monotonic()
                answer = await question(words(chance))
                waited.append((time.monotonic() - start) * 1000)
                assert not getattr(answer, "degraded", False), "the index does not answer"
            cost = (_used(databases) - began) / _QUESTIONS * 1000
            note = f"{cost:.0f} ms of processor"
            rows += [
                _row(databases, town, size, f"{name}, p{share}", at(share / 100, waited), "ms", note)
                for share in (50, 95)
            ]
    return rows


async def _suggested(start: str) -> object:
    return await suggestions(current().system_act(), start)


def _word(chance: random.Random) -> str:
    things, _ = chance.choice(list(MATTERS.values()))
    return chance.choice(things.split())


def _two_words(chance: random.Random) -> str:
    return f"{chance.choice(TOWNSHIPS)} {_word(chance)}"


def _until_found(databases: Databases, size: int, town: Town) -> Row:
    """The longest of some waits, in seconds, from a commit of another process to the answer of the served search."""
    with site(databases, town, worker=True) as server:
        waits = asyncio.run(_waits(town, server.port))
    note = f"median {at(0.5, waits):.2f} s; {len(waits)} changes, the longest"
    return Row(
        PART, f"{town.search}: change searchable after", databases.kind, size, max(waits), "s", most=2.0, note=note
    )


async def _waits(town: Town, port: int) -> list[float]:
    waits = []
    async with at_work(town, assemble(town.configuration)):
        for number, (word, traditional) in enumerate(_RARE, start=1):
            row = await PublicIssue.get(issue_id=number)
            assert not await _finds(port, traditional, row.number), "found before it was written"
            values = {"title": f"溪边的{word}", "text": row.text, "place": row.place, "measures": "", "outcome": ""}
            await approve(await town.act(), row.issue_id, values)
            began = time.monotonic()
            while not await _finds(port, traditional, row.number):
                assert time.monotonic() - began < 60, "the change is not found"
                await asyncio.sleep(0.05)
            waits.append(time.monotonic() - began)
    return waits


async def _finds(port: int, words: str, number: str) -> bool:
    answers = await ask(port, lambda n: f"/search?q={quote(words)}&n={n}", 1, 1)
    return f"/issues/{number}".encode() in answers.body
