"""Which persons, accounts, posts and households an actor may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tortoise.expressions import Q, Subquery

from yetan.access.scope import granted_units
from yetan.act import Act
from yetan.people.models import Account, Household, Link, Person, Post
from yetan.plugins.declarations import Visibility
from yetan.units.models import Unit, UnitAncestor


def _below(act: Act, permission: str) -> Any:
    units = granted_units(act.actor, permission)
    return Subquery(UnitAncestor.filter(ancestor_id__in=units).values("unit_id"))


def _accounts(act: Act) -> Any:
    """Accounts with a post below, or whose person belongs below, where one manages accounts."""
    if act.actor.unrestricted:
        return Account.all()
    below = _below(act, "account.manage")
    posted = Subquery(Post.filter(unit_id__in=below).values("account_id"))
    return Account.filter(Q(id__in=posted) | Q(person__unit_id__in=below))


async def _account_units(account: Account) -> Mapping[str, int]:
    units = {f"post:{post.id}": post.unit_id for post in await Post.filter(account_id=account.id)}
    person = await Person.get(id=account.person_id)
    return units | ({"person": person.unit_id} if person.unit_id is not None else {})


def _posts(act: Act) -> Any:
    return Post.all() if act.actor.unrestricted else Post.filter(unit_id__in=_below(act, "account.manage"))


def _links(act: Act) -> Any:
    return Link.all() if act.actor.unrestricted else Link.filter(unit_id__in=_below(act, "account.manage"))


async def _unit_of(row: Any) -> Mapping[str, int]:
    return {"unit": row.unit_id}


def _persons(act: Act) -> Any:
    return Person.all() if act.actor.unrestricted else Person.filter(unit_id__in=_below(act, "person.privacy"))


async def _person_units(person: Person) -> Mapping[str, int]:
    return {"unit": person.unit_id} if person.unit_id is not None else {}


def _households(act: Act) -> Any:
    """Not what lies below: only the very units one answers for."""
    if act.actor.unrestricted:
        return Household.all()
    return Household.filter(unit_id__in=granted_units(act.actor, "household.manage"))


def _units(act: Act) -> Any:
    return Unit.all() if act.actor.unrestricted else Unit.filter(id__in=_below(act, "unit.manage"))


async def _unit_itself(unit: Unit) -> Mapping[str, int]:
    return {"unit": unit.id}


VISIBILITY = (
    Visibility(Account, _accounts, _account_units),
    Visibility(Post, _posts, _unit_of),
    Visibility(Link, _links, _unit_of),
    Visibility(Person, _persons, _person_units),
    Visibility(Household, _households, _unit_of),
    Visibility(Unit, _units, _unit_itself),
)
