"""Units and their ancestors."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.privacy import Privacy


class Unit(Record):
    """A place or a body in the tree (domain.md 3.0). Its kind is a key of the deployment's `[unit_kinds]`."""

    privacy: ClassVar[Privacy] = Privacy(public="code name short_name kind parent position active")

    id = fields.IntField(primary_key=True)
    code = fields.CharField(max_length=40, unique=True)
    name = fields.CharField(max_length=80)
    short_name = fields.CharField(max_length=40, default="")
    kind = fields.CharField(max_length=30)
    parent: fields.ForeignKeyNullableRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="children", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    parent_id: int | None
    position = fields.IntField(default=0)
    active = fields.BooleanField(default=True)

    class Meta:
        app = "yetan"
        table = "yetan_unit"
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class UnitAncestor(Record):
    """One row per unit and ancestor, itself included at depth 0: subtree questions are one indexed lookup."""

    privacy: ClassVar[Privacy] = Privacy(public="unit ancestor depth")

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="ancestor_rows", on_delete=fields.CASCADE, db_index=True
    )
    unit_id: int
    ancestor: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="descendant_rows", on_delete=fields.CASCADE
    )
    ancestor_id: int
    depth = fields.IntField()

    class Meta:
        app = "yetan"
        table = "yetan_unit_ancestor"
        unique_together = (("ancestor", "unit"),)


class UnitName(Record):
    """A name a unit bore until a date, so that history and search keep it."""

    privacy: ClassVar[Privacy] = Privacy(public="unit name until")

    id = fields.IntField(primary_key=True)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="former_names", on_delete=fields.CASCADE
    )
    unit_id: int
    name = fields.CharField(max_length=80)
    until = fields.DateField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_unit_name"
        unique_together = (("unit", "name"),)


class UnitMerger(Record):
    """A unit that went into another on a date; its issues stay under its own name."""

    privacy: ClassVar[Privacy] = Privacy(public="unit into on")

    id = fields.IntField(primary_key=True)
    unit: fields.OneToOneRelation[Unit] = fields.OneToOneField(
        "yetan.Unit", related_name="merger", on_delete=fields.RESTRICT
    )
    unit_id: int
    into: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="absorbed", on_delete=fields.RESTRICT, db_index=True
    )
    into_id: int
    on = fields.DateField()

    class Meta:
        app = "yetan"
        table = "yetan_unit_merger"


__all__ = ["Unit", "UnitAncestor", "UnitMerger", "UnitName"]
