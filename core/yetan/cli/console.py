"""What commands share: the --config option, running a city, progress, and saying what went wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from yetan.act import Clock, system_clock
from yetan.app import running
from yetan.config import Configuration, load_configuration
from yetan.runtime import Runtime

T = TypeVar("T")

ConfigOption = Annotated[Path, typer.Option("--config", help="The deployment's yetan.toml.")]
CONFIG = Path("yetan.toml")


def in_city(config: Path, work: Callable[[Runtime], Awaitable[T]], clock: Clock = system_clock) -> T:
    """Run `work` in the city that `config` describes, and close everything afterwards."""
    return run_in(load_configuration(config), work, clock)


def run_in(configuration: Configuration, work: Callable[[Runtime], Awaitable[T]], clock: Clock = system_clock) -> T:
    """As `in_city`, for a configuration at hand."""

    async def go() -> T:
        async with running(configuration, clock) as city:
            # What follows the name of the command may be a name or a path: none of an audit's business.
            city.source = " ".join(["command", *(word for word in sys.argv[1:3] if not word.startswith("-"))])
            return await work(city)

    return asyncio.run(go())


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong and end the command."""
    typer.echo(message, err=True)
    sys.exit(code)


class Progress:
    """A line that counts up on a terminal; elsewhere a line each time a phase ends."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show that `done` of `total` of a phase are done."""
        if self.live:
            end = "\n" if done >= total else ""
            sys.stderr.write(f"\r{phase} {done:,} / {total:,}{end}")
            sys.stderr.flush()
        elif done >= total:
            typer.echo(f"{phase} {done:,}", err=True)
