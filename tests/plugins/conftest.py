"""What the plugins' tests share: databases that have the plugins' tables too."""

from __future__ import annotations

from typing import Any

import pytest
from tests.plugins.evenings import OPTIONS

from yetan.db.connection import CORE_APPLICATION, Application
from yetan.plugins import discovery


@pytest.fixture(scope="session")
def database_applications() -> tuple[Application, ...]:
    """The core's app and that of every plugin of this distribution."""
    plugins = [point.load() for point in discovery.installed().values() if point.value.startswith("yetan_")]
    return (CORE_APPLICATION, *(plugin.application for plugin in plugins if plugin.application is not None))


@pytest.fixture(scope="module")
def evening_options() -> dict[str, Any]:
    """What the town of `tests.plugins.evenings` enables; a module may say otherwise."""
    return OPTIONS
