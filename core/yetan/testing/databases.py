"""Databases for towns: an upgraded SQLite file made once for the same plugins, and copied for each town."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from yetan.app import assemble
from yetan.db.upgrade import upgrade

if TYPE_CHECKING:
    from yetan.config import Configuration


def upgraded_copy(configuration: Configuration, templates: Path, folder: Path) -> str:
    """The URL of an empty database in `folder` that has the tables of the core and of the plugins `configuration`
    switches on. What it is copied from is made and kept in `templates`."""
    applications = assemble(configuration).applications
    template = templates / f"{'-'.join(each.label for each in applications)}.sqlite3"
    if not template.exists():
        making = replace(configuration, database_url=f"sqlite://{template}", data_dir=templates)
        asyncio.run(upgrade(making, applications, lambda line: None))
    copy = folder / "town.sqlite3"
    shutil.copyfile(template, copy)
    return f"sqlite://{copy}"
