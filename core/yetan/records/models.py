"""The base of a plugin's own kinds of record, and the projection of what is published of them."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.people.models import Account
from yetan.privacy import Privacy
from yetan.units.models import Unit

_COLUMNS = "unit created_at updated_at updated_by version"


class UnitRecord(Record):
    """A row that a unit's officials keep. A plugin's model adds its own columns and tags them with `tags`."""

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    unit_id: int
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    updated_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name=False, on_delete=fields.SET_NULL, null=True, db_index=True
    )
    updated_by_id: int | None
    #: Counts its changes, so that of two who change it at once the second is told.
    version = fields.IntField(default=1)

    class Meta:
        abstract = True

    @staticmethod
    def tags(public: str = "", internal: str = "", **rest: Any) -> Privacy:
        """The privacy tags of a model's own columns, with those of its base; see `Privacy`.

        What is tagged public is what residents read once the record is published.
        """
        return Privacy(public=public, internal=f"{_COLUMNS} {internal}", **rest)


class PublicRecord(Record):
    """What the public may know of a plugin's record: rebuilt from its publication, read by nothing but public pages."""

    privacy: ClassVar[Privacy] = Privacy(public="kind record_id unit_id title date face counted")

    id = fields.IntField(primary_key=True)
    #: The name of the record kind.
    kind = fields.CharField(max_length=40)
    record_id = fields.IntField()
    unit_id = fields.IntField()
    title = fields.CharField(max_length=200)
    date = fields.DateField()
    #: Column to its published value; dates in ISO form.
    face: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    #: What this row added to the counters, each with how much, so that a change can take exactly that back.
    counted: fields.JSONField[list[list[Any]]] = fields.JSONField(default=list)

    class Meta:
        app = "yetan"
        table = "yetan_public_record"
        unique_together = (("kind", "record_id"),)
        indexes = [
            Index(fields=("kind", "date", "record_id"), name="yetan_public_record_walk"),
            Index(fields=("unit_id", "date", "record_id"), name="yetan_public_record_unit"),
        ]
