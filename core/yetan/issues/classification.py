"""The category tree: loaded from the official list, extended, switched off; never deleted under an issue."""

from __future__ import annotations

from collections.abc import Sequence

from tortoise.expressions import Q
from tortoise.transactions import in_transaction

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Invalid, NotFound
from yetan.issues.models import Category
from yetan.units.service import root


async def load_categories(paths: Sequence[tuple[str, ...]]) -> int:
    """Add the categories that are not there yet, parents first. Returns how many were added."""
    added = 0
    async with in_transaction():
        known = {category.path: category.id for category in await Category.all()}
        for position, path in enumerate(paths):
            if len(path) > 3:
                raise Invalid("类别最多三级，“{path}”太深了。", path="/".join(path))
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


@change(Category)
async def set_active(act: Act, category_id: int, active: bool) -> Category:
    """Offer a category, with all below it, for new issues, or no longer; issues that have it keep it.

    Switched on, those above it are offered too.
    """
    await require(act, "category.manage", [(await root()).id])
    category = await Category.get_or_none(id=category_id)
    if category is None:
        raise NotFound
    names = category.path.split("/")
    above = ["/".join(names[:level]) for level in range(1, len(names))] if active else []
    await Category.filter(Q(id=category.id) | Q(path__in=above)).update(active=active)
    below = [category.id]
    while below:
        below = [row["id"] for row in await Category.filter(parent_id__in=below).values("id")]
        await Category.filter(id__in=below).update(active=active)
    return category


async def category_choices() -> list[tuple[str, str]]:
    """The categories offered, as form choices: (id, path)."""
    return [(str(row.id), row.path) for row in await Category.filter(active=True).order_by("position", "id")]
