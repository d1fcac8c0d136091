"""The base of every model: explicit app, tagged columns."""

from __future__ import annotations

from typing import ClassVar

from tortoise.models import Model

from yetan.db.triggers import Trigger
from yetan.privacy import Privacy


class Record(Model):
    """A row of the core or of a plugin.

    Each model names its Tortoise app in `Meta.app` (Tortoise would otherwise claim imported models for the first
    app listed), its table in `Meta.table`, and the privacy of each column.
    """

    #: How personal each column is. Start-up fails naming any column that is not tagged (C72).
    privacy: ClassVar[Privacy]
    #: What the database itself refuses to do to rows of an append-only table.
    triggers: ClassVar[tuple[Trigger, ...]] = ()

    class Meta:
        abstract = True
