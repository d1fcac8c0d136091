"""`python -m tests.benchmarks`: what public pages cost, in ratios within one run; ends with 1 for a missed target."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.issues import fill
from tests.benchmarks.measuring import Cost, cost, serving, tag_of
from tests.soak.city import towns

ROOT = Path(__file__).parents[2]
LIST = "/issues"
#: The least of bare / measured processor time.
TARGETS = {"list, uncached": 0.80, "list, kept": 6.0, "list, not modified": 7.0}


def measure(kind: str, size: int, requests: int, folder: Path) -> dict[str, Cost]:
    """Each page's cost, with the bare page's beside."""
    with towns(kind, folder) as new_town:
        town = new_town()
        asyncio.run(fill(town, size))
        with serving() as bare, serving(town.database_url, str(town.folder)) as site:
            found = {"bare page": cost(bare, lambda number: "/", requests=5 * requests)}
            found["list, uncached"] = cost(site, lambda number: f"{LIST}?n={number}", requests=requests)
            found["list, kept"] = cost(site, lambda number: LIST, requests=10 * requests)
            found["list, not modified"] = cost(
                site,
                lambda number: LIST,
                requests=10 * requests,
                status=304,
                headers={"If-None-Match": tag_of(site, LIST)},
            )
            filtered = f"{LIST}?state=struck_off&kind=problem&unit=village"
            found["list, filtered"] = cost(site, lambda number: f"{filtered}&n={number}", requests=requests)
            found["board, uncached"] = cost(site, lambda number: f"/?n={number}", requests=requests)
            found["issue, uncached"] = cost(
                site, lambda number: f"/issues/LW{number % size + 1:07}?n={number}", requests=requests
            )
    return found


def main() -> int:
    """Measure, print, keep, and say whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--database", choices=("sqlite",), default="sqlite")
    parser.add_argument("--size", type=int, default=10_000, help="published issues")
    parser.add_argument("--requests", type=int, default=1000, help="requests for each page that is drawn")
    parser.add_argument("--figures", type=Path, help="a JSON file to write the figures to")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yetan-bench-") as folder:
        found = measure(given.database, given.size, given.requests, Path(folder))
    bare = found["bare page"].seconds
    missed = []
    rows = {}
    print(f"{'page':24}{'ms':>8}{'KB':>8}{'bare / it':>12}{'target':>9}")
    for name, each in found.items():
        ratio, target = bare / each.seconds, TARGETS.get(name)
        rows[name] = {"milliseconds": round(each.seconds * 1000, 3), "bytes": each.bytes, "ratio": round(ratio, 2)}
        if target is not None and ratio < target:
            missed.append(name)
        told = "" if target is None else f"{target:.2f}{' !' if name in missed else ''}"
        print(f"{name:24}{each.seconds * 1000:8.3f}{each.bytes / 1000:8.1f}{ratio:12.2f}{told:>9}")
    if given.figures:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        figures = {
            "commit": commit.stdout.strip(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "database": given.database,
            "size": given.size,
            "pages": rows,
            "missed": missed,
        }
        given.figures.parent.mkdir(parents=True, exist_ok=True)
        given.figures.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
