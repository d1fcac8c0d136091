"""Fixtures that come with the package: `town`, `town_options`, `town_database_url`.

Imports are inside the fixtures: a pytest run that uses none of them pays nothing for the kit.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from yetan.testing.town import Town


@pytest.fixture
def town_options() -> dict[str, Any]:
    """What the town enables; override it in a module or a conftest.

    def town_options():
        return {"plugins": ("yours",), "rules": {"yours.days": 5}}
    """
    return {}


@pytest.fixture
def town_database_url(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, town_options: dict[str, Any]) -> str:
    """An upgraded, empty SQLite database for the town's plugins, copied from one made once a run."""
    from yetan.app import assemble
    from yetan.db.upgrade import upgrade
    from yetan.testing.town import Town

    name = "-".join(("template", *town_options.get("plugins", ())))
    template = tmp_path_factory.getbasetemp() / f"{name}.sqlite3"
    if not template.exists():
        town = Town(f"sqlite://{template}", template.parent, plugins=tuple(town_options.get("plugins", ())))
        configuration = town.configuration
        asyncio.run(upgrade(configuration, assemble(configuration).applications, lambda line: None))
    copy = tmp_path / "town.sqlite3"
    shutil.copyfile(template, copy)
    return f"sqlite://{copy}"


@pytest.fixture
def town(town_database_url: str, tmp_path: Path, town_options: dict[str, Any]) -> Iterator[Town]:
    """A small running town; see `yetan.testing.town`.

    def test_a_lamp_is_listed(town):
        issue = town.report()
        assert town.move(issue, "list", by="clerk").state == "listed"
    """
    from yetan.testing.town import Town

    with Town(town_database_url, tmp_path, **town_options).open() as running:
        yield running
