"""The plugins of docs/examples, found as if they were installed."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from yetan.db.connection import CORE_APPLICATION, Application
from yetan.plugins import discovery

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLE_PLUGINS = ("clinics", "haircuts", "how_to", "activities", "meetings", "films")


@pytest.fixture(scope="session")
def database_applications(installed_examples: None) -> tuple[Application, ...]:
    """The core's app and those of the examples."""
    plugins = discovery.load(EXAMPLE_PLUGINS)
    return (CORE_APPLICATION, *(plugin.application for plugin in plugins if plugin.application is not None))


@pytest.fixture(scope="session", autouse=True)
def installed_examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What installing each package would leave behind: its folder on the path, and its entry points."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for project in sorted(EXAMPLES.glob("*/pyproject.toml")):
            told = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
            information = folder / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
            information.mkdir()
            (information / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n"
            )
            lines = [f"{name} = {value}" for name, value in told["entry-points"]["yetan.plugins"].items()]
            (information / "entry_points.txt").write_text("\n".join(["[yetan.plugins]", *lines]))
            patch.syspath_prepend(str(project.parent))
        importlib.invalidate_caches()
        yield
