"""What the core's tests share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence

import pytest
from argon2 import PasswordHasher

from yetan.access import passwords
from yetan.db.connection import Application, sqlite_path
from yetan.testing import Town


@pytest.fixture(scope="module")
def shared_town(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_template: Callable[[str, Sequence[Application]], str],
    database_applications: tuple[Application, ...],
) -> Iterator[Town]:
    """One town, with SQLite, for all tests of a module: each raises issues of its own, and time goes on."""
    folder = tmp_path_factory.mktemp("town")
    copy = folder / "yetan.sqlite3"
    shutil.copy(sqlite_path(migrated_template("sqlite", database_applications)), copy)
    with Town(f"sqlite://{copy}", folder).open() as running:
        yield running


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take a millisecond: sixty-four megabytes for every sign-in would make the tests wait on nothing."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)
