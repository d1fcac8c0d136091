"""Every page there is, looked at in one way of all of them: the same way each time. `make soak` looks in every way."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contracts.subjects import Scene

from .conftest import open_chromium
from .pages import Seen, faults_of, pages_of

#: HTML and stylesheets of a public page, compressed, in bytes.
HEAVIEST = 50 * 1024


@pytest.fixture(scope="module")
def pages(scene: Scene) -> list[Seen]:
    """Every page, and who gets it."""
    return pages_of(scene)


@pytest.fixture(scope="module")
def chromium(scene: Scene) -> Iterator[Any]:
    """The browser, after the town: see the fixture of this name that others use."""
    with open_chromium() as browser:
        yield browser


@pytest.mark.browser
def test_every_page_can_be_read_reached_and_pressed_by_everybody(
    chromium: Any, scene: Scene, pages: list[Seen]
) -> None:
    """No violation axe knows of, nothing too small to press or running off a phone, nothing from elsewhere (C13)."""
    faults = faults_of(chromium, scene.site, [(page, page.look) for page in pages])
    assert not faults, "\n".join(faults)


def test_every_public_page_is_light(scene: Scene, pages: list[Seen]) -> None:
    """HTML and stylesheets, on the way over the network."""

    def sent(path: str, page: Seen) -> bytes:
        return scene.site.ask(page.visitor, path).body

    weights = {}
    for page in pages:
        if page.path.startswith(("/desk", "/admin")):
            continue
        html = sent(page.path, page)
        sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)"', html.decode())
        assert sheets, f"{page.name} has no stylesheet"
        weights[page.name] = sum(len(gzip.compress(each, 6)) for each in (html, *(sent(it, page) for it in sheets)))
    heavy = {name: weight for name, weight in weights.items() if weight > HEAVIEST}
    assert not heavy, f"over {HEAVIEST} bytes: {heavy}"
