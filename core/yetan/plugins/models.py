"""What the city remembers of its plugins: what was ever enabled, what took how long, what failed, what is paused."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise import fields
from tortoise.indexes import Index

from yetan.db.model import Record
from yetan.privacy import Privacy


class EnabledPlugin(Record):
    """A plugin that is or once was enabled here.

    `declared` keeps what must outlive it: issue states with label, category and fallback; tables; column tags;
    its migrations module. States, tables and tags are so known without importing it.
    """

    privacy: ClassVar[Privacy] = Privacy(internal="name version enabled declared first_enabled_at seen_at catching_up")

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=60, unique=True)
    version = fields.CharField(max_length=40)
    enabled = fields.BooleanField(default=True)
    declared: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    first_enabled_at = fields.DatetimeField()
    seen_at = fields.DatetimeField()
    #: Switched on since the last worker began: its subscribers that want history are still owed it.
    catching_up = fields.BooleanField(default=False)

    class Meta:
        app = "yetan"
        table = "yetan_enabled_plugin"


class PluginFailure(Record):
    """A call of a plugin that failed or was cut off, in whichever process. Kept for a month."""

    privacy: ClassVar[Privacy] = Privacy(internal="plugin call error late at")

    id = fields.IntField(primary_key=True)
    plugin = fields.CharField(max_length=60)
    #: What of the plugin was called, as in "panel supervision.notices".
    call = fields.CharField(max_length=120)
    error = fields.TextField()
    #: It did not fail but took too long.
    late = fields.BooleanField(default=False)
    at = fields.DatetimeField()

    class Meta:
        app = "yetan"
        table = "yetan_plugin_failure"
        indexes = [Index(fields=("plugin", "at"), name="yetan_plugin_failure_latest")]


class PluginTime(Record):
    """What the calls of one function of a plugin came to on a day, in all processes; as `guarding.Figures` has it."""

    privacy: ClassVar[Privacy] = Privacy(internal="plugin call day calls failures seconds slowest held longest blocked")

    id = fields.IntField(primary_key=True)
    plugin = fields.CharField(max_length=60)
    call = fields.CharField(max_length=120)
    #: In the city's time zone.
    day = fields.DateField()
    calls = fields.IntField()
    failures = fields.IntField()
    #: Seconds, as are the others that are no counts.
    seconds = fields.FloatField()
    slowest = fields.FloatField()
    held = fields.FloatField()
    longest = fields.FloatField()
    blocked = fields.IntField()

    class Meta:
        app = "yetan"
        table = "yetan_plugin_time"
        unique_together = (("plugin", "call", "day"),)


class Quarantine(Record):
    """A plugin none of whose code is run, in any process, until somebody releases it. One row a plugin, the latest."""

    privacy: ClassVar[Privacy] = Privacy(internal="plugin since call error released_at")

    id = fields.IntField(primary_key=True)
    plugin = fields.CharField(max_length=60, unique=True)
    since = fields.DatetimeField()
    #: What of it was called last, and what became of that.
    call = fields.CharField(max_length=120)
    error = fields.TextField()
    #: None while it holds.
    released_at = fields.DatetimeField(null=True)

    class Meta:
        app = "yetan"
        table = "yetan_quarantine"
