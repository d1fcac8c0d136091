"""Upgrading a database: all or nothing, one at a time, and nothing lost."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from tests.lamps import FIRST, WIDER, Package, fill, on_database, rows, run_upgrade, tables
from tests.postgresql import configuration_for, database_of, execute
from tortoise.exceptions import IntegrityError
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor, SqliteSchemaEditor

from yetan.config import Configuration
from yetan.db import upgrade as upgrade_module
from yetan.db.applied import pending
from yetan.db.connection import CORE_APPLICATION, Patience, connected, is_postgres, sqlite_path
from yetan.db.reversal import revert
from yetan.db.statements import fetch
from yetan.db.upgrade import UpgradeFailed, UpgradeReport, upgrade
from yetan.errors import ConfigurationError


@pytest.fixture
def configuration(empty_database_url: str, tmp_path: Path) -> Configuration:
    return configuration_for(empty_database_url, tmp_path / "data")


def test_an_empty_database_gets_the_core(configuration: Configuration) -> None:
    said: list[str] = []
    report = asyncio.run(upgrade(configuration, [CORE_APPLICATION], said.append))
    assert report == UpgradeReport(("yetan.0001_initial",), None)
    assert said == ["正在升级 yetan.0001_initial"]
    assert "yetan_issue" in on_database(configuration, CORE_APPLICATION, tables)
    assert run_upgrade(configuration, CORE_APPLICATION) == UpgradeReport((), None)
    assert not (configuration.data_dir / "backups").exists()


def test_pending_names_what_is_missing(configuration: Configuration, lamps: Package) -> None:
    def missing() -> list[str]:
        return on_database(configuration, lamps.application, lambda: pending(configuration, [lamps.application]))

    assert missing() == ["lamps.0001_initial"]
    run_upgrade(configuration, lamps.application)
    assert missing() == []
    lamps.change(WIDER, "0002_wider_names")
    assert missing() == ["lamps.0002_wider_names"]


def test_altering_a_field_of_a_filled_database_loses_no_rows_and_no_rules(
    configuration: Configuration, lamps: Package
) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    lamps.change(WIDER, "0002_wider_names")

    report = run_upgrade(configuration, lamps.application)

    assert report.applied == ("lamps.0002_wider_names",)
    assert on_database(configuration, lamps.application, rows) == before

    async def repeat_a_name() -> None:
        await fetch("INSERT INTO lamps_street (id, name, district, note) VALUES (3, '水巷', '一区', '')")

    with pytest.raises(IntegrityError):
        on_database(configuration, lamps.application, repeat_a_name)
    if configuration.is_sqlite:
        assert report.copy is not None
        assert report.copy.parent == configuration.data_dir / "backups"
        assert report.copy.stat().st_mode & 0o077 == 0
        with sqlite3.connect(report.copy) as copy:
            assert copy.execute("SELECT count(*) FROM lamps_lamp").fetchone() == (3,)
        copy.close()
    else:
        assert report.copy is None


def test_fields_can_be_removed_and_added_with_their_index(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    changed = FIRST.replace('    note = fields.TextField(default="")\n', "")
    changed = changed.replace('        indexes = [Index(fields=("note", "id"), name="lamps_street_note")]\n', "")
    changed = changed.replace(
        "    number = fields.IntField()\n",
        "    number = fields.IntField()\n"
        "    watts = fields.IntField(db_default=40, db_index=True)\n"
        "    keeper = fields.ForeignKeyField("
        '"lamps.Street", related_name="kept", null=True, db_index=True)\n',
    )
    lamps.change(changed, "0002_keepers")

    assert run_upgrade(configuration, lamps.application).applied == ("lamps.0002_keepers",)
    assert on_database(configuration, lamps.application, rows) == before


def test_a_rebuild_that_drops_a_unique_constraint_is_noticed(
    configuration: Configuration, lamps: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Tortoise's own editors, which forget uniques and indexes, the comparison has to refuse."""
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    lit = "lit = fields.IntField(null=True, db_index=True)"
    number = "number = fields.IntField()"
    lamps.change(WIDER.replace(number, f"{number}\n    {lit}"), "0002_wider_names")

    class Forgetful(SqliteSchemaEditor):
        async def _run_sql(self, sql: str) -> None:
            await self.client.execute_query(sql)

    monkeypatch.setattr(
        upgrade_module,
        "schema_editor",
        lambda client: AsyncpgSchemaEditor(client) if is_postgres() else Forgetful(client),
    )
    with pytest.raises(UpgradeFailed) as failure:
        run_upgrade(configuration, lamps.application)

    lines = str(failure.value).splitlines()
    assert "  lamps_lamp：缺少索引 (lit)" in lines
    if configuration.is_sqlite:
        assert "  lamps_street：缺少唯一约束 (district, name)" in lines
        assert "  lamps_street：缺少索引 (note, id)" in lines
        (copy,) = (configuration.data_dir / "backups").iterdir()
        assert lines[-1] == f"数据库没有任何改动。升级前的副本留在 {copy}。"
    else:
        assert lines[-1] == "数据库没有任何改动。"
    assert on_database(configuration, lamps.application, rows) == before


