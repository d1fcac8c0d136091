"""`yetan plugin new`, `check`: for those who write plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yetan.scaffold import new_plugin


def register(commands: typer.Typer) -> None:
    """Add the commands."""
    commands.command("new")(new)


def new(
    name: Annotated[str, typer.Argument(help="As yetan.toml will call it: small letters, digits and underscores.")],
    title: Annotated[str, typer.Option("--title", help="What people call it, as 周末义诊; else its name.")] = "",
    into: Annotated[Path, typer.Option("--into", help="The folder to make the package in.")] = Path(),
) -> None:
    """Make a plugin to begin with: a package with a model, a page, a subscription, and tests that pass."""
    folder = new_plugin(name, title or name, into)
    typer.echo(
        f"写好了：{folder}\n接下来：\n"
        f"  1. 装上它：cd {folder} && pip install -e '.[test]'\n"
        f"  2. 跑一遍：python -m pytest && yetan plugin check {name}\n"
        f'  3. 在城市的 yetan.toml 的 plugins 里加上 "{name}"，运行 yetan db upgrade，再运行 yetan serve'
    )
