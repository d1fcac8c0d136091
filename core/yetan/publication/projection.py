"""The projection every public surface reads, rebuilt from publications, issues and events; and its counters."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tortoise.transactions import in_transaction

from yetan.db.reading import load
from yetan.db.statements import locked, marks, whole
from yetan.events.models import Event
from yetan.events.service import emit_many, new_event
from yetan.faults import reached
from yetan.files.models import Attachment
from yetan.issues.models import Category, Issue, Raiser, Rating, Remark
from yetan.plugins.declarations import Subscription
from yetan.publication.models import Publication, PublicIssue, PublicIssueScope
from yetan.runtime import current
from yetan.statistics.service import CORE_METRICS, add_to_counters, figures_of
from yetan.units.models import Unit
from yetan.units.service import ancestors_of

#: Events of the publication itself: no part of the issue's own story.
OWN_EVENTS = "publication."

#: Told after each projection: the row is there, or gone. It is about the row, which has the number of its issue:
#: whoever changes the issue itself does not wait for the board.
PROJECTED = "publication.projected"
SUBJECT = "public_issue"

#: Issues projected in one go: all their rows are read in a handful of queries.
CHUNK = 200


async def project(issue_ids: Iterable[int], *, anew: bool = False) -> None:
    """Bring the projection of these issues up to date: rows of the published, none of the others. Idempotent.

    What stays as it was is not written, and nobody is told of it; `anew` writes it all the same.
    """
    ids = sorted(set(issue_ids))
    for start in range(0, len(ids), CHUNK):
        async with whole():
            await _project_chunk(ids[start : start + CHUNK], anew=anew)


async def stale(issue_ids: Sequence[int]) -> list[int]:
    """Those of at most `CHUNK` issues whose rows on the board are not what would be projected now. Reads alone."""
    published = Publication.filter(subject_kind="issue", subject_id__in=issue_ids, state="approved")
    new, old, lines = await _new_and_old(issue_ids, {row.subject_id: row for row in await published})
    scopes: dict[int, set[tuple[int, str]]] = {each: set() for each in issue_ids}
    for row in await PublicIssueScope.filter(issue_id__in=issue_ids).values("issue_id", "unit_id", "state"):
        scopes[row["issue_id"]].add((row["unit_id"], row["state"]))
    return [
        each
        for each in issue_ids
        if _columns(new.get(each)) != _columns(old.get(each))
        or scopes[each] != {(unit, new[each].state) for unit in (lines[new[each].unit_id] if each in new else ())}
    ]


async def rebuild() -> int:
    """Rebuild the whole projection and its counters from publications, issues and events. Returns how many rows."""
    from yetan.statistics.models import Counter

    async with in_transaction():
        approved = Publication.filter(subject_kind="issue", state="approved").order_by("id").select_for_update()
        ids = [publication.subject_id for publication in await approved.only("id", "subject_id")]
        await PublicIssue.all().delete()
        await Counter.filter(metric__in=[each.name for each in CORE_METRICS]).delete()
        await project(ids)
    return len(ids)


async def _project_chunk(ids: Sequence[int], *, anew: bool) -> None:
    # The publications' locks make two projections of one issue wait for each other, as its counters demand.
    theirs = f"subject_kind = 'issue' AND subject_id IN ({marks(len(ids))}) ORDER BY id{locked()}"
    publications = {row.subject_id: row for row in await load(Publication, theirs, ids) if row.state == "approved"}
    new, old, lines = await _new_and_old(ids, publications)
    changed = [each for each in ids if anew or _columns(new.get(each)) != _columns(old.get(each))]
    if not changed:
        return
    change: Tally[tuple[Any, ...]] = Tally()
    for each in changed:
        change.subtract(tuple(key) for key in (old[each].counted if each in old else ()))
        change.update(tuple(key) for key in (new[each].counted if each in new else ()))
    rows = [new[each] for each in changed if each in new]
    await PublicIssue.filter(issue_id__in=changed).delete()
    await PublicIssue.bulk_create(rows, batch_size=CHUNK)
    scopes = [
        PublicIssueScope(issue_id=row.issue_id, unit_id=unit, state=row.state, raised_at=row.raised_at)
        for row in rows
        for unit in lines[row.unit_id]
    ]
    await PublicIssueScope.bulk_create(scopes, batch_size=CHUNK)
    await add_to_counters(change)
    act = current().system_act()
    await emit_many(act, [new_event(act, PROJECTED, (SUBJECT, each)) for each in changed])
    reached("projection.chunk")


async def _new_and_old(
    ids: Sequence[int], publications: Mapping[int, Publication]
) -> tuple[dict[int, PublicIssue], dict[int, PublicIssue], Mapping[int, tuple[int, ...]]]:
    """By issue: its row as it should be, and as it stands; and the units above each of theirs."""
    issues = await Issue.filter(id__in=list(publications)) if publications else []
    new = {row.issue_id: row for row in await _rows(issues, publications)}
    old = {row.issue_id: row for row in await load(PublicIssue, f"issue_id IN ({marks(len(ids)) or 'NULL'})", ids)}
    lines = await ancestors_of({row.unit_id for row in (*new.values(), *old.values())})
    for row in new.values():
        row.counted = [list(key) for key in figures_of(row, lines[row.unit_id])]
    return new, old, lines


def _columns(row: PublicIssue | None) -> dict[str, Any] | None:
    return None if row is None else {name: getattr(row, name) for name in PublicIssue._meta.fields_db_projection}


async def _rows(issues: Sequence[Issue], publications: Mapping[int, Publication]) -> list[PublicIssue]:
    if not issues:
        return []
    ids = [issue.id for issue in issues]
    unit_names = {
        unit.id: unit.name
        for unit in await Unit.filter(id__in={i.unit_id for i in issues} | {i.responsible_unit_id for i in issues})
    }
    categories = {row.id: row for row in await Category.filter(id__in={i.category_id for i in issues if i.category_id})}
    tops = {row.name: row.id for row in await Category.filter(level=1)}
    raisers = Tally(row["issue_id"] for row in await Raiser.filter(issue_id__in=ids).values("issue_id"))
    ratings: dict[int, Tally[str]] = defaultdict(Tally)
    for issue_id, score in await Rating.filter(issue_id__in=ids).values_list("issue_id", "score"):
        ratings[issue_id][score] += 1
    timelines = await _timelines(issues, publications)
    photos = await _photos(ids)
    rows: list[PublicIssue] = []
    for issue in issues:
        face = publications[issue.id].approved
        category = categories.get(issue.category_id) if issue.category_id else None
        timeline, updated_at = timelines[issue.id]
        rows.append(
            PublicIssue(
                issue_id=issue.id,
                number=issue.number,
                source_number=issue.source_number or "",
                title=face["title"],
                text=face["text"],
                place=face["place"],
                measures=face["measures"],
                outcome=face["outcome"],
                state=issue.state,
                kind=issue.kind,
                collective=issue.collective,
                unit_id=issue.unit_id,
                unit_name=unit_names[issue.unit_id],
                responsible_unit_name=unit_names[issue.responsible_unit_id],
                category_id=issue.category_id,
                category_path=category.path if category else "",
                top_category_id=tops.get(category.path.split("/")[0]) if category else None,
                raised_at=issue.raised_at,
                raised_precision=issue.raised_precision,
                listed_at=issue.listed_at,
                deadline=issue.deadline,
                resolved_at=issue.resolved_at,
                struck_off_at=issue.struck_off_at,
                updated_at=updated_at,
                round=issue.round,
                raisers=raisers[issue.id],
                ratings=dict(ratings[issue.id]),
                timeline=timeline,
                photos=photos.get(issue.id, []),
            )
        )
    return rows


async def _timelines(
    issues: Sequence[Issue], publications: Mapping[int, Publication]
) -> dict[int, tuple[list[dict[str, str]], Any]]:
    """By issue: its public events, oldest first, each with the words that were approved; and the last one's instant."""
    ids = [issue.id for issue in issues]
    words: dict[int, list[str]] = defaultdict(list)
    for remark in await Remark.filter(issue_id__in=ids, audience="public").order_by("id"):
        approved = publications[remark.issue_id].approved.get("notes", {}).get(str(remark.id), "")
        if approved:
            words[remark.event_id].append(approved)
    lines: dict[int, list[dict[str, str]]] = {issue.id: [] for issue in issues}
    last = {issue.id: issue.raised_at for issue in issues}
    known = current().registry.event_types
    events = Event.filter(subject_kind="issue", subject_id__in=ids, audience="public").order_by("at", "id")
    for event in await events:
        last[event.subject_id] = max(last[event.subject_id], event.at)
        if event.type in known and not event.type.startswith(OWN_EVENTS):
            lines[event.subject_id].append(
                {"at": event.at.isoformat(), "type": event.type, "text": "\n".join(words[event.id])}
            )
    return {issue_id: (lines[issue_id], last[issue_id]) for issue_id in lines}


async def _photos(ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    photos: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in await Attachment.filter(subject_kind="issue", subject_id__in=ids, public=True).order_by("id"):
        photos[row.subject_id].append(row.face)
    return photos


async def follow_events(events: Sequence[Event]) -> None:
    """Subscriber: what happened to issues shows on the board, and new words wait for a reviewer."""
    from yetan.publication.service import renew_drafts

    fresh = {event.subject_id for event in events if not event.historical}
    issues = await load(Issue, f"id IN ({marks(len(fresh))}) ORDER BY id", list(fresh)) if fresh else []
    known = await renew_drafts(current().system_act(), issues)
    # What never was before the public, as most of what is new, has no row to bring up to date.
    unseen = {issue.id for issue in issues if issue.id not in known or known[issue.id].approved_at is None}
    await project({event.subject_id for event in events} - unseen)


SUBSCRIPTION = Subscription(
    "core.board", ("*",), follow_events, historical=True, without=(f"{OWN_EVENTS}*",), subjects=("issue",)
)