def test_a_failing_migration_leaves_nothing_applied(configuration: Configuration, lamps: Package) -> None:
    lamps.add(
        "0002_posts",
        "0001_initial",
        "key = fields.IntField(primary_key=True)\n"
        "options = {'table': 'lamps_post', 'app': 'lamps'}\n"
        "operations = [ops.CreateModel(name='Post', fields=[('id', key)], options=options),"
        " ops.RunSQL('SELECT broken')]",
    )
    with pytest.raises(UpgradeFailed, match=r"(?s)迁移 lamps\.0002_posts 没有成功：.*\n数据库没有任何改动。"):
        run_upgrade(configuration, lamps.application)
    assert on_database(configuration, lamps.application, tables) == set()


def test_migrations_are_taken_back_the_last_step_first(configuration: Configuration, lamps: Package) -> None:
    """Also where a migration makes tables before and after it changes one that is filled."""
    seen, number, lit = lamps.folder / "seen", "number = fields.IntField()", "fields.IntField(null=True, db_index=True)"
    (lamps.folder / "models.py").write_text(FIRST.replace(number, f"{number}\n    lit = {lit}"))
    lamps.add(
        "0002_posts",
        "0001_initial",
        "def made(name):\n"
        "    options = {'table': f'lamps_{name}', 'app': 'lamps'}\n"
        "    return ops.CreateModel(name, fields=[('id', fields.IntField(primary_key=True))], options=options)\n"
        "async def nothing(apps, schema_editor):\n    pass\n"
        "async def look(apps, schema_editor):\n"
        "    found = []\n"
        "    for place in ('lit FROM lamps_lamp', 'id FROM lamps_post', 'id FROM lamps_wire'):\n"
        "        try:\n"
        "            async with in_transaction():\n"
        "                await fetch(f'SELECT {place}')\n"
        "            found.append(place)\n"
        "        except OperationalError:\n"
        "            pass\n"
        f"    with open({str(seen)!r}, 'a') as file:\n        file.write(f'{{found}}\\n')\n"
        "from tortoise.exceptions import OperationalError\n"
        "from tortoise.transactions import in_transaction\n"
        "from yetan.db.statements import fetch\n"
        "seen = ops.RunPython(nothing, reverse_code=look)\n"
        f"lit = ops.AddField('Lamp', 'lit', {lit})\n"
        "operations = [seen, made('post'), seen, lit, seen, made('wire'), seen]",
    )
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    back = asyncio.run(revert(configuration.database_url, [lamps.application], "lamps"))
    assert back == ("lamps.0002_posts", "lamps.0001_initial")
    lit, post, wire = "lit FROM lamps_lamp", "id FROM lamps_post", "id FROM lamps_wire"
    assert seen.read_text().splitlines() == [str(each) for each in ([lit, post, wire], [lit, post], [post], [])]
    assert on_database(configuration, lamps.application, tables) == {"tortoise_migrations"}


