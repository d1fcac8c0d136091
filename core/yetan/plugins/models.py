"""The record of what was ever enabled, so that states, tables and tags are known without importing the plugin."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields

from yetan.db.model import Record
from yetan.privacy import Privacy


class EnabledPlugin(Record):
    """A plugin that is or once was enabled here.

    `declared` keeps what must outlive it: issue states with label, category and fallback; tables; column tags;
    its migrations module.
    """

    privacy: ClassVar[Privacy] = Privacy(internal="name version enabled declared first_enabled_at seen_at")

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=60, unique=True)
    version = fields.CharField(max_length=40)
    enabled = fields.BooleanField(default=True)
    declared: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    first_enabled_at = fields.DatetimeField()
    seen_at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_enabled_plugin"
