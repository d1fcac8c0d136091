"""Taking a backup back, all or nothing, and what was acknowledged before it is there (F39, F40)."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.children import command
from tests.core.backup.city import (
    ask,
    back_up,
    forge,
    numbers,
    photograph,
    run_process,
    standing,
    take_back,
    town_of,
    wrong,
)
from tests.figures import keep
from tests.postgresql import execute

from yetan.access.models import Session
from yetan.audit.models import AuditRecord
from yetan.audit.service import record
from yetan.backup.archive import read_archive
from yetan.backup.manifest import BackupRefused
from yetan.cli.database import bring_up
from yetan.config import load_configuration
from yetan.errors import ConfigurationError
from yetan.events.models import Delivery
from yetan.events.worker import Worker
from yetan.files.models import Attachment
from yetan.issues.models import Issue
from yetan.runtime import Runtime
from yetan.testing.town import SECRET


def test_what_was_acknowledged_before_a_backup_began_is_all_there_after_it_is_taken_back(
    home: Path, elsewhere: Path, tmp_path: Path
) -> None:
    """Residents and officials write and take photos all the while."""
    archive = tmp_path / "backup.tar.gz"
    with town_of(home).open() as town:
        town.run_worker()
        town.browser("clerk")  # leaves a session
        stop = threading.Event()
        acknowledged: list[str] = []

        async def look_at_something() -> None:
            await record(await town.act("clerk"), "issue.view", "Issue:1")

        def go_on() -> None:
            while not stop.is_set():
                shade = len(acknowledged)
                issue = town.report(title=f"第 {shade} 件", text=f"路灯坏了 {shade}")
                photograph(town, issue, shade)
                town.move(issue, "list", by="clerk")
                town.run_worker()
                town.do(look_at_something)
                acknowledged.append(issue.number)

        writing = threading.Thread(target=go_on)
        writing.start()
        try:
            while len(acknowledged) < 5:
                assert writing.is_alive()
                time.sleep(0.02)
            before = list(acknowledged)
            made = run_process("backup", "-o", archive, "--config", home)
            during = len(acknowledged) - len(before)
        finally:
            stop.set()
            writing.join()
        assert made.returncode == 0, made.stderr
        assert during > 0, "somebody wrote while the backup was made"
        assert town.do(Session.all().exists)
    done = take_back(archive, elsewhere)
    assert done.pending == ()

    async def look(city: Runtime) -> None:
        assert set(before) <= await numbers(city)
        assert await Delivery.all().count() == done.manifest.counts["yetan_delivery"]
        await Worker().run_once()  # what had not been delivered is
        assert await wrong(city) == {}
        names = [str(each) for each in await Attachment.all().values_list("stored_name", flat=True)]
        assert len(names) >= len(before)
        for name in names:
            assert city.files.open_path(name).read_bytes().startswith(b"\xff\xd8")
        assert await AuditRecord.all().count() >= len(before)
        assert not await Session.all().exists(), "everybody signs in again"

    ask(elsewhere, look)
    keep("restored_" + town_of(home).configuration.database_url.split(":")[0], acknowledged=len(before), during=during)


def test_the_restored_city_goes_on_where_the_old_one_stopped(home: Path, elsewhere: Path, tmp_path: Path) -> None:
    """Its secret is the old one, its numbers go on, its constraints and triggers hold."""
    with town_of(home).open() as town:
        last = town.report()
    archive = back_up(home).path
    take_back(archive, elsewhere)
    assert (elsewhere.parent / "var" / "secret_key").read_text() == SECRET

    async def raise_another(city: Runtime) -> str:
        from yetan.issues.service import report_issue

        unit = (await Issue.get(number=last.number)).unit_id
        values = {"title": "又一件", "text": "桥面破了", "kind": "problem", "collective": True, "unit": unit}
        return (await report_issue(city.system_act(), values)).number

    assert ask(elsewhere, raise_another) not in ("", last.number)
    assert ask(elsewhere, wrong) == {}


def test_a_database_that_is_not_empty_is_replaced_only_when_told_so(home: Path, elsewhere: Path) -> None:
    with town_of(home).open() as town:
        town.report(title="备份里的")
    archive = back_up(home).path
    take_back(archive, elsewhere)
    with pytest.raises(BackupRefused, match="--replace"):
        take_back(archive, elsewhere)

    async def add(city: Runtime) -> None:
        issue = await Issue.get()
        issue.id, issue.number = 99, "99-9"
        await issue.save(force_create=True)

    ask(elsewhere, add)
    done = take_back(archive, elsewhere, replace=True)
    assert "99-9" not in ask(elsewhere, numbers)
    assert ask(elsewhere, wrong) == {}
    if done.aside is not None:
        with closing(sqlite3.connect(done.aside)) as kept:
            assert kept.execute("SELECT count(*) FROM yetan_issue").fetchone() == (2,)
        assert stat.S_IMODE(done.aside.stat().st_mode) & 0o077 == 0


def test_a_database_somebody_uses_is_refused(home: Path, elsewhere: Path) -> None:
    with town_of(home).open() as town:
        town.report()
    archive = back_up(home).path
    take_back(archive, elsewhere)
    with town_of(elsewhere).open() as running:
        running.do(Issue.all().count)
        said = run_process("restore", archive, "--replace", "--config", elsewhere)
        assert said.returncode == 1
        assert "请先停掉" in said.stderr
        assert running.do(Issue.all().count) == 1


@pytest.mark.parametrize(
    ("database_kind", "point", "number"),
    [
        ("sqlite", "unpacked", 2),
        ("sqlite", "prepared", 2),
        ("sqlite", "switched", 1),
        pytest.param("postgresql", "prepared", 2, marks=pytest.mark.postgresql),
    ],
    indirect=["database_kind"],
)
def test_a_restore_that_is_killed_leaves_the_old_city_or_the_new_one(
    home: Path, elsewhere: Path, point: str, number: int
) -> None:
    with town_of(home).open() as town:
        photograph(town, town.report())
    archive = back_up(home).path
    take_back(archive, elsewhere)

    async def add(city: Runtime) -> None:
        issue = await Issue.get()
        issue.id, issue.number = 99, "99-9"
        await issue.save(force_create=True)

    ask(elsewhere, add)
    killed = command("restore", archive, "--replace", "--config", elsewhere, fault=f"restore.{point}")
    assert killed.returncode == -signal.SIGKILL
    assert len(ask(elsewhere, numbers)) == number
    take_back(archive, elsewhere, replace=True)
    assert len(ask(elsewhere, numbers)) == 1
    assert ask(elsewhere, wrong) == {}
    assert not list((elsewhere.parent / "var" / "backups").glob(".in-progress-*"))


def test_where_no_configuration_stands_the_backup_s_own_is_written(archive: Path, tmp_path: Path) -> None:
    config = tmp_path / "fresh" / "yetan.toml"
    text = (tmp_path / "origin" / "yetan.toml").read_text(encoding="utf-8")
    assert "database" in text
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("YETAN_DATABASE_URL", f"sqlite://{tmp_path}/fresh/var/yetan.sqlite3")
        done = take_back(archive, config)
        assert len(ask(config, numbers)) == 2
    assert {path.name for path in done.written} == {"yetan.toml", "units.csv", "board.html"}
    assert config.read_text(encoding="utf-8") == text
    assert done.own_secret is True


def test_a_configuration_written_for_a_restore_that_is_refused_is_taken_away(archive: Path, tmp_path: Path) -> None:
    config = tmp_path / "fresh" / "yetan.toml"
    config.parent.mkdir()
    with pytest.raises(BackupRefused, match="--replace"):  # it names the old city's database, which is not empty
        take_back(archive, config)
    assert standing(config) == {}


def test_a_secret_from_the_environment_is_told(archive: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YETAN_SECRET_KEY", "another secret that is long enough to be one")
    assert take_back(archive, there).own_secret is False
    assert (there.parent / "var" / "secret_key").read_text() == SECRET


def test_a_different_secret_is_kept_aside(archive: Path, there: Path) -> None:
    (there.parent / "var" / "secret_key").write_text("what `yetan init` wrote here before the restore")
    take_back(archive, there)
    (kept,) = (there.parent / "var").glob("secret_key.before-restore-*")
    assert kept.read_text() == "what `yetan init` wrote here before the restore"
    assert (there.parent / "var" / "secret_key").read_text() == SECRET


def test_a_backup_with_an_older_schema_is_taken_back_and_upgraded(home: Path, elsewhere: Path) -> None:
    with town_of(home).open() as town:
        town.report()
    archive = back_up(home).path
    text = elsewhere.read_text(encoding="utf-8").replace("plugins = []", 'plugins = ["supervision"]')
    elsewhere.write_text(text, encoding="utf-8")
    done = take_back(archive, elsewhere)
    assert [each.partition(".")[0] for each in done.pending] == ["yetan_supervision"]
    with pytest.raises(ConfigurationError):
        ask(elsewhere, numbers)
    asyncio.run(bring_up(load_configuration(elsewhere)))
    assert len(ask(elsewhere, numbers)) == 1
    assert ask(elsewhere, wrong) == {}


def test_the_command_tells_what_comes_next(archive: Path, there: Path) -> None:
    said = command("restore", archive, "--config", there)
    assert said.returncode == 0, "an empty footer is something to do, no damage"
    assert "恢复好了。所有人都要重新登录。" in said.stdout
    assert "todo  footer" in said.stdout
    assert "Traceback" not in said.stderr
    assert "13800001234" not in said.stdout + said.stderr
    verified = command("backup", "verify", archive)
    assert (verified.returncode, "备份完好。" in verified.stdout) == (0, True)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_without_postgresql_s_programs_it_is_said_what_to_install(
    home: Path, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yetan.backup.postgresql._version", lambda program: 9)
    with pytest.raises(BackupRefused, match="postgresql-client-"):
        back_up(home)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.postgresql
def test_a_restore_that_fails_half_way_on_postgresql_changes_nothing(
    home: Path, elsewhere: Path, database_kind: str
) -> None:
    with town_of(home).open() as town:
        town.report()
    archive = back_up(home).path
    take_back(archive, elsewhere)
    url = load_configuration(elsewhere).database_url
    execute(url, "CREATE DOMAIN mobile AS text")
    execute(url, "CREATE TABLE somebody_elses (phone mobile)")
    counts = read_archive(archive, None, lambda *_: None).counts
    forged = forge(elsewhere.parent / "forged.tar.gz", archive, manifest={"counts": {**counts, "yetan_issue": 5}})
    with pytest.raises(BackupRefused, match="yetan_issue are missing"):
        take_back(forged, elsewhere, replace=True)
    assert len(ask(elsewhere, numbers)) == 1
    execute(url, "SELECT phone FROM somebody_elses")
