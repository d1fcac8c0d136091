"""`python -m tests.benchmarks`: the figures of the product in one run; ends with 1 where a target is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests import postgresql
from tests.benchmarks import attacks, judged, many, pages, processes, searching, writing
from tests.benchmarks.kept import DATABASES, ROOT, Databases, databases
from tests.benchmarks.rows import Row

Part = Callable[[Databases, Sequence[int], int], list[Row]]

#: What is measured in cities, in each kind of database.
CITY_PARTS: dict[str, Part] = {
    "filling": lambda databases, sizes, rounds: [
        Row("filling", "city filled in", databases.kind, size, databases.seconds(size), "s") for size in sizes
    ],
    "pages": pages.measure,
    "attack": attacks.measure,
    "writing": writing.measure,
    "processes": processes.measure,
    "many": many.measure,
    "search": searching.measure,
}
PARTS = (*CITY_PARTS, judged.PART)


def main() -> int:
    """Measure, print, keep, and say whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="10000 100000", help="published issues")
    parser.add_argument("--databases", default=" ".join(DATABASES))
    parser.add_argument("--parts", default=" ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--figures", type=Path, help="a JSON file to write the figures to")
    given = parser.parse_args()
    unknown = {*given.parts.split()} - {*PARTS} | {*given.databases.split()} - {*DATABASES}
    if unknown:
        parser.error(f"no such part or database: {', '.join(sorted(unknown))}")
    sizes = sorted(int(size) for size in given.sizes.split())
    rows: list[Row] = []
    for row in _measured(given.databases.split(), given.parts.split(), sizes, given.rounds):
        print(row, flush=True)
        rows.append(row)
    missed = [row for row in rows if row.missed]
    for row in missed:
        print(f"missed: {row}")
    if given.figures:
        _keep(given.figures, rows)
    return 1 if missed else 0


def _measured(kinds: Sequence[str], parts: Sequence[str], sizes: Sequence[int], rounds: int) -> Iterator[Row]:
    if judged.PART in parts:
        yield from judged.measure()
    chosen = [part for part in CITY_PARTS if part in parts]
    for kind in kinds if chosen else ():
        with databases(kind) as kept:
            for part in chosen:
                yield from CITY_PARTS[part](kept, sizes, rounds)


def _keep(path: Path, rows: Sequence[Row]) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    figures = {
        "commit": commit.stdout.strip(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "databases": _databases(),
        "rows": [row.figures() for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _databases() -> dict[str, str]:
    programs = postgresql.find_programs()
    server = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True) if programs else None
    return {"sqlite": sqlite3.sqlite_version, **({"postgresql": server.stdout.split()[2]} if server else {})}


if __name__ == "__main__":
    sys.exit(main())
