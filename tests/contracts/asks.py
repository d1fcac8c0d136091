"""How a page is asked, and what is sent with forms."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image
from tests.contracts.site import File

if TYPE_CHECKING:
    from tests.contracts.subjects import Scene


@dataclass(frozen=True, slots=True)
class Ask:
    """How a page is asked: the values of its form, what has to have happened before, and the query of its address.

    `over_unit` says that the form names a unit of HOME, so that the answer depends on where one's post is.
    """

    body: Callable[[Scene], Mapping[str, Any]] = field(default=lambda scene: {})
    given: Callable[[Scene], None] | None = None
    over_unit: bool = False
    query: str = ""


def picture(colour: tuple[int, int, int] = (120, 160, 200)) -> File:
    """A photo as a phone would send it."""
    content = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(content, "JPEG")
    return File("lamp.jpg", content.getvalue())
