"""What the migrations underneath get wrong by themselves, and an upgrade of ours may not.

Each was measured in Tortoise 1.1.9: rows that go with a rebuilt SQLite table, uniques, numbering and foreign keys lost
on the way, columns that filled tables cannot take, a plugin's beginning that cannot be taken back, and a core changed
under the tables of a plugin that is switched off. What is not here is in test_database_upgrade.py (a rebuild under
cascading rows, missing indexes, records apart from their change, two upgrades at once, an unreadable record taken for
an empty one) and test_database_migrations.py (unnamed migrations, NOT NULL without a default).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.lamps import FIRST, WIDER, Package, fill, on_database, rows, run_upgrade, tables
from tests.postgresql import configuration_for
from tortoise.exceptions import IntegrityError

from yetan.cli import database as command
from yetan.config import Configuration
from yetan.db.applied import pending
from yetan.db.statements import execute, fetch
from yetan.db.upgrade import UpgradeFailed

NUMBER = "    number = fields.IntField()\n"
#: A lamp's column that any rebuild of its table has to carry along.
REBUILT = ("number = fields.IntField()", "number = fields.IntField(null=True)")

BENCHES = """
from tortoise import fields
from tortoise.models import Model

class Bench(Model):
    id = fields.IntField(primary_key=True)
    street = fields.ForeignKeyField("lamps.Street", related_name="benches", on_delete=fields.RESTRICT)
    lamp = fields.ForeignKeyField("lamps.Lamp", related_name="benches", on_delete=fields.SET_NULL, null=True)
    repair = fields.ForeignKeyField("lamps.Repair", related_name="benches", on_delete=fields.SET_NULL, null=True)
    class Meta:
        app = "benches"
        table = "benches_bench"
