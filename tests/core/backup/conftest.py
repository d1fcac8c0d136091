"""Cities to back up, and those that take a backup."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.core.backup.city import back_up, found_city, photograph, town_of

from yetan.db.connection import CORE_APPLICATION, Application, sqlite_path


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Path:
    """The configuration of a city that is at work."""
    return found_city(tmp_path / "origin", database_url)


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Path:
    """The configuration of the same city on another machine, without any data."""
    folder = tmp_path / "elsewhere"
    url = f"sqlite://{folder}/var/yetan.sqlite3"
    if database_kind == "postgresql":
        url = request.getfixturevalue("empty_database_url")
    config = found_city(folder, url)
    (folder / "var" / "secret_key").unlink()
    return config


@pytest.fixture(scope="session")
def stored_city(
    tmp_path_factory: pytest.TempPathFactory, migrated_template: Callable[[str, Sequence[Application]], str]
) -> Path:
    """The data folder of a city on SQLite with two issues and a photo each. For copying alone."""
    folder = tmp_path_factory.mktemp("city")
    config = found_city(folder / "origin", f"sqlite://{folder}/origin/var/yetan.sqlite3")
    shutil.copy(
        sqlite_path(migrated_template("sqlite", (CORE_APPLICATION,))), folder / "origin" / "var" / "yetan.sqlite3"
    )
    with town_of(config).open() as town:
        for shade in range(2):
            photograph(town, town.report(title=f"第 {shade} 件"), shade)
        town.run_worker()
    return folder / "origin" / "var"


@pytest.fixture
def sqlite_home(tmp_path: Path, stored_city: Path) -> Path:
    """Such a city, at which nobody is at work."""
    config = found_city(tmp_path / "origin", f"sqlite://{tmp_path}/origin/var/yetan.sqlite3")
    shutil.copytree(stored_city, tmp_path / "origin" / "var", dirs_exist_ok=True)
    return config


@pytest.fixture
def archive(sqlite_home: Path, tmp_path: Path) -> Path:
    return back_up(sqlite_home, tmp_path / "backup.tar.gz").path


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The same city on another machine, on SQLite, without any data."""
    config = found_city(tmp_path / "there", f"sqlite://{tmp_path}/there/var/yetan.sqlite3")
    (tmp_path / "there" / "var" / "secret_key").unlink()
    return config
