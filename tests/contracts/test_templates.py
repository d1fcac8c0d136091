"""What templates promise each other, over core, plugins and themes."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from tests.contracts.site import own_plugins

from yetan.app import assemble
from yetan.testing import Town
from yetan.web.templating import Templating


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder: Path = tmp_path_factory.mktemp("templates")
    town = Town(f"sqlite://{folder}/town.sqlite3", folder, plugins=own_plugins(), search="whoosh", theme="lantern")
    return Templating(town.configuration, assemble(town.configuration)).environment


def _parsed(environment: Environment, name: str) -> nodes.Template:
    assert environment.loader is not None
    return environment.parse(environment.loader.get_source(environment, name)[0])


def _frame(template: nodes.Template) -> str | None:
    """The template this one extends, or None; also None where only the page knows."""
    for extends in template.find_all(nodes.Extends):
        if isinstance(extends.template, nodes.Const):
            return str(extends.template.value)
    return None


def _blocks(environment: Environment, name: str) -> set[str]:
    """The blocks of a template and of all it extends."""
    template = _parsed(environment, name)
    own = {block.name for block in template.find_all(nodes.Block)}
    frame = _frame(template)
    return own | (_blocks(environment, frame) if frame else set())


def _drawn(template: nodes.Template) -> set[str]:
    """The blocks that stand in another block, and are drawn with it."""
    outer = template.find_all(nodes.Block)
    return {inner.name for block in outer for inner in block.find_all(nodes.Block) if inner is not block}


def test_no_template_fills_a_block_that_its_frame_does_not_draw(environment: Environment) -> None:
    """Jinja passes over such a block without a word, and the page stays empty."""
    lost = []
    for name in environment.list_templates(["html"]):
        template = _parsed(environment, name)
        if frame := _frame(template):
            own = {block.name for block in template.find_all(nodes.Block)}
            lost += [f"{name}: {block}" for block in own - _drawn(template) - _blocks(environment, frame)]
    assert lost == []


def test_the_frames_are_found(environment: Environment) -> None:
    assert {"content", "title", "queues"} <= _blocks(environment, "desk.html")
    assert _frame(_parsed(environment, "desk.html")) == "base.html"