def test_a_migration_and_its_record_commit_together(
    configuration: Configuration, lamps: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: MigrationRecorder, app: str, name: str) -> None:
        raise RuntimeError("the record cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(MigrationRecorder, "record_applied", fail)
        with pytest.raises(UpgradeFailed, match="the record cannot be written"):
            run_upgrade(configuration, lamps.application)
    assert on_database(configuration, lamps.application, tables) == set()


def test_a_migration_may_not_leave_the_transaction(configuration: Configuration, lamps: Package) -> None:
    lamps.add("0002_alone", "0001_initial", "operations = []")
    path = lamps.folder / "migrations" / "0002_alone.py"
    path.write_text(path.read_text() + "    atomic = False\n")
    with pytest.raises(UpgradeFailed, match=r"迁移 lamps\.0002_alone 要求 atomic = False"):
        run_upgrade(configuration, lamps.application)


def test_rows_that_refer_to_nothing_are_refused(configuration: Configuration, lamps: Package) -> None:
    """On SQLite a migration runs unwatched by foreign keys: they are checked before the commit."""
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    lamps.add("0002_clean", "0001_initial", "operations = [ops.RunSQL('DELETE FROM lamps_street WHERE id = 2')]")
    expected = (
        "lamps_lamp：有 1 行引用了 lamps_street 里不存在的行"
        if configuration.is_sqlite
        else "迁移 lamps.0002_clean 没有成功：IntegrityError"
    )
    with pytest.raises(UpgradeFailed, match=expected):
        run_upgrade(configuration, lamps.application)
    assert len(on_database(configuration, lamps.application, rows)[0]) == 2


def test_a_migration_may_use_models_and_literals_with_semicolons(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    lamps.add(
        "0002_notes",
        "0001_initial",
        "async def note(apps, schema_editor):\n"
        "    await apps.get_model('lamps.Street').filter(id=1).update(note='先生; 先死')\n"
        "operations = [ops.RunSQL(\"UPDATE lamps_street SET note = 'a; b' WHERE id = 2; SELECT 1\"),"
        " ops.RunPython(note)]",
    )
    run_upgrade(configuration, lamps.application)

    async def notes() -> list[str]:
        return [row["note"] for row in await fetch("SELECT note FROM lamps_street ORDER BY id")]

    assert on_database(configuration, lamps.application, notes) == ["先生; 先死", "a; b"]


def test_a_database_of_a_newer_version_is_left_alone(configuration: Configuration, lamps: Package) -> None:
    lamps.change(WIDER, "0002_wider_names")
    run_upgrade(configuration, lamps.application)
    (lamps.folder / "migrations" / "0002_wider_names.py").unlink()
    lamps.forget()
    with pytest.raises(UpgradeFailed, match=r"更新的版本升级过（lamps\.0002_wider_names）"):
        run_upgrade(configuration, lamps.application)


def test_a_missing_dependency_is_said(configuration: Configuration, lamps: Package) -> None:
    lamps.add("0002_linked", "0001_initial", "operations = []")
    path = lamps.folder / "migrations" / "0002_linked.py"
    path.write_text(path.read_text().replace("[('lamps', '0001_initial')]", "[('yetan', '0001_initial')]"))
    with pytest.raises(UpgradeFailed, match=r"读不了迁移：.*yetan"):
        run_upgrade(configuration, lamps.application)


SCRIPT = """
import asyncio, sys
from pathlib import Path
from yetan.config import City, Configuration
from yetan.db.connection import Application
from yetan.db.upgrade import upgrade
url, folder, package = sys.argv[1:]
folder = Path(folder)
configuration = Configuration(
    city=City(name="测试市"), folder=folder, data_dir=folder, database_url=url, secret_key="", unit_kinds={}
)
application = Application("lamps", f"{package}.models", f"{package}.migrations")
report = asyncio.run(upgrade(configuration, [application], lambda line: print(line, flush=True)))
print("applied:", *report.applied, flush=True)
"""


def start_upgrade(configuration: Configuration, lamps: Package) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            SCRIPT,
            configuration.database_url,
            str(configuration.data_dir),
            lamps.package,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(lamps.folder.parent), *sys.path]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What the process still says until its end."""
    return process.communicate(timeout=60)[0]


def test_of_two_upgrades_at_once_one_waits_for_the_other(configuration: Configuration, lamps: Package) -> None:
    def start_two() -> list[subprocess.Popen[str]]:
        processes = [start_upgrade(configuration, lamps) for _ in range(2)]
        for process in processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("请稍等："), line + process.stdout.read()
        return processes

    if configuration.is_sqlite:
        lock = Path(f"{sqlite_path(configuration.database_url)}.upgrade-lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            processes = start_two()
    else:

        async def start_locked() -> list[subprocess.Popen[str]]:
            connection = await asyncpg.connect(configuration.database_url)
            try:
                await connection.execute("SELECT pg_advisory_lock($1)", upgrade_module._LOCK_KEY)
                return await asyncio.to_thread(start_two)
            finally:
                await connection.close()

        processes = asyncio.run(start_locked())
    answers = sorted(finish(process) for process in processes)
    assert answers == ["applied:\n", "正在升级 lamps.0001_initial\napplied: lamps.0001_initial\n"]
    assert [process.returncode for process in processes] == [0, 0]


def test_who_waits_is_told_who_upgrades(configuration: Configuration, lamps: Package) -> None:
    lamps.add(
        "0002_slow",
        "0001_initial",
        "import asyncio, pathlib\n"
        f"mark = pathlib.Path({str(lamps.folder / 'go')!r})\n"
        "async def wait(apps, schema_editor):\n"
        "    while not mark.exists():\n"
        "        await asyncio.sleep(0.05)\n"
        "operations = [ops.RunPython(wait)]",
    )
    first = start_upgrade(configuration, lamps)
    assert first.stdout is not None
    while "0002_slow" not in first.stdout.readline():
        assert first.poll() is None
    second = start_upgrade(configuration, lamps)
    assert second.stdout is not None
    # Should the lock not hold, the second would block in the database, and this test with it.
    unblock = threading.Timer(30, (lamps.folder / "go").touch)
    unblock.start()
    line = second.stdout.readline()
    (lamps.folder / "go").touch()
    unblock.cancel()
    assert f"进程 {first.pid}" in line if configuration.is_sqlite else "来自 127.0.0.1 的用户 yetan" in line, line
    assert "applied: lamps.0001_initial lamps.0002_slow" in finish(first)
    assert finish(second) == "applied:\n"


def test_an_upgrade_killed_half_way_can_be_run_again(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    lamps.change(WIDER, "0002_wider_names")
    lamps.add(
        "0003_deadly",
        "0002_wider_names",
        "import os, signal\n"
        "async def die(apps, schema_editor):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "operations = [ops.RunSQL('DELETE FROM lamps_repair'), ops.RunPython(die)]",
    )
    killed = start_upgrade(configuration, lamps)
    assert "正在升级 lamps.0003_deadly" in finish(killed)
    assert killed.returncode == -9
    (lamps.folder / "migrations" / "0003_deadly.py").unlink()
    lamps.forget()

    assert on_database(configuration, lamps.application, rows) == before
    assert run_upgrade(configuration, lamps.application).applied == ("lamps.0002_wider_names",)
    assert on_database(configuration, lamps.application, rows) == before


def test_a_table_in_use_is_given_up_and_said(
    configuration: Configuration, lamps: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of the old version that is at it for long does not keep the upgrade waiting for good."""
    run_upgrade(configuration, lamps.application)
    lamps.change(WIDER, "0002_wider_names")
    hurried = Patience(connection=5, lock=0.2, statement=0, idle=0)
    monkeypatch.setattr(upgrade_module, "connected", partial(connected, patience=hurried))

    async def while_somebody_reads() -> None:
        connection = await asyncpg.connect(configuration.database_url)
        try:
            async with connection.transaction():
                await connection.execute("SELECT * FROM lamps_street")
                await upgrade(configuration, [lamps.application], lambda line: None)
        finally:
            await connection.close()

    if configuration.is_sqlite:
        with closing(sqlite3.connect(sqlite_path(configuration.database_url))) as database:
            database.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConfigurationError, match=r"database is locked。.*如果有程序占着数据库，请先停下它"):
                run_upgrade(configuration, lamps.application)
    else:
        with pytest.raises(UpgradeFailed, match=r"(?s)lock timeout.*请停下 yetan serve 和 yetan worker.*没有任何改动"):
            asyncio.run(while_somebody_reads())
    assert run_upgrade(configuration, lamps.application).applied == ("lamps.0002_wider_names",)


