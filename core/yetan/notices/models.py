"""Notices."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.people.models import Account
from yetan.privacy import Privacy


class Notice(Record):
    """A line in somebody's inbox: a message id with its parameters, and what it is about."""

    privacy: ClassVar[Privacy] = Privacy(internal="account at kind subject_kind subject_id data read_at event_id")

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="notices", on_delete=fields.CASCADE
    )
    account_id: int
    at = fields.DatetimeField()
    kind = fields.CharField(max_length=60)
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()
    data: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    read_at = fields.DatetimeField(null=True)
    #: The event that caused it; with account and kind it makes telling twice impossible.
    event_id = fields.BigIntField()

    class Meta:
        app = "yetan"
        table = "yetan_notice"
        unique_together = (("account", "event_id", "kind"),)
        indexes = [Index(fields=("account_id", "read_at", "id"), name="yetan_notice_inbox")]
