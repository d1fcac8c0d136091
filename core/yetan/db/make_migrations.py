"""For developers: write the migration that the models of an app lack.

    python -m yetan.db.make_migrations NAME [--app yetan_points] [--anew]

Always with a name: Tortoise's own are timestamps. Comments and docstrings of models are left out of
migrations, so that rewording one never rebuilds a table.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tortoise import Tortoise
from tortoise.fields.base import Field
from tortoise.fields.relational import ManyToManyFieldInstance
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.operations import AddField, CreateModel, Operation, RemoveField
from tortoise.migrations.writer import MigrationWriter, format_migration_name

from yetan.db.connection import CORE_APPLICATION, Application, connected, tortoise_configuration

#: Reading models needs a configured connection, never an open one.
_NO_DATABASE = "sqlite://:memory:"


async def missing_migrations(applications: Sequence[Application], label: str) -> list[MigrationWriter]:
    """What the migrations of app `label` lack to give its models: none or one, not yet written.

    `applications` are that app and those its models refer to.
    """
    configuration = tortoise_configuration(_NO_DATABASE, applications)
    async with connected(_NO_DATABASE, applications):
        assert Tortoise.apps is not None
        for model in Tortoise.apps.get_models_iterable():
            model._meta.table_description = ""
            for field in model._meta.fields_map.values():
                field.description = None
        writers = await MigrationAutodetector(Tortoise.apps, configuration["apps"]).changes()
    own = [writer for writer in writers if writer.app_label == label]
    for operation in (each for writer in own for each in writer.operations):
        if isinstance(operation, CreateModel):
            _keep_given_keys(operation)
    return own


def _keep_given_keys(operation: CreateModel) -> None:
    """Have `generated=False` of primary keys written: Tortoise leaves it out, which would make a sequence."""
    for _, field in operation.fields:
        if isinstance(field, Field) and field.pk and not field.generated:
            path, positional, named = field.deconstruct()
            written = (path, positional, {**named, "generated": False})
            setattr(field, "deconstruct", lambda written=written: written)  # noqa: B010 - a method of this one field


def unsafe_operations(operations: Sequence[Operation]) -> list[str]:
    """What would fail on a filled database or empty a column, as sentences that say what to do instead."""
    removed = {(each.model_name, each.name) for each in operations if isinstance(each, RemoveField)}
    problems: list[str] = []
    for each in operations:
        if not isinstance(each, AddField):
            continue
        if (each.model_name, each.name) in removed:
            problems.append(
                f"{each.model_name}.{each.name} is removed and added again, which loses its values; "
                "add a new column and copy them"
            )
        field = each.field
        if isinstance(field, ManyToManyFieldInstance) or not isinstance(field, Field):
            continue
        if not field.null and not field.has_db_default():
            problems.append(
                f"{each.model_name}.{each.name} is added NOT NULL without db_default: rows that are there would "
                "have no value; give it a db_default or null=True"
            )
    return problems


def find_applications(label: str) -> tuple[Application, ...]:
    """The app `label` after those it may refer to: the core, and for a plugin the plugins it depends on.

    Raises `ConfigurationError` for a plugin that is not installed.
    """
    if label == CORE_APPLICATION.label:
        return (CORE_APPLICATION,)
    # The core's models must not need the plugin machinery to be migrated.
    from yetan.plugins.record import installed_applications

    return installed_applications(label)


def _package_folder(module: str) -> Path:
    """The folder of the migrations package `module`, made if it is not there yet."""
    parent, _, name = module.rpartition(".")
    folder = Path(next(iter(importlib.import_module(parent).__path__))) / name
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    importlib.invalidate_caches()
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code: 1 when it refuses."""
    parser = argparse.ArgumentParser(prog="python -m yetan.db.make_migrations", description=__doc__)
    parser.add_argument("name", help="what the migration does, as in add_points_reason")
    parser.add_argument("--app", default=CORE_APPLICATION.label, help="the Tortoise app, as in yetan_points")
    parser.add_argument(
        "--anew", action="store_true", help="replace all migrations of the app; only before its first release"
    )
    given = parser.parse_args(arguments)
    applications = find_applications(given.app)
    application = next((each for each in applications if each.label == given.app), None)
    if application is None:
        print(f"{given.app}: has no models", file=sys.stderr)
        return 1
    folder = _package_folder(application.migrations)
    if given.anew:
        for path in folder.glob("0*.py"):
            path.unlink()
    writers = asyncio.run(missing_migrations(applications, given.app))
    for writer in writers:
        if problems := unsafe_operations(writer.operations):
            print("\n".join(problems), file=sys.stderr)
            return 1
        writer.name = format_migration_name(int(writer.name[:4]), given.name)
        path = folder / f"{writer.name}.py"
        path.write_text(writer.as_string() + "\n", encoding="utf-8")
        print(path, *(f"  {each.describe()}" for each in writer.operations), sep="\n")
    if not writers:
        print(f"{given.app}: the migrations give what the models say")
    return 0


if __name__ == "__main__":
    sys.exit(main())
