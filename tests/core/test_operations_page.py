"""docs/operations.md and the code say the same: settings with their defaults, variables, commands, checks."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from yetan import config
from yetan.cli.commands import application
from yetan.health import inspection

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def settings(kind: type[Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every key of yetan.toml with its default as TOML writes it."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        key, of = f"{path}{each.name}", hints[each.name]
        values = get_args(of)[-1:]
        if is_dataclass(of):
            yield from settings(of, f"{key}.")  # type: ignore[arg-type]
        elif values and is_dataclass(values[0]):
            yield from settings(values[0], f"{key}.NAME.")
        elif each.default is MISSING and each.default_factory is MISSING:
            yield key, "required"
        else:
            default = each.default if each.default is not MISSING else each.default_factory()  # type: ignore[misc]
            yield key, f"`{json.dumps(default, ensure_ascii=False)}`"


def test_every_setting_is_on_the_page_with_its_default() -> None:
    section = PAGE.partition("## yetan.toml")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `([^`]+)` \| (.+?) \| .+ \|$", section, re.MULTILINE)
    assert told == list(settings(config._File))


def test_every_variable_is_on_the_page() -> None:
    read = set(re.findall(r'env(?:\.get)?[\[(]"(YETAN_[A-Z_]+)"', inspect.getsource(config)))
    assert len(read) == 5
    assert read == set(re.findall(r"YETAN_[A-Z_]+", PAGE))


def test_every_command_the_page_names_is_there() -> None:
    command = typer.main.get_command(application)
    assert isinstance(command, typer.core.TyperGroup)
    named = re.findall(r"(?<![.\w/-])yetan (?!serve`)([a-z]+)(?: ([a-z]+))?(?: |`|$|;|\n)", PAGE)
    assert len(named) > 20
    for first, second in named:
        group = command.commands[first]
        if isinstance(group, typer.core.TyperGroup) and second:
            assert second in group.commands, f"yetan {first} {second}"


def test_every_check_is_on_the_page() -> None:
    section = PAGE.partition("## Checking")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    source = inspect.getsource(inspection.inspect)
    done = {
        name.replace("_", " ")
        for name in re.findall(r"^ {12}(\w+)=|^ {8}(\w+)=", source, re.MULTILINE)
        for name in name
        if name
    }
    assert len(done) > 15
    assert told == done
