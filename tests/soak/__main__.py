"""`python -m tests.soak`: a city killed over and over, raced in, crowded, looked at in every way; and the figures."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests import figures
from tests.soak.city import DATABASES, towns
from tests.soak.crowd import crowd, write_much
from tests.soak.kills import kill, kill_transitions, points
from tests.soak.races import race
from tests.soak.workers import kill_workers

ROOT = Path(__file__).parents[2]
#: The figures that are kept, and the commit they belong to.
FIGURES = ROOT / "docs" / "soak.json"

Given = argparse.Namespace
Figures = Mapping[str, Any]


def _kills(given: Given) -> Figures:
    with towns(given.database, given.folder, given.cluster) as new_town:
        told = kill(given.database, new_town, given.kills, given.seed, given.point)
    return _unless_lost(told.figures(), told.losses)


def _transitions(given: Given) -> Figures:
    with towns(given.database, given.folder, given.cluster) as new_town:
        told = kill_transitions(given.database, new_town, given.times, given.seed)
    return _unless_lost(told.figures(), told.losses)


def _workers(given: Given) -> Figures:
    with towns("postgresql", given.folder, given.cluster) as new_town:
        told = kill_workers(new_town, given.kills, given.seed)
    return _unless_lost(told.figures(), told.losses)


def _races(given: Given) -> Figures:
    with towns("postgresql", given.folder, given.cluster) as new_town:
        told = race(new_town, given.rounds)
    return _unless_lost(told.figures, told.losses)


def _crowd(given: Given) -> Figures:
    with towns(given.database, given.folder, given.cluster) as new_town:
        return {"database": given.database, **crowd(new_town, given.processes, given.steps, given.seed)}


def _writes(given: Given) -> Figures:
    with towns(given.database, given.folder, given.cluster) as new_town:
        return {"database": given.database, **write_much(new_town, given.processes, given.writes)}


#: The suite's own tests of the surroundings, at length: a restart under load, an altered index, backups under load.
_SURROUNDINGS = (
    "tests/faults/test_database_lost.py::test_a_restart_under_load_loses_nothing_that_was_acknowledged",
    "tests/faults/test_index_damage.py::test_bytes_altered_anywhere_break_no_page",
    "tests/core/backup/test_taking_back.py::test_what_was_acknowledged_before_a_backup_began_is_all_there_after_it_is_taken_back",
)


def _surroundings(given: Given) -> Figures:
    kept = given.folder / "figures"
    sizes = {"YETAN_SOAK_REQUESTS": str(given.requests), "YETAN_SOAK_FLIPS": str(given.flips)}
    command = [sys.executable, "-m", "pytest", "-q", *_SURROUNDINGS]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **sizes, figures.FILE: str(kept)}, stdout=sys.stderr, check=False
    )
    assert not done.returncode, "see above"
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    return {name: told for line in lines for name, told in line.items()}


def _pages(given: Given) -> Figures:
    """Every page in every way there is to look at it; the suite looks at each in one of them."""
    # Nothing else here needs a browser and every plugin, which take half a second to import.
    from tests.browser.conftest import open_chromium
    from tests.browser.pages import LOOKS, WIDTHS, faults_of, pages_of
    from tests.contracts.site import open_site
    from tests.contracts.subjects import Scene

    with open_site(given.folder) as site:
        seen = pages_of(Scene(site))
        looks = [(page, look) for page in seen for look in LOOKS]
        with open_chromium() as chromium:
            faults = faults_of(chromium, site, looks)
    return _unless_lost({"pages": len(seen), "looks": len(looks), "widths": len(WIDTHS)}, faults)


def _all(given: Given) -> Figures:
    """All of it at length, one after the other; the figures are kept in FIGURES."""
    runs: dict[str, tuple[str, ...]] = {
        "kills_sqlite": ("kills", "--database", "sqlite", "--kills", str(given.kills)),
        "kills_postgresql": ("kills", "--database", "postgresql", "--kills", str(given.kills)),
        "transitions_sqlite": ("transitions", "--database", "sqlite", "--times", str(given.times)),
        "transitions_postgresql": ("transitions", "--database", "postgresql", "--times", str(given.times)),
        "workers_killed": ("workers", "--kills", "50"),
        "races": ("races", "--rounds", "100"),
        "crowd_postgresql": ("crowd", "--database", "postgresql", "--processes", "4", "--steps", "60"),
        "crowd_sqlite": ("crowd", "--database", "sqlite", "--processes", "2", "--steps", "60"),
        "writes_sqlite": ("writes", "--processes", "2", "--writes", "10000"),
        "surroundings": ("surroundings",),
        "pages": ("pages",),
    }
    told: dict[str, Any] = {
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"make soak SEED={given.seed}",
    }
    began = time.monotonic()
    for name, arguments in runs.items():
        command = [sys.executable, "-m", "tests.soak", *arguments, "--seed", str(given.seed)]
        print(f"{name}: python {' '.join(command[1:])}", flush=True)
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} found a loss, see above.")
        told[name] = json.loads(done.stdout)
    told["seconds"] = round(time.monotonic() - began)
    FIGURES.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return told


def _unless_lost(figures: Figures, losses: list[str]) -> Figures:
    assert not losses, "\n".join([json.dumps(figures, ensure_ascii=False), *losses])
    return figures


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Run what the arguments say, print its figures as JSON, and end with 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs: Mapping[str, tuple[str, Callable[[Given], Figures]]] = {
        "kills": ("kill a city over and over", _kills),
        "transitions": ("kill a transition before each of its statements", _transitions),
        "workers": ("kill three workers of a PostgreSQL city over and over", _workers),
        "races": ("four processes want the same", _races),
        "crowd": ("several processes work on the same issues", _crowd),
        "writes": ("several processes write as fast as they can", _writes),
        "surroundings": ("a database restarted, an index altered, a backup made, all under load", _surroundings),
        "pages": ("every page in a browser, in every look", _pages),
        "all": ("everything at length; keeps the figures", _all),
    }
    for name, (description, run) in runs.items():
        command = commands.add_parser(name, help=description)
        command.set_defaults(run=run)
        command.add_argument("--cluster", default="", help="URL of a PostgreSQL cluster; default: a throw-away one")
        command.add_argument("--database", choices=DATABASES, default="sqlite")
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--kills", type=int, default=500 if name == "all" else 20)
        command.add_argument("--times", type=int, default=3 if name == "all" else 1)
        command.add_argument("--point", action="append", default=[], choices=points(), help="kill there alone")
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument("--processes", type=int, default=2)
        command.add_argument("--steps", type=int, default=20)
        command.add_argument("--writes", type=int, default=300)
        command.add_argument("--requests", type=int, default=600)
        command.add_argument("--flips", type=int, default=200)
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    given.folder = Path(tempfile.mkdtemp(prefix="yetan-soak-"))
    try:
        told = given.run(given)
    except AssertionError as loss:
        sys.exit(f"{loss}\nThe cities are left in {given.folder}")
    shutil.rmtree(given.folder)
    print(json.dumps(told, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
