"""`yetan backup`, `yetan backup verify` and `yetan restore`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from yetan.act import system_clock
from yetan.backup.archive import read_archive
from yetan.backup.making import make_backup
from yetan.backup.manifest import SECRET, UPLOADS, Manifest
from yetan.backup.restoring import Restored, restore
from yetan.cli.console import CONFIG, ConfigOption, Progress, in_city
from yetan.cli.inspection import report_on
from yetan.config import load_configuration
from yetan.runtime import Runtime
from yetan.searching.feed import rebuild

ArchiveArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.add_typer(commands, name="backup")
    application.command("restore")(restore_command)


commands = typer.Typer(help="Backups.", invoke_without_command=True)


@commands.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    config: ConfigOption = CONFIG,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File or folder; default: backups/ of the data folder.")
    ] = None,
    secret: Annotated[bool, typer.Option("--with-secret/--without-secret", help="Take the secret key along.")] = True,
) -> None:
    """Back the city up while it works: database, uploads, configuration and, unless told otherwise, the secret key."""
    if context.invoked_subcommand is not None:
        return
    made = asyncio.run(
        make_backup(
            load_configuration(config),
            config,
            output,
            now=system_clock(),
            with_secret=secret,
            progress=Progress(),
        )
    )
    typer.echo(f"备份好了：{made.path}（{made.path.stat().st_size / 1024**2:.1f} MB）")
    _tell(made.manifest)
    if made.manifest.missing_uploads:
        typer.echo(
            f"注意：有 {made.manifest.missing_uploads} 个照片文件早就丢了，备份里没有。请运行 yetan check 看是哪些。"
        )
    if secret:
        typer.echo("备份里有居民的个人信息，还有密钥：拿到它的人等于拿到整个系统。请存到别处，加密保管，不要给人看。")
    else:
        typer.echo("备份里有居民的个人信息，没有密钥。密钥请另外保管：丢了它，发给居民的查询纸条就打不开了。")
    typer.echo("请再运行 yetan backup verify 核对，并定期演练恢复。")


@commands.command("verify")
def verify(file: ArchiveArgument) -> None:
    """Read a backup wholly and check every byte of it; nothing is unpacked."""
    manifest = read_archive(file, None, Progress())
    typer.echo("备份完好。")
    _tell(manifest)


def restore_command(
    file: ArchiveArgument,
    config: ConfigOption = CONFIG,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a database that is not empty.")] = False,
    other_city: Annotated[bool, typer.Option("--other-city", help="Take a backup of another city.")] = False,
) -> None:
    """Take a backup back, all or nothing; then rebuild the search index and check everything."""
    done = asyncio.run(
        restore(
            file,
            config,
            replace=replace,
            other_city=other_city,
            now=system_clock(),
            progress=Progress(),
        )
    )
    _tell(done.manifest)
    _tell_restored(done)
    if done.pending:
        typer.echo(
            f"备份的结构比这里装的版本旧，还差 {len(done.pending)} 步。请依次运行："
            "yetan db upgrade，yetan search rebuild，yetan check。"
        )
        return
    if len(load_configuration(config, require_secret=False).secret_key) < 32:
        typer.echo("备份里没有密钥，这里也没有。请运行 yetan init，再运行 yetan search rebuild 和 yetan check。")
        return

    async def work(city: Runtime) -> int:
        if city.search is not None:
            progress = Progress()
            total = sum(count for name, count in done.manifest.counts.items() if name in _INDEXED)
            await rebuild(lambda count: progress("重建索引", count, total))
        return await report_on(city)

    sys.exit(in_city(config, work))


#: The tables whose rows become documents of the index.
_INDEXED = ("yetan_issue", "yetan_public_issue")


def _tell(manifest: Manifest) -> None:
    uploads = sum(1 for name in manifest.members if name.startswith(UPLOADS))
    issues = manifest.counts.get("yetan_issue", 0)
    typer.echo(
        f"“{manifest.city}” {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC，夜谈 {manifest.yetan}，{manifest.server}；"
        f"事项 {issues} 件，照片 {uploads} 张，"
        f"数据表 {len(manifest.counts)} 个，共 {sum(manifest.counts.values())} 行，"
        f"{'含' if SECRET in manifest.members else '不含'}密钥。"
    )


def _tell_restored(done: Restored) -> None:
    typer.echo("恢复好了。所有人都要重新登录。")
    if done.written:
        typer.echo(f"配置也放回来了：{'、'.join(str(path) for path in done.written)}")
    else:
        typer.echo("这里原有的配置没有动。")
    if done.aside is not None:
        typer.echo(f"原来的数据库留在 {done.aside}，确认不要了请删掉：里面有个人信息。")
    if done.own_secret is False:
        typer.echo("注意：现在用的密钥不是备份里的那一个（环境变量优先）。居民手里的查询纸条要用备份里的密钥才打得开。")
