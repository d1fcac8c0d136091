"""`yetan db`: the one way migrations run."""

from __future__ import annotations

import asyncio

import typer

from yetan.act import system_clock
from yetan.app import assemble
from yetan.cli.console import CONFIG, ConfigOption
from yetan.config import Configuration, load_configuration
from yetan.db.upgrade import UpgradeReport, applied_labels, upgrade
from yetan.plugins.record import known_applications, record_enabled

commands = typer.Typer(help="The database.", no_args_is_help=True)


@commands.callback()
def database() -> None:
    """The database."""


@commands.command("upgrade")
def upgrade_command(config: ConfigOption = CONFIG) -> None:
    """Bring the database up to this version, for core and plugins, and check that it is what the models say."""
    report = asyncio.run(bring_up(load_configuration(config)))
    typer.echo(f"数据库已升级，应用了 {len(report.applied)} 个迁移。" if report.applied else "数据库已经是最新的。")
    if report.copy is not None:
        typer.echo(f"升级前的副本留在 {report.copy}。")


async def bring_up(configuration: Configuration) -> UpgradeReport:
    """Upgrade the database, for all plugins ever enabled here, and write down which are enabled now."""
    registry = assemble(configuration)
    applications, left = known_applications(registry, await applied_labels(configuration))
    for line in left:
        _say(line)
    return await upgrade(configuration, applications, _say, record=lambda: record_enabled(registry, system_clock()))


def _say(line: str) -> None:
    typer.echo(line, err=True)
