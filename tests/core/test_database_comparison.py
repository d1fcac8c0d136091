"""The comparison of the real schema with the models notices what is missing, changed or too much."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from tests.postgresql import execute
from tortoise.transactions import in_transaction

from yetan.db.comparison import compare, tables_of_no_model
from yetan.db.connection import CORE_APPLICATION, connected, is_postgres, sqlite_path
from yetan.db.statements import execute as execute_here
from yetan.db.statements import fetch
from yetan.testing.town import Town
from yetan.units.models import Unit


def differences(url: str) -> list[str]:
    async def run() -> list[str]:
        async with connected(url, [CORE_APPLICATION]):
            return await compare()

    return asyncio.run(run())


def rebuild(url: str, table: str, change: Callable[[str], str]) -> None:
    """Make a SQLite table again with its definition changed, its indexes kept: what ALTER TABLE cannot do there."""
    with closing(sqlite3.connect(sqlite_path(url))) as database:
        (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
        changed = change(sql)
        assert changed != sql
        indexes = database.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", [table]
        ).fetchall()
        database.execute(f'DROP TABLE "{table}"')
        database.execute(changed)
        for (index,) in indexes:
            database.execute(index)
        database.commit()


def alter(url: str, table: str, *, sqlite: Callable[[str], str], postgresql: str) -> None:
    if url.startswith("sqlite"):
        rebuild(url, table, sqlite)
    else:
        execute(url, f'ALTER TABLE "{table}" {postgresql}')


def run_statement(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sqlite_path(url))) as database:
            database.execute(statement)
            database.commit()
    else:
        execute(url, statement)


def postgresql_constraint(url: str, table: str, kind: str, columns: str) -> str:
    """The name of the constraint of a kind ("u" or "f") on exactly these columns."""

    async def run() -> str:
        async with connected(url, [CORE_APPLICATION]):
            rows = await fetch(
                "SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint "
                "WHERE conrelid = to_regclass(?) AND contype::text = ?",
                [table, kind],
            )
        (name,) = [row["conname"] for row in rows if f"({columns})" in row["definition"]]
        return str(name)

    return asyncio.run(run())


def test_a_dropped_index_is_noticed(database_url: str) -> None:
    run_statement(database_url, "DROP INDEX yetan_event_subject")
    assert differences(database_url) == ["yetan_event：缺少索引 (subject_kind, subject_id, id)"]


def test_an_index_in_another_order_is_noticed(database_url: str) -> None:
    run_statement(database_url, "DROP INDEX yetan_event_subject")
    run_statement(database_url, "CREATE INDEX yetan_event_subject ON yetan_event (subject_id, subject_kind, id)")
    assert differences(database_url) == [
        "yetan_event：缺少索引 (subject_kind, subject_id, id)",
        "yetan_event：多出索引 (subject_id, subject_kind, id)",
    ]


def test_an_index_over_some_rows_alone_is_noticed(database_url: str) -> None:
    run_statement(database_url, "DROP INDEX yetan_event_subject")
    run_statement(
        database_url,
        "CREATE INDEX yetan_event_subject ON yetan_event (subject_kind, subject_id, id) WHERE historical",
    )
    first, second = differences(database_url)
    assert first == "yetan_event：缺少索引 (subject_kind, subject_id, id)"
    assert re.fullmatch(r"yetan_event：多出索引 \(subject_kind, subject_id, id\) WHERE .*historical.*", second)


def test_another_name_is_no_difference(database_url: str) -> None:
    run_statement(database_url, "DROP INDEX yetan_event_subject")
    run_statement(database_url, "CREATE INDEX another_name ON yetan_event (subject_kind, subject_id, id)")
    assert differences(database_url) == []


def test_a_missing_unique_constraint_is_noticed(database_url: str) -> None:
    """The row that keeps a request from counting twice (C54) hangs on it."""
    name = ""
    if database_url.startswith("postgresql"):
        name = postgresql_constraint(database_url, "yetan_request_key", "u", "key, service")
    alter(
        database_url,
        "yetan_request_key",
        sqlite=lambda sql: re.sub(r',\s*CONSTRAINT "[^"]*" UNIQUE \("key", "service"\)', "", sql),
        postgresql=f'DROP CONSTRAINT "{name}"',
    )
    assert differences(database_url) == ["yetan_request_key：缺少唯一约束 (key, service)"]


def test_a_unique_index_is_as_good_as_a_constraint(database_url: str) -> None:
    test_a_missing_unique_constraint_is_noticed(database_url)
    run_statement(database_url, "CREATE UNIQUE INDEX keys ON yetan_request_key (key, service)")
    assert differences(database_url) == []


@pytest.mark.parametrize(
    ("definition", "type_change", "expected"),
    [
        ('"name" VARCHAR(30) NOT NULL', "TYPE varchar(30)", "VARCHAR(30) NOT NULL"),
        ('"name" VARCHAR(80)', "DROP NOT NULL", "VARCHAR(80)"),
        ("\"name\" VARCHAR(80) NOT NULL DEFAULT 'x'", "SET DEFAULT 'x'", "VARCHAR(80) NOT NULL DEFAULT 'x'"),
        ('"name" TEXT NOT NULL', "TYPE text", "TEXT NOT NULL"),
    ],
)
def test_a_changed_column_is_noticed(database_url: str, definition: str, type_change: str, expected: str) -> None:
    alter(
        database_url,
        "yetan_unit",
        sqlite=lambda sql: sql.replace('"name" VARCHAR(80) NOT NULL', definition),
        postgresql=f'ALTER COLUMN "name" {type_change}',
    )
    (line,) = differences(database_url)
    said = line.replace("character varying", "VARCHAR").replace("::VARCHAR", "").replace(" text ", " TEXT ")
    assert said == f"yetan_unit：列 name 是 {expected}，应当是 VARCHAR(80) NOT NULL"


def test_a_column_too_few_and_one_too_many_are_noticed(database_url: str) -> None:
    run_statement(database_url, "ALTER TABLE yetan_unit DROP COLUMN short_name")
    run_statement(database_url, "ALTER TABLE yetan_unit ADD COLUMN nickname TEXT")
    missing, surplus = differences(database_url)
    assert missing.startswith("yetan_unit：缺少列 short_name（")
    assert missing.endswith("(40) NOT NULL）")
    assert surplus == "yetan_unit：多出列 nickname"


def test_a_missing_foreign_key_is_noticed(database_url: str) -> None:
    name = ""
    if database_url.startswith("postgresql"):
        name = postgresql_constraint(database_url, "yetan_issue_scope", "f", "unit_id")
    alter(
        database_url,
        "yetan_issue_scope",
        sqlite=lambda sql: re.sub(
            r'("unit_id" INT NOT NULL) REFERENCES "yetan_unit" \("id"\) ON DELETE \w+', r"\1", sql
        ),
        postgresql=f'DROP CONSTRAINT "{name}"',
    )
    assert differences(database_url) == ["yetan_issue_scope：缺少外键 (unit_id) → yetan_unit (id) ON DELETE RESTRICT"]


def test_another_way_of_deleting_is_noticed(database_url: str) -> None:
    """Issues stay when somebody tries to delete their unit; with CASCADE they would go with it."""
    name = ""
    if database_url.startswith("postgresql"):
        name = postgresql_constraint(database_url, "yetan_issue_scope", "f", "unit_id")
    alter(
        database_url,
        "yetan_issue_scope",
        sqlite=lambda sql: sql.replace(
            '"yetan_unit" ("id") ON DELETE RESTRICT', '"yetan_unit" ("id") ON DELETE CASCADE'
        ),
        postgresql=f'DROP CONSTRAINT "{name}", ADD FOREIGN KEY (unit_id) REFERENCES yetan_unit (id) ON DELETE CASCADE',
    )
    assert differences(database_url) == [
        "yetan_issue_scope：缺少外键 (unit_id) → yetan_unit (id) ON DELETE RESTRICT",
        "yetan_issue_scope：多出外键 (unit_id) → yetan_unit (id) ON DELETE CASCADE",
    ]


def test_a_key_that_is_no_longer_counted_is_noticed(database_url: str) -> None:
    """Without AUTOINCREMENT or its sequence, the id of a deleted row is given out again, or none at all."""
    alter(
        database_url,
        "yetan_throttle",
        sqlite=lambda sql: sql.replace(" AUTOINCREMENT", ""),
        postgresql="ALTER COLUMN id DROP DEFAULT",
    )
    (line,) = differences(database_url)
    assert line.startswith("yetan_throttle：列 id 是 ")
    assert line.endswith(" DEFAULT 下一个编号")


def test_a_missing_table_is_noticed_and_a_strange_one_left_alone(database_url: str) -> None:
    run_statement(database_url, "DROP TABLE yetan_throttle")
    run_statement(database_url, "CREATE TABLE a_plugin_once_installed (id INT)")
    assert differences(database_url) == ["yetan_throttle：缺少这张表"]


def test_comparing_changes_nothing(database_url: str) -> None:
    async def run() -> int:
        async with connected(database_url, [CORE_APPLICATION]):
            assert await compare() == []
            rows = await fetch(
                "SELECT count(*) AS count FROM pg_class WHERE relnamespace = pg_my_temp_schema()"
                if is_postgres()
                else "SELECT count(*) AS count FROM sqlite_temp_master"
            )
            return int(rows[0]["count"])

    assert asyncio.run(run()) == 0


def test_a_foreign_key_to_another_table_is_noticed(database_url: str) -> None:
    name = ""
    if database_url.startswith("postgresql"):
        name = postgresql_constraint(database_url, "yetan_issue_scope", "f", "unit_id")
    alter(
        database_url,
        "yetan_issue_scope",
        sqlite=lambda sql: sql.replace('"yetan_unit" ("id") ON DELETE', '"yetan_person" ("id") ON DELETE'),
        postgresql=f'DROP CONSTRAINT "{name}", '
        "ADD FOREIGN KEY (unit_id) REFERENCES yetan_person (id) ON DELETE RESTRICT",
    )
    assert differences(database_url) == [
        "yetan_issue_scope：缺少外键 (unit_id) → yetan_unit (id) ON DELETE RESTRICT",
        "yetan_issue_scope：多出外键 (unit_id) → yetan_person (id) ON DELETE RESTRICT",
    ]


def test_a_rule_too_many_is_noticed(database_url: str) -> None:
    """A unique index nobody declared refuses what the application takes for right."""
    run_statement(database_url, "CREATE UNIQUE INDEX one_name ON yetan_unit (name)")
    run_statement(database_url, "CREATE INDEX by_kind ON yetan_unit (kind)")
    assert differences(database_url) == ["yetan_unit：多出唯一约束 (name)", "yetan_unit：多出索引 (kind)"]


def test_tables_of_no_model_are_named_apart(database_url: str) -> None:
    run_statement(database_url, "CREATE TABLE mayors_list (id INT)")

    async def run() -> list[str]:
        async with connected(database_url, [CORE_APPLICATION]):
            return await tables_of_no_model()

    assert asyncio.run(run()) == ["mayors_list"]


def test_a_running_city_may_be_compared(town: Town) -> None:
    """`yetan check` asks while the city serves; within somebody's transaction it sees what that did."""

    async def drop_and_compare() -> list[str]:
        async with in_transaction():
            await execute_here("DROP INDEX yetan_event_subject")
            return await compare()

    async def together() -> list[list[str]]:
        return list(await asyncio.gather(compare(), compare(), _browse()))

    async def _browse() -> list[str]:
        return [] if await Unit.all().count() else ["no units"]

    assert town.do(together) == [[], [], []]
    assert town.do(drop_and_compare) == ["yetan_event：缺少索引 (subject_kind, subject_id, id)"]
