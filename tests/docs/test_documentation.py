"""The documentation says what is: every hook, every command, every sample."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer
from click import Command, Group
from tests.modules import module_at

from yetan import hookspecs
from yetan.cli.commands import application

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return module_at("docs/reference.py")


def fenced(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for found, block in _FENCE.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield page, block


def test_the_pages_made_of_the_code_say_what_it_says(reference: ModuleType) -> None:
    for page, text in reference.pages().items():
        assert page.read_text(encoding="utf-8") == text, "run python docs/reference.py --write"


def test_every_hook_says_what_it_is_for_and_is_shown_at_work(reference: ModuleType) -> None:
    hooks = {hook.name: hook for hook in reference.hooks()}
    assert set(hooks) == {name for name in vars(hookspecs) if name.startswith("yetan_")}
    for hook in hooks.values():
        assert hook.function.__doc__, f"{hook.name} has no docstring"
        assert hook.returns.__doc__, f"{hook.returns.__name__} has no docstring"
        outside = [path for path, _ in hook.implementations if "core" not in path.relative_to(ROOT).parts[:1]]
        assert outside, f"no plugin and no example shows {hook.name}"


def test_python_in_the_documentation_is_python() -> None:
    for page, block in fenced("python"):
        if page.name != "hooks.md":  # what stands there is a bare signature, or code that is run elsewhere
            ast.parse(block, filename=str(page))


def commands() -> set[tuple[str, str]]:
    """Each `yetan ...` of a shell block or of the running text, with its page."""
    told: set[tuple[str, str]] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for found, block in _FENCE.findall(text) if found == "sh" for line in block.splitlines()]
        lines += re.findall(r"`(yetan [^`\n]+)`", text)
        for line in lines:
            if match := re.search(r"(?:^|[\s/])yetan ((?:[a-z][a-z-]*(?: |$|\b))+)", line.split("#")[0]):
                told.add((page.name, match[1].strip()))
    return told


@pytest.mark.parametrize(("page", "line"), sorted(commands()))
def test_every_command_that_is_told_is_there(page: str, line: str) -> None:
    command: Command = typer.main.get_command(application)
    for word in line.split():
        if not isinstance(command, Group):
            break
        assert word in command.commands, f"{page}: yetan {line}"
        command = command.commands[word]
