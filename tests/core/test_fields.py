"""What is declared may be a struct, as the core's is, or a dataclass, as a plugin may have its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from yetan.fields import changed, field_names, fields_of

if TYPE_CHECKING:
    from fractions import Fraction


class Bell(msgspec.Struct, frozen=True):
    """As the core has it."""

    name: str
    weight: Fraction | None = None
    marks: Mapping[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Drum:
    """As a plugin may have it."""

    name: str
    weight: Fraction | None = None
    marks: Mapping[str, str] = field(default_factory=dict)


both = pytest.mark.parametrize("kind", [Bell, Drum])


@both
def test_its_fields_are_known_by_name(kind: type[Any]) -> None:
    assert field_names(kind) == ("name", "weight", "marks")


@both
def test_it_is_documented_with_its_types_as_written_and_its_defaults(kind: type[Any]) -> None:
    told = [(each.name, each.type, each.default, each.default_factory) for each in fields_of(kind)]
    assert told == [
        ("name", "str", MISSING, MISSING),
        ("weight", "Fraction | None", None, MISSING),
        ("marks", "Mapping[str, str]", MISSING, dict),
    ]


@both
def test_changed_is_another_and_the_first_stays_as_it_was(kind: type[Any]) -> None:
    first = kind("钟", marks={"rim": "1644"})
    assert changed(first, name="鼓") == kind("鼓", marks={"rim": "1644"})
    assert first == kind("钟", marks={"rim": "1644"})


def test_what_is_neither_has_no_fields() -> None:
    assert field_names(str) == ()
    assert fields_of(str) == ()
