"""Comparing the real schema with the models.

Both are read the same way: the models' tables are made beside the real ones (in memory for SQLite, as
temporary tables for PostgreSQL), and what stands in the one and not in the other is said. Names of
constraints and indexes may differ; what they do may not.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import lru_cache

from msgspec import Struct
from tortoise import Tortoise
from tortoise.apps import Apps
from tortoise.connection import get_connection
from tortoise.fields.relational import ManyToManyFieldInstance
from tortoise.transactions import in_transaction
from tortoise.utils import get_schema_sql

from yetan.db.connection import is_postgres
from yetan.db.statements import fetch
from yetan.db.triggers import missing_triggers


class Table(Struct, frozen=True):
    """What a table holds and enforces, in words that are equal when the behaviour is."""

    #: Column name to type, nullability and default.
    columns: Mapping[str, str]
    #: Primary key, unique constraints, indexes and foreign keys.
    rules: frozenset[str]


async def compare() -> list[str]:
    """Differences between the open database and the models it was opened with, as sentences for the operator.

    Of each model's table: columns with type, length, nullability and default; primary key, uniques, indexes and
    foreign keys with their target and what deleting it does. Changes nothing, and may be asked while the city runs.
    Inside a transaction it sees what that has changed so far. See `tables_of_no_model` for the other tables.
    """
    assert Tortoise.apps is not None
    statements = _statements(Tortoise.apps)
    if is_postgres():
        wanted, found = await _postgres_schemas(statements)
    else:
        wanted, found = await _sqlite_schemas(statements)
    differences = [line for name in sorted(wanted) for line in _differences(name, wanted, found)]
    return [*_uncompared(), *differences, *await missing_triggers()]


@lru_cache(maxsize=1)
def _statements(applications: Apps) -> str:
    """What makes the tables of the models that the database was opened with; they are looked through once for it."""
    return get_schema_sql(get_connection("default"), safe=False)


async def tables_of_no_model() -> list[str]:
    """The tables that none of the open database's models has: of a plugin that is switched off or no longer
    installed, of a search backend, of an operator. They are nobody's to change."""
    assert Tortoise.apps is not None
    own = {"tortoise_migrations"}
    for model in Tortoise.apps.get_models_iterable():
        relations = (model._meta.fields_map[name] for name in model._meta.m2m_fields)
        own |= {
            model._meta.db_table,
            *(each.through for each in relations if isinstance(each, ManyToManyFieldInstance)),
        }
    rows = await fetch(
        "SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') "
        "AND relnamespace = current_schema()::regnamespace"
        if is_postgres()
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return sorted({row["name"] for row in rows} - own)


def _uncompared() -> list[str]:
    """Tortoise makes Meta.constraints in migrations alone, so that there is nothing to compare them with."""
    assert Tortoise.apps is not None
    return [
        f"{model._meta.db_table}：Meta.constraints 比较不了，请改用 unique_together 或者 Meta.indexes"
        for model in Tortoise.apps.get_models_iterable()
        if model._meta.constraints
    ]


def _differences(name: str, wanted: Mapping[str, Table], found: Mapping[str, Table]) -> Iterable[str]:
    if name not in found:
        yield f"{name}：缺少这张表"
        return
    want, have = wanted[name], found[name]
    for column, definition in want.columns.items():
        if column not in have.columns:
            yield f"{name}：缺少列 {column}（{definition}）"
        elif have.columns[column] != definition:
            yield f"{name}：列 {column} 是 {have.columns[column]}，应当是 {definition}"
    for column in have.columns:
        if column not in want.columns:
            yield f"{name}：多出列 {column}"
    for rule in sorted(want.rules - have.rules):
        yield f"{name}：缺少{rule}"
    for rule in sorted(have.rules - want.rules):
        yield f"{name}：多出{rule}"


def _column(kind: str, *, nullable: bool, default: str | None) -> str:
    return kind + ("" if nullable else " NOT NULL") + (f" DEFAULT {default}" if default else "")


def _index(columns: str, *, primary: bool, unique: bool) -> str:
    kind = "主键" if primary else "唯一约束" if unique else "索引"
    return f"{kind} {columns}"


def _foreign_key(columns: str, table: str, target: str, *, on_delete: str, on_update: str) -> str:
    update = "" if on_update == "NO ACTION" else f" ON UPDATE {on_update}"
    return f"外键 ({columns}) → {table} ({target}) ON DELETE {on_delete}{update}"


async def _sqlite_schemas(statements: str) -> tuple[dict[str, Table], dict[str, Table]]:
    wanted = _made_by_sqlite(statements)
    real = await fetch(
        "SELECT tbl_name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type DESC"
    )
    with closing(sqlite3.connect(":memory:")) as copy:
        for row in real:
            if row["tbl_name"] in wanted:
                copy.execute(row["sql"])
        return wanted, _read_sqlite(copy)


@lru_cache(maxsize=4)
def _made_by_sqlite(statements: str) -> dict[str, Table]:
    with closing(sqlite3.connect(":memory:")) as models:
        models.executescript(statements)
        return _read_sqlite(models)


def _read_sqlite(database: sqlite3.Connection) -> dict[str, Table]:
    database.row_factory = sqlite3.Row
    tables = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        row["name"]: _read_sqlite_table(database, row["name"], row["sql"])
        for row in tables
        if not row["name"].startswith("sqlite_")
    }


