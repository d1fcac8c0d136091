"""`python -m tests.benchmarks.table docs/bench.json`: the figures of a run as the tables of docs/performance.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def tables(figures: Figures) -> Iterator[str]:
    """A table of Markdown for each part: a line for each row, a column for each database and size."""
    databases = ", ".join(f"{name} {version}" for name, version in figures["databases"].items())
    yield f"Commit {figures['commit'][:12]}, {figures['at'][:10]}; {figures['machine']}; {databases}."
    rows: Sequence[Figures] = figures["rows"]
    for part in dict.fromkeys(row["part"] for row in rows):
        of_part = [row for row in rows if row["part"] == part]
        columns = list(dict.fromkeys(_column(row) for row in of_part))
        yield ""
        yield f"| {part} | {' | '.join(columns)} | target |"
        yield "|---" * (len(columns) + 1) + "|---|"
        for name in dict.fromkeys(row["name"] for row in of_part):
            found = {_column(row): row for row in of_part if row["name"] == name}
            cells = [_cell(found[column]) if column in found else "" for column in columns]
            yield f"| {name} | {' | '.join(cells)} | {' / '.join(dict.fromkeys(_targets(found.values())))} |"


def _column(row: Figures) -> str:
    size = f"{row['size']:,}" if "size" in row else ""
    return f"{row.get('database', '')} {size}".strip() or "all"


def _cell(row: Figures) -> str:
    value = "fails" if row["value"] is None else f"{row['value']:.3g} {row.get('unit', '')}".strip()
    return f"**{value}**" if row.get("missed") else value


def _targets(rows: Any) -> Iterator[str]:
    for row in rows:
        if "least" in row:
            yield f">= {row['least']:g}"
        if "most" in row:
            yield f"<= {row['most']:g}"


if __name__ == "__main__":
    print("\n".join(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
