"""`yetan init`, `check`, `issues graph`, `templates which`: looking at a deployment."""

from __future__ import annotations

import difflib
import json
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import asdict

from yetan.app import assemble
from yetan.cli.console import CONFIG, ConfigOption, fail, in_city
from yetan.config import Configuration, load_configuration
from yetan.errors import ConfigurationError
from yetan.health import inspect, repair
from yetan.issues.graph import draw_graph
from yetan.layers import layers
from yetan.plugins.declarations import Health
from yetan.runtime import Runtime

_STARTER = """\
# Your city. See docs/operations.md for every key.
plugins = ["whoosh", "lantern"]
search = "whoosh"
theme = "lantern"

[city]
name = "某某市"
units = "units.csv"

[unit_kinds.city]
label = "市"

[unit_kinds.county]
label = "县（市、区）"

[unit_kinds.township]
label = "乡镇（街道）"

[unit_kinds.village]
label = "村"
raises = true

[unit_kinds.community]
label = "社区"
raises = true

[unit_kinds.department]
label = "部门"
department = true
"""


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command("init")(init)
    application.command("check")(check)
    application.add_typer(_issues, name="issues")
    application.add_typer(_templates, name="templates")


def init(config: ConfigOption = CONFIG) -> None:
    """Write a first yetan.toml here if there is none, and a secret key into its data folder."""
    try:
        if not config.exists():
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(_STARTER, encoding="utf-8")
            typer.echo(f"Wrote {config}. Edit the city's name and kinds of units.")
        configuration = load_configuration(config, require_secret=False)
        secret_written = write_secret(configuration)
    except OSError as error:
        raise ConfigurationError(
            [f"{error.filename}: cannot be written: {error.strerror}; check that this user may write in the folder"]
        ) from None
    if secret_written:
        typer.echo(f"Wrote a secret key into {configuration.data_dir / 'secret_key'}. Back it up, show it to nobody.")
    typer.echo("Next: yetan db upgrade, yetan import units units.csv, yetan user create NAME --name 姓名, yetan serve")


def write_secret(configuration: Configuration) -> bool:
    """Make a secret key in the data folder unless there is one; True if it was made."""
    path: Path = configuration.data_dir / "secret_key"
    if len(configuration.secret_key) >= 32:
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # people's data: for this user alone
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(48), encoding="utf-8")
    return True


def check(
    config: ConfigOption = CONFIG,
    mend: Annotated[
        bool, typer.Option("--repair", help="First mend what can be computed anew: board, figures, visibility, index.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")] = False,
) -> None:
    """Go over everything: schema, references, histories, deliveries, board, figures, index, uploads, audit, calendar.

    May run while the city works. Exit code 0: nothing is damaged, though something may be left to do (todo);
    1: something needs mending (FAIL); 2: the city cannot start.
    """

    async def work(city: Runtime) -> int:
        if mend:
            await repair(city, lambda line: typer.echo(line, err=as_json))
        return await report_on(city, as_json=as_json)

    sys.exit(in_city(config, work))


async def report_on(city: Runtime, *, as_json: bool = False) -> int:
    """Print everything `yetan check` finds; the exit code that goes with it."""
    found = await inspect(city, lambda line: None if as_json else _tell(line))
    well = all(each.ok or each.advisory for each in found)
    if as_json:
        typer.echo(json.dumps({"ok": well, "checks": [asdict(each) for each in found]}, ensure_ascii=False, indent=1))
    elif not well:
        typer.echo("有损坏的地方，见上面的 FAIL。", err=True)
    elif not all(each.ok for each in found):
        typer.echo("数据都好；标着 todo 的，请抽空办。", err=True)
    return 0 if well else 1


def _tell(line: Health) -> None:
    state = "ok" if line.ok else "todo" if line.advisory else "FAIL"
    typer.echo(f"{state:<5} {line.name}: {line.message}")
    if not line.ok and line.remedy:
        typer.echo(f"      {line.remedy}")


_issues = typer.Typer(help="The issue lifecycle.", no_args_is_help=True)


@_issues.callback()
def issues() -> None:
    """The issue lifecycle."""


@_issues.command("graph")
def graph(config: ConfigOption = CONFIG) -> None:
    """Print states, transitions, permissions and guards as this city's plugins make them."""
    typer.echo(draw_graph(assemble(load_configuration(config))))


_templates = typer.Typer(help="Templates.", no_args_is_help=True)


@_templates.callback()
def templates() -> None:
    """Templates."""


@_templates.command("which")
def which(name: str, config: ConfigOption = CONFIG) -> None:
    """Print where a template comes from: the first line wins, the others are what it lies over.

    `core:page.html` names the layer as well, as templates do that reach what they lie over.
    """
    configuration = load_configuration(config)
    prefix, _, wanted = name.rpartition(":")
    folders = [
        layer.folder / "templates"
        for layer in layers(configuration, assemble(configuration))
        if prefix in ("", layer.name)
    ]
    found = [folder / wanted for folder in folders if (folder / wanted).is_file()]
    if not found:
        known = {path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*.html")}
        near = difflib.get_close_matches(wanted, sorted(known), n=3)
        advice = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        fail(f"No layer has a template named {name!r}.{advice}")
    for path in found:
        typer.echo(str(path))
