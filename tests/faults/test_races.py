"""Several processes at one database want the same thing at the same moment (C32, C54, C61, C63, F09, F10, F16, F43).

The same at length: `make soak`.
"""

from __future__ import annotations

import pytest
from tests.faults.test_kills import soak


@pytest.mark.postgresql
def test_of_several_who_want_the_same_one_gets_it_and_the_others_are_told(postgresql_url: str) -> None:
    """Officials at one issue, slips, double clicks, sign-in links, guesses, numbers, crossing changes, schedulers."""
    soak("races", "--cluster", postgresql_url, "--rounds", "2")


@pytest.mark.postgresql
def test_three_workers_killed_in_the_middle_lose_nothing_and_apply_nothing_twice(postgresql_url: str) -> None:
    """F42."""
    soak("workers", "--cluster", postgresql_url, "--kills", "4")


@pytest.mark.postgresql
def test_four_processes_work_on_the_same_issues(postgresql_url: str) -> None:
    soak("crowd", "--database", "postgresql", "--cluster", postgresql_url, "--processes", "4", "--steps", "8")


def test_two_processes_never_find_the_embedded_database_locked() -> None:
    """F09."""
    soak("writes", "--database", "sqlite", "--processes", "2", "--writes", "200")
