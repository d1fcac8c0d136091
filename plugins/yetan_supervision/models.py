"""Dunning notices."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from yetan.api import Account, Issue, Privacy, Record


class DunningNotice(Record):
    """A 《催办单》: an issue still open this many days before its deadline. One for each deadline it is given."""

    privacy: ClassVar[Privacy] = Privacy(internal="issue deadline issued_at days_left issued_by")

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name="dunning_notices", on_delete=fields.RESTRICT
    )
    issue_id: int
    deadline = fields.DatetimeField()
    issued_at = fields.DatetimeField(db_index=True)
    #: Whole days from issuing to the deadline; negative once it has passed.
    days_left = fields.IntField()
    #: The official who issued it by hand; None where the clock did.
    issued_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="dunning_notices", on_delete=fields.SET_NULL, null=True, db_index=True
    )
    issued_by_id: int | None

    class Meta:
        app = "yetan_supervision"
        table = "yetan_supervision_dunning_notice"
        unique_together = (("issue", "deadline"),)