def test_a_folder_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    configuration = configuration_for(f"sqlite://{tmp_path}/file/data/yetan.sqlite3", tmp_path)
    with pytest.raises(ConfigurationError) as failure:
        run_upgrade(configuration, CORE_APPLICATION)
    (line,) = failure.value.problems
    assert line.startswith(f"database.url：{tmp_path}/file/data/yetan.sqlite3 用不了：")
    assert "\n" not in line


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "yetan.sqlite3").write_text("this is not a database, whatever its name says " * 100)
    configuration = configuration_for(f"sqlite://{tmp_path}/yetan.sqlite3", tmp_path)
    with pytest.raises(ConfigurationError, match=r"yetan\.sqlite3 用不了：file is not a database。"):
        run_upgrade(configuration, CORE_APPLICATION)


def test_a_copy_that_cannot_be_made_stops_the_upgrade(tmp_path: Path, lamps: Package) -> None:
    configuration = configuration_for(f"sqlite://{tmp_path}/yetan.sqlite3", tmp_path)
    run_upgrade(configuration, lamps.application)
    lamps.change(WIDER, "0002_wider_names")
    (tmp_path / "backups").write_text("in the way")
    with pytest.raises(UpgradeFailed, match=r"(?s)在 .*/backups 里复制不了数据库：.*\n数据库没有任何改动。"):
        run_upgrade(configuration, lamps.application)
    missing = on_database(configuration, lamps.application, lambda: pending(configuration, [lamps.application]))
    assert missing == ["lamps.0002_wider_names"]


