"""What the select boxes of a form offer, loaded from the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yetan.access.scope import granted_units
from yetan.act import Act
from yetan.i18n import translate as _
from yetan.issues.classification import category_choices
from yetan.people.service import accounts_in, posts_on, today
from yetan.runtime import current
from yetan.units.models import Unit, UnitAncestor
from yetan.units.service import ancestors_of
from yetan.web.forms import Choices, Field


async def choices_for(
    act: Act, fields: Sequence[Field], *, raising: bool = False, near: int | None = None
) -> dict[str, Choices]:
    """The choices of every field that picks a row.

    With `raising` only units where residents raise issues are offered. Accounts are those with a post in the unit
    `near` or above it; without it, all.
    """
    offered: dict[str, Choices] = {}
    for field in fields:
        if field.kind == "unit":
            offered[field.name] = await unit_choices(raising=raising)
        elif field.kind == "category":
            offered[field.name] = await category_choices()
        elif field.kind == "account":
            offered[field.name] = await account_choices(act, near)
    return offered


async def unit_choices(*, raising: bool = False) -> Choices:
    """Active units as (id, "parent name"), in the tree's order."""
    kinds = current().configuration.unit_kinds
    units = await Unit.filter(active=True).order_by("position", "id")
    names = {unit.id: unit.name for unit in units}
    return [
        (str(unit.id), f"{names.get(unit.parent_id or 0, '')} {unit.name}".strip())
        for unit in units
        if not raising or (unit.kind in kinds and kinds[unit.kind].raises)
    ]


async def units_within(act: Act, permission: str) -> Choices:
    """As `unit_choices`, but only units in which the actor holds a permission that descends."""
    offered = await unit_choices()
    if act.actor.unrestricted:
        return offered
    below = UnitAncestor.filter(ancestor_id__in=granted_units(act.actor, permission))
    within = {str(row["unit_id"]) for row in await below.values("unit_id")}
    return [(unit, label) for unit, label in offered if unit in within]


def words_for_units(units: Sequence[Unit]) -> Mapping[str, int]:
    """What `units` may be called in a table, and which is meant: codes, and names where no other of them bears it."""
    names = [unit.name for unit in units]
    coded = {unit.code: unit.id for unit in units if unit.code}
    return coded | {unit.name: unit.id for unit in units if names.count(unit.name) == 1}


async def account_choices(act: Act, near: int | None) -> Choices:
    """Active accounts as (id, "name title"), those with a post in the unit `near` first, then those above it."""
    if near is None:
        return await account_choices_in(act, [row["id"] for row in await Unit.filter(active=True).values("id")])
    return await account_choices_in(act, (await ancestors_of([near]))[near])


async def account_choices_in(act: Act, units: Sequence[int]) -> Choices:
    """As `account_choices`, those with a post in one of `units`, in the order of these."""
    rank = {unit: place for place, unit in enumerate(units)}
    accounts = await accounts_in(units, today(act))
    posts = {
        post.account_id: post for post in await posts_on([a.id for a in accounts], today(act)) if post.unit_id in rank
    }
    names = {unit.id: unit.name for unit in await Unit.filter(id__in=[post.unit_id for post in posts.values()])}
    accounts.sort(key=lambda account: (rank[posts[account.id].unit_id], account.id))
    return [
        (
            str(a.id),
            _("{name}（{title}）", name=a.person.name, title=f"{names[posts[a.id].unit_id]}{posts[a.id].title}"),
        )
        for a in accounts
    ]
