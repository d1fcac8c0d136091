"""Tortoise's schema editors, mended where they lose indexes, unique constraints or the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor, SqliteSchemaEditor
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.models import Model

from yetan.db.connection import is_postgres
from yetan.db.sqlite import statements_of


def schema_editor(client: Any) -> BaseSchemaEditor:
    """The editor for the open database, working through the transaction `client`."""
    return PostgresEditor(client) if is_postgres() else SqliteEditor(client)


async def _index_added_field(editor: BaseSchemaEditor, model: type[Model], field_name: str) -> None:
    """Tortoise's AddField makes no index for db_index=True, and takes it for made from then on."""
    column = model._meta.fields_map[field_name].source_field or field_name
    for index in _field_indexes(model):
        if list(index.fields) == [column]:
            await editor.add_index(model, index)


def _field_indexes(model: type[Model]) -> Iterator[Index]:
    for name, column in model._meta.fields_db_projection.items():
        field = model._meta.fields_map[name]
        if field.index and not field.pk:
            yield Index(fields=(column,))


class PostgresEditor(AsyncpgSchemaEditor):
    """PostgreSQL: an added field gets its index."""

    async def add_field(self, model: type[Model], field_name: str) -> None:
        await super().add_field(model, field_name)
        await _index_added_field(self, model, field_name)


class SqliteEditor(SqliteSchemaEditor):
    """SQLite: an added field gets its index, a rebuilt table keeps its uniques and indexes."""

    async def add_field(self, model: type[Model], field_name: str) -> None:
        await super().add_field(model, field_name)
        await _index_added_field(self, model, field_name)

    async def _remake_table(
        self, model: type[Model], create_field: Any = None, delete_field: Any = None, alter_fields: Any = None
    ) -> None:
        """Rebuild a table. Tortoise keeps its columns and foreign keys alone; the rest is made again."""
        await super()._remake_table(model, create_field, delete_field, alter_fields)
        gone = delete_field and (delete_field.source_field or delete_field.model_field_name)
        for fields in model._meta.unique_together:
            columns = self._resolve_fields_to_columns(model, tuple(fields))
            if gone not in columns:
                await self.add_constraint(model, UniqueConstraint(fields=tuple(columns)))
        made: set[str] = set()
        for declared in (*_field_indexes(model), *model._meta.indexes):
            index = declared if isinstance(declared, Index) else Index(fields=tuple(declared))
            name = self._index_name_for_model(model, index)
            if gone not in index.field_names and name not in made:
                made.add(name)
                await self.add_index(model, index)

    async def _run_sql(self, sql: str) -> None:
        """Run the statements of `sql` singly: a script would commit."""
        for statement in statements_of(sql):
            await self.client.execute_query(statement)
