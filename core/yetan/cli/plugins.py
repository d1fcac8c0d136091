"""`yetan plugin`: which are on and how they do, releasing one from quarantine, taking leave of one.

None of these runs a plugin's code but `list`, which tells what keeps one from starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from yetan.cli.console import CONFIG, ConfigOption, fail, run_in
from yetan.config import Configuration, load_configuration
from yetan.errors import ConfigurationError
from yetan.plugins import discovery, quarantine
from yetan.plugins.guarding import Figures
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.removal import drop_tables, export_tables
from yetan.plugins.timing import SHOWN, time_of_calls
from yetan.runtime import Runtime

commands = typer.Typer(help="Plugins.", no_args_is_help=True)


@commands.callback()
def plugins() -> None:
    """Plugins."""


@commands.command("list")
def list_command(config: ConfigOption = CONFIG) -> None:
    """List the enabled plugins in the one order: version, what they need, how they do, what failed last, what took
    how long.

    Then those that once were on. Times are those of all processes in the last days.
    """
    configuration = load_configuration(config)
    names, problems = _start(configuration)
    health = _health(configuration)
    for name in (*names, *(each for each in health if each not in names)):
        first, *more = health.get(name, [""])
        # Why one that is on was not loaded is told below; how it did before says nothing about that.
        started = name in names or name not in configuration.plugins
        typer.echo(f"{names.get(name, name)}  {first if started else '没有启动'}".rstrip())
        for each in more:
            typer.echo(f"    {each}")
    if problems:
        fail("\n".join(problems), 2)


def _start(configuration: Configuration) -> tuple[dict[str, str], list[str]]:
    """A line for each plugin that is there, by name, and what keeps the others from starting."""
    try:
        loaded, problems = discovery.load(configuration.plugins), []
    except ConfigurationError as error:
        loaded, problems = (), error.problems
    lines = {}
    for each in loaded:
        needs = f", after {', '.join(each.depends_on)}" if each.depends_on else ""
        lines[each.name] = f"{each.name} {each.version}  {each.title}  (yetan.api {each.requires_api}{needs})"
    return lines, problems


def _health(configuration: Configuration) -> dict[str, list[str]]:
    """What the database knows of each plugin, in lines; nothing where it cannot be asked."""

    async def work(city: Runtime) -> dict[str, list[str]]:
        times = await time_of_calls()
        told = {
            name: [*_told(name, await quarantine.trouble_of(name), city), *_times(times.get(name, {}))]
            for name in configuration.plugins
        }
        for row in await EnabledPlugin.exclude(name__in=configuration.plugins).order_by("id"):
            told[row.name] = [f"{row.version}  以前启用过，数据还在"]
        return told

    try:
        return run_in(configuration.core_alone(), work)
    except ConfigurationError:
        return {}


def _told(name: str, trouble: quarantine.Trouble, city: Runtime) -> list[str]:
    """How a plugin does, and what failed last."""

    def moment(at: datetime) -> str:
        return f"{at.astimezone(city.configuration.city.zone):%Y-%m-%d %H:%M}"

    state = "出过错，还在用" if trouble.failures else "正常"
    if (held := trouble.quarantine) is not None:
        state = f"已停用（{moment(held.since)} 起，{held.call}：{held.error}）。恢复：yetan plugin release {name}"
    return [state, *(f"{moment(each.at)}  {each.call}  {each.error}" for each in trouble.failures)]


def _times(calls: Mapping[str, Figures]) -> list[str]:
    """What its calls took, the longest together first."""
    if not calls:
        return []
    return [
        f"最近 {SHOWN} 天用的时间（秒）：",
        *(
            f"  {call}  {each.calls} 次，合计 {each.seconds:.3f}，最长 {each.slowest:.3f}，独占最长 {each.longest:.3f}"
            + (f"，出错 {each.failures} 次" if each.failures else "")
            for call, each in calls.items()
        ),
    ]


@commands.command("release")
def release_command(
    name: Annotated[str, typer.Argument(help="As yetan.toml calls it.")], config: ConfigOption = CONFIG
) -> None:
    """Let a plugin be called again that was put into quarantine; every process follows within seconds."""
    configuration = load_configuration(config).core_alone()

    async def work(city: Runtime) -> None:
        await quarantine.release(city.system_act(), name)

    run_in(configuration, work)
    typer.echo(f"插件 {name} 恢复了，几秒内各个进程都会重新用它。停用期间没有送到的会接着送。")


@commands.command("uninstall")
def uninstall_command(
    name: Annotated[str, typer.Argument(help="As yetan.toml called it.")],
    to: Annotated[Path | None, typer.Option("--to", help="A new folder for its data.")] = None,
    drop: Annotated[bool, typer.Option("--drop-tables", help="Remove its tables as well, for good.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Write the data of a plugin that is off into files; with --drop-tables remove its tables after that."""
    configuration = load_configuration(config).core_alone()

    async def work(city: Runtime) -> None:
        act = city.system_act()
        folder = to or configuration.data_dir / "exports" / f"{name}-{act.now:%Y%m%dT%H%M%SZ}"
        counts = await export_tables(act, name, folder)
        for table, count in counts.items():
            typer.echo(f"{table}：{count} 行")
        typer.echo(f"数据写在 {folder}。")
        if not drop:
            typer.echo("它的表还在。确定不再用了，就加上 --drop-tables 再运行一次。")
            return
        tables = await drop_tables(act, name)
        typer.echo(f"删了 {len(tables)} 张表。它的软件包可以卸载了：pip uninstall。")

    run_in(configuration, work)
