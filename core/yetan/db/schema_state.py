"""The models as the migrations leave them, brought forward from one migration to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, takewhile

from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.migration import Migration
from tortoise.migrations.operations import CreateModel, Operation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import ModelState, State
from tortoise.migrations.schema_generator.state_apps import StateApps


async def state_after(
    executor: MigrationExecutor, applied: set[MigrationKey], *, before: MigrationKey | None = None
) -> State:
    """The models as the migrations that are `applied` leave them, all of them or those planned ahead of `before`."""
    connections = {label: str(app["default_connection"]) for label, app in executor.loader.apps_config.items()}
    state = State(models={}, apps=StateApps(default_connections=connections))
    for key in takewhile(lambda each: each != before, executor._full_plan()):
        if key in applied:
            state = await forward(migration_of(executor, key), state)
    return state


def migration_of(executor: MigrationExecutor, key: MigrationKey) -> Migration:
    """One of the migrations that the executor has read."""
    migration = executor.loader.graph.nodes[key]
    assert isinstance(migration, Migration)
    return migration


async def forward(migration: Migration, state: State, editor: BaseSchemaEditor | None = None) -> State:
    """Bring `state`, and with an `editor` the database, past a migration. What `Migration.apply` does.

    That makes all models anew for every operation, which for a whole first migration takes seconds; models created in
    a row are made together here, on the way back as well.
    """
    for part in _parts(migration):
        state = await _apply(part, state, editor)
    state.validate_relations_initialized()
    return state


async def backward(migration: Migration, state: State, editor: BaseSchemaEditor) -> None:
    """Take the database back past a migration that was applied to `state`. What `Migration.unapply` does.

    Raises `ValueError` where an operation cannot be taken back.
    """
    parts, states = _parts(migration), [state]
    for part in parts:
        states.append(await _apply(part, states[-1].clone()))
    for part, before, after in reversed(list(zip(parts, states, states[1:], strict=False))):
        if _creates(part.operations[0]):
            for each in reversed(part.operations):
                await each.database_backward(part.app_label, after, before, editor)
        else:
            await part.unapply(before, schema_editor=editor)


def _parts(migration: Migration) -> Sequence[Migration]:
    """The migration cut into those operations in a row that create models, and the others."""
    parts = []
    for _, operations in groupby(migration.operations, _creates):
        part = Migration(migration.name, migration.app_label)
        part.operations, part.atomic = list(operations), migration.atomic
        parts.append(part)
    return parts


def _creates(operation: Operation) -> bool:
    return type(operation) is CreateModel


async def _apply(part: Migration, state: State, editor: BaseSchemaEditor | None = None) -> State:
    if not _creates(part.operations[0]):
        return await part.apply(state, dry_run=editor is None, schema_editor=editor)
    creations = [each for each in part.operations if isinstance(each, CreateModel)]
    for each in creations:
        state.models[part.app_label, each.name] = ModelState.make_from_model(part.app_label, each.model)
    state.reload_models(list(state.models))
    if editor is not None:
        for each in creations:
            await each.database_forward(part.app_label, state, state, editor)
    return state