def _read_sqlite_table(database: sqlite3.Connection, name: str, sql: str) -> Table:
    columns: dict[str, str] = {}
    keys: list[tuple[int, str]] = []
    # Without AUTOINCREMENT the id of a deleted row would be given out again.
    counted = "AUTOINCREMENT" in sql.upper()
    for row in database.execute("SELECT * FROM pragma_table_xinfo(?)", [name]):
        if row["pk"]:
            keys.append((row["pk"], row["name"]))
        default = "下一个编号" if row["pk"] and counted else row["dflt_value"]
        columns[row["name"]] = _column(row["type"].upper(), nullable=not row["notnull"], default=default)
    rules = {_index(f"({', '.join(key for _, key in sorted(keys))})", primary=True, unique=True)}
    for row in database.execute("SELECT * FROM pragma_index_list(?)", [name]).fetchall():
        if row["origin"] != "pk":
            rules.add(_index(_sqlite_index_columns(database, row), primary=False, unique=bool(row["unique"])))
    references: dict[int, list[sqlite3.Row]] = {}
    for row in database.execute("SELECT * FROM pragma_foreign_key_list(?)", [name]):
        references.setdefault(row["id"], []).append(row)
    for rows in references.values():
        rules.add(
            _foreign_key(
                ", ".join(row["from"] for row in rows),
                rows[0]["table"],
                ", ".join(row["to"] or "its key" for row in rows),
                on_delete=rows[0]["on_delete"],
                on_update=rows[0]["on_update"],
            )
        )
    return Table(columns, frozenset(rules))


