"""`yetan events`: sending again what was given up, or what a subscriber never was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from yetan.cli.console import CONFIG, ConfigOption, in_city
from yetan.events.replay import count_missed, dead_letters, replay, replay_history, subscribers
from yetan.runtime import Runtime

commands = typer.Typer(help="Events and their deliveries.", no_args_is_help=True)


@commands.callback()
def events() -> None:
    """Events and their deliveries."""


@commands.command("list")
def list_command(config: ConfigOption = CONFIG) -> None:
    """List the subscribers, with what is on its way to each and what was given up."""

    async def work(city: Runtime) -> None:
        for each in await subscribers():
            off = "" if each.subscribed else "（插件没有启用，启用以后接着送）"
            typer.echo(f"{each.name}{off}：正在路上 {each.pending} 条，送不到 {each.dead} 条")

    in_city(config, work)


@commands.command("replay")
def replay_command(config: ConfigOption = CONFIG) -> None:
    """Try again what was given up after many failures."""

    async def work(city: Runtime) -> None:
        count = 0
        while dead := await dead_letters():
            for delivery in dead:
                typer.echo(f"{delivery.subscriber} 事件 {delivery.event_id}：{delivery.error}")
            count += await replay(city.system_act(), [delivery.id for delivery in dead])
        typer.echo(f"{count} 条会再送一次。")

    in_city(config, work)


@commands.command("history")
def history_command(
    subscriber: Annotated[str, typer.Argument(help="Its name, as `yetan events list` tells it.")],
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day on.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Send a subscriber what happened before its plugin was switched on, or while it was off. Nothing goes twice."""

    async def work(city: Runtime) -> None:
        start = city.calendar.start_of_day(since.date()) if since else None
        if dry_run:
            typer.echo(f"{subscriber} 有 {await count_missed(city.system_act(), subscriber, start)} 件没有收到过。")
        else:
            typer.echo(f"{await replay_history(city.system_act(), subscriber, start)} 件会送给 {subscriber}。")

    in_city(config, work)
