"""Rows of any model, their columns filled with something that fits: what a test needs to be there."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance, RelationalField
from tortoise.models import Model

from yetan.issues.models import Category, Issue
from yetan.people.models import Account, Person
from yetan.units.models import Unit

if TYPE_CHECKING:
    from yetan.testing.town import Town

_numbers = itertools.count(1)


async def row_of(town: Town, model: type[Model], **given: Any) -> Any:
    """A new row of `model`; `given` are values by name. Rows it must refer to are the town's own, or made as well.

    Where its columns do not say what makes a row of it, as in one that takes certain words alone, give those. Raises
    what the database raises for a row that does not fit.
    """
    values: dict[str, Any] = dict(given)
    for name, field in model._meta.fields_map.items():
        if name in given or f"{name}_id" in given or _fills_itself(field):
            continue
        if isinstance(field, ForeignKeyFieldInstance):
            values[name] = await some_row(town, field.related_model)
        elif not isinstance(field, RelationalField):
            values[name] = _value(town, field, name)
    return await model.create(**values)


def _fills_itself(field: Field[Any]) -> bool:
    """Whether something else gives the value: the database its key, a relation its column, a default."""
    return field.pk or field.reference is not None or field.default not in (None, "")


async def some_row(town: Town, model: type[Model]) -> Any:
    """A row of `model` to look at: of the core's, the village, its resident or official, an issue of theirs."""
    known: Mapping[type[Model], Callable[[], Awaitable[Any]]] = {
        Unit: lambda: Unit.get(id=town.units["village"]),
        Person: lambda: Person.get(id=town.resident.id),
        Account: lambda: Account.get(id=town.accounts["village"].id),
        Category: lambda: Category.get(id=town.category),
        Issue: town.raised,
    }
    return await known[model]() if model in known else await row_of(town, model)


def _value(town: Town, field: Field[Any], name: str) -> Any:
    """Something that fits the column, another one each time, as it may have to be unique."""
    number = next(_numbers)
    match field:
        case fields.BooleanField():
            return False
        case fields.JSONField():
            return {}
        case fields.BinaryField():
            return b"%d" % number
        case fields.DatetimeField():
            return town.clock()
        case fields.DateField():
            return town.clock().date()
        case _ if enumeration := getattr(field, "enum_type", None):
            return next(iter(enumeration))
        case fields.CharField():
            return f"{name} {number}"[-field.max_length :]
        case fields.TextField():
            return f"{name} {number}"
        case _:
            return number
