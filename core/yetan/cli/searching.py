"""`yetan search`: the index."""

from __future__ import annotations

import typer

from yetan.cli.console import CONFIG, ConfigOption, Progress, in_city
from yetan.issues.models import Issue
from yetan.publication.models import PublicIssue
from yetan.runtime import Runtime
from yetan.searching.feed import rebuild

commands = typer.Typer(help="The search index.", no_args_is_help=True)


@commands.callback()
def search() -> None:
    """The search index."""


@commands.command("rebuild")
def rebuild_command(config: ConfigOption = CONFIG) -> None:
    """Build the index anew from the database while the old one serves, then switch."""

    async def work(city: Runtime) -> None:
        total = await Issue.all().count() + await PublicIssue.all().count()
        progress = Progress()
        count = await rebuild(lambda done: progress("索引", done, total))
        typer.echo(f"索引里现在有 {count} 条。")

    in_city(config, work)
