"""The benchmark's city is one that the services could have made, and its table says what missed its target."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.filling import check, fill
from tests.benchmarks.rows import Row
from tests.benchmarks.table import tables

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
    assert replace(row, value=math.nan, most=1.2).missed


def test_the_table_of_a_run_marks_what_missed_its_target() -> None:
    row = Row("pages", "bare page / list", "sqlite", 10_000, 0.5, "", least=0.8)
    told = {"commit": "0" * 40, "at": "2026-11-22T09:00", "machine": "two cores", "databases": {"sqlite": "3.40"}}
    run = {**told, "rows": [row.figures()]}
    *_, heading, _, line = tables(run)
    assert heading == "| pages | sqlite 10,000 | target |"
    assert line == "| bare page / list | **0.5** | >= 0.8 |"