@pytest.mark.postgresql
def test_a_server_that_refuses_is_said_in_one_line(postgresql_url: str, tmp_path: Path) -> None:
    def failure(url: str) -> str:
        with pytest.raises(ConfigurationError) as raised:
            run_upgrade(configuration_for(url, tmp_path), CORE_APPLICATION)
        (line,) = raised.value.problems
        assert "\n" not in line
        return line

    user, port = postgresql_url.split("@")[0], postgresql_url.rsplit(":", 1)[1].split("/")[0]
    password = user.rsplit(":", 1)[1]
    wrong = failure(postgresql_url.replace(password, "guessed"))
    assert "password authentication failed" in wrong
    assert "guessed" not in wrong
    assert "nowhere" in failure(database_of(postgresql_url, "nowhere"))
    assert "127.0.0.1:1 上的 postgres 用不了：" in failure(postgresql_url.replace(f":{port}/", ":1/"))


@pytest.mark.postgresql
def test_a_user_without_rights_is_not_taken_for_an_empty_database(
    postgresql_url: str, tmp_path: Path, lamps: Package
) -> None:
    execute(postgresql_url, "CREATE DATABASE rights")
    try:
        url = database_of(postgresql_url, "rights")
        run_upgrade(configuration_for(url, tmp_path), lamps.application)
        execute(url, "CREATE USER stranger PASSWORD 'strange'")
        user = url.split("//")[1].split("@")[0]
        stranger = configuration_for(url.replace(user, "stranger:strange"), tmp_path)
        with pytest.raises(ConfigurationError, match="permission denied for table tortoise_migrations"):
            run_upgrade(stranger, lamps.application)
    finally:
        execute(postgresql_url, "DROP DATABASE rights WITH (FORCE)")
        execute(postgresql_url, "DROP USER IF EXISTS stranger")
