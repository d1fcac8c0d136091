"""Makes the table, and then fails."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


async def fail(apps, editor):
    raise RuntimeError("the bell has no clapper")


class Migration(migrations.Migration):
    initial = True
    dependencies = [("yetan", "0001_initial")]
    operations = [
        ops.CreateModel(
            name="Bell",
            fields=[("id", fields.IntField(primary_key=True, generated=True, unique=True, db_index=True))],
            options={"table": "yetan_faulty_migration_bell", "app": "yetan_faulty_migration", "pk_attr": "id"},
            bases=["Record"],
        ),
        ops.RunPython(fail, fail),
    ]
