"""What was seen on site."""

from typing import ClassVar

from tortoise import fields

from yetan.api import Issue, Privacy, Record


class SiteReport(Record):
    """One report of one visit. The words are the staff's own and never leave the desk."""

    privacy: ClassVar[Privacy] = Privacy(internal="issue at text")

    id = fields.IntField(primary_key=True)
    issue: fields.ForeignKeyRelation[Issue] = fields.ForeignKeyField(
        "yetan.Issue", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    issue_id: int
    at = fields.DatetimeField()
    text = fields.TextField()

    class Meta:
        app = "yetan_how_to"
        table = "yetan_how_to_site_report"
