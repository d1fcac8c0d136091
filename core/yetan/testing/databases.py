"""Databases for towns: an upgraded SQLite file made once for the same plugins, and copied for each town."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from yetan.app import assemble
from yetan.db.connection import Application
from yetan.db.upgrade import upgrade

if TYPE_CHECKING:
    from yetan.config import Configuration


def upgraded_copy(configuration: Configuration, templates: Path, folder: Path) -> str:
    """The URL of an empty database in `folder` that has the tables of the core and of the plugins `configuration`
    switches on. What it is copied from is made and kept in `templates`."""
    applications = assemble(configuration).applications
    copy = folder / "town.sqlite3"
    shutil.copyfile(_template(configuration, applications, templates), copy)
    return f"sqlite://{copy}"


def _template(configuration: Configuration, applications: Sequence[Application], templates: Path) -> Path:
    """The file with the tables of `applications`: that of one fewer, and a step further."""
    template = templates / f"{'-'.join(each.label for each in applications)}.sqlite3"
    if not template.exists():
        if fewer := applications[:-1]:
            shutil.copyfile(_template(configuration, fewer, templates), template)
        making = replace(configuration, database_url=f"sqlite://{template}", data_dir=templates)
        asyncio.run(upgrade(making, applications, lambda line: None))
    return template
