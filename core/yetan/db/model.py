"""The base of every model: explicit app, tagged columns."""

from __future__ import annotations

from typing import ClassVar

from tortoise.models import Model

from yetan.privacy import Privacy


class Record(Model):
    """A row of the core or of a plugin.

    Each model names its Tortoise app in `Meta.app` (Tortoise would otherwise claim imported models for the first
    app listed), its table in `Meta.table`, and the privacy of each column.
    """

    #: How personal each column is. Start-up fails naming any column that is not tagged (C72).
    privacy: ClassVar[Privacy]

    class Meta:
        abstract = True
