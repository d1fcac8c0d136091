"""`yetan person`: what is held about somebody, and its erasure (C73, C74)."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from yetan.audit.service import record
from yetan.cli.console import CONFIG, ConfigOption, in_city
from yetan.events.worker import Worker
from yetan.people.erasure import erase_person, export_person
from yetan.runtime import Runtime

commands = typer.Typer(help="A person's data.", no_args_is_help=True)


@commands.command("export")
def export(
    person: int,
    file: Annotated[Path | None, typer.Option("--file", help="Write here; default: the terminal.")] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Everything held about a person, as JSON, over core and plugins."""

    async def work(city: Runtime) -> None:
        act = city.system_act()
        found = await export_person(act, person)
        await record(act, "person.export", f"person:{person}")
        text = json.dumps(found, ensure_ascii=False, indent=2, default=_plain)
        if file is None:
            typer.echo(text)
        else:
            file.write_text(text, encoding="utf-8")
            typer.echo(f"已写入 {file}。")

    in_city(config, work)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


@commands.command("erase")
def erase(
    person: int,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Erase a person from rows, uploads and the index. What the matters themselves need stays, under no name."""
    if not yes:
        typer.confirm(f"要删除编号 {person} 的个人信息，删了不能恢复。继续吗？", abort=True)

    async def work(city: Runtime) -> None:
        act = city.system_act()
        touched = await erase_person(act, person)
        await record(act, "person.erase", f"person:{person}")
        await Worker().run_once()
        typer.echo("已删除：" + "、".join(f"{table} {count} 行" for table, count in touched.items()))

    in_city(config, work)
