"""The fields of what is declared. The core's own classes are structs of msgspec; a plugin's may be dataclasses.

Python writes and compiles the methods of a dataclass anew in each process: two hundred of them took a fifth of a start.
Dataclasses are what pydantic checks (the configuration, the settings of plugins, the manifest of a backup).
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, TypeVar

from msgspec import NODEFAULT, Struct, field, structs

T = TypeVar("T")


class _Made(Struct):
    """Shows what stands among the defaults of a struct for a value that is made for each."""

    value: object = field(default_factory=object)


_FACTORY = type(_Made.__struct_defaults__[0])


def field_names(kind: type[Any]) -> tuple[str, ...]:
    """The names of the fields of a class, in their order; () where it is neither a struct nor a dataclass."""
    if issubclass(kind, Struct):
        return kind.__struct_fields__
    return tuple(each.name for each in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def changed(declared: T, **changes: Any) -> T:
    """The same, but for the fields given."""
    if isinstance(declared, Struct):
        return structs.replace(declared, **changes)
    return dataclasses.replace(declared, **changes)  # type: ignore[type-var]


def fields_of(kind: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of a class as `dataclasses.fields` tells them: the types as they are written, and the defaults.

    What documents a class needs no more; `msgspec.structs.fields` would look for types known to type checkers alone.
    """
    if not issubclass(kind, Struct):
        return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    required = (NODEFAULT,) * (len(names) - len(defaults))
    types = {name: told for each in reversed(kind.__mro__) for name, told in inspect.get_annotations(each).items()}
    return tuple(_field(name, types[name], default) for name, default in zip(names, required + defaults, strict=True))


def _field(name: str, told: Any, default: Any) -> dataclasses.Field[Any]:
    made: dataclasses.Field[Any]
    if isinstance(default, _FACTORY):
        made = dataclasses.field(default_factory=default.factory)
    else:
        made = dataclasses.field(default=dataclasses.MISSING if default is NODEFAULT else default)
    made.name, made.type = name, told
    return made