"""
WITHOUT_REPAIRS = FIRST[: FIRST.index("class Repair")]
BENCHES_WITHOUT_REPAIRS = "\n".join(line for line in BENCHES.splitlines() if "lamps.Repair" not in line)


@pytest.fixture
def configuration(empty_database_url: str, tmp_path: Path) -> Configuration:
    return configuration_for(empty_database_url, tmp_path / "data")


@pytest.fixture
def benches(lamps: Package, tmp_path: Path) -> Any:
    """A plugin whose rows refer to those of the lamps."""
    benches = Package(tmp_path / "packages", "benches", beside=[lamps.application])
    benches.change(BENCHES, "0001_initial")
    yield benches
    benches.forget()


async def place_benches() -> None:
    await fetch("INSERT INTO benches_bench (id, street_id, lamp_id, repair_id) VALUES (1, 1, 1, 1), (2, 2, NULL, NULL)")


async def placed() -> list[dict[str, Any]]:
    return await fetch("SELECT id, street_id, lamp_id, repair_id FROM benches_bench ORDER BY id")


# Rebuilt tables


def test_a_unique_constraint_added_later_outlives_a_rebuild(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    table = '        table = "lamps_repair"\n'
    unique = FIRST.replace(table, table + '        unique_together = (("lamp", "street"),)\n')
    lamps.change(unique, "0002_one_repair_at_a_time")
    kept = unique.replace("on_delete=fields.SET_NULL, null=True", "on_delete=fields.SET_NULL, null=True, db_index=True")
    lamps.change(kept, "0003_repairs_by_lamp")
    run_upgrade(configuration, lamps.application)

    async def repeat() -> None:
        await fetch("INSERT INTO lamps_repair (id, lamp_id, street_id) VALUES (9, 1, 1)")

    with pytest.raises(IntegrityError):
        on_database(configuration, lamps.application, repeat)


def test_what_stands_once_stands_once_after_a_rebuild(configuration: Configuration, lamps: Package) -> None:
    one = "main_of = fields.OneToOneField('lamps.Street', related_name='main', null=True, on_delete=fields.SET_NULL)"
    code = "code = fields.CharField(max_length=4, unique=True, null=True)"
    singles = FIRST.replace(NUMBER, f"{NUMBER}    {one}\n    {code}\n")
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    lamps.change(singles, "0002_main_lamps")
    lamps.change(singles.replace(*REBUILT), "0003_lamps_without_number")
    run_upgrade(configuration, lamps.application)

    async def repeat(column: str, value: str) -> None:
        await execute(f"UPDATE lamps_lamp SET {column} = {value}")

    for column, value in (("main_of_id", "1"), ("code", "'A1'")):
        with pytest.raises(IntegrityError):
            on_database(configuration, lamps.application, lambda c=column, v=value: repeat(c, v))


def test_a_rebuild_does_not_give_a_deleted_rows_number_out_again(configuration: Configuration, lamps: Package) -> None:
    """An erased person's number must not become somebody else's."""
    run_upgrade(configuration, lamps.application)

    async def add(name: str) -> int:
        await fetch(f"INSERT INTO lamps_street (name, district, note) VALUES ('{name}', '一区', '')")
        return int((await fetch(f"SELECT id FROM lamps_street WHERE name = '{name}'"))[0]["id"])

    async def add_and_delete() -> int:
        await add("茶亭街")
        last = await add("水巷")
        await fetch("DELETE FROM lamps_street WHERE name = '水巷'")
        return last

    last = on_database(configuration, lamps.application, add_and_delete)
    lamps.change(WIDER, "0002_wider_names")
    run_upgrade(configuration, lamps.application)
    assert on_database(configuration, lamps.application, lambda: add("桥头路")) == last + 1


def test_a_foreign_key_may_come_to_delete_otherwise(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    lamps.change(FIRST.replace("on_delete=fields.CASCADE", "on_delete=fields.RESTRICT"), "0002_lamps_keep_streets")
    run_upgrade(configuration, lamps.application)
    assert on_database(configuration, lamps.application, rows) == before

    async def delete() -> None:
        await fetch("DELETE FROM lamps_repair")
        await fetch("DELETE FROM lamps_street")

    with pytest.raises(IntegrityError):
        on_database(configuration, lamps.application, delete)


def test_a_renamed_column_keeps_its_values_and_rules(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    lamps.add("0002_quarters", "0001_initial", "operations = [ops.RenameField('Street', 'district', 'quarter')]")
    (lamps.folder / "models.py").write_text(FIRST.replace("district", "quarter"))
    lamps.forget()
    run_upgrade(configuration, lamps.application)

    async def quarters() -> list[str]:
        return [row["quarter"] for row in await fetch("SELECT quarter FROM lamps_street ORDER BY id")]

    assert on_database(configuration, lamps.application, quarters) == ["一区", "一区"]


# Columns that filled tables cannot take


@pytest.mark.parametrize(
    "operations",
    [
        "[ops.AddField('Lamp', 'watts', fields.IntField())]",
        "[ops.AddField('Lamp', 'watts', fields.IntField(default=40))]",
        "[ops.AddField('Lamp', 'watts', fields.IntField(null=True)),"
        " ops.AlterField('Lamp', 'watts', fields.IntField())]",
    ],
    ids=["without a default", "with a default of Python's", "made obligatory while empty"],
)
def test_an_obligatory_column_on_filled_rows_is_said_and_nothing_is_changed(
    configuration: Configuration, lamps: Package, operations: str
) -> None:
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    lamps.add("0002_watts", "0001_initial", f"operations = {operations}")
    (lamps.folder / "models.py").write_text(FIRST.replace(NUMBER, f"{NUMBER}    watts = fields.IntField()\n"))
    lamps.forget()

    with pytest.raises(UpgradeFailed) as failure:
        run_upgrade(configuration, lamps.application)

    first, *rest = str(failure.value).splitlines()
    assert first.startswith("迁移 lamps.0002_watts 没有成功：")
    assert "null" in first.lower(), "it says what the database refused"
    assert rest[-2].endswith("在此之前可以继续用原来的版本。")
    assert rest[-1].startswith("数据库没有任何改动。")
    assert on_database(configuration, lamps.application, rows) == before
    lamps.take_back(FIRST, "0002_watts")
    assert run_upgrade(configuration, lamps.application).applied == (), "the old version goes on"


# A plugin's beginning


def test_a_plugins_first_migration_that_fails_leaves_nothing_of_it(
    configuration: Configuration, lamps: Package, benches: Package
) -> None:
    """Tortoise cannot take back a plugin's first migration: here it is never half done, and can be mended."""
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    path = benches.folder / "migrations" / "0001_initial.py"
    good = path.read_text()
    path.write_text(good.rstrip().removesuffix("]") + "    ops.RunSQL('SELECT broken'),\n    ]\n")
    benches.forget()
    with pytest.raises(UpgradeFailed, match=r"迁移 benches\.0001_initial 没有成功"):
        run_upgrade(configuration, lamps.application, benches.application)
    assert "benches_bench" not in on_database(configuration, lamps.application, tables)

    path.write_text(good)
    benches.forget()
    assert run_upgrade(configuration, lamps.application, benches.application).applied == ("benches.0001_initial",)


