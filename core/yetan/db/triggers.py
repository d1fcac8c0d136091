"""Triggers by which a table refuses what no part of the application does: a mistake, or a query slipped in.

They belong to the models, not to a migration: `yetan db upgrade` sets them anew each time, since SQLite loses them
whenever it rebuilds a table, and the schema's comparison misses those that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from tortoise import Tortoise
from tortoise.models import Model

from yetan.db.connection import is_postgres
from yetan.db.statements import execute, fetch


class Trigger(Struct, frozen=True):
    """Refuses an UPDATE or DELETE of a row where `refused_if` holds: SQL over OLD and NEW that both databases take.

    On PostgreSQL a table with a trigger also refuses TRUNCATE.
    """

    event: Literal["UPDATE", "DELETE"]
    refused_if: str


async def set_triggers() -> None:
    """Make the triggers of all models as they are declared. Call it in the transaction of an upgrade."""
    for model, trigger in _declared():
        for statement in _statements(model._meta.db_table, trigger):
            await execute(statement)


async def missing_triggers() -> list[str]:
    """The declared triggers that the open database lacks or has switched off, as sentences."""
    there = {row["name"] for row in await fetch(_POSTGRES_NAMES if is_postgres() else _SQLITE_NAMES)}
    return [
        f"{model._meta.db_table}：缺少拒绝 {trigger.event} 的触发器"
        for model, trigger in _declared()
        if _name(model._meta.db_table, trigger) not in there
    ]


_SQLITE_NAMES = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
_POSTGRES_NAMES = """
SELECT trigger.tgname AS name FROM pg_trigger trigger JOIN pg_class class ON class.oid = trigger.tgrelid
WHERE class.relnamespace = current_schema()::regnamespace AND trigger.tgenabled = 'O'
"""


def _declared() -> Iterator[tuple[type[Model], Trigger]]:
    assert Tortoise.apps is not None
    for model in Tortoise.apps.get_models_iterable():
        for trigger in getattr(model, "triggers", ()):
            yield model, trigger


def _name(table: str, trigger: Trigger) -> str:
    return f"{table}_{trigger.event.lower()}"


def _statements(table: str, trigger: Trigger) -> Iterator[str]:
    name, said = _name(table, trigger), f"{table} is append-only"
    if not is_postgres():
        yield f'DROP TRIGGER IF EXISTS "{name}"'
        yield (
            f'CREATE TRIGGER "{name}" BEFORE {trigger.event} ON "{table}" WHEN {trigger.refused_if} '
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
        return
    # TRUNCATE has no row to look at.
    for event, condition, level in ((trigger.event, trigger.refused_if, "ROW"), ("TRUNCATE", "TRUE", "STATEMENT")):
        function = f"{table}_{event.lower()}"
        row = {"UPDATE": "NEW", "DELETE": "OLD", "TRUNCATE": "NULL"}[event]
        yield (
            f'CREATE OR REPLACE FUNCTION "{function}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN '
            f"IF {condition} THEN RAISE EXCEPTION '{said}' USING ERRCODE = 'restrict_violation'; END IF; "
            f"RETURN {row}; END $$"
        )
        yield f'DROP TRIGGER IF EXISTS "{function}" ON "{table}"'
        yield (
            f'CREATE TRIGGER "{function}" BEFORE {event} ON "{table}" FOR EACH {level} EXECUTE FUNCTION "{function}"()'
        )
