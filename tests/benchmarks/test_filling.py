"""The benchmark's city is one that the services could have made: the check of a city finds nothing wrong with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.benchmarks.city import town_at
from tests.benchmarks.filling import check, fill

from yetan.app import assemble
from yetan.db.upgrade import upgrade


def test_the_check_of_a_city_finds_nothing_wrong_with_what_was_written_straight_into_its_tables(
    empty_database_url: str, tmp_path: Path
) -> None:
    town = town_at(empty_database_url, tmp_path)
    registry = assemble(town.configuration)
    asyncio.run(upgrade(town.configuration, registry.applications, lambda line: None))
    asyncio.run(fill(town, 60, counties=1))
    wrong = [line for line in asyncio.run(check(town)) if line.name not in ("footer", "calendar")]
    assert wrong == []
