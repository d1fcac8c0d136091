"""Audit records and the chain that seals them."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.db.triggers import Trigger
from yetan.privacy import Privacy

_TOLD = ("id", "at", "actor", "action", "subject", "outcome", "source")
_ALTERED = " OR ".join(f'NEW."{column}" <> OLD."{column}"' for column in _TOLD)


class AuditRecord(Record):
    """One deed, look or refusal: who, what, on what, with what result, from where (C79). Append-only.

    `number` and `hash` are its seal, None until the sealing job has come: see `yetan.audit.sealing`.
    """

    privacy: ClassVar[Privacy] = Privacy(internal="at actor action subject outcome source number hash")
    triggers: ClassVar[tuple[Trigger, ...]] = (
        Trigger("UPDATE", f"OLD.number IS NOT NULL OR NEW.number IS NULL OR NEW.hash IS NULL OR {_ALTERED}"),
        Trigger(
            "DELETE",
            "OLD.number IS NULL OR OLD.number > (SELECT coalesce(max(forgotten), 0) FROM yetan_audit_chain)",
        ),
    )

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField(db_index=True)
    actor = fields.CharField(max_length=40)
    action = fields.CharField(max_length=120)
    subject = fields.CharField(max_length=80, default="")
    outcome = fields.CharField(max_length=20)
    source = fields.CharField(max_length=64, default="")
    number = fields.BigIntField(null=True, unique=True)
    hash = fields.CharField(max_length=64, null=True)

    class Meta:
        app = "yetan"
        table = "yetan_audit_record"
        indexes = [Index(fields=("subject", "id"), name="yetan_audit_record_subject")]


class AuditChain(Record):
    """The one chain (id 1): where it begins and where it ends.

    Records up to number `forgotten` are gone, as the retention says; `forgotten_hash` is the last one's, which the
    first one that is kept carries on from. `sealed` and `hash` are the last record's.
    """

    privacy: ClassVar[Privacy] = Privacy(internal="forgotten forgotten_hash sealed hash")
    triggers: ClassVar[tuple[Trigger, ...]] = (
        Trigger(
            "UPDATE",
            "NEW.id <> OLD.id OR NEW.forgotten < OLD.forgotten OR NEW.sealed < OLD.sealed"
            " OR NEW.forgotten > NEW.sealed",
        ),
        Trigger("DELETE", "TRUE"),
    )

    id = fields.IntField(primary_key=True, generated=False)
    forgotten = fields.BigIntField(default=0)
    forgotten_hash = fields.CharField(max_length=64, default="")
    sealed = fields.BigIntField(default=0)
    hash = fields.CharField(max_length=64, default="")

    class Meta:
        app = "yetan"
        table = "yetan_audit_chain"
