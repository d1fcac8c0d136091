"""What of the board can be found by anybody: the projection, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from yetan.issues.models import Category
from yetan.publication.models import PublicIssue
from yetan.runtime import current
from yetan.search import PUBLIC_SCOPE, SearchDocument, SearchSource
from yetan.units.models import UnitName
from yetan.units.service import ancestors_of

KIND = "public_issue"


async def load(ids: Sequence[int]) -> list[SearchDocument]:
    """The documents of published issues; an id that is not published has none."""
    rows = await PublicIssue.filter(issue_id__in=list(ids))
    lines = await ancestors_of({row.unit_id for row in rows})
    former = dict(await UnitName.filter(unit_id__in={row.unit_id for row in rows}).values_list("unit_id", "name"))
    paths = await category_lines()
    return [
        SearchDocument(
            key=f"{KIND}:{row.issue_id}",
            kind=KIND,
            title=row.title,
            text=row.text,
            reply="\n".join(each for each in (row.measures, row.outcome) if each),
            place=" ".join(each for each in (row.unit_name, former.get(row.unit_id, ""), row.place) if each),
            numbers=tuple(each for each in (row.number, row.source_number) if each),
            units=lines[row.unit_id],
            categories=paths.get(row.category_id or 0, ()),
            state=row.state,
            matter=row.kind,
            raised_at=row.raised_at,
            year=current().calendar.local_date(row.raised_at).year,
            scopes=frozenset({PUBLIC_SCOPE}),
        )
        for row in rows
    ]


async def category_lines() -> dict[int, tuple[int, ...]]:
    """Each category's id with those above it."""
    parents = {row["id"]: row["parent_id"] for row in await Category.all().values("id", "parent_id")}
    lines: dict[int, tuple[int, ...]] = {}
    for category in parents:
        line, each = [], category
        while each is not None:
            line.append(each)
            each = parents[each]
        lines[category] = tuple(line)
    return lines


async def ids(after: int, limit: int) -> list[int]:
    """Published issues in ascending order, for a rebuild."""
    rows = PublicIssue.filter(issue_id__gt=after).order_by("issue_id").limit(limit)
    return [row["issue_id"] for row in await rows.values("issue_id")]


#: Told by the projection itself, so that the index never reads a row before it is there.
SOURCE = SearchSource(KIND, load, ids, events=("publication.projected",))
