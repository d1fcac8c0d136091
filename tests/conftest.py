"""What all tests share. The fixtures themselves are documented where they are defined."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from yetan.db.connection import Application

pytest_plugins = ["tests.postgresql", "tests.lamps"]

#: Folders whose files take longest: dealt out first, so that no process is left with one of them at the end.
_LONG = ("browser", "scaffold", "faults", "contracts", "docs")
_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first. Within a file nothing changes its place."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(_FOLDER).parts[0] if item.path.is_relative_to(_FOLDER) else ""
    return _LONG.index(folder) if folder in _LONG else len(_LONG)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than processors: those that drive a browser or a server wait for it half of the time."""
    return (os.cpu_count() or 1) + 1


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
