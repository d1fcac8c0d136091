"""`yetan audit`: whether the audit records are what they were when they were sealed (C79)."""

from __future__ import annotations

from typing import Annotated

import typer

from yetan.audit.sealing import Verification, verify
from yetan.cli.console import CONFIG, ConfigOption, Progress, fail, in_city
from yetan.runtime import Runtime

commands = typer.Typer(help="Audit records.", no_args_is_help=True)


@commands.callback()
def audit() -> None:
    """Audit records."""


@commands.command("verify")
def verify_command(
    expect: Annotated[str, typer.Option("--expect", help="A hash printed earlier and kept elsewhere.")] = "",
    config: ConfigOption = CONFIG,
) -> None:
    """Go over the chain of audit records; end with 1 and name the first that was altered or is missing."""
    progress = Progress()

    async def work(city: Runtime) -> Verification:
        return await verify(
            expect=expect.strip().lower(), progress=lambda done, total: progress("核对审计记录", done, total)
        )

    found = in_city(config, work)
    if not found.ok:
        fail(f"审计记录有问题：{found.fault}\n请马上备份数据库留作证据，不要再改动，并报告单位的安全负责人。")
    waiting = found.records - found.sealed
    typer.echo(f"审计记录 {found.records} 条，其中封存的 {found.sealed} 条都对得上，没有缺失。")
    if waiting:
        typer.echo(f"另有 {waiting} 条还没有封存，每小时封存一次，由 yetan serve 或 yetan worker 来做。")
    if found.head:
        typer.echo(
            f"最新的校验码：{found.head}\n"
            "请把它抄在数据库以外的地方。下次用 yetan audit verify --expect 加上它，截断或整个换掉也看得出来。"
        )
