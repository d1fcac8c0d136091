"""The base of every model: explicit app, tagged columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC
from functools import cache
from typing import Any, ClassVar

from msgspec import Struct
from tortoise.fields import DatetimeField, Field
from tortoise.filters import FilterInfoDict, get_filters_for_field
from tortoise.models import MetaInfo, Model, ModelMeta
from tortoise.validators import MaxLengthValidator

from yetan.db.triggers import Trigger
from yetan.privacy import Privacy


class _Filters(dict[str, FilterInfoDict]):
    """What rows of a model can be asked by: those of a column, when one of them is first wanted."""

    def __init__(self, meta: MetaInfo) -> None:
        super().__init__()
        self._meta = meta

    def __contains__(self, key: object) -> bool:
        try:
            return bool(self[str(key)])
        except KeyError:
            return False

    def __missing__(self, key: str) -> FilterInfoDict:
        name = key.partition("__")[0]
        if name in self._meta.fk_fields | self._meta.o2o_fields:
            # Asked by their columns.
            raise KeyError(key)
        field = self._meta.fields_map[self._meta.pk_attr if name == "pk" else name]
        made = get_filters_for_field(name, field, field.source_field or field.model_field_name)
        executor = self._meta.db.executor_class
        for each in made.values():
            own = executor.get_overridden_filter_func(filter_func=each["operator"], filter_info=each)
            each["operator"] = own or each["operator"]
        if key not in made:
            raise KeyError(key)
        self.update(made)
        return made[key]


class _Meta(MetaInfo):
    """Tortoise's, without the thirty filters it makes of every column, of which hardly one is asked for: 5 MB."""

    __slots__ = ()

    def _generate_filters(self) -> None:
        self._filters.clear()
        self.filters = _Filters(self)


class _RecordMeta(ModelMeta):
    """Makes models whose inherited fields are their own: Tortoise has models of one abstract base share them, so that a
    relation's model is whichever was made last. It does not read their source for comments, a third of a start."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> ModelMeta:
        inherited: dict[str, Any] = {}
        for base in bases:
            cls._search_for_field_attributes(base, inherited)
        own = {key: deepcopy(value) for key, value in inherited.items() if isinstance(value, Field)}
        return super().__new__(cls, name, bases, {**own, **attributes, "_no_comments": True})

    @staticmethod
    def build_meta(*given: Any) -> MetaInfo:
        """Tortoise's, as `_Meta`."""
        meta = ModelMeta.build_meta(*given)
        meta._filters.clear()
        meta.__class__ = _Meta
        return meta


def taken_as_they_are(field: Field[Any]) -> frozenset[type]:
    """The types of values that a column's field changes neither for the database nor for the program.

    Most values are of these, and to ask the field about each takes longer than all else. How long a text may be is
    asked apart.
    """
    own, plain = type(field), []
    unchanged = own.to_db_value is Field.to_db_value and own.to_python_value is Field.to_python_value
    if unchanged and all(isinstance(each, MaxLengthValidator) for each in field.validators):
        plain.append(field.field_type)
    if field.null:
        plain.append(type(None))
    return frozenset(plain)


def unless_in_utc(field: Field[Any], convert: Callable[..., Any]) -> Callable[..., Any]:
    """`convert`, a conversion of the field's; a time that is in UTC, as all are within, needs none."""
    if not isinstance(field, DatetimeField):
        return convert
    return lambda value, *row: value if getattr(value, "tzinfo", None) is UTC else convert(value, *row)


class _New(Struct, frozen=True):
    """What a new row of a model is made of."""

    #: By column: values of which types are taken as they are, what makes its type of others, whether it may be empty.
    taken: Mapping[str, tuple[frozenset[type], Callable[[Any], Any], bool]]
    #: What stands in columns that nobody gives, and what Tortoise says of a row that is not written; and what is made
    #: anew for each row.
    defaults: Mapping[str, Any]
    made: Mapping[str, Callable[[], Any]]
    #: The key, where the database gives it out.
    generated_key: str


@cache
def _new(model: type[Model], known: int) -> _New:
    """`known` is how many fields the model has: relations get their columns when the database is opened."""
    meta = model._meta
    columns = {name: meta.fields_map[name] for name in meta.fields_db_projection}
    made = {name: field.default for name, field in columns.items() if callable(field.default)}
    return _New(
        {
            name: (taken_as_they_are(field), unless_in_utc(field, field.to_python_value), field.null)
            for name, field in columns.items()
        },
        {"_partial": False, "_saved_in_db": False}
        | {
            name: field.get_db_default_value() if field.default is None else field.default
            for name, field in columns.items()
            if name not in made
        },
        made,
        meta.pk_attr if columns[meta.pk_attr].generated else "",
    )


class Record(Model, metaclass=_RecordMeta):
    """A row of the core or of a plugin.

    Each model names its Tortoise app in `Meta.app` (Tortoise would otherwise claim imported models for the first
    app listed), its table in `Meta.table`, and the privacy of each column.
    """

    #: How personal each column is. Start-up fails naming any column that is not tagged (C72).
    privacy: ClassVar[Privacy]
    #: What the database itself refuses to do to rows of an append-only table.
    triggers: ClassVar[tuple[Trigger, ...]] = ()

    def __init__(self, **given: Any) -> None:
        """A new row, not written yet. What Tortoise does as well, in a third of the time.

        Raises `ValueError` for a column that is given as None and may not be empty.
        """
        new = _new(type(self), len(self._meta.fields_map))
        if not given.keys() <= new.taken.keys():
            # A relation, given as a row.
            super().__init__(**given)
            return
        values = vars(self)
        values.update(new.defaults, _await_when_save={})
        values["_custom_generated_pk"] = new.generated_key in given
        for name, make in new.made.items():
            values[name] = make()
        for name, value in given.items():
            plain, taken, may_be_empty = new.taken[name]
            if value is None and not may_be_empty:
                raise ValueError(f"{name} is non nullable field, but null was passed")
            values[name] = value if type(value) in plain else taken(value)

    class Meta:
        abstract = True
