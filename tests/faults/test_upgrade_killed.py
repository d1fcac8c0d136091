"""An upgrade that is killed, at whatever point, is as if it had not begun, or is complete (F05, F23)."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.children import command
from tests.faults.upgrades import killed_upgrade
from tests.lamps import FIRST, WIDER, Package, fill, on_database, rows, run_upgrade
from tests.postgresql import configuration_for

from yetan.config import Configuration
from yetan.db.applied import pending
from yetan.db.comparison import compare
from yetan.db.statements import fetch

#: A second migration rebuilds, on SQLite, the table that all others refer to, and cascades; a third adds a column with
#: its index and fills it; a fourth rebuilds a table that refers and is referred to.
WATTS = "    watts = fields.IntField(db_default=40, db_index=True)\n"
NUMBER = "    number = fields.IntField()\n"
WITH_WATTS = WIDER.replace(NUMBER, NUMBER + WATTS)
NEWEST = WITH_WATTS.replace(NUMBER, "    number = fields.IntField(null=True)\n")
NEW = ("lamps.0002_wider_names", "lamps.0003_watts", "lamps.0004_bright", "lamps.0005_lamps_without_number")


@pytest.fixture
def configuration(empty_database_url: str, tmp_path: Path) -> Configuration:
    return configuration_for(empty_database_url, tmp_path / "data")


@pytest.fixture
def newer(lamps: Package, tmp_path: Path) -> Iterator[Package]:
    """The next version of the lamps."""
    newer = Package(tmp_path / "packages")
    newer.change(FIRST, "0001_initial")
    newer.change(WIDER, "0002_wider_names")
    newer.change(WITH_WATTS, "0003_watts")
    newer.add("0004_bright", "0003_watts", "operations = [ops.RunSQL('UPDATE lamps_lamp SET watts = 60 WHERE id = 2')]")
    newer.change(NEWEST, "0005_lamps_without_number")
    yield newer
    newer.forget()


async def watts() -> list[int]:
    return [row["watts"] for row in await fetch("SELECT watts FROM lamps_lamp ORDER BY id")]


class City:
    """A filled database of the old version, and what must stay of it."""

    def __init__(self, configuration: Configuration, old: Package, new: Package) -> None:
        self.configuration, self.old, self.new = configuration, old, new
        run_upgrade(configuration, old.application)
        on_database(configuration, old.application, fill)
        self.before = on_database(configuration, old.application, rows)

    def upgrade_killed_at(self, point: str, arrival: int = 1) -> bool:
        """Whether the upgrade to the new version was killed there."""
        return killed_upgrade(self.configuration, [self.new.application], point, arrival)

    def starts(self, version: Package) -> list[str]:
        """What a version says at its start: the migrations that it waits for."""
        application = version.application
        return on_database(self.configuration, application, lambda: pending(self.configuration, [application]))

    def assert_untouched(self) -> None:
        """The old version goes on as ever, the new one says what to do."""
        assert on_database(self.configuration, self.old.application, compare) == []
        assert self.starts(self.old) == []
        assert self.starts(self.new) == list(NEW)
        assert on_database(self.configuration, self.old.application, rows) == self.before

    def assert_upgraded(self) -> None:
        assert on_database(self.configuration, self.new.application, compare) == []
        assert self.starts(self.new) == []
        assert on_database(self.configuration, self.new.application, rows) == self.before
        assert on_database(self.configuration, self.new.application, watts) == [40, 60, 40]


@pytest.fixture
def city(configuration: Configuration, lamps: Package, newer: Package) -> City:
    return City(configuration, lamps, newer)


def test_an_upgrade_killed_at_any_statement_has_not_begun_and_runs_again(city: City) -> None:
    for killed in itertools.count():
        if not city.upgrade_killed_at("upgrade.statement", killed + 1):
            break
        city.assert_untouched()
    assert killed >= (15 if city.configuration.is_sqlite else 4), "a rebuild alone takes SQLite many statements"
    city.assert_upgraded()


def test_an_upgrade_killed_between_a_change_and_its_record_or_its_end_has_not_begun(city: City) -> None:
    for recorded in range(1, len(NEW) + 1):
        assert city.upgrade_killed_at("upgrade.recorded", recorded)
        city.assert_untouched()
    assert run_upgrade(city.configuration, city.new.application).applied == NEW
    city.assert_upgraded()


def test_an_upgrade_killed_after_its_commit_is_complete(city: City) -> None:
    assert city.upgrade_killed_at("upgrade.committed")
    city.assert_upgraded()
    assert run_upgrade(city.configuration, city.new.application).applied == ()


def test_a_copy_that_was_broken_off_is_cleared_away(city: City) -> None:
    backups = city.configuration.data_dir / "backups"
    if not city.configuration.is_sqlite:
        assert not city.upgrade_killed_at("upgrade.copying"), "the operator's own backups are PostgreSQL's"
        city.assert_upgraded()
        return
    assert city.upgrade_killed_at("upgrade.copying")
    city.assert_untouched()
    assert [path.suffix for path in backups.iterdir()] == [".partial"]
    assert city.upgrade_killed_at("upgrade.copied")
    city.assert_untouched()
    copy = run_upgrade(city.configuration, city.new.application).copy
    assert copy is not None
    assert {path.suffix for path in backups.iterdir()} == {".sqlite3"}
    for path in backups.iterdir():
        with closing(sqlite3.connect(path)) as whole:
            assert whole.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert whole.execute("SELECT count(*) FROM lamps_lamp").fetchone() == (3,)
    city.assert_upgraded()


TOWN = """
plugins = ["supervision"]
secret_key = "0123456789012345678901234567890123456789"
[city]
name = "柳湾市"
[unit_kinds.city]
label = "市"
"""


def yetan(configuration: Configuration, *arguments: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    """Run the `yetan` command as an operator would."""
    config = configuration.data_dir / "yetan.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(TOWN, encoding="utf-8")
    given = {"YETAN_DATABASE_URL": configuration.database_url}
    return command(*arguments, "--config", config, environment=given, fault=fault)


def test_a_new_city_whose_first_upgrade_is_killed_says_what_to_do(configuration: Configuration) -> None:
    killed = yetan(configuration, "db", "upgrade", fault="upgrade.statement:30")
    assert killed.returncode == -signal.SIGKILL
    refused = yetan(configuration, "check")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "yetan db upgrade" in refused.stderr
    done = yetan(configuration, "db", "upgrade")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("数据库已升级，应用了 ")
