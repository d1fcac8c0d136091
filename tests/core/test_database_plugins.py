"""An upgrade goes over every plugin ever enabled here, and leaves the tables of those that are gone alone (F23)."""

from __future__ import annotations

import asyncio
import itertools
import sys
import types
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.postgresql import configuration_for

from yetan.app import assemble
from yetan.cli.database import bring_up
from yetan.config import Configuration
from yetan.db.connection import CORE_APPLICATION, connected
from yetan.db.statements import execute, fetch
from yetan.db.upgrade import UpgradeFailed, UpgradeReport
from yetan.plugins import discovery
from yetan.plugins.declarations import Plugin
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.record import known_applications

SUPERVISION = "yetan_supervision"


@pytest.fixture
def configuration(database_url: str, tmp_path: Path) -> Configuration:
    """A city on a database that has the core's tables alone."""
    return configuration_for(database_url, tmp_path / "data")


def upgrade_with(configuration: Configuration, *plugins: str) -> UpgradeReport:
    return asyncio.run(bring_up(replace(configuration, plugins=plugins)))


def run_statement(configuration: Configuration, statement: str) -> None:
    async def run() -> None:
        async with connected(configuration.database_url, [CORE_APPLICATION]):
            await execute(statement)

    asyncio.run(run())


def enabled(configuration: Configuration) -> dict[str, bool]:
    async def run() -> dict[str, bool]:
        async with connected(configuration.database_url, [CORE_APPLICATION]):
            return {row.name: row.enabled for row in await EnabledPlugin.all()}

    return asyncio.run(run())


def test_a_plugin_that_is_switched_off_is_still_gone_over(configuration: Configuration) -> None:
    assert upgrade_with(configuration, "supervision").applied[0].startswith(f"{SUPERVISION}.0001")
    assert upgrade_with(configuration).applied == ()
    assert enabled(configuration) == {"supervision": False}
    run_statement(configuration, "ALTER TABLE yetan_supervision_dunning_notice ADD COLUMN stray INT")
    with pytest.raises(UpgradeFailed, match="yetan_supervision_dunning_notice：多出列 stray"):
        upgrade_with(configuration)


def test_a_failed_upgrade_does_not_record_its_plugins(configuration: Configuration) -> None:
    """What is enabled is written down with the tables, or not at all (F05)."""
    run_statement(configuration, "ALTER TABLE yetan_unit ADD COLUMN stray INT")
    with pytest.raises(UpgradeFailed):
        upgrade_with(configuration, "supervision")
    assert enabled(configuration) == {}
    run_statement(configuration, "ALTER TABLE yetan_unit DROP COLUMN stray")
    upgrade_with(configuration, "supervision")
    assert enabled(configuration) == {"supervision": True}


def test_a_plugin_that_is_gone_is_said_and_its_tables_stay(
    configuration: Configuration, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_with(configuration, "supervision")
    monkeypatch.setattr(discovery, "installed", dict)
    capsys.readouterr()

    upgrade_with(configuration)

    said = capsys.readouterr().err
    assert "插件 supervision 以前启用过，现在用不了，它的表原样保留，不随这次升级：" in said
    assert "'supervision' is not installed" in said

    async def notices() -> int:
        async with connected(configuration.database_url, [CORE_APPLICATION]):
            return int((await fetch("SELECT count(*) AS count FROM yetan_supervision_dunning_notice"))[0]["count"])

    assert asyncio.run(notices()) == 0


_numbers = itertools.count(1)


def point(monkeypatch: pytest.MonkeyPatch, name: str, **about: object) -> EntryPoint:
    """An installed plugin `name`; a broken one where nothing is told about it."""
    module = f"plugins_of_test_database_plugins_{next(_numbers)}"
    if about:
        given: dict[str, object] = {"title": name, "version": "1", "package": "yetan", "hooks": "yetan", **about}
        holder = types.ModuleType(module)
        holder.plugin = Plugin(name=name, **given)  # type: ignore[attr-defined, arg-type]
        monkeypatch.setitem(sys.modules, module, holder)
    return EntryPoint(name, f"{module}:plugin", "yetan.plugins")


def test_dependencies_come_first_and_what_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = {"models": "m", "migrations": "n"}
    points = [
        point(monkeypatch, "broken"),
        point(monkeypatch, "nights", **own),
        point(monkeypatch, "lectures", depends_on=("nights",), **own),
        point(monkeypatch, "orphan", depends_on=("gone",), **own),
        point(monkeypatch, "ancient", requires_api="<0.1", **own),
    ]
    monkeypatch.setattr(discovery, "installed", lambda: {each.name: each for each in points})
    registry = assemble(configuration_for(f"sqlite://{tmp_path}/none.sqlite3", tmp_path))
    labels = ("yetan", "yetan_broken", "yetan_lectures", "yetan_nights", "yetan_orphan", "yetan_ancient")

    applications, left = known_applications(registry, labels)

    assert [each.label for each in applications] == ["yetan", "yetan_nights", "yetan_lectures"]
    ancient, broken, orphan = left
    assert "works with yetan.api <0.1" in ancient
    assert "failed to import" in broken
    assert "'gone' is not installed" in orphan
