"""What of a registry is one plugin's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yetan.db.model import Record
from yetan.fields import field_names
from yetan.people.models import Person
from yetan.plugins.registry import Registry


def declared_by(plugin: str, registry: Registry) -> Mapping[str, list[Any]]:
    """Everything `plugin` declares, by the registry's attribute ("pages", "permissions" ...), in the one order.

    What its kinds of record became is its own, too.
    """
    found = {
        attribute: [each for each in _each(getattr(registry, attribute)) if _is_of(plugin, each, registry)]
        for attribute in field_names(Registry)
    }
    return {attribute: declared for attribute, declared in found.items() if declared}


def _each(contributed: object) -> Iterator[Any]:
    if isinstance(contributed, Mapping):
        yield from contributed.values()
    elif isinstance(contributed, tuple):
        yield from contributed
    elif contributed is not None:
        yield contributed


def _is_of(plugin: str, declared: object, registry: Registry) -> bool:
    return bool(field_names(type(declared))) and registry.owner_of(declared) == plugin


def names_a_person(model: type[Record]) -> str:
    """A column of the model that refers to a person, or ""."""
    columns = model._meta.fields_map
    relations = sorted(model._meta.fk_fields | model._meta.o2o_fields)
    return next((name for name in relations if getattr(columns[name], "model_name", "") == _PERSON), "")


#: As a foreign key names it; the model itself stands there only once Tortoise has started.
_PERSON = f"{Person._meta.app}.{Person.__name__}"
