"""`yetan demo`: a city to try things in, from nothing to an address and sign-in links."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from yetan.act import system_clock
from yetan.app import running
from yetan.cli import serving
from yetan.cli.console import CONFIG, ConfigOption, Progress, fail
from yetan.cli.database import bring_up
from yetan.cli.importing import tell_plan, tell_report
from yetan.cli.inspection import write_secret
from yetan.cli.people import sign_in_address
from yetan.config import Configuration, load_configuration
from yetan.demonstration.story import Story, StoryClock, StoryError
from yetan.events.worker import Worker
from yetan.issues.importing import carry_out, plan_import
from yetan.issues.ledger import ledger_columns, parse_ledger
from yetan.issues.models import Issue
from yetan.people.models import Account, Post
from yetan.people.service import today, valid_on
from yetan.publication.models import PublicIssue
from yetan.runtime import Runtime
from yetan.searching.feed import rebuild
from yetan.spreadsheets import read_table
from yetan.units.models import Unit, UnitAncestor
from yetan.units.service import root


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("demo")(demo)


def demo(
    config: ConfigOption = CONFIG,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    ledger: Annotated[Path | None, typer.Option(help="A ledger (XLSX or CSV) to import and publish.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw the demo's data away and begin again.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve it once it stands.")] = True,
) -> None:
    """Set a demo city up (once), print its address and one-time sign-in links, and serve it."""
    os.environ["YETAN_BASE_URL"] = f"http://127.0.0.1:{port}"
    if ledger is not None and not ledger.is_file():
        fail(f"没有这个文件：{ledger}。请核对 LEDGER= 后面的路径。")
    configuration = load_configuration(config, require_secret=False)
    if fresh:
        shutil.rmtree(configuration.data_dir, ignore_errors=True)
        configuration = load_configuration(config, require_secret=False)
    write_secret(configuration)
    configuration = load_configuration(config)
    if serve:
        serving.require_port(configuration.server.host, port)
    try:
        asyncio.run(_set_up(configuration, ledger))
    except StoryError as error:
        fail(f"The demo's story cannot be played: {error}")
    if serve:
        typer.echo("\n按 Ctrl+C 停止。\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "yetan", "serve", "--config", str(config), "--port", str(port)]
        os.execv(sys.executable, command)  # noqa: S606 - our own command, which needs nothing of what was set up here


async def _set_up(configuration: Configuration, ledger: Path | None) -> None:
    await bring_up(configuration)
    clock = StoryClock(system_clock)
    async with running(configuration, clock) as city:
        filled = False
        if not await Unit.exists():
            typer.echo("正在布置演示城市，第一次大约要一分钟……", err=True)
            count = await Story(city, configuration.folder / "demo", clock).play(Progress())
            typer.echo(f"演示数据：{count} 件事。", err=True)
            filled = True
        if ledger is not None:
            filled = await _import(city, ledger) or filled
        await _catch_up(city, filled)
        await _invite(city)


async def _catch_up(city: Runtime, filled: bool) -> None:
    """Let follow what follows from the events. A city filled anew gets its index in one go, not bit by bit."""
    if not filled or city.search is None:
        await Worker().run_once()
        return
    search, city.search = city.search, None
    try:
        await Worker().run_once()
    finally:
        city.search = search
    total = await Issue.all().count() + await PublicIssue.all().count()
    typer.echo(f"正在建立搜索索引，共 {total:,} 条……", err=True)
    progress = Progress()
    await rebuild(lambda done: progress("索引", done, total))


async def _import(city: Runtime, file: Path) -> bool:
    """Import and publish a ledger; whether anything was new."""
    columns = ledger_columns()
    table = read_table(file, filename=file.name, columns=columns)
    parsed = parse_ledger(table, columns, city.configuration.city.zone, now=city.clock())
    plan = await plan_import(parsed, table, await root())
    tell_plan(plan)
    if plan.refused:
        fail("这份台账有不能导入的行，请先用 yetan import issues --dry-run 看一看。")
    if plan.rows:
        tell_report(await carry_out(city.system_act(), plan, publish=True, progress=Progress()))
    return bool(plan.rows)


async def _invite(city: Runtime) -> None:
    """Print the address and a sign-in link for one of each kind of user, of one village where possible."""
    configuration = city.configuration
    typer.echo(f"\n夜谈已经就绪：{configuration.base_url}\n")
    typer.echo("一次性登录链接（24 小时内有效，各用一次）：")
    for label, account in await _guests(city):
        typer.echo(f"  {label}（{account.person.name}）  {await sign_in_address(city, account)}")


async def _guests(city: Runtime) -> list[tuple[str, Account]]:
    """A resident with something to accept, that village's official, its township's clerk, an administrator."""
    waiting = Issue.filter(state="resolved", raisers__person__account__active=True, historical=False)
    issue = await waiting.order_by("-raised_at").first().prefetch_related("raisers")
    guests: list[tuple[str, Account]] = []
    unit = issue.unit_id if issue else (await root()).id
    if issue is not None:
        people = [raiser.person_id for raiser in issue.raisers]  # type: ignore[attr-defined]
        resident = await Account.filter(person_id__in=people, active=True).select_related("person").first()
        guests += [("居民", resident)] if resident else []
    line = [row.ancestor_id for row in await _line(unit)]
    for label, role in (
        ("村（社区）干部", "village_official"),
        ("乡镇（街道）专人", "township_clerk"),
        ("管理员", "administrator"),
        ("审计员", "auditor"),
    ):
        post = await _nearest_post(city, role, line)
        if post is not None:
            guests.append((label, await Account.get(id=post.account_id).select_related("person")))
    return guests


async def _line(unit: int) -> list[UnitAncestor]:
    return await UnitAncestor.filter(unit_id=unit).order_by("depth")


async def _nearest_post(city: Runtime, role: str, line: list[int]) -> Post | None:
    posts = await Post.filter(valid_on(today(city.system_act())), role=role, account__active=True)
    posts.sort(key=lambda post: (line.index(post.unit_id) if post.unit_id in line else len(line), post.id))
    return posts[0] if posts else None
