"""Nobody is offered what they are then refused."""

from __future__ import annotations

import re

from tests.contracts.site import Answer
from tests.contracts.subjects import Scene, questions

_LINK = re.compile(r'<a\b[^>]* href="(/[^"#]*)')


def _ways(answer: Answer) -> list[str]:
    """Where a page leads."""
    if answer.location:
        return [answer.location]
    return [link.replace("&amp;", "&") for link in _LINK.findall(answer.text)] if answer.status == 200 else []


def test_every_link_leads_somewhere_for_whom_it_is_drawn(scene: Scene) -> None:
    """From every page that somebody can read, wherever it leads: menus, rows of lists, things to do."""
    refused = []
    pages = [each.path for each in questions(scene) if each.method == "GET" and each.ask.given is None]
    for visitor in scene.site.readers:
        found: dict[str, str] = {}
        for page in pages:
            for way in _ways(scene.site.ask(visitor, page)):
                found.setdefault(way, page)
        for way, page in found.items():
            status = scene.site.ask(visitor, way).status
            if status >= 400:
                refused.append(f"{visitor.name} is led from {page} to {way}, and gets {status}")
    assert refused == []
