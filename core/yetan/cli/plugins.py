"""`yetan plugin`: the plugins of a city. What their authors need is in `yetan.cli.plugin_authoring`."""

from __future__ import annotations

import typer

from yetan.app import assemble
from yetan.cli.console import CONFIG, ConfigOption
from yetan.config import load_configuration

commands = typer.Typer(help="Plugins.", no_args_is_help=True)


@commands.callback()
def plugin() -> None:
    """Plugins."""


@commands.command("list")
def plugin_list(config: ConfigOption = CONFIG) -> None:
    """List the enabled plugins in the one order, with version and what they need."""
    for each in assemble(load_configuration(config)).plugins:
        needs = f", after {', '.join(each.depends_on)}" if each.depends_on else ""
        typer.echo(f"{each.name} {each.version}  {each.title}  (yetan.api {each.requires_api}{needs})")
