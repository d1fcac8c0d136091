"""Files attached to something."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.privacy import Privacy


class Attachment(Record):
    """A photo attached to a subject, re-encoded and stripped before it was stored (C23)."""

    privacy: ClassVar[Privacy] = Privacy(
        internal="subject_kind subject_id stored_name media_type width height stage public created_at",
        personal="caption",
        sensitive="person_id",
        person="person_id",
        erase="delete",
    )

    id = fields.IntField(primary_key=True)
    subject_kind = fields.CharField(max_length=40)
    subject_id = fields.IntField()
    stored_name = fields.CharField(max_length=80, unique=True)
    media_type = fields.CharField(max_length=40)
    width = fields.IntField()
    height = fields.IntField()
    caption = fields.CharField(max_length=120, default="")
    #: "before" or "after" the repair, or "".
    stage = fields.CharField(max_length=10, default="")
    #: Whether the publication was approved with this photo in it.
    public = fields.BooleanField(default=False)
    person_id = fields.IntField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_attachment"
        indexes = [Index(fields=("subject_kind", "subject_id"), name="yetan_attachment_subject")]

    @property
    def face(self) -> dict[str, Any]:
        """What a page shows of it: "name" (of the file), "caption", "stage", "width" and "height" in pixels."""
        return {
            "name": self.stored_name,
            "caption": self.caption,
            "stage": self.stage,
            "width": self.width,
            "height": self.height,
        }
