"""Who may do what, where: permissions over subtrees of units, and what is visible to whom. Deny by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tortoise.models import Model
from tortoise.queryset import QuerySet

from yetan.access.roles import roles_holding
from yetan.act import Act, Actor
from yetan.db.statements import fetch, marks
from yetan.errors import Forbidden
from yetan.i18n import translate
from yetan.plugins.checks import SIGNED_IN
from yetan.runtime import current
from yetan.search import PUBLIC_SCOPE, person_scope, unit_scope

M = TypeVar("M", bound=Model)

_ABOVE = "SELECT 1 FROM yetan_unit_ancestor WHERE unit_id IN ({units}) AND ancestor_id IN ({granted}) LIMIT 1"


def granted_units(actor: Actor, permission: str) -> frozenset[int]:
    """The units in which the actor's posts hold a permission."""
    roles = roles_holding(permission)
    anywhere = not current().registry.permissions[permission].whole_city
    return frozenset(grant.unit_id for grant in actor.grants if grant.role in roles and (anywhere or grant.whole_city))


def holds(actor: Actor, permission: str) -> bool:
    """Whether the actor holds a permission anywhere at all."""
    if actor.unrestricted:
        return True
    if permission in ("", SIGNED_IN):
        return permission == "" or actor.signed_in
    return bool(granted_units(actor, permission))


async def may(act: Act, permission: str, units: Iterable[int]) -> bool:
    """Whether the actor holds a permission over one of `units`: by a post in it, or above it where it descends."""
    if act.actor.unrestricted:
        return True
    if permission == SIGNED_IN:
        return act.actor.signed_in
    wanted, granted = frozenset(units), granted_units(act.actor, permission)
    if wanted & granted:
        return True
    if not granted or not current().registry.permissions[permission].descends:
        return False
    above = _ABOVE.format(units=marks(len(wanted)), granted=marks(len(granted)))
    return bool(wanted and await fetch(above, [*wanted, *granted]))


async def require(act: Act, permission: str, units: Iterable[int]) -> None:
    """Raise `Forbidden` unless `may` says yes."""
    if not await may(act, permission, units):
        label = current().registry.permissions[permission].label
        raise Forbidden("您的岗位没有“{label}”的权限。如果需要办理，请联系管理员核对您的岗位。", label=translate(label))


def visible(model: type[M], act: Act) -> QuerySet[M]:
    """The rows of a model the actor may see. A model without a declared visibility is an error, not open."""
    query: QuerySet[M] = current().registry.visibility[model].rows(act)
    return query


def search_scopes(act: Act, permission: str = "issue.view") -> frozenset[str]:
    """The scope terms the actor's searches carry: what is public, their own, and their posts' units."""
    actor = act.actor
    terms = {PUBLIC_SCOPE}
    if actor.person_id is not None:
        terms.add(person_scope(actor.person_id))
    return frozenset(terms | {unit_scope(unit) for unit in granted_units(actor, permission)})