def _sqlite_index_columns(database: sqlite3.Connection, index: sqlite3.Row) -> str:
    parts = database.execute(
        "SELECT coalesce(name, '(expression)') || CASE \"desc\" WHEN 1 THEN ' DESC' ELSE '' END "
        "FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno",
        [index["name"]],
    ).fetchall()
    columns = f"({', '.join(part for (part,) in parts)})"
    if not index["partial"]:
        return columns
    (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", [index["name"]]).fetchone()
    return f"{columns} WHERE {re.split(r'where', sql, maxsplit=1, flags=re.IGNORECASE)[1].strip()}"


class _Undo(Exception):  # noqa: N818 - it is no error: it ends the savepoint the models' tables were made in
    pass


#: The models' tables as servers made them, by the server's version and the statements: a process asks again and again.
_MADE: dict[tuple[str, str], dict[str, Table]] = {}


async def _postgres_schemas(statements: str) -> tuple[dict[str, Table], dict[str, Table]]:
    made_by = ((await fetch("SELECT version() AS server"))[0]["server"], statements)
    if made_by not in _MADE:
        _MADE[made_by] = await _made_by_postgres(statements)
    return _MADE[made_by], await _read_postgres("SELECT current_schema()::regnamespace::oid::bigint AS namespace")


async def _made_by_postgres(statements: str) -> dict[str, Table]:
    wanted: dict[str, Table] = {}
    try:
        async with in_transaction() as connection:
            await connection.execute_script("SET LOCAL search_path TO pg_temp")
            await connection.execute_script(statements)
            wanted = await _read_postgres("SELECT pg_my_temp_schema()::bigint AS namespace")
            raise _Undo
    except _Undo:
        pass
    return wanted


async def _read_postgres(which: str) -> dict[str, Table]:
    """The tables of the namespace whose OID the query `which` gives."""
    namespace = (await fetch(which))[0]["namespace"]
    columns: dict[str, dict[str, str]] = {}
    for row in await fetch(_POSTGRES_COLUMNS, [namespace]):
        default = row["default"] or ""
        columns.setdefault(row["name"], {})[row["column"]] = _column(
            row["type"],
            nullable=not row["required"],
            default="下一个编号" if default.startswith("nextval(") else default,
        )
    rules: dict[str, set[str]] = {name: set() for name in columns}
    for row in await fetch(_POSTGRES_INDEXES, [namespace]):
        covered = row["definition"].split(" USING ", 1)[1].removeprefix("btree ")
        broken = "" if row["valid"] else "（无效：建立时中断了）"
        rules[row["name"]].add(_index(covered, primary=row["primary"], unique=row["unique"]) + broken)
    for row in await fetch(_POSTGRES_FOREIGN_KEYS, [namespace]):
        rules[row["name"]].add(
            _foreign_key(
                row["columns"],
                row["target"],
                row["target_columns"],
                on_delete=_ACTIONS[row["on_delete"]],
                on_update=_ACTIONS[row["on_update"]],
            )
        )
    return {name: Table(columns[name], frozenset(rules[name])) for name in columns}


_POSTGRES_COLUMNS = """
SELECT class.relname AS name, column_.attname AS column, column_.attnotnull AS required,
       format_type(column_.atttypid, column_.atttypmod) AS type,
       pg_get_expr(value.adbin, value.adrelid) AS default
FROM pg_class class
JOIN pg_attribute column_ ON column_.attrelid = class.oid AND column_.attnum > 0 AND NOT column_.attisdropped
LEFT JOIN pg_attrdef value ON value.adrelid = class.oid AND value.adnum = column_.attnum
WHERE class.relnamespace = ? AND class.relkind IN ('r', 'p')
ORDER BY class.relname, column_.attnum
"""

_POSTGRES_INDEXES = """
SELECT class.relname AS name, pg_get_indexdef(index_.indexrelid) AS definition,
       index_.indisprimary AS primary, index_.indisunique AS unique, index_.indisvalid AS valid
FROM pg_index index_
JOIN pg_class class ON class.oid = index_.indrelid
WHERE class.relnamespace = ? AND class.relkind IN ('r', 'p')
"""

_POSTGRES_FOREIGN_KEYS = """
SELECT class.relname AS name, target.relname AS target,
       (SELECT string_agg(part.attname, ', ' ORDER BY place)
        FROM unnest(key.conkey) WITH ORDINALITY AS number(attnum, place)
        JOIN pg_attribute part ON part.attrelid = key.conrelid AND part.attnum = number.attnum)
       AS columns,
       (SELECT string_agg(part.attname, ', ' ORDER BY place)
        FROM unnest(key.confkey) WITH ORDINALITY AS number(attnum, place)
        JOIN pg_attribute part ON part.attrelid = key.confrelid AND part.attnum = number.attnum)
       AS target_columns,
       key.confdeltype::text AS on_delete, key.confupdtype::text AS on_update
FROM pg_constraint key
JOIN pg_class class ON class.oid = key.conrelid
JOIN pg_class target ON target.oid = key.confrelid
WHERE key.contype = 'f' AND class.relnamespace = ?
"""

#: pg_constraint's letters.
_ACTIONS: Mapping[str, str] = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}
