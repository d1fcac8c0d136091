"""The base of every model: explicit app, tagged columns."""

from __future__ import annotations

from typing import Any, ClassVar

from tortoise.models import Model, ModelMeta

from yetan.db.triggers import Trigger
from yetan.privacy import Privacy


class _RecordMeta(ModelMeta):
    """Makes models without Tortoise reading their source for comments, which cost a third of a start."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> ModelMeta:
        return super().__new__(cls, name, bases, {**attributes, "_no_comments": True})


class Record(Model, metaclass=_RecordMeta):
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
