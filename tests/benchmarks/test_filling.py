"""The benchmark's city is one that the services could have made: the check of a city finds nothing wrong with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.filling import check, fill
from tests.benchmarks.rows import Row

from yetan.testing import Town

#: What no made-up town has.
_UNSET = ("footer", "calendar")


def test_the_check_of_a_city_finds_nothing_wrong_with_what_was_written_straight_into_its_tables(
    database_url: str, tmp_path: Path
) -> None:
    town = Town(database_url, tmp_path)
    asyncio.run(fill(town, 60, counties=1))
    assert [line for line in asyncio.run(check(town)) if line.name not in _UNSET] == []


def test_a_figure_on_the_wrong_side_of_its_target_is_missed() -> None:
    row = Row("pages", "list", "sqlite", 10, 0.8, "")
    assert replace(row, least=0.81).missed
    assert replace(row, most=0.79).missed
    assert not replace(row, least=0.8).missed
    assert not replace(row, most=0.8).missed
    assert not row.missed
