"""The site that contract tests look at: one a module, put back after whatever changes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.contracts.site import every_application, open_site
from tests.contracts.subjects import Scene

from yetan.db.connection import Application, sqlite_path


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, migrated_template: Callable[[str, Sequence[Application]], str]
) -> Iterator[Scene]:
    """A town with every plugin enabled, officials of every role in every relation, and a subject of each model."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(sqlite_path(migrated_template("sqlite", every_application(folder))), folder / "town.sqlite3")
    with open_site(folder) as site:
        yield Scene(site)
