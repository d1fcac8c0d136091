"""`yetan plugin new`, `check`, `messages`: for those who write plugins."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from yetan.errors import Refused
from yetan.plugins.examined import Unexamined, find
from yetan.plugins.messages import renew_catalogues
from yetan.plugins.quality import LEVELS, RULES, Level, Report, examine
from yetan.scaffold import new_plugin

_LEVELS: Mapping[Level | None, str] = {None: "还不到铜级", "bronze": "铜级", "silver": "银级", "gold": "金级"}


def register(commands: typer.Typer) -> None:
    """Add the commands."""
    commands.command("new")(new)
    commands.command("check")(check)
    commands.command("messages")(messages)


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


def check(
    target: Annotated[
        str, typer.Argument(help="An installed plugin's name, or the folder of its pyproject.toml.")
    ] = ".",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")] = False,
) -> None:
    """Say how good a plugin is: every rule of bronze, silver and gold, what breaks it, and what to do.

    Exit code 0: no rule of bronze is broken; 1: one is.
    """
    reports = examine(target)
    if as_json:
        found = {"ok": all(each.ok for each in reports), "plugins": [_as_json(each) for each in reports]}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        for report in reports:
            _tell(report)
    sys.exit(0 if all(each.ok for each in reports) else 1)


def messages(
    target: Annotated[str, typer.Argument(help="An installed plugin's name, or its project's folder.")] = ".",
) -> None:
    """Bring a plugin's catalogues up to what it says: new messages come without words, old ones go."""
    for examined in find(target):
        try:
            found = renew_catalogues(examined.plugin, examined.registry)
        except Unexamined as error:
            raise Refused(f"{examined.name}：{error}，看 yetan plugin check") from error
        if not found:
            raise Refused(f"{examined.name} 还没有别的语言：先建一个空的 locale/en/LC_MESSAGES/messages.po。")
        for path, wanted in found.items():
            typer.echo(f"{path}：" + (f"还有 {len(wanted)} 句要翻译" if wanted else "都有了"))
            for each in wanted:
                typer.echo(f"  {each}")


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "version": report.version,
        "level": report.level,
        "findings": [
            {"rule": each.rule.id, "level": each.rule.level, "text": each.text, "remedy": each.rule.remedy}
            for each in report.findings
        ],
        "unexamined": report.unexamined,
    }


def _tell(report: Report) -> None:
    typer.echo(f"{report.name} {report.version}  {report.title}")
    for level in LEVELS:
        typer.echo(_LEVELS[level])
        for rule in (each for each in RULES if each.level == level):
            holds = report.holds(rule)
            typer.echo(f"  {'—' if holds is None else '✓' if holds else '✗'} {rule.id}: {rule.asks}")
            if holds is None:
                typer.echo(f"      没有看：{report.unexamined[rule.id]}")
            elif not holds:
                for each in report.findings:
                    if each.rule is rule:
                        typer.echo("      " + each.text.replace("\n", "\n      "))
                typer.echo(f"      怎么办：{rule.remedy}")
    typer.echo(f"{report.name}：{_LEVELS[report.level]}")
