"""What officials find: every issue, under the units whose posts may see it and the persons who raised it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from yetan.issues.models import Issue, IssueScope, Raiser
from yetan.publication.search import category_lines
from yetan.runtime import current
from yetan.search import SearchDocument, SearchSource, contact_number, person_scope, unit_scope
from yetan.units.models import Unit

KIND = "issue"


async def load(ids: Sequence[int]) -> list[SearchDocument]:
    """The documents of issues, each with the scope terms of its scope rows and raisers."""
    issues = await Issue.filter(id__in=list(ids))
    scopes: dict[int, list[int]] = defaultdict(list)
    for issue_id, unit_id in await IssueScope.filter(issue_id__in=list(ids)).values_list("issue_id", "unit_id"):
        scopes[issue_id].append(unit_id)
    people: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    for row in await Raiser.filter(issue_id__in=list(ids)).select_related("person"):
        people[row.issue_id].append((row.person_id, row.person.name, row.person.phone))
    names = {unit.id: unit.name for unit in await Unit.filter(id__in={issue.unit_id for issue in issues})}
    paths = await category_lines()
    return [
        SearchDocument(
            key=f"{KIND}:{issue.id}",
            kind=KIND,
            title=issue.title,
            text=issue.text,
            reply="\n".join(each for each in (issue.measures, issue.outcome) if each),
            place=f"{names[issue.unit_id]} {issue.place}".strip(),
            numbers=(
                *(each for each in (issue.number, issue.source_number) if each),
                *(
                    contact_number(unit, contact)
                    for unit in scopes[issue.id]
                    for _, name, phone in people[issue.id]
                    for contact in (name, phone)
                    if contact
                ),
            ),
            units=tuple(scopes[issue.id]),
            categories=paths.get(issue.category_id or 0, ()),
            state=issue.state,
            matter=issue.kind,
            raised_at=issue.raised_at,
            year=current().calendar.local_date(issue.raised_at).year,
            scopes=frozenset(unit_scope(unit) for unit in scopes[issue.id])
            | frozenset(person_scope(person) for person, _, _ in people[issue.id]),
        )
        for issue in issues
    ]


async def ids(after: int, limit: int) -> list[int]:
    """Issues in ascending order, for a rebuild."""
    return [row["id"] for row in await Issue.filter(id__gt=after).order_by("id").limit(limit).values("id")]


SOURCE = SearchSource(KIND, load, ids, events=("issue.*",))
