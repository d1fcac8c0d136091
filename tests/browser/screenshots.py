"""`python -m tests.browser.screenshots`: the main pages of the demo as a reader sees them, as PNG.

All of them go into var/screenshots, to be looked at; those of the README into docs/screenshots.
"""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from tests.browser.conftest import answers, open_chromium, wait_for

from yetan.web.display import Display

ROOT = Path(__file__).parents[2]
ALL, README = ROOT / "var" / "screenshots", ROOT / "docs" / "screenshots"
CONFIGURATION = ROOT / "deployments" / "sanming" / "yetan.toml"
#: Width and height of an office screen and of a phone, in px.
SCREEN, PHONE = (1280, 900), (360, 740)
LOOKS = {
    "normal": (SCREEN, Display()),
    "phone": (PHONE, Display()),
    "elder": (PHONE, Display(elder=True)),
    "elder-largest": (PHONE, Display(elder=True, size="largest")),
    "night": (SCREEN, Display(light="night")),
}
#: The first issue of a public list, and of the clerk's.
_FIRST_ISSUE = "main a[href^='/issues/']"
_FIRST_ROW = "main a.row-link"


class Shot(NamedTuple):
    """A page; `follow` is the link on it that leads to what is shown, `staff` says that it is the clerk's."""

    name: str
    path: str
    follow: str = ""
    staff: bool = False


SHOTS = (
    Shot("board", "/"),
    Shot("search", "/search?q=路灯"),
    Shot("issues", "/issues"),
    Shot("issue", "/issues?state=struck_off", follow=_FIRST_ISSUE),
    Shot("raise", "/raise"),
    Shot("hall", "/hall"),
    Shot("desk", "/desk/queue/unit", staff=True),
    Shot("desk-issue", "/desk/queue/unit", follow=_FIRST_ROW, staff=True),
)
#: Those of the README: the page and how it is looked at.
SHOWN = ("board-normal", "issue-phone", "raise-elder", "desk-night")


@contextmanager
def demo() -> Iterator[tuple[str, str]]:
    """The demo, served: its address, and a sign-in link of the township's clerk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "yetan", "demo", "--config", str(CONFIGURATION), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert server.stdout is not None
    try:
        link = next(found[1] for line in server.stdout if (found := re.search(r"乡镇.*(http\S+/sign-in/\S+)", line)))
        address, _, _ = link.partition("/sign-in/")
        wait_for(lambda: answers(f"{address}/readyz"))
        yield address, link
    finally:
        server.terminate()
        server.wait(40)


def take(page: Any, address: str, shot: Shot, *, whole: bool) -> Image.Image:
    """The page as a picture; its first screen, or the whole of it."""
    page.goto(address + shot.path)
    if shot.follow:
        page.goto(address + page.locator(shot.follow).first.get_attribute("href"))
    return Image.open(io.BytesIO(page.screenshot(full_page=whole)))


def main() -> None:
    """Take all of them."""
    ALL.mkdir(parents=True, exist_ok=True)
    README.mkdir(parents=True, exist_ok=True)
    with demo() as (address, link), open_chromium() as browser:
        clerk = _signed_in(browser, link)
        for look, ((width, height), display) in LOOKS.items():
            cookie = {"name": "yetan-display", "value": display.cookie(), "url": address}
            for shot in SHOTS:
                cookies = [cookie, *(clerk if shot.staff else ())]
                context = browser.new_context(viewport={"width": width, "height": height})
                context.add_cookies(cookies)
                page = context.new_page()
                name = f"{shot.name}-{look}"
                take(page, address, shot, whole=True).save(ALL / f"{name}.png", optimize=True)
                if name in SHOWN:
                    # Few colours are enough, and a quarter of the bytes.
                    first = page.screenshot()
                    Image.open(io.BytesIO(first)).convert("RGB").quantize(64).save(
                        README / f"{name}.png", optimize=True
                    )
                context.close()
    print(f"{len(SHOTS) * len(LOOKS)} in {ALL}, {len(SHOWN)} in {README}")


def _signed_in(browser: Any, link: str) -> list[dict[str, Any]]:
    """The cookies of whoever opened a sign-in link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    with page.expect_navigation():
        page.locator("main form button").first.click()
    cookies: list[dict[str, Any]] = context.cookies()
    context.close()
    return cookies


if __name__ == "__main__":
    main()
