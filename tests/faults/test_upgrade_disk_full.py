"""A disk that fills up during an upgrade, or during the copy before it, costs the upgrade and nothing else (F23)."""

from __future__ import annotations

import resource
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.children import in_child
from tests.lamps import Package, fill, on_database, rows, run_upgrade
from tests.postgresql import configuration_for

from yetan.config import Configuration
from yetan.db.connection import sqlite_path
from yetan.db.upgrade import UpgradeFailed
from yetan.errors import ConfigurationError

#: A good deal of text in a table of its own, as a migration that fills a new column or table would write it.
FILLED = """operations = [
    ops.RunSQL("CREATE TABLE lamps_ballast (content TEXT)"),
    ops.RunSQL("INSERT INTO lamps_ballast VALUES ('" + "x" * 300_000 + "')"),
]"""


@pytest.fixture
def configuration(empty_database_url: str, tmp_path: Path) -> Configuration:
    return configuration_for(empty_database_url, tmp_path / "data")


def test_a_migration_that_finds_the_disk_full_is_undone(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    # The server's own words, since its disk cannot be filled here; the embedded database may not grow any more.
    full = "DO $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
    limit = "PRAGMA max_page_count = 1" if configuration.is_sqlite else full
    body = FILLED.replace("operations = [", f'operations = [\n    ops.RunSQL("{limit}"),')
    lamps.add("0002_ballast", "0001_initial", body)

    with pytest.raises(UpgradeFailed) as failure:
        run_upgrade(configuration, lamps.application)

    said = str(failure.value).splitlines()
    assert "full" in said[0] or "No space left" in said[0]
    assert any(line.startswith("磁盘写不下了，或者出了错：请腾出空间") for line in said)
    assert said[-1].startswith("数据库没有任何改动。")
    assert on_database(configuration, lamps.application, rows) == before
    lamps.add("0002_ballast", "0001_initial", FILLED)
    assert run_upgrade(configuration, lamps.application).applied == ("lamps.0002_ballast",)
    assert on_database(configuration, lamps.application, rows) == before


@pytest.fixture
def embedded(tmp_path: Path, lamps: Package) -> Configuration:
    """A filled embedded database with a migration to come."""
    configuration = configuration_for(f"sqlite://{tmp_path}/yetan.sqlite3", tmp_path)
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    lamps.add("0002_ballast", "0001_initial", FILLED)
    return configuration


def upgrade_with_room_for(configuration: Configuration, lamps: Package, size: int) -> str:
    """What an upgrade says in a process that may write no file beyond `size` bytes: a full disk for anybody's test."""

    def work() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            run_upgrade(configuration, lamps.application)
        except (UpgradeFailed, ConfigurationError) as error:
            return str(error)
        return "it went through"

    code, said = in_child(work)
    assert code == 0, said
    return said


def check(configuration: Configuration) -> None:
    with closing(sqlite3.connect(sqlite_path(configuration.database_url))) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_without_room_for_the_copy_nothing_is_begun(embedded: Configuration, lamps: Package) -> None:
    file = Path(sqlite_path(embedded.database_url))
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE much (content TEXT)")
        database.execute("INSERT INTO much VALUES (?)", ["x" * 300_000])
        database.commit()
    before = on_database(embedded, lamps.application, rows)

    said = upgrade_with_room_for(embedded, lamps, file.stat().st_size // 2)

    assert f"在 {embedded.data_dir / 'backups'} 里复制不了数据库：" in said
    assert "请核对磁盘是否还有空间" in said
    assert said.endswith("数据库没有任何改动。")
    assert list((embedded.data_dir / "backups").iterdir()) == [], "half a copy would only take more room"
    check(embedded)
    assert on_database(embedded, lamps.application, rows) == before
    assert run_upgrade(embedded, lamps.application).applied == ("lamps.0002_ballast",)


def test_without_room_for_the_commit_nothing_is_changed(embedded: Configuration, lamps: Package) -> None:
    """The write-ahead log takes so small a change at the commit: the copy fits, the log does not."""
    before = on_database(embedded, lamps.application, rows)

    said = upgrade_with_room_for(embedded, lamps, 250_000)

    assert "迁移" not in said, "the migration itself went well"
    assert "yetan.sqlite3 用不了：disk I/O error。请核对磁盘是否还有空间" in said
    check(embedded)
    assert on_database(embedded, lamps.application, rows) == before
    assert run_upgrade(embedded, lamps.application).applied == ("lamps.0002_ballast",)
