"""What all tests share. The fixtures themselves are documented where they are defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from yetan.db.connection import Application

pytest_plugins = ["tests.postgresql", "tests.lamps"]


@pytest.fixture
def town_database_url(
    database_kind: str,
    database_applications: tuple[Application, ...],
    founded_template: Callable[[str, Sequence[Application], Mapping[str, Any]], str],
    copy_of: Callable[[str], AbstractContextManager[str]],
    town_options: dict[str, Any],
) -> Iterator[str]:
    """The town of the suite's own tests stands on both databases; one without plugins is founded once for all."""
    with copy_of(founded_template(database_kind, database_applications, town_options)) as url:
        yield url
