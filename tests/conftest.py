"""What all tests share. The fixtures themselves are documented where they are defined."""

import pytest

pytest_plugins = ["tests.postgresql", "tests.lamps"]


@pytest.fixture
def town_database_url(database_url: str) -> str:
    """The town of the core's own tests stands on both databases."""
    return database_url
