"""Writing many rows at once where others have to refer to them: `bulk_create` alone gives no ids back."""

from __future__ import annotations

from collections.abc import Sequence

from tortoise.models import Model

from yetan.db.connection import is_postgres
from yetan.db.statements import fetch

_CHUNK = 200


async def insert_all(rows: Sequence[Model]) -> None:
    """Insert new rows of one model set-wise, each with its id. Call it in a transaction."""
    if not rows:
        return
    model = type(rows[0])
    for row, number in zip(rows, await _take_ids(model._meta.db_table, len(rows)), strict=True):
        row.update_from_dict({"id": number})
    await model.bulk_create(rows, batch_size=_CHUNK)


async def _take_ids(table: str, count: int) -> Sequence[int]:
    """Ids nobody else gets: from the sequence on PostgreSQL; after the last one under SQLite's write lock."""
    if is_postgres():
        statement = "SELECT nextval(pg_get_serial_sequence(?, 'id')) AS id FROM generate_series(1, ?)"
        return [row["id"] for row in await fetch(statement, [table, count])]
    last = await fetch("SELECT seq FROM sqlite_sequence WHERE name = ?", [table])
    first = last[0]["seq"] + 1 if last else 1
    return range(first, first + count)
