"""On which databases a test runs. `database_kind` of tests/postgresql.py takes every test to both.

What a database decides is tried on both: statements, transactions, locks, order. How a page is drawn is not, and its
module says so by importing

    from tests.databases import BOTH_DATABASES, database_kind as database_kind

Each of its tests then runs on SQLite alone, but for those marked with BOTH_DATABASES. That every page answers on
PostgreSQL as well is tried by tests/contracts/test_postgresql.py.
"""

from __future__ import annotations

import pytest

BOTH_DATABASES = pytest.mark.parametrize(
    "database_kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
ONE_DATABASE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a mark says otherwise."""
    return str(getattr(request, "param", "sqlite"))
