"""The category tree: loaded from the official list, extended, switched off; never deleted under an issue."""

from __future__ import annotations

from collections.abc import Sequence

from tortoise.transactions import in_transaction

from yetan.errors import Invalid
from yetan.issues.models import Category


async def load_categories(paths: Sequence[tuple[str, ...]]) -> int:
    """Add the categories that are not there yet, parents first. Returns how many were added."""
    added = 0
    async with in_transaction():
        known = {category.path: category.id for category in await Category.all()}
        for position, path in enumerate(paths):
            if len(path) > 3:
                raise Invalid(f"类别最多三级，“{'/'.join(path)}”太深了。")
            key = "/".join(path)
            if key in known:
                continue
            parent = known["/".join(path[:-1])] if len(path) > 1 else None
            category = await Category.create(
                parent_id=parent, name=path[-1], path=key, level=len(path), position=position
            )
            known[key] = category.id
            added += 1
    return added


async def set_active(category_id: int, active: bool) -> None:
    """Offer a category for new issues, or no longer; issues that have it keep it."""
    await Category.filter(id=category_id).update(active=active)


async def category_choices() -> list[tuple[str, str]]:
    """The categories offered, as form choices: (id, path)."""
    return [(str(row.id), row.path) for row in await Category.filter(active=True).order_by("position", "id")]
