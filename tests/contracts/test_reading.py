"""Looking changes nothing (C16)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from tests.contracts.site import noted_fields
from tests.contracts.subjects import Scene, questions

#: Who looked at what is noted, and what plugins took for it; sessions remember when they were last used.
NOTED = frozenset({"yetan_audit_record", "yetan_plugin_time", "yetan_session", "yetan_throttle"})


def _files(scene: Scene) -> dict[Path, int]:
    """When each file of the city was last written, but templates that were compiled to be drawn.

    The database is looked into instead, the index follows it.
    """
    folder = scene.town.configuration.data_dir
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files if path.parent != folder / "compiled"}


def addresses(path: str, names: list[str]) -> Iterator[str]:
    """The page with something in each field it looks at, but those that its address gives."""
    separator = "&" if "?" in path else "?"
    for name in names:
        if f"{name}=" in path:
            continue
        for value in ("1", "灯"):
            yield f"{path}{separator}{urlencode({name: value})}"


def test_no_page_that_is_read_changes_anything(scene: Scene) -> None:
    """Every page by everybody, then once more, with something in every field, by those who got it."""
    site = scene.site
    before, files = site.rows(without=NOTED), _files(scene)
    for question in questions(scene):
        if question.method != "GET" or question.ask.given is not None:
            continue
        with noted_fields() as noted:
            got = [each for each in site.readers if site.ask(each, question.path).status == 200]
        for visitor in got:
            site.ask(visitor, question.path)
        for address in addresses(question.path, list(noted)):
            for visitor in got[:1]:
                assert site.ask(visitor, address).status < 500, f"{visitor.name} cannot read {address}"
        after = site.rows(without=NOTED)
        changed = [table for table in after if after[table] != before[table]]
        assert not changed, f"Reading {question.path} changes {', '.join(changed)}"
        assert _files(scene) == files, f"Reading {question.path} changes files"
