"""Parts of pages that are drawn once: `{% kept KEY, ... %}...{% endkept %}` in a template.

What stands between is kept under the key, the language and its place in the templates, and taken from there the next
time. So the key names everything the part says beside the city's configuration and what its plugins declare: what
changes has another key then, and nothing has to be dropped. With a key that is None the part is drawn each time; it
belongs to one reader alone.

`kept_each(macro, items, ..., key=KEY)` is what `macro(item, ...)` draws of each item. An item whose `content` is not
None is drawn once for that, the further arguments and the key.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sized
from typing import Generic, TypeVar

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup

from yetan.i18n import current_locale
from yetan.web.bodies import Body

#: Characters of the parts, or bytes of the pages, used lately; as many again may wait to be used once more.
ROOM = 1_000_000


Part = TypeVar("Part", bound=Sized)


class Fragments(Generic[Part]):
    """The kept parts, or pages, of one set of templates. What has not been used for long goes."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._left = room
        self._lately: dict[Hashable, Part] = {}
        self._before: dict[Hashable, Part] = {}

    def find(self, key: Hashable) -> Part | None:
        """What is kept under `key`."""
        part = self._lately.get(key)
        if part is None and (part := self._before.get(key)) is not None:
            self.keep(key, part)
        return part

    def keep(self, key: Hashable, part: Part) -> None:
        """Keep `part` under `key`."""
        self._left -= len(part)
        if self._left < 0:
            self._before, self._lately = self._lately, {}
            self._left = self._room
        self._lately[key] = part


class KeptParts(Extension):
    """The tag `kept`. Its body holds no block: what another template puts there would not be in the key."""

    tags = {"kept"}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.fragments: Fragments[Markup] = Fragments()
        #: Whole pages; see `Templating.render_kept`.
        self.pages: Fragments[Body] = Fragments()
        environment.globals["kept_each"] = self.each

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The body, drawn only where nothing is kept."""
        line = next(parser.stream).lineno
        key = parser.parse_tuple(with_condexpr=True)
        body = parser.parse_statements(("name:endkept",), drop_needle=True)
        for node in body:
            if isinstance(node, nodes.Block) or node.find(nodes.Block) is not None:
                parser.fail("A kept part holds no block.", line)
        place = nodes.Const(f"{parser.filename}:{line}")
        part = parser.free_identifier(line)
        drawn = [
            nodes.AssignBlock(part, None, body),
            nodes.ExprStmt(self.call_method("keep", [place, key, part])),
        ]
        missing = nodes.Test(part, "none", [], [], None, None)
        return [
            node.set_lineno(line)
            for node in (
                nodes.Assign(part, self.call_method("find", [place, key])),
                nodes.If(missing, drawn, [], []),
                nodes.Output([part]),
            )
        ]

    def find(self, place: str, key: Hashable) -> Markup | None:
        """What is kept of this place under `key` in the running request's language."""
        return None if key is None else self.fragments.find((place, current_locale(), key))

    def keep(self, place: str, key: Hashable, part: Markup) -> None:
        """Keep what was drawn."""
        if key is not None:
            self.fragments.keep((place, current_locale(), key), part)

    def each(
        self, macro: Callable[..., Markup], items: Iterable[object], *arguments: Hashable, key: Hashable
    ) -> Markup:
        """What `macro` draws of each item."""
        find, keep = self.fragments.find, self.fragments.keep
        place = (macro, arguments, key, current_locale())
        parts = []
        for item in items:
            content = getattr(item, "content", None)
            part = find((place, content)) if content is not None else None
            if part is None:
                part = macro(item, *arguments)
                if content is not None:
                    keep((place, content), part)
            parts.append(part)
        return Markup("").join(parts)


def pages_of(environment: Environment) -> Fragments[Body]:
    """The pages that are kept of the templates of an environment."""
    extension = environment.extensions[KeptParts.identifier]
    assert isinstance(extension, KeptParts)
    return extension.pages
