"""What the desk keeps for those who work at it: what they did to several issues at once, searches, settings."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.issues.models import Issue
from yetan.people.models import Account
from yetan.privacy import Privacy


class BulkRun(Record):
    """One press of a button for several issues. From its key those of each issue are made (C54)."""

    privacy: ClassVar[Privacy] = Privacy(internal="account action key at undone_at")

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="bulk_runs", on_delete=fields.CASCADE, db_index=True
    )
    account_id: int
    #: The name of the bulk action.
    action = fields.CharField(max_length=80)
    key = fields.CharField(max_length=64)
    at = fields.DatetimeField(db_index=True)
    undone_at = fields.DatetimeField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_bulk_run"


class BulkItem(Record):
    """What became of one issue of a run."""

    privacy: ClassVar[Privacy] = Privacy(internal="run issue version state told before after")

    id = fields.IntField(primary_key=True)
    run: fields.ForeignKeyRelation[BulkRun] = fields.ForeignKeyField(
        "yetan.BulkRun", related_name="items", on_delete=fields.CASCADE
    )
    run_id: int
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="bulk_items", on_delete=fields.CASCADE, db_index=True
    )
    issue_id: int
    #: The issue's version that the official saw.
    version = fields.IntField()
    #: waiting, done, refused; after an undo also undone, or kept where it could not be taken back.
    state = fields.CharField(max_length=10, default="waiting")
    #: Why it was refused or kept, as it was said.
    told = fields.TextField(default="")
    #: The columns the action remembers, as they were before it.
    before: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    #: The last event of the issue once the action was done.
    after = fields.BigIntField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_bulk_item"
        unique_together = (("run", "issue"),)


class SavedFilter(Record):
    """A search that somebody keeps under a name: a tab beside the work queues."""

    privacy: ClassVar[Privacy] = Privacy(internal="account at", personal="name query")

    id = fields.IntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="saved_filters", on_delete=fields.CASCADE
    )
    account_id: int
    name = fields.CharField(max_length=20)
    #: What was typed and chosen on the page of the search, by field.
    query: fields.JSONField[dict[str, str]] = fields.JSONField(default=dict)
    at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_saved_filter"
        unique_together = (("account", "name"),)


class DeskSettings(Record):
    """How somebody wants the desk to behave; who has no row has not changed anything."""

    privacy: ClassVar[Privacy] = Privacy(internal="account keys")

    id = fields.IntField(primary_key=True)
    account: fields.OneToOneRelation[Account] = fields.OneToOneField(
        "yetan.Account", related_name="desk_settings", on_delete=fields.CASCADE
    )
    account_id: int
    #: Whether lists listen to single keys.
    keys = fields.BooleanField(default=True)

    class Meta:
        app = "yetan"
        table = "yetan_desk_settings"
