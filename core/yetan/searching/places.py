"""The names of the town's places, gathered each week from what is published, as words of the search's dictionary.

A place is written freely: 荷塘社区荷塘路12号楼道. What follows the unit's name, up to the first ending that places
have, is taken for a name (荷塘路) where several published issues write it. Numbers of houses are never part of one.
Kept in a table, so that the dictionary, and with it whether a rebuild is due, changes once a week at most.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set

from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.db.reading import read
from yetan.plugins.declarations import Job
from yetan.searching.models import PlaceName
from yetan.units.models import Unit

#: A name is one that stands in so many published issues.
FEWEST_ISSUES = 3
#: Seconds that reading all places may take.
_PATIENCE = 60.0
_GENERIC = "大道|大桥|小区|花园|广场|公园|码头|市场|新村|名居|小学|中学|医院|车站"
#: 松涛里 is a name, 小区里 is none.
_LANE = "(?<!小区)(?<!公园)(?<!广场)(?<!市场)(?<!学校)里(?=[0-9０-９]|$)"
_NAME = re.compile(f"[㐀-鿿]{{1,5}}?(?:{_GENERIC}|路|街|巷|弄|桥|苑|园|城|{_LANE}){{1,3}}")


def name_in(place: str, units: Set[str]) -> str:
    """The name a place begins with, behind the names of `units`; "" where none can be told."""
    while unit := next((place[:end] for end in range(len(place), 0, -1) if place[:end] in units), ""):
        rest = place[len(unit) :].lstrip()
        if not rest:
            return ""
        place = rest
    found = _NAME.match(place)
    return found[0] if found else ""


async def gather() -> None:
    """Bring the table up to what is published now."""
    units = {str(name) for name in await Unit.all().values_list("name", flat=True)}
    times: Counter[str] = Counter()
    rows = await read(
        "SELECT place, COUNT(*) AS times FROM yetan_public_issue WHERE place <> '' GROUP BY place", seconds=_PATIENCE
    )
    for row in rows:
        if name := name_in(row["place"], units):
            times[name] += row["times"]
    names = {name for name, count in times.items() if count >= FEWEST_ISSUES}
    known = {str(name) for name in await PlaceName.all().values_list("name", flat=True)}
    if names == known:
        return
    async with in_transaction():
        await PlaceName.filter(name__in=sorted(known - names)).delete()
        await PlaceName.bulk_create([PlaceName(name=name) for name in sorted(names - known)], ignore_conflicts=True)


async def _gather(act: Act) -> None:
    await gather()


JOBS = (Job("core.places", "week", _gather, at_hour=3),)
