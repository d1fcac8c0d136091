"""What plugins stand on, as a text that people review: every public name with its signature or its fields.

    python -m tests.contracts.api_surface --write

writes api_surface.txt anew. Then read what `git diff` shows: docs/plugins/stability.md says what of it is a break, and
what a break asks for.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field
from pathlib import Path
from types import ModuleType
from typing import Any

from _pytest.fixtures import FixtureFunctionDefinition
from tortoise.fields.relational import ForeignKeyFieldInstance

from yetan import api, hookspecs, testing
from yetan.db.model import Record
from yetan.fields import fields_of
from yetan.plugins.checks import column_names
from yetan.testing import pytest_plugin

RECORDED = Path(__file__).with_name("api_surface.txt")
WRITE = "python -m tests.contracts.api_surface --write"

HEADER = f"""\
# What is public: the names of yetan.api and yetan.testing, the hooks, and the fixtures, each with its signature, its
# fields or its value. Written by `{WRITE}`; a change of this file is a decision (docs/plugins/stability.md).
"""


def surface() -> list[str]:
    """One line for each name, and one for each public member of a class."""
    lines: list[str] = []
    for module in (api, testing):
        for name in sorted(_names(module)):
            lines += _told(f"{module.__name__}.{name}", getattr(module, name))
    for name, hook in sorted(vars(hookspecs).items()):
        if name.startswith("yetan_"):
            lines += _told(f"hook {name}", hook)
    for name, fixture in sorted(vars(pytest_plugin).items()):
        if isinstance(fixture, FixtureFunctionDefinition):
            returned = inspect.signature(fixture._get_wrapped_function()).return_annotation
            lines.append(f"fixture {name} -> {returned}")
    return lines


def _names(module: ModuleType) -> Sequence[str]:
    named: Sequence[str] = module.__all__
    return named


def _told(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{name}: class({', '.join(base.__name__ for base in value.__bases__)})"
        yield from (f"{name}.{line}" for line in _members(value))
    elif inspect.isroutine(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name}: {_plain(value)}"


def _members(kind: type[Any]) -> Iterator[str]:
    """Fields, columns, public methods and properties of a class; those inherited from ours, too."""
    fields = fields_of(kind)
    yield from (_field(each) for each in fields if not each.name.startswith("_"))
    if issubclass(kind, Record) and not kind._meta.abstract:
        # Those alone that are there before Tortoise has started, as well as after.
        yield from (_column(name, kind._meta.fields_map[name]) for name in sorted(column_names(kind)))
    told = {each.name for each in fields}
    for name in sorted({name for each in kind.__mro__ if each.__module__.startswith("yetan") for name in vars(each)}):
        member = inspect.getattr_static(kind, name)
        if (name.startswith("_") and name != "__init__") or name in told:
            continue
        if isinstance(member, property):
            # Tortoise makes properties of relations when it starts.
            if inspect.isfunction(member.fget):
                yield f"{name}: property{_signature(member.fget)}"
        elif isinstance(member, (staticmethod, classmethod)):
            yield f"{name}{_signature(member.__func__)} ({type(member).__name__})"
        elif name.startswith("test_"):
            yield f"{name}: test"
        elif inspect.isfunction(member) and not (name == "__init__" and fields):
            yield f"{name}{_signature(member)}"


def _field(each: Field[Any]) -> str:
    made = each.default_factory
    default = f" = {made.__name__}()" if made is not MISSING else ""  # type: ignore[attr-defined]
    return f"{each.name}: {each.type}{default or ('' if each.default is MISSING else f' = {_plain(each.default)}')}"


def _column(name: str, column: Any) -> str:
    target = f" of {column.model_name}" if isinstance(column, ForeignKeyFieldInstance) else ""
    return f"{name}: {type(column).__name__}{target}{' null' if column.null else ''}"


def _signature(function: Any) -> str:
    waits = ", async" if inspect.iscoroutinefunction(function) else ""
    return _stable(f"{inspect.signature(function)}{waits}")


def _plain(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({sorted(map(str, value))})"
    return _stable(repr(value))


def _stable(text: str) -> str:
    """Without what differs from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def written(lines: Sequence[str]) -> str:
    """The whole text."""
    return HEADER + "".join(f"{line}\n" for line in lines)


def differences(recorded: str, lines: Sequence[str]) -> list[str]:
    """What was taken away and what has come, a line each; nothing if all is as recorded."""
    old = [line for line in recorded.splitlines() if line and not line.startswith("#")]
    return [
        *(f"- {line}" for line in old if line not in set(lines)),
        *(f"+ {line}" for line in lines if line not in set(old)),
    ]


def main(arguments: Sequence[str]) -> int:
    """Print what differs from the recorded text, or write it anew."""
    lines = surface()
    if "--write" in arguments:
        RECORDED.write_text(written(lines), encoding="utf-8")
        print(f"{RECORDED.name} has {len(lines)} lines. Read every one that git diff shows.")
        return 0
    found = differences(RECORDED.read_text(encoding="utf-8"), lines)
    print("\n".join(found) or "Everything is as recorded.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
