"""A small plugin on disk whose models change, and its rows: for tests of upgrades.

def test_something(lamps, configuration):
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    lamps.change(WIDER, "0002_wider_names")
    run_upgrade(configuration, lamps.application)

Migrations read the models' modules anew each time: `forget` a package after changing it by hand.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from yetan.config import Configuration
from yetan.db.connection import Application, connected, is_postgres
from yetan.db.make_migrations import missing_migrations
from yetan.db.statements import fetch
from yetan.db.upgrade import UpgradeReport, upgrade

T = TypeVar("T")

FIRST = """
from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

class Street(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=20)
    district = fields.CharField(max_length=20)
    note = fields.TextField(default="")
    class Meta:
        app = "lamps"
        table = "lamps_street"
        unique_together = (("district", "name"),)
        indexes = [Index(fields=("note", "id"), name="lamps_street_note")]

class Lamp(Model):
    id = fields.IntField(primary_key=True)
    street = fields.ForeignKeyField(
        "lamps.Street", related_name="lamps", on_delete=fields.CASCADE, db_index=True
    )
    number = fields.IntField()
    class Meta:
        app = "lamps"
        table = "lamps_lamp"
        unique_together = (("street", "number"),)

class Repair(Model):
    id = fields.IntField(primary_key=True)
    lamp = fields.ForeignKeyField("lamps.Lamp", related_name="repairs", on_delete=fields.SET_NULL, null=True)
    street = fields.ForeignKeyField("lamps.Street", related_name="repairs", on_delete=fields.RESTRICT)
    class Meta:
        app = "lamps"
        table = "lamps_repair"
"""
WIDER = FIRST.replace("name = fields.CharField(max_length=20)", "name = fields.CharField(max_length=60)", 1)

_numbers = itertools.count(1)


class Package:
    """A small plugin's package on disk, whose models change and which gets migrations written.

    Two of the same `label` are two versions of one plugin. `beside` are the apps its models refer to.
    """

    def __init__(self, folder: Path, label: str = "lamps", beside: Sequence[Application] = ()) -> None:
        self.package = f"{label}_{next(_numbers)}"
        self.beside = tuple(beside)
        self.folder = folder / self.package
        (self.folder / "migrations").mkdir(parents=True)
        for each in (self.folder, self.folder / "migrations"):
            (each / "__init__.py").touch()
        self.application = Application(label, f"{self.package}.models", f"{self.package}.migrations")

    def change(self, models: str, name: str) -> str:
        """Give the package these models and the migration they need, named `name`; the migration's text."""
        (self.folder / "models.py").write_text(models)
        self.forget()
        (writer,) = asyncio.run(missing_migrations([*self.beside, self.application], self.application.label))
        (self.folder / "migrations" / f"{name}.py").write_text(writer.as_string())
        self.forget()
        return writer.as_string()

    def take_back(self, models: str, name: str) -> None:
        """Make the package that of an older version: with these models and without its migration `name`."""
        (self.folder / "migrations" / f"{name}.py").unlink()
        (self.folder / "models.py").write_text(models)
        self.forget()

    def add(self, name: str, after: str, body: str) -> None:
        """Write a migration by hand; `body` defines `operations` and what they need."""
        (self.folder / "migrations" / f"{name}.py").write_text(
            "from tortoise import fields, migrations\nfrom tortoise.migrations import operations as ops\n"
            f"{body}\n"
            f"class Migration(migrations.Migration):\n"
            f"    dependencies = [({self.application.label!r}, '{after}')]\n    operations = operations\n"
        )
        self.forget()

    def forget(self) -> None:
        """Have the package imported anew, and its neighbours, whose models would still know the old ones."""
        packages = {folder.name for folder in self.folder.parent.iterdir()}
        for name in [each for each in sys.modules if each.split(".")[0] in packages]:
            del sys.modules[name]
        importlib.invalidate_caches()


@pytest.fixture
def lamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    lamps = Package(tmp_path / "packages")
    lamps.change(FIRST, "0001_initial")
    yield lamps
    lamps.forget()


def run_upgrade(configuration: Configuration, *applications: Application) -> UpgradeReport:
    return asyncio.run(upgrade(configuration, applications, lambda line: None))


def on_database(
    configuration: Configuration, application: Application, work: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    async def run() -> T:
        async with connected(configuration.database_url, [application]):
            return await work()

    return asyncio.run(run())


async def tables() -> set[str]:
    rows = await fetch(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
        if is_postgres()
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return {row["name"] for row in rows}


async def fill() -> None:
    await fetch(
        "INSERT INTO lamps_street (id, name, district, note) VALUES (1, '茶亭街', '一区', ''), (2, '水巷', '一区', '')"
    )
    await fetch("INSERT INTO lamps_lamp (id, street_id, number) VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)")
    await fetch("INSERT INTO lamps_repair (id, lamp_id, street_id) VALUES (1, 1, 1), (2, NULL, 2)")


async def rows() -> list[list[dict[str, Any]]]:
    return [
        await fetch("SELECT id, name, district FROM lamps_street ORDER BY id"),
        await fetch("SELECT id, street_id, number FROM lamps_lamp ORDER BY id"),
        await fetch("SELECT id, lamp_id, street_id FROM lamps_repair ORDER BY id"),
    ]
