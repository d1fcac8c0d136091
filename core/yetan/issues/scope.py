"""Who may see which issues: scope rows by unit, and the raisers themselves; and what a change of units does to both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from yetan.access.scope import granted_units
from yetan.act import Act
from yetan.db.reading import load
from yetan.db.statements import execute, marks
from yetan.events.service import emit_many, new_event
from yetan.issues.events import UNIT_CHANGED
from yetan.issues.models import Issue, IssueScope, Raiser
from yetan.units.service import subtree_of

_CHUNK = 500
_WRITE = """
INSERT INTO yetan_issue_scope (issue_id, unit_id, raised_at)
SELECT DISTINCT issue.id, above.ancestor_id, issue.raised_at FROM yetan_issue issue
JOIN yetan_unit_ancestor above ON above.unit_id IN ({concerned})
WHERE issue.id IN ({issues}) ON CONFLICT DO NOTHING"""

#: What `visible_issues` says, of one issue.
_SEEN = """ AND (
    EXISTS (SELECT 1 FROM yetan_issue_scope WHERE issue_id = yetan_issue.id AND unit_id IN ({units}))
    OR EXISTS (SELECT 1 FROM yetan_raiser WHERE issue_id = yetan_issue.id AND person_id = ?)
)"""


def visible_issues(act: Act) -> QuerySet[Issue]:
    """Issues within the subtree of one's posts, and those one raised oneself."""
    if act.actor.unrestricted:
        return Issue.all()
    allowed = Q(id__in=[])
    units = granted_units(act.actor, "issue.view")
    if units:
        allowed |= Q(id__in=Subquery(IssueScope.filter(unit_id__in=units).values("issue_id")))
    if act.actor.person_id is not None:
        allowed |= Q(id__in=Subquery(Raiser.filter(person_id=act.actor.person_id).values("issue_id")))
    return Issue.filter(allowed)


async def visible_issue(act: Act, issue_id: int) -> Issue | None:
    """The issue, if `visible_issues` has it: what every change asks, and so not of the ORM."""
    if act.actor.unrestricted:
        condition, values = "", []
    else:
        units, person = sorted(granted_units(act.actor, "issue.view")), act.actor.person_id
        condition, values = _SEEN.format(units=marks(len(units)) or "NULL"), [*units, person]
    found = await load(Issue, f"id = ?{condition}", [issue_id, *values])
    return found[0] if found else None


async def issue_units(issue: Issue) -> Mapping[str, int]:
    """The units an issue's permissions are checked against: where it was raised, and who has to act."""
    return {"home": issue.unit_id, "responsible": issue.responsible_unit_id}


async def write_scopes(issues: Sequence[Issue], units: Iterable[int] = ()) -> None:
    """Add the scope rows of issues: the ancestors of home, responsible unit and further `units`.

    Rows are only added: who once had the matter keeps seeing what became of it.
    """
    further = list(units)
    for start in range(0, len(issues), _CHUNK):
        ids = [issue.id for issue in issues[start : start + _CHUNK]]
        concerned = ", ".join(["issue.unit_id", "issue.responsible_unit_id", *"?" * len(further)])
        await execute(_WRITE.format(concerned=concerned, issues=marks(len(ids))), [*further, *ids])


async def follow_units(act: Act, units: Iterable[int]) -> None:
    """Let the issues of `units`, and of all below them, follow their new names and places in the tree.

    Call it in the transaction of that change. Who is above them now sees them at once; board and index hear of each.
    """
    below = sorted({each for unit in units for each in await subtree_of(unit)})
    after = 0
    concerned = Issue.filter(Q(unit_id__in=below) | Q(responsible_unit_id__in=below)).order_by("id")
    while issues := await concerned.filter(id__gt=after).limit(_CHUNK):
        await write_scopes(issues)
        await emit_many(act, [new_event(act, UNIT_CHANGED, ("issue", issue.id)) for issue in issues])
        after = issues[-1].id
