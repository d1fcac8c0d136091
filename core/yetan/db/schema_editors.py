"""Tortoise's schema editors, mended where they lose indexes, unique constraints or the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor, SqliteSchemaEditor
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.models import Model

from yetan.db.connection import is_postgres
from yetan.db.sqlite import statements_of
from yetan.faults import reached


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
    """PostgreSQL: an added field gets its index, an altered foreign key its new way of deleting."""

    async def _run_sql(self, sql: str) -> None:
        await super()._run_sql(sql)
        reached("upgrade.statement")

    async def add_field(self, model: type[Model], field_name: str) -> None:
        await super().add_field(model, field_name)
        await _index_added_field(self, model, field_name)

    async def alter_field(self, old_model: type[Model], new_model: type[Model], field_name: str) -> None:
        await super().alter_field(old_model, new_model, field_name)
        old, new = (model._meta.fields_map[field_name] for model in (old_model, new_model))
        if (
            isinstance(old, ForeignKeyFieldInstance)
            and isinstance(new, ForeignKeyFieldInstance)
            and old.on_delete != new.on_delete
        ):
            await self._remake_foreign_key(new_model._meta.db_table, new)

    async def _remake_foreign_key(self, table: str, field: ForeignKeyFieldInstance[Any]) -> None:
        column, target = field.source_field, field.to_field_instance
        names = await self.client.execute_query_dict(_FOREIGN_KEYS_ON, [table, column])
        for row in names:
            await self._run_sql(f'ALTER TABLE "{table}" DROP CONSTRAINT "{row["conname"]}"')
        await self._run_sql(
            f'ALTER TABLE "{table}" ADD FOREIGN KEY ("{column}") REFERENCES "{field.related_model._meta.db_table}" '
            f'("{target.source_field or target.model_field_name}") ON DELETE {field.on_delete}'
        )


_FOREIGN_KEYS_ON = """
SELECT conname FROM pg_constraint
JOIN pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
WHERE contype = 'f' AND conrelid = to_regclass($1) AND attname = $2
"""


class SqliteEditor(SqliteSchemaEditor):
    """SQLite: an added field gets its index, a rebuilt table keeps its uniques, its indexes and its numbering."""

    async def add_field(self, model: type[Model], field_name: str) -> None:
        await super().add_field(model, field_name)
        await _index_added_field(self, model, field_name)

    async def remove_field(self, model: type[Model], field: Field[Any]) -> None:
        """Remove a field; with a foreign key goes its column, which Tortoise would keep."""
        if isinstance(field, ForeignKeyFieldInstance) and field.source_field is not None:
            del model._meta.fields_map[field.source_field]
            del model._meta.fields_db_projection[field.source_field]
        await super().remove_field(model, field)

    async def _remake_table(
        self, model: type[Model], create_field: Any = None, delete_field: Any = None, alter_fields: Any = None
    ) -> None:
        """Rebuild a table. Tortoise keeps its columns and foreign keys alone; the rest is made again."""
        numbering = "SELECT seq FROM sqlite_sequence WHERE name = ?"
        table = model._meta.db_table
        given_out = await self.client.execute_query_dict(numbering, [table])
        await super()._remake_table(model, create_field, delete_field, alter_fields)
        if given_out:
            # The rows alone would say what comes next: the number of a deleted one would be given out again.
            await self.client.execute_query("DELETE FROM sqlite_sequence WHERE name = ?", [table])
            await self.client.execute_query(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, given_out[0]["seq"]]
            )
        gone = delete_field and (delete_field.source_field or delete_field.model_field_name)
        for fields in (*model._meta.unique_together, *((name,) for name in model._meta.o2o_fields)):
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
            reached("upgrade.statement")
