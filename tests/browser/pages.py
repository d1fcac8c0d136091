"""Every page of a site, looked at in a browser: with axe, with a ruler, and with an ear to the network.

The pages are the declared ones, with the subjects of the contract tests; the browser's requests are answered by the
town itself, without a network between. `Look` is one way a page can be looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zlib import crc32

from tests.contracts.site import Answer, Site, Visitor
from tests.contracts.subjects import Scene, questions

from yetan.app import application, assemble
from yetan.testing.town import HOST
from yetan.web.display import Display
from yetan.web.headers import security_headers

SITE = f"http://{HOST}"
#: The smallest phone that must do, and an office screen; the pages are 800 px high.
WIDTHS = (320, 1280)
#: The smallest side of what is pressed, in px: normal, elder mode.
TARGETS = (44, 60)


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look at a page. The width of `axe` is the one at which axe is run, beside measuring at all."""

    elder: bool
    light: str
    theme: str
    axe: tuple[int, ...] = WIDTHS

    def __str__(self) -> str:
        return f"{'elder' if self.elder else 'normal'} {self.light} {self.theme}"


#: Every way there is.
LOOKS = tuple(
    itertools.starmap(Look, itertools.product((False, True), ("day", "night", "contrast"), ("lantern", "seal")))
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A page that somebody gets, by the name of the question that asked for it."""

    name: str
    path: str
    visitor: Visitor

    @property
    def look(self) -> Look:
        """The one way of all in which the suite looks at it: always the same, another for the next page."""
        number = crc32(self.name.encode())
        return replace(LOOKS[number % len(LOOKS)], axe=(WIDTHS[number // len(LOOKS) % 2],))


#: Who is asked for first: the public, then those whose page it most likely is.
_FIRST = ("anonymous", "raiser", "township_clerk.own", "administrator.top")
#: What of a page is shown only when asked for: the page's path, the query. {id} and {version} are the issue's.
_OPENED = (
    ("/search", "q=灯"),
    ("/search", "q=没有这样的事"),
    ("/issues", "state=struck_off"),
    ("/desk/search", "q=灯"),
    ("/desk/queue/unit", "open={id}"),
    ("/desk/bulk/assign", "issues={id}:{version}"),
    *(("/desk/issues/{id}", f"do={step}") for step in ("transition.list", "transition.transfer")),
    *(("/desk/issues/{id}", f"do={step}") for step in ("progress", "photo", "raiser", "correct")),
    ("/admin/accounts", "q=没有这个人"),
    ("/no-such-page", ""),
)


def pages_of(scene: Scene) -> list[Seen]:
    """Every page in HTML that is read, as the first who gets it; as the public where nobody does."""
    site = scene.site
    readers = sorted(site.readers, key=lambda each: _FIRST.index(each.name) if each.name in _FIRST else len(_FIRST))
    issue = scene.town.reload(scene.issue)
    paths = [
        (each.name, each.path) for each in questions(scene) if each.method == "GET" and "[handed on]" not in each.name
    ]
    for path, query in _OPENED:
        asked = f"{path}?{query}" if query else path
        paths.append((asked, quote(asked.format(id=issue.id, version=issue.version), safe="/?=:.")))
    pages = [seen for name, path in paths if (seen := _seen(site, readers, name, path)) is not None]
    unseen = {f"{path}?{query}" for path, query in _OPENED if query} - {page.name for page in pages}
    assert not unseen, f"nobody gets {unseen}"
    return pages


def _seen(site: Site, readers: list[Visitor], name: str, path: str) -> Seen | None:
    answers = ((each, site.ask(each, path)) for each in readers)
    visitor, answer = next(((each, it) for each, it in answers if it.status == 200), (readers[0], None))
    answer = answer or site.ask(visitor, path)
    return Seen(name, path, visitor) if answer.headers.get("content-type", "").startswith("text/html") else None


@contextmanager
def themed(site: Site, theme: str) -> Iterator[None]:
    """The same town, drawn by another theme."""
    own, configuration = site.town.app, replace(site.town.configuration, theme=theme)
    site.town.app = application(configuration, assemble(configuration), site.town.clock, worker=False, site="all")
    try:
        yield
    finally:
        site.town.app = own


def faults_of(chromium: Any, site: Site, looks: Sequence[tuple[Seen, Look]]) -> list[str]:
    """What is wrong with pages, each looked at in its way, in words."""
    faults: list[str] = []
    for theme in sorted({look.theme for _, look in looks}):
        with themed(site, theme):
            onlooker = Onlooker(chromium, site)
            for seen, look in looks:
                if look.theme == theme:
                    faults += onlooker.look(seen, look)
            onlooker.context.close()
    return faults


class Onlooker:
    """A browser in which pages of a site are looked at, and what is wrong with them."""

    def __init__(self, chromium: Any, site: Site) -> None:
        self.site = site
        self.context = chromium.new_context(viewport={"width": WIDTHS[0], "height": 800})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.faults: list[str] = []
        self.page.on("console", lambda message: self._told(message.type, message.text))
        self.page.on("pageerror", lambda error: self._told("error", str(error)))
        self.context.route("**/*", self._answer)
        # The browser itself gives it to every page: half a megabyte on the way to each page takes as long as the page.
        self.context.add_init_script(f"window.loadAxe = () => {{\n{_axe()}\n}}")
        self._visitor = Visitor("nobody")
        #: What the site says a browser may keep for good: the same for everybody.
        self._kept: dict[str, Answer] = {}

    def look(self, seen: Seen, look: Look) -> list[str]:
        """What is wrong with a page, in words."""
        self._open(seen, Display(elder=look.elder, light=look.light))
        for width in WIDTHS:
            found = self._measured(width, TARGETS[look.elder])
            if width in look.axe:
                found += self.page.evaluate(_script("violations.js"))
            self.faults += [f"{width} px: {each}" for each in found]
        return [f"{seen.name} ({look}): {fault}" for fault in self.faults]

    def read(self, seen: Seen, display: Display, widths: Sequence[int]) -> list[str]:
        """What cannot be read on a page, in words: what is cut off, or stands on other words, or off the side."""
        self._open(seen, display)
        for width in widths:
            found = [*self._measured(width, TARGETS[display.elder]), *self.page.evaluate(_script("overlaps.js"))]
            self.faults += [f"{width} px: {each}" for each in found]
        return [f"{seen.name}: {fault}" for fault in self.faults]

    def _open(self, seen: Seen, display: Display) -> None:
        cookies = {**seen.visitor.cookies, "yetan-display": display.cookie()}
        self._visitor = replace(seen.visitor, cookies=cookies)
        self.faults = []
        self.page.goto(SITE + seen.path)

    def _measured(self, width: int, least: int) -> list[str]:
        self.page.set_viewport_size({"width": width, "height": 800})
        return list(self.page.evaluate(_script("measure.js"), [least, width]))

    def _answer(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        if address.netloc != HOST:
            self.faults.append(f"asks {route.request.url}, which is not this site")
            route.abort()
            return
        path = address.path + (f"?{address.query}" if address.query else "")
        answer = self._kept.get(path) or self.site.ask(self._visitor, path)
        if "immutable" in answer.headers.get("cache-control", ""):
            self._kept[path] = answer
        self.faults += [f"{address.path}: {fault}" for fault in missing_headers(self.site, answer)]
        route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)

    def _told(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(each in text for each in _EXPECTED):
            self.faults.append(f"the console says {text}")


def missing_headers(site: Site, answer: Answer) -> list[str]:
    """The security headers that an answer does not carry as it should (C13)."""
    due = security_headers(site.town.configuration)
    return [
        f"{name} is {answer.headers.get(name.lower())!r}"
        for name, value in due.items()
        if answer.headers.get(name.lower()) != value
    ]


@cache
def _axe() -> str:
    """axe-core's own script."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@cache
def _script(name: str) -> str:
    """A function in JavaScript, of the file beside this one."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


#: What the browser tells of pages that are not there, and of a site without https.
_EXPECTED = ("status of 404", "status of 403", "Cross-Origin-Opener-Policy header has been ignored")
