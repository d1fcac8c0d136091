"""Counters."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.privacy import Privacy


class Counter(Record):
    """A figure's value for a unit (with everything below it), a top category (0: all) and a period.

    `period` is "" for all time or a month, "2026-11", in the deployment's time zone.
    """

    privacy: ClassVar[Privacy] = Privacy(public="metric unit_id category_id period value")

    id = fields.BigIntField(primary_key=True)
    metric = fields.CharField(max_length=60)
    unit_id = fields.IntField()
    category_id = fields.IntField(default=0)
    period = fields.CharField(max_length=10, default="")
    value = fields.BigIntField(default=0)

    class Meta:
        app = "yetan"
        table = "yetan_counter"
        unique_together = (("metric", "unit_id", "category_id", "period"),)
        indexes = [Index(fields=("unit_id", "period"), name="yetan_counter_unit")]
