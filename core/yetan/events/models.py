"""Events, what they are about, their deliveries, due dates, job runs and the keys of repeated requests."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index, PartialIndex

from yetan.db.model import Record
from yetan.privacy import Privacy


class Event(Record):
    """Something that happened to a subject: codes and ids only, never a person's words. Append-only."""

    privacy: ClassVar[Privacy] = Privacy(internal="type subject_kind subject_id at actor audience historical data")

    id = fields.BigIntField(primary_key=True)
    type = fields.CharField(max_length=60)
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()
    at = fields.DatetimeField()
    #: "account:12", "person:7", "system" or "anonymous" (see Actor.label).
    actor = fields.CharField(max_length=40)
    #: public, parties (raisers and staff) or staff.
    audience = fields.CharField(max_length=10)
    historical = fields.BooleanField(default=False)
    data: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)

    class Meta:
        app = "yetan"
        table = "yetan_event"
        indexes = [Index(fields=("subject_kind", "subject_id", "id"), name="yetan_event_subject")]


class Subject(Record):
    """What events are about. On PostgreSQL its row is what two transactions that tell of it queue for."""

    privacy: ClassVar[Privacy] = Privacy(internal="subject_kind subject_id")

    id = fields.BigIntField(primary_key=True)
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()

    class Meta:
        app = "yetan"
        table = "yetan_subject"
        unique_together = (("subject_kind", "subject_id"),)


class Delivery(Record):
    """One subscriber's share of an event, written in the transaction of the event itself."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="event subscriber subject_kind subject_id state attempts due_at lease_until error"
    )

    id = fields.BigIntField(primary_key=True)
    event: fields.ForeignKeyRelation[Event] = fields.ForeignKeyField(
        "yetan.Event", related_name="deliveries", on_delete=fields.CASCADE
    )
    event_id: int
    subscriber = fields.CharField(max_length=80)
    #: Copied from the event, so that order per subject is one indexed lookup.
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()
    #: pending, done or dead.
    state = fields.CharField(max_length=10, default="pending")
    attempts = fields.IntField(default=0)
    due_at = fields.DatetimeField()
    lease_until = fields.DatetimeField(null=True)
    error = fields.TextField(default="")

    class Meta:
        app = "yetan"
        table = "yetan_delivery"
        unique_together = (("event", "subscriber"),)
        indexes = [
            Index(fields=("state", "subscriber", "due_at", "id"), name="yetan_delivery_due"),
            PartialIndex(
                fields=("subscriber", "subject_kind", "subject_id", "event_id"),
                name="yetan_delivery_order",
                condition={"state": "pending"},
            ),
        ]


class Due(Record):
    """Something that falls due at an instant. A sweep reads what is due, not what is open."""

    privacy: ClassVar[Privacy] = Privacy(internal="kind subject_kind subject_id at")

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=60)
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()
    at = fields.DatetimeField(db_index=True)

    class Meta:
        app = "yetan"
        table = "yetan_due"
        unique_together = (("kind", "subject_kind", "subject_id"),)


class JobRun(Record):
    """A scheduled job ran in a period: the UNIQUE row decides that it runs once (F43)."""

    privacy: ClassVar[Privacy] = Privacy(internal="job period started_at finished_at error")

    id = fields.IntField(primary_key=True)
    job = fields.CharField(max_length=80)
    period = fields.CharField(max_length=30)
    started_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)
    error = fields.TextField(default="")

    class Meta:
        app = "yetan"
        table = "yetan_job_run"
        unique_together = (("job", "period"),)


class RequestKey(Record):
    """The idempotency key of a change and what came of it, so that a repeated request gets the first answer (C54)."""

    privacy: ClassVar[Privacy] = Privacy(internal="key service fingerprint result_id at")

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=80)
    service = fields.CharField(max_length=120)
    fingerprint = fields.CharField(max_length=64)
    result_id = fields.IntField(null=True)
    at = fields.DatetimeField(db_index=True)

    class Meta:
        app = "yetan"
        table = "yetan_request_key"
        unique_together = (("key", "service"),)


class Sequence(Record):
    """A counter numbers are given out from, one conditional update at a time."""

    privacy: ClassVar[Privacy] = Privacy(internal="name value")

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=40, unique=True)
    value = fields.IntField(default=0)

    class Meta:
        app = "yetan"
        table = "yetan_sequence"
