"""What of a registry is one plugin's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from yetan.plugins.registry import Registry


def declared_by(plugin: str, registry: Registry) -> Mapping[str, list[Any]]:
    """Everything `plugin` declares, by the registry's attribute ("pages", "permissions" ...), in the one order.

    What its kinds of record became is its own, too.
    """
    found = {
        attribute.name: [each for each in _each(getattr(registry, attribute.name)) if _is_of(plugin, each, registry)]
        for attribute in fields(registry)
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
    return is_dataclass(declared) and registry.owner_of(declared) == plugin
