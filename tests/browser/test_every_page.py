"""Every page there is, looked at in one way of all of them: the same way each time. `make soak` looks in every way."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contracts.subjects import Scene

from yetan.web.display import Display

from .conftest import ARGUMENTS, find_chromium, open_chromium
from .pages import Onlooker, Seen, faults_of, pages_of

#: HTML and stylesheets of a public page, compressed, in bytes.
HEAVIEST = 50 * 1024
#: The pages whose letters are looked at in all sizes.
READ_MOST = (
    *("board", "issues", "issue[published]", "raise", "search", "/search?q=灯", "figures", "own_issue"),
    *("desk.queue[unit]", "/desk/queue/unit?open={id}", "desk.issue", "desk.register"),
)


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


@pytest.mark.browser
def test_the_largest_letters_of_elder_mode_stand_beside_each_other(
    chromium: Any, scene: Scene, pages: list[Seen]
) -> None:
    """Nothing is cut off, stands on other words or runs off a phone."""
    onlooker, display = Onlooker(chromium, scene.site), Display(elder=True, size="largest")
    faults = [fault for page in pages if page.name in READ_MOST for fault in onlooker.read(page, display, (320,))]
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


@pytest.mark.browser
def test_letters_of_twice_the_size_stand_beside_each_other(chromium: Any, scene: Scene, pages: list[Seen]) -> None:
    """As somebody has set their browser."""
    large = [*ARGUMENTS, "--blink-settings=defaultFontSize=32"]
    browser = chromium.browser_type.launch(executable_path=find_chromium(), args=large)
    onlooker = Onlooker(browser, scene.site)
    read = [page for page in pages if page.name in READ_MOST]
    faults = [fault for page in read for fault in onlooker.read(page, Display(), (640, 1280))]
    assert onlooker.page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 32
    browser.close()
    assert not faults, "\n".join(faults)
