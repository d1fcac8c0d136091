"""`yetan import`: ledgers, units, categories."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from yetan.cli.console import CONFIG, ConfigOption, Progress, in_city
from yetan.issues.categories import CATEGORY_COLUMNS, parse_categories
from yetan.issues.classification import load_categories
from yetan.issues.importing import DEFAULT_SOURCE, ImportPlan, ImportReport, carry_out, plan_import
from yetan.issues.ledger import ledger_columns, parse_ledger, read_mapping_file, refused_table
from yetan.runtime import Runtime
from yetan.spreadsheets import Columns, SpreadsheetError, Table, read_table
from yetan.units.service import by_name, load_units, root
from yetan.units.table import UNIT_COLUMNS, parse_units

commands = typer.Typer(help="Bring in a town's own tables (XLSX or CSV).", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="An XLSX or CSV file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")]

#: How many problems are shown; all of them stand in the file of refused rows.
_SHOWN = 20


@commands.command("issues")
def issues(
    file: File,
    config: ConfigOption = CONFIG,
    unit: Annotated[str, typer.Option(help="The unit of rows that name none; default: the city.")] = "",
    source: Annotated[str, typer.Option(help="The ledger's name; with the number it is an issue's identity.")] = (
        DEFAULT_SOURCE
    ),
    mapping: Annotated[Path | None, typer.Option(help='TOML lines such as "工单流水" = "source_number".')] = None,
    dry_run: DryRun = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Write the good rows, save the others to a file.")
    ] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Publish what is written, masked, in one batch.")] = False,
) -> None:
    """Bring in a ledger of issues. Nothing is written unless every row is well, or --skip-bad is given."""
    columns = ledger_columns(_mapping(mapping) if mapping else None)
    table = _read(file, columns)

    async def work(city: Runtime) -> None:
        home = await by_name(unit) if unit else await root()
        ledger = parse_ledger(table, columns, city.configuration.city.zone, now=city.clock())
        plan = await plan_import(ledger, table, home, source)
        tell_plan(plan)
        if plan.refused and not dry_run:
            where = file.with_name(f"{file.stem}-未导入.xlsx")
            if not skip_bad:
                typer.echo(
                    f"有 {len(plan.refused)} 行不能导入，所以整份都没有写入。改好以后再导入，"
                    f"或者加上 --skip-bad 先写入其余的行（被拒的行会另存为“{where.name}”）。",
                    err=True,
                )
                raise typer.Exit(1)
            _write(where, refused_table(plan.ledger))
            typer.echo(f"被拒的 {len(plan.refused)} 行已另存为：{where}", err=True)
        if dry_run:
            typer.echo("以上是预览，什么都没有写入。")
            return
        if plan.rows:
            report = await carry_out(city.system_act(), plan, publish=publish, progress=Progress())
            tell_report(report)
        else:
            typer.echo("没有新的行要写入。")

    in_city(config, work)


def tell_plan(plan: ImportPlan) -> None:
    """Say what was read and what would be done with it."""
    ledger = plan.ledger
    found = "、".join(f"{heading}→{name}" for name, heading in ledger.columns.items())
    typer.echo(f"认出的列：{found}")
    if ledger.unknown_columns:
        typer.echo(f"认不出的列（内容保留在每件的附加栏里）：{'、'.join(ledger.unknown_columns)}")
    for note in ledger.notes:
        typer.echo(f"注意：{note}")
    typer.echo(
        f"要写入 {len(plan.rows)} 件，已经在库里的 {len(plan.present)} 件，不能导入的 {len(plan.refused)} 行，"
        f"有疑问但照样导入的 {len(plan.warnings)} 处。"
    )
    for problem in plan.warnings[:_SHOWN]:
        typer.echo(f"  疑问 {problem}")
    problems = [problem for row in plan.refused for problem in row.problems]
    for problem in problems[:_SHOWN]:
        typer.echo(f"  拒绝 {problem}", err=True)
    for count, word in ((len(plan.warnings), "疑问"), (len(problems), "拒绝")):
        if count > _SHOWN:
            typer.echo(f"  还有 {count - _SHOWN} 处{word}没有列出。")


def tell_report(report: ImportReport) -> None:
    """Say what was done."""
    typer.echo(
        f"写入 {report.added} 件，其中有答复、等居民验收的 {report.answered} 件，公开 {report.published} 件，"
        f"内容和别的编号相同、已经互相关联的 {report.linked} 件。"
    )


@commands.command("units")
def units(file: File, config: ConfigOption = CONFIG, dry_run: DryRun = False) -> None:
    """Bring in or bring up to date the tree of units."""
    table = _read(file, UNIT_COLUMNS)

    async def work(city: Runtime) -> None:
        kinds = {label: key for key, kind in city.configuration.unit_kinds.items() for label in (key, kind.label)}
        parsed = parse_units(table, kinds=kinds)
        if parsed.problems:
            shown = "\n".join(f"  {problem}" for problem in parsed.problems)
            raise SpreadsheetError(f"单位表有 {len(parsed.problems)} 处要改，什么都没有写入：\n{shown}")
        if dry_run:
            typer.echo(f"读到 {len(parsed.units)} 个单位，没有问题。以上是预览，什么都没有写入。")
            return
        loaded = await load_units(city.system_act(), parsed.units)
        typer.echo(f"新增 {loaded.added} 个单位，改动 {loaded.changed} 个，没有变化 {loaded.unchanged} 个。")

    in_city(config, work)


@commands.command("categories")
def categories(file: File, config: ConfigOption = CONFIG, dry_run: DryRun = False) -> None:
    """Bring in the official category list of up to three levels."""
    paths = parse_categories(_read(file, CATEGORY_COLUMNS))

    async def work(city: Runtime) -> None:
        if dry_run:
            typer.echo(f"读到 {len(paths)} 个类别，没有问题。以上是预览，什么都没有写入。")
            return
        added = await load_categories(paths)
        typer.echo(f"读到 {len(paths)} 个类别，新增 {added} 个。")

    in_city(config, work)


def _read(file: Path, columns: Columns) -> Table:
    with _readable(file):
        return read_table(file, filename=file.name, columns=columns)


def _mapping(file: Path) -> dict[str, str]:
    with _readable(file):
        return read_mapping_file(file)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Tell a clerk, not a developer, that `file` cannot be read."""
    try:
        yield
    except OSError as error:
        raise SpreadsheetError(f"读不了文件“{file}”：{os.strerror(error.errno or 0)}。请核对路径和权限。") from None


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise SpreadsheetError(
            f"写不了文件“{file}”：{os.strerror(error.errno or 0)}。请换一个能写的文件夹再试。"
        ) from None
