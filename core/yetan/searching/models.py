"""The town's own synonyms with their history, the names of its places, and what is searched often."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.people.models import Account
from yetan.privacy import Privacy


class SynonymRing(Record):
    """Words that say the same in this town: whoever searches for one finds the others."""

    privacy: ClassVar[Privacy] = Privacy(public="words", internal="version active")

    id = fields.IntField(primary_key=True)
    #: Joined by spaces.
    words = fields.CharField(max_length=300)
    active = fields.BooleanField(default=True)
    version = fields.IntField(default=1)

    class Meta:
        app = "yetan"
        table = "yetan_synonym_ring"


class SynonymChange(Record):
    """What a ring said from a change on, and who changed it. Unique per version: of two editors, one is told."""

    privacy: ClassVar[Privacy] = Privacy(public="words", internal="ring version active changed_at changed_by")

    id = fields.IntField(primary_key=True)
    ring: fields.ForeignKeyRelation[SynonymRing] = fields.ForeignKeyField(
        "yetan.SynonymRing", related_name="changes", on_delete=fields.CASCADE, db_index=True
    )
    ring_id: int
    version = fields.IntField()
    words = fields.CharField(max_length=300)
    active = fields.BooleanField()
    changed_at = fields.DatetimeField()
    changed_by: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "yetan.Account", related_name="synonym_changes", on_delete=fields.SET_NULL, null=True, db_index=True
    )
    changed_by_id: int | None

    class Meta:
        app = "yetan"
        table = "yetan_synonym_change"
        unique_together = (("ring", "version"),)


class PlaceName(Record):
    """What several published issues call a place: a word of the dictionary. See `yetan.searching.places`."""

    privacy: ClassVar[Privacy] = Privacy(public="name")

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=20, unique=True)

    class Meta:
        app = "yetan"
        table = "yetan_place_name"


class SearchedText(Record):
    """How often something was searched in a week, by whom not: counted, never traced."""

    privacy: ClassVar[Privacy] = Privacy(public="text", internal="week times")

    id = fields.IntField(primary_key=True)
    text = fields.CharField(max_length=20)
    #: The Monday of the week.
    week = fields.DateField()
    times = fields.IntField(default=0)

    class Meta:
        app = "yetan"
        table = "yetan_searched_text"
        unique_together = (("text", "week"),)
