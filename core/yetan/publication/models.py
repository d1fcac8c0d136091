"""Publications, and the projection every public surface reads."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.people.models import Account
from yetan.privacy import Privacy


class Publication(Record):
    """The public face of a subject: a draft with personal data masked, and the face somebody approved.

    `draft` and `approved` hold the same keys: title, text, place, measures, outcome, notes (remark id to text).
    """

    privacy: ClassVar[Privacy] = Privacy(
        internal="subject_kind subject_id state pending version prepared_at prepared_by approved_at approved_by "
        "withdrawn_at withdrawn_by",
        public="approved",
        personal="draft withdrawn_reason",
    )

    id = fields.IntField(primary_key=True)
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()
    #: prepared (never shown), approved (shown) or withdrawn.
    state = fields.CharField(max_length=10)
    #: The draft differs from what is shown and waits for a reviewer.
    pending = fields.BooleanField(default=True)
    version = fields.IntField(default=1)
    draft: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    approved: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    prepared_at = fields.DatetimeField()
    prepared_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account",
        related_name="prepared_publications",
        on_delete=fields.SET_NULL,
        null=True,
        db_index=True,
    )
    prepared_by_id: int | None
    approved_at = fields.DatetimeField(null=True)
    approved_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account",
        related_name="approved_publications",
        on_delete=fields.SET_NULL,
        null=True,
        db_index=True,
    )
    approved_by_id: int | None
    withdrawn_at = fields.DatetimeField(null=True)
    withdrawn_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account",
        related_name="withdrawn_publications",
        on_delete=fields.SET_NULL,
        null=True,
        db_index=True,
    )
    withdrawn_by_id: int | None
    withdrawn_reason = fields.TextField(default="")

    class Meta:
        app = "yetan"
        table = "yetan_publication"
        unique_together = (("subject_kind", "subject_id"),)
        indexes = [Index(fields=("pending", "state", "prepared_at"), name="yetan_publication_queue")]


class PublicIssue(Record):
    """What the public may know of an issue: rebuilt from its publication and events, and read by nothing but
    public pages, public search, feeds and the public API."""

    privacy: ClassVar[Privacy] = Privacy(
        public="issue_id number source_number title text place measures outcome state kind collective unit_id "
        "unit_name responsible_unit_name category_id category_path top_category_id raised_at raised_precision "
        "listed_at deadline resolved_at struck_off_at updated_at round raisers ratings timeline photos extras counted"
    )

    issue_id = fields.IntField(primary_key=True, generated=False)
    number = fields.CharField(max_length=20, unique=True)
    source_number = fields.CharField(max_length=60, default="", db_index=True)
    title = fields.CharField(max_length=200)
    text = fields.TextField()
    place = fields.CharField(max_length=200, default="")
    measures = fields.TextField(default="")
    outcome = fields.TextField(default="")
    state = fields.CharField(max_length=40)
    kind = fields.CharField(max_length=30)
    collective = fields.BooleanField(default=False)
    unit_id = fields.IntField()
    unit_name = fields.CharField(max_length=80)
    responsible_unit_name = fields.CharField(max_length=80)
    category_id = fields.IntField(null=True)
    category_path = fields.CharField(max_length=200, default="")
    top_category_id = fields.IntField(null=True)
    raised_at = fields.DatetimeField()
    raised_precision = fields.CharField(max_length=10)
    listed_at = fields.DatetimeField(null=True)
    deadline = fields.DatetimeField(null=True)
    resolved_at = fields.DatetimeField(null=True)
    struck_off_at = fields.DatetimeField(null=True)
    updated_at = fields.DatetimeField()
    round = fields.IntField(default=1)
    #: How many persons raised it; their names are not here.
    raisers = fields.IntField(default=0)
    #: Score to number of slips.
    ratings: fields.JSONField[dict[str, int]] = fields.JSONField(default=dict)
    #: Oldest first: {"at": ISO time, "type": event type, "text": approved words or "", "unit": name}.
    timeline: fields.JSONField[list[dict[str, str]]] = fields.JSONField(default=list)
    #: Approved photos: {"name", "caption", "stage", "width", "height"}.
    photos: fields.JSONField[list[dict[str, Any]]] = fields.JSONField(default=list)
    #: Public extras plugins declare, by plugin.
    extras: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    #: What this row added to the counters, so that a change can take exactly that back.
    counted: fields.JSONField[list[list[Any]]] = fields.JSONField(default=list)

    class Meta:
        app = "yetan"
        table = "yetan_public_issue"
        indexes = [
            Index(fields=("raised_at", "issue_id"), name="yetan_public_issue_recent"),
            Index(fields=("state", "raised_at", "issue_id"), name="yetan_public_issue_state"),
            Index(fields=("struck_off_at", "issue_id"), name="yetan_public_issue_struck_off"),
            Index(fields=("top_category_id", "raised_at", "issue_id"), name="yetan_public_issue_top"),
            Index(fields=("category_id", "raised_at", "issue_id"), name="yetan_public_issue_category"),
        ]


class PublicIssueScope(Record):
    """One row per ancestor of a published issue's unit, in the order lists are read: all, and those in a state."""

    privacy: ClassVar[Privacy] = Privacy(public="issue unit_id state raised_at")

    id = fields.BigIntField(primary_key=True)
    issue: fields.ForeignKeyRelation[PublicIssue] = fields.ForeignKeyField(
        "yetan.PublicIssue", related_name="scopes", on_delete=fields.CASCADE
    )
    issue_id: int
    unit_id = fields.IntField()
    state = fields.CharField(max_length=40)
    raised_at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_public_issue_scope"
        unique_together = (("issue", "unit_id"),)
        indexes = [
            Index(fields=("unit_id", "raised_at", "issue_id"), name="yetan_public_issue_scope_walk"),
            Index(fields=("unit_id", "state", "raised_at", "issue_id"), name="yetan_public_issue_scope_state"),
        ]
