"""`yetan db`: the one way migrations run."""

from __future__ import annotations

import asyncio

import typer

from yetan.act import system_clock
from yetan.app import assemble
from yetan.cli.console import CONFIG, ConfigOption
from yetan.config import Configuration, load_configuration
from yetan.db.connection import connected
from yetan.db.upgrade import UpgradeReport, upgrade
from yetan.plugins.record import record_enabled

commands = typer.Typer(help="The database.", no_args_is_help=True)


@commands.callback()
def database() -> None:
    """The database."""


@commands.command("upgrade")
def upgrade_command(config: ConfigOption = CONFIG) -> None:
    """Bring the database up to this version, for core and plugins, and check that it is what the models say."""
    report = asyncio.run(bring_up(load_configuration(config)))
    typer.echo(f"Applied {len(report.applied)} migrations." if report.applied else "The database is up to date.")
    if report.copy is not None:
        typer.echo(f"A copy made before is kept as {report.copy}.")


async def bring_up(configuration: Configuration) -> UpgradeReport:
    """Upgrade the database and write down which plugins are enabled."""
    registry = assemble(configuration)
    report = await upgrade(configuration, registry.applications, lambda line: typer.echo(line, err=True))
    async with connected(configuration.database_url, registry.applications):
        await record_enabled(registry, system_clock())
    return report
