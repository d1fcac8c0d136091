"""`yetan audit verify`: what an operator is told, and what a script (C79)."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from yetan import cli
from yetan.audit import sealing
from yetan.audit.sealing import seal
from yetan.db.connection import sqlite_path
from yetan.testing import Town
from yetan.testing.town import UNIT_KINDS

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database_kind() -> str:
    """What the command says does not depend on the database; the chain's own tests run on both."""
    return "sqlite"


@pytest.fixture
def database(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """The file of a town in which seven things happened, and were sealed."""
    monkeypatch.setattr(sealing, "CHUNK", 3)
    town = Town(database_url, tmp_path)
    with town.open():
        for number in range(7):
            town.report(title=f"第 {number} 盏灯", text=f"第 {number} 盏灯不亮。")
        assert town.run(seal()) == 7
    kinds = "\n".join(f'[unit_kinds.{name}]\nlabel = "{kind.label}"' for name, kind in UNIT_KINDS.items())
    (tmp_path / "yetan.toml").write_text(
        f'secret_key = "{"k" * 40}"\n[city]\nname = "柳湾市"\n[database]\nurl = "{database_url}"\n{kinds}\n'
    )
    with closing(sqlite3.connect(sqlite_path(database_url), isolation_level=None)) as connection:
        for event in ("update", "delete"):
            connection.execute(f"DROP TRIGGER yetan_audit_record_{event}")
        yield connection


@pytest.fixture
def run(
    database: sqlite3.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """The command, for the town: its exit code, what it says, and what it says is wrong."""

    def go(*arguments: str) -> tuple[int, str, str]:
        command = ["yetan", "audit", "verify", "--config", str(tmp_path / "yetan.toml"), *arguments]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return go


def test_a_chain_that_holds_is_said_with_its_head(run: Command) -> None:
    code, out, err = run()
    assert code == 0
    assert out.startswith("审计记录 7 条，其中封存的 7 条都对得上，没有缺失。\n最新的校验码：")
    assert "核对审计记录 7\n" in err
    head = out.partition("校验码：")[2].partition("\n")[0]
    assert len(head) == 64
    assert run("--expect", head)[0] == 0
    code, out, err = run("--expect", "0" * 64)
    assert code == 1
    assert "没有找到校验码是 000" in err


def test_an_altered_and_a_missing_record_are_named(run: Command, database: sqlite3.Connection) -> None:
    database.execute("UPDATE yetan_audit_record SET actor = 'account:1' WHERE number = 5")
    code, out, err = run()
    assert (code, out) == (1, "")
    assert "第 5 条（id 5，" in err
    assert "被改过" in err
    database.execute("DELETE FROM yetan_audit_record WHERE number = 2")
    code, _, err = run()
    assert code == 1
    assert "第 2 条缺失" in err


def test_what_is_not_sealed_yet_is_counted(run: Command, database: sqlite3.Connection) -> None:
    database.execute(
        "INSERT INTO yetan_audit_record (at, actor, action, subject, outcome, source) "
        "SELECT at, actor, action, subject, outcome, source FROM yetan_audit_record WHERE number = 1"
    )
    code, out, _ = run()
    assert code == 0
    assert "审计记录 8 条，其中封存的 7 条都对得上" in out
    assert "另有 1 条还没有封存" in out
