"""The site that contract tests look at: one a module, put back after whatever changes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contracts.site import open_site
from tests.contracts.subjects import Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A town with every plugin enabled, officials of every role in every relation, and a subject of each model."""
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield Scene(site)
