"""Lists by day, the latest first, page by page: each page goes on behind the last row of the one before."""

from __future__ import annotations

from datetime import date
from typing import Any

from tortoise.expressions import Q
from tortoise.queryset import QuerySet


async def latest_first(
    rows: QuerySet[Any], before: str, size: int, *, day: str = "date", key: str = "id"
) -> tuple[list[Any], str]:
    """One page of `rows`, at most `size`, and what leads to the next one ("" on the last).

    `before` is what led here; the list begins at the beginning with anything else. `day` and `key` are columns that
    together tell the rows apart.
    """
    if (position := _position(before)) is not None:
        on, last = position
        earlier: dict[str, Any] = {f"{day}__lt": on}
        behind: dict[str, Any] = {f"{key}__lt": last}
        # The first bound lets an index be entered at the day; the second is exact.
        rows = rows.filter(**{f"{day}__lte": on}).filter(Q(**earlier) | Q(**behind))
    found = await rows.order_by(f"-{day}", f"-{key}").limit(size + 1)
    shown = found[:size]
    return shown, f"{getattr(shown[-1], day)}_{getattr(shown[-1], key)}" if len(found) > size else ""


def _position(text: str) -> tuple[date, int] | None:
    on, _underscore, last = text.partition("_")
    if not (last.isascii() and last.isdigit() and len(last) < 10):
        return None
    try:
        return date.fromisoformat(on), int(last)
    except ValueError:
        return None
