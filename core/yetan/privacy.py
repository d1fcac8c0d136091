"""Every column says how personal it is, so that export and erasure of a person follow the tags (C72 to C74)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

#: public: anybody may read it. internal: about the matter, not about a person. personal: tells who somebody is.
#: sensitive: contact, address, identity; shown masked unless granted, and each look is recorded.
Tag = Literal["public", "internal", "personal", "sensitive"]


class Privacy(Struct, frozen=True):
    """The tags of a model's columns, each a string of column names separated by spaces.

    `person` names the column holding the person the row is about, or is "" where a row is about nobody.
    `erase` says what becomes of such a row: its personal and sensitive columns are cleared ("clear"), the row goes
    ("delete"), or an async function is called with the person's id. `id` is always internal.
    """

    public: str = ""
    internal: str = ""
    personal: str = ""
    sensitive: str = ""
    person: str = ""
    erase: Literal["clear", "delete"] | Callable[[int], Awaitable[Any]] = "clear"

    def tags(self) -> dict[str, Tag]:
        """Column name to tag."""
        tagged: dict[str, Tag] = {"id": "internal"}
        groups: tuple[tuple[Tag, str], ...] = (
            ("public", self.public),
            ("internal", self.internal),
            ("personal", self.personal),
            ("sensitive", self.sensitive),
        )
        for tag, names in groups:
            for name in names.split():
                assert tagged.get(name, tag) in (tag, "internal"), f"column {name!r} is tagged twice"
                tagged[name] = tag
        return tagged
