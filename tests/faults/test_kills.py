"""A city killed at every fault point loses nothing it acknowledged (F01, F04, F15, F42, C62).

The same at length: `make soak`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.soak.kills import points

ROOT = Path(__file__).parents[2]


def soak(*arguments: str) -> None:
    """Run `python -m tests.soak`: a process without threads, which alone may fork. What it found is the failure."""
    done = subprocess.run([sys.executable, "-m", "tests.soak", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture
def database(database_kind: str, request: pytest.FixtureRequest) -> list[str]:
    """The arguments that name the database."""
    cluster = request.getfixturevalue("postgresql_url") if database_kind == "postgresql" else ""
    return ["--database", database_kind, "--cluster", cluster]


def test_nothing_acknowledged_is_lost_wherever_the_city_is_killed(database: list[str]) -> None:
    soak("kills", *database, "--kills", str(len(points())), "--seed", "3")
