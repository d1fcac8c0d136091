"""Rule values and the documents that issue them."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.privacy import Privacy
from yetan.units.models import Unit


class RuleDocument(Record):
    """A document that issues rules: a notice, a trial regulation; searchable by the public (001-41, 001-42)."""

    privacy: ClassVar[Privacy] = Privacy(public="title number issued_by issued_on text version")

    id = fields.IntField(primary_key=True)
    title = fields.CharField(max_length=200)
    number = fields.CharField(max_length=60, default="")
    issued_by: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="rule_documents", on_delete=fields.RESTRICT, db_index=True
    )
    issued_by_id: int
    issued_on = fields.DateField()
    text = fields.TextField(default="")
    version = fields.IntField(default=1)

    class Meta:
        app = "yetan"
        table = "yetan_rule_document"
        unique_together = (("issued_by", "title", "version"),)


class RuleValue(Record):
    """A rule's value for a unit and everything below it, from a date on, until a newer or nearer value."""

    privacy: ClassVar[Privacy] = Privacy(public="rule unit value effective_from document")

    id = fields.IntField(primary_key=True)
    rule = fields.CharField(max_length=80)
    unit: fields.ForeignKeyRelation[Unit] = fields.ForeignKeyField(
        "yetan.Unit", related_name="rule_values", on_delete=fields.CASCADE, db_index=True
    )
    unit_id: int
    value: fields.JSONField[Any] = fields.JSONField()
    effective_from = fields.DateField()
    document: fields.ForeignKeyNullableRelation[RuleDocument] = fields.ForeignKeyField(
        "yetan.RuleDocument", related_name="values", on_delete=fields.RESTRICT, null=True, db_index=True
    )
    document_id: int | None

    class Meta:
        app = "yetan"
        table = "yetan_rule_value"
        unique_together = (("rule", "unit", "effective_from"),)
