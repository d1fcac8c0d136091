"""Taking an app's migrations back, the last one first: whether they can be is proved before a plugin's first city."""

from __future__ import annotations

from collections.abc import Sequence

from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from yetan.db.connection import Application, connected, tortoise_configuration
from yetan.db.schema_editors import schema_editor
from yetan.db.schema_state import backward, migration_of, state_after


async def revert(url: str, applications: Sequence[Application], label: str) -> tuple[str, ...]:
    """Take back every applied migration of the app `label`, with its tables and rows; returns them in that order.

    For databases that are thrown away: no city goes this way. All of it is one transaction. Raises what the
    migrations raise, and `ValueError` where one has an operation that cannot be taken back.
    """
    # As on the way up: SQLite alters a table by dropping it, and rows that refer to it must not go with it.
    async with connected(url, applications, foreign_keys=False):
        connection = get_connection("default")
        executor = MigrationExecutor(connection, tortoise_configuration(url, applications)["apps"])
        await executor.loader.build_graph()
        applied = set(await MigrationRecorder(connection).applied_migrations())
        own = [key for key in executor._full_plan() if key.app_label == label and key in applied]
        async with in_transaction() as client:
            editor, recorder = schema_editor(client), MigrationRecorder(client)
            for key in reversed(own):
                before = await state_after(executor, applied, before=key)
                await backward(migration_of(executor, key), before, editor)
                await recorder.record_unapplied(key.app_label, key.name)
        return tuple(str(key) for key in reversed(own))
