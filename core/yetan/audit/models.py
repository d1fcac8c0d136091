"""Audit records."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.privacy import Privacy


class AuditRecord(Record):
    """One request or command: who, what, on what, with what result, from where (C79). Append-only."""

    privacy: ClassVar[Privacy] = Privacy(internal="at actor action subject outcome source")

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField(db_index=True)
    actor = fields.CharField(max_length=40)
    action = fields.CharField(max_length=120)
    subject = fields.CharField(max_length=80, default="")
    outcome = fields.CharField(max_length=20)
    source = fields.CharField(max_length=64, default="")

    class Meta:
        app = "yetan"
        table = "yetan_audit_record"
        indexes = [Index(fields=("subject", "id"), name="yetan_audit_record_subject")]