def test_the_way_back_is_the_copy(configuration: Configuration, lamps: Package) -> None:
    """No command takes migrations back. Where the embedded database was upgraded, its copy is what it was before."""
    assert [each.name for each in command.commands.registered_commands] == ["upgrade"]
    if not configuration.is_sqlite:
        return
    run_upgrade(configuration, lamps.application)
    on_database(configuration, lamps.application, fill)
    before = on_database(configuration, lamps.application, rows)
    lamps.change(WIDER, "0002_wider_names")
    copy = run_upgrade(configuration, lamps.application).copy
    assert copy is not None
    back = replace(configuration, database_url=f"sqlite://{shutil.copy(copy, copy.parent / 'back.sqlite3')}")
    lamps.take_back(FIRST, "0002_wider_names")
    assert on_database(back, lamps.application, lambda: pending(back, [lamps.application])) == []
    assert on_database(back, lamps.application, rows) == before


# The core under a plugin that is switched off


def test_the_order_of_the_apps_does_not_matter(configuration: Configuration, lamps: Package, benches: Package) -> None:
    report = run_upgrade(configuration, benches.application, lamps.application)
    assert report.applied == ("lamps.0001_initial", "benches.0001_initial")


def test_a_plugin_that_is_gone_keeps_its_rows_through_a_rebuild(
    configuration: Configuration, lamps: Package, benches: Package
) -> None:
    run_upgrade(configuration, lamps.application, benches.application)
    on_database(configuration, lamps.application, fill)
    on_database(configuration, lamps.application, place_benches)
    before = on_database(configuration, lamps.application, placed)
    lamps.change(WIDER.replace(*REBUILT), "0002_streets_and_lamps_rebuilt")

    run_upgrade(configuration, lamps.application)

    assert on_database(configuration, lamps.application, placed) == before
    assert run_upgrade(configuration, lamps.application, benches.application).applied == (), "it can be enabled again"


@pytest.mark.parametrize("filled", [True, False], ids=["filled", "empty"])
def test_what_a_plugin_that_is_gone_refers_to_is_not_taken_away(
    configuration: Configuration, lamps: Package, benches: Package, filled: bool
) -> None:
    run_upgrade(configuration, lamps.application, benches.application)
    if filled:
        on_database(configuration, lamps.application, fill)
        on_database(configuration, lamps.application, place_benches)
    released = benches.change(BENCHES_WITHOUT_REPAIRS, "0002_no_repairs").replace(
        "    dependencies = [", "    run_before = [('lamps', '0002_no_repairs')]\n    dependencies = ["
    )
    benches.take_back(BENCHES, "0002_no_repairs")
    lamps.change(WITHOUT_REPAIRS, "0002_no_repairs")

    with pytest.raises(UpgradeFailed) as failure:
        run_upgrade(configuration, lamps.application)

    assert "  benches_bench：它引用的表或列没有了" in str(failure.value)
    assert "请先装回那个插件" in str(failure.value)
    assert "lamps_repair" in on_database(configuration, lamps.application, tables)

    with pytest.raises(UpgradeFailed, match=r"(?s)插件的模型和这个版本对不上：.*'Repair'.*请安装与这个版本相配的插件"):
        run_upgrade(configuration, lamps.application, benches.application)
    path = benches.folder / "migrations" / "0002_no_repairs.py"
    path.write_text(released)
    (benches.folder / "models.py").write_text(BENCHES_WITHOUT_REPAIRS)
    benches.forget()
    report = run_upgrade(configuration, lamps.application, benches.application)
    assert report.applied == ("benches.0002_no_repairs", "lamps.0002_no_repairs"), "its own new version lets go"


def test_a_table_of_somebody_elses_is_not_looked_into(configuration: Configuration, lamps: Package) -> None:
    run_upgrade(configuration, lamps.application)

    async def make() -> None:
        await fetch("CREATE TABLE mayors_list (id INT, street INT REFERENCES lamps_street (id))")

    on_database(configuration, lamps.application, make)
    lamps.change(WIDER, "0002_wider_names")
    run_upgrade(configuration, lamps.application)
    assert "mayors_list" in on_database(configuration, lamps.application, tables)
