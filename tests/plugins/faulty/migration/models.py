"""A bell."""

from typing import ClassVar

from tortoise import fields

from yetan.api import Privacy, Record


class Bell(Record):
    """A bell."""

    privacy: ClassVar[Privacy] = Privacy()

    id = fields.IntField(primary_key=True)

    class Meta:
        app = "yetan_faulty_migration"
        table = "yetan_faulty_migration_bell"
