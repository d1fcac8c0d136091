"""Writing many rows at once where others have to refer to them: `bulk_create` alone gives no ids back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from tortoise.models import Model

from yetan.db.connection import is_postgres
from yetan.db.statements import execute, fetch, marks

_CHUNK = 200


async def insert_all(rows: Sequence[Model]) -> None:
    """Insert new rows of one model set-wise, each with its id. Call it in a transaction."""
    if not rows:
        return
    model = type(rows[0])
    for row, number in zip(rows, await _take_ids(model._meta.db_table, len(rows)), strict=True):
        row.update_from_dict({"id": number})
    await model.bulk_create(rows, batch_size=_CHUNK)


async def add_new(rows: Sequence[Model]) -> None:
    """Insert rows of one model whose ids nobody asks for, set-wise; what is there already stays as it is."""
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        columns, row_of_marks = _insertion(type(chunk[0]))
        statement = f"{columns} VALUES {', '.join([row_of_marks] * len(chunk))} ON CONFLICT DO NOTHING"
        await execute(statement, [value for row in chunk for value in _values(row)])


@cache
def _insertion(model: type[Model]) -> tuple[str, str]:
    """What stands before VALUES, and the marks of one row."""
    columns = [model._meta.fields_db_projection[name] for name in _written(model)]
    return f"INSERT INTO {model._meta.db_table} ({', '.join(columns)})", f"({marks(len(columns))})"


@cache
def _written(model: type[Model]) -> tuple[str, ...]:
    """The fields of a new row that the database does not fill in."""
    return tuple(name for name in model._meta.fields_db_projection if name not in model._meta.generated_db_fields)


def _values(row: Model) -> list[Any]:
    fields = row._meta.fields_map
    return [fields[name].to_db_value(getattr(row, name), row) for name in _written(type(row))]


async def _take_ids(table: str, count: int) -> Sequence[int]:
    """Ids nobody else gets: from the sequence on PostgreSQL; after the last one under SQLite's write lock."""
    if is_postgres():
        statement = "SELECT nextval(pg_get_serial_sequence(?, 'id')) AS id FROM generate_series(1, ?)"
        return [row["id"] for row in await fetch(statement, [table, count])]
    last = await fetch("SELECT seq FROM sqlite_sequence WHERE name = ?", [table])
    first = last[0]["seq"] + 1 if last else 1
    return range(first, first + count)
