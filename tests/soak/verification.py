"""What must be true of a city after each of its deaths. Every line found here is a loss."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from pathlib import Path

from tests.soak.city import COUNTED, OUTSIDE, outside_of
from tests.soak.journal import Journal

from yetan.audit import sealing
from yetan.audit.models import AuditRecord
from yetan.db.statements import fetch
from yetan.errors import NotFound
from yetan.events.jobs import RUN_LIMIT
from yetan.events.models import Delivery, Event, JobRun, RequestKey
from yetan.events.service import deliveries_of
from yetan.events.worker import Worker
from yetan.files.models import Attachment
from yetan.health import inspect
from yetan.issues.models import Issue, IssueScope, Remark
from yetan.publication import projection
from yetan.publication.models import Publication, PublicIssue, PublicIssueScope
from yetan.runtime import current
from yetan.search import SearchQuery, unit_scope
from yetan.statistics.models import Counter
from yetan.testing import Town

#: What `yetan check` says of a town that never filled in its footer or its next holidays.
_STATIC = {"footer", "calendar"}
#: Events that leave the row of their issue as it was.
_BESIDE = {"issue.reported", "issue.rated", "issue.photo_added", "issue.raiser_added", "issue.linked"}
#: What is told only of the first who does it: in a crowd nobody knows beforehand whether that is oneself.
_UNFORESEEN = {"issue.raiser_added", "issue.linked"}
_ROUNDS = 20

Findings = AsyncIterator[str]


async def settle(town: Town) -> None:
    """Let the worker finish, waiting out leases. Raises AssertionError if it never does."""
    for _ in range(_ROUNDS):
        await Worker(jitter=lambda: 0).run_once()
        if not await Delivery.filter(state="pending").exists():
            return
        town.clock.forward(minutes=7)
    raise AssertionError("the worker does not come to an end")


async def verify(town: Town, journal: Journal) -> list[str]:
    """Everything that is wrong in a settled city, beside what it answered."""
    parts = (_acknowledged, _imported, _keyed)
    return [*[finding for part in parts async for finding in part(journal)], *await verify_city(town)]


async def verify_city(town: Town) -> list[str]:
    """Everything in a settled city that does not fit together."""
    parts = (_told, _delivered, _lives, _pictured, _indexed, _sealed, _healthy)
    return [finding for part in parts async for finding in part(town)]


async def verify_at_length(town: Town) -> list[str]:
    """What takes too long to look at after each death. Afterwards the board has been rebuilt."""
    parts = (_found, _board, _jobs)
    return [finding for part in parts async for finding in part(town)]


async def _acknowledged(journal: Journal) -> Findings:
    """What was answered is there, once; of what was refused there is nothing."""
    wanted: dict[int, list[str]] = defaultdict(list)
    issues = {issue.id: issue for issue in await Issue.all()}
    by_number = {issue.number: issue.id for issue in issues.values()}
    for key, answer in journal.answers.items():
        if "issue" not in answer:
            continue
        issue = issues.get(answer["issue"])
        wanted[answer["issue"]] += journal.requests[key].events
        for number, events in journal.requests[key].beside.items():
            wanted[by_number[number]] += events
        if issue is None:
            yield f"issue {answer} of request {key} is gone"
        elif "number" in answer and (issue.number != answer["number"] or issue.version < answer["version"]):
            yield f"issue {issue.id} is behind what was answered to {key}: {issue.version}, {answer}"
    done: dict[int, list[str]] = defaultdict(list)
    people = Event.filter(subject_kind="issue", historical=False, actor__startswith="account:")
    for event in await people.order_by("id"):
        done[event.subject_id].append(event.type)
    for subject in sorted(set(wanted) | set(done) | {each.id for each in issues.values() if not each.historical}):
        # In a crowd the order of two answers is nobody's; that of the events is looked at beside the issue's row.
        unforeseen = _UNFORESEEN if journal.crowd else ()
        if _sorted(wanted[subject], unforeseen) != _sorted(done[subject], unforeseen):
            yield f"issue {subject}: acknowledged {wanted[subject]}, done {done[subject]}"


def _sorted(events: Iterable[str], unforeseen: Collection[str]) -> list[str]:
    return sorted(event for event in events if event not in unforeseen)


async def _imported(journal: Journal) -> Findings:
    """A ledger is in with all its rows, or not at all; with its raising and its answer, and published if asked."""
    rows: dict[str, list[Issue]] = defaultdict(list)
    for issue in await Issue.filter(historical=True):
        rows[str(issue.source)].append(issue)
    answers = {answer["source"]: answer for answer in journal.answers.values() if "source" in answer}
    if set(rows) != set(answers):
        yield f"ledgers: acknowledged {sorted(answers)}, found {sorted(rows)}"
    for source, answer in answers.items():
        ids = [issue.id for issue in rows[source]]
        events = await Event.filter(subject_kind="issue", subject_id__in=ids, historical=True).count()
        publications = Publication.filter(subject_kind="issue", subject_id__in=ids, approved_at__not_isnull=True)
        published = min(await publications.count(), answer["published"])
        if (len(ids), events, published) != (answer["rows"], answer["events"], answer["published"]):
            yield f"{source}: {answer}, but {len(ids)} issues, {events} events, {published} published"


async def _told(town: Town) -> Findings:
    """Every event has its deliveries, all of them done at the first attempt."""
    by_event: dict[int, list[Delivery]] = defaultdict(list)
    for delivery in await Delivery.all():
        by_event[delivery.event_id].append(delivery)
        if (delivery.state, delivery.attempts, delivery.lease_until) != ("done", 0, None):
            yield f"delivery {delivery.id} of event {delivery.event_id} to {delivery.subscriber}: {dict(delivery)}"
    for event in await Event.all():
        wanted = sorted(each.subscriber for each in deliveries_of(event, event.at))
        found = sorted(each.subscriber for each in by_event[event.id])
        if wanted != found:
            yield f"event {event.id} {event.type}: deliveries for {found}, not {wanted}"


async def _delivered(town: Town) -> Findings:
    """Transactional work was applied once; the outside world has heard of everything, under known keys."""
    events = {int(str(each)) for each in await Event.all().values_list("id", flat=True)}
    counted = {row["event_id"]: row["times"] for row in await fetch("SELECT event_id, times FROM soak_count")}
    if counted != dict.fromkeys(events, 1):
        wrong = {key: counted.get(key) for key in events | set(counted) if counted.get(key) != 1 or key not in events}
        yield f"{COUNTED}: applied other than once: {wrong}"
    outside = outside_of(town)
    keys = set(outside.read_text().splitlines() if outside.exists() else ())
    if keys != {f"{event}:{OUTSIDE}" for event in events}:
        yield f"{OUTSIDE}: told {len(keys)} keys of {len(events)} events"


async def _lives(town: Town) -> Findings:
    """The rows of an issue agree with its events: state, version, scopes; remarks have their event."""
    events: dict[int, list[Event]] = defaultdict(list)
    for event in await Event.filter(subject_kind="issue", type__startswith="issue.").order_by("id"):
        events[event.subject_id].append(event)
    scoped = {int(str(each)) for each in await IssueScope.all().distinct().values_list("issue_id", flat=True)}
    numbers = Tally[str]()
    for issue in await Issue.all():
        numbers[issue.number] += 1
        if issue.id not in scoped:
            yield f"issue {issue.id} has no scope"
        state, version = "reported", 1
        for event in events[issue.id]:
            if event.historical:
                state = event.data.get("to", state)
                continue
            if event.data.get("from", state) != state and "to" in event.data:
                yield f"issue {issue.id}: event {event.id} {event.type} leaves {event.data['from']}, but it was {state}"
            state = event.data.get("to", state)
            version += event.type not in _BESIDE and not event.actor.startswith("system")
        if (issue.state, issue.version) != (state, version):
            yield f"issue {issue.id} is {issue.state} {issue.version}, its events say {state} {version}"
    if repeated := [number for number, times in numbers.items() if times > 1]:
        yield f"numbers given out twice: {repeated}"
    known = {event.id for each in events.values() for event in each}
    for remark in await Remark.all():
        if remark.event_id not in known:
            yield f"remark {remark.id} belongs to no event"


async def _keyed(journal: Journal) -> Findings:
    """Every key holds its answer, and its change is on record once; of a request that was refused there is none."""
    done = await AuditRecord.filter(outcome="done", actor__startswith="account:").count()
    if done != (keys := await RequestKey.all().count()):
        yield f"audit: {done} deeds are on record, {keys} were done under a key"
    async for row in RequestKey.all():
        if row.result_id is None:
            yield f"key {row.key} of {row.service} has no answer"
        if row.key in journal.refusals:
            yield f"key {row.key} was refused and is kept: {journal.refusals[row.key]}"


async def _pictured(town: Town) -> Findings:
    """Every row of a photo has its file."""
    async for photo in Attachment.all():
        try:
            whole = current().files.open_path(photo.stored_name).stat().st_size > 0
        except NotFound:
            whole = False
        if not whole:
            yield f"photo {photo.id} of {photo.subject_kind} {photo.subject_id} has no file"


async def _indexed(town: Town) -> Findings:
    """The index holds what the database does."""
    search = current().search
    assert search is not None
    wanted: set[str] = set()
    for source in current().registry.search_sources.values():
        wanted |= {document.key for document in await source.load(await source.ids(0, 100_000))}
    if wanted != await search.keys():
        yield f"index and database differ in {sorted(wanted ^ await search.keys())}"


async def _sealed(town: Town) -> Findings:
    """The chain over the audit records holds."""
    chain = await sealing.verify()
    if not chain.ok:
        yield f"audit: {chain.fault}"


async def _healthy(town: Town) -> Findings:
    """`yetan check` is content with all it looks at."""
    for line in await inspect(current()):
        if not line.ok and line.name not in _STATIC:
            yield f"yetan check: {line.name}: {line.message}"


async def _board(town: Town) -> Findings:
    """The board and its figures are what they become when they are rebuilt from nothing."""
    models = (PublicIssue, PublicIssueScope, Counter)
    before = [await _rows(model) for model in models]
    await projection.rebuild()
    for model, was, now in zip(models, before, [await _rows(model) for model in models], strict=True):
        if was != now:
            gone, new = list(was - now), list(now - was)
            yield f"{model.__name__} changes when it is rebuilt: {gone[:3]} became {new[:3]}"
    await settle(town)


async def _rows(model: type[PublicIssue] | type[PublicIssueScope] | type[Counter]) -> Tally[str]:
    rows = await model.all().values()
    for row in rows:
        if model is not PublicIssue:
            row.pop("id", None)
    return Tally(repr(sorted(row.items(), key=str)) for row in rows if row.get("value") != 0)


async def _found(town: Town) -> Findings:
    """Each issue is found in the index by its number and under the state it is in."""
    search = current().search
    assert search is not None
    scopes = frozenset({unit_scope(town.units["city"])})
    for issue in await Issue.all():
        page = await search.search(SearchQuery(issue.number, scopes, frozenset({"issue"}), state=issue.state))
        if issue.id not in {hit.id for hit in page.hits}:
            yield f"issue {issue.id} is not found as {issue.number} in state {issue.state}"


async def _jobs(town: Town) -> Findings:
    """A job whose process died has been run again for that period."""
    town.clock.forward(hours=RUN_LIMIT.total_seconds() // 3600 + 1)
    await settle(town)
    runs = await JobRun.all()
    done = {(run.job, run.period.partition(" ")[0]) for run in runs if run.finished_at is not None and not run.error}
    latest = {run.job: max(each.period for each in runs if each.job == run.job) for run in runs}
    for job, period in latest.items():
        if (job, period.partition(" ")[0]) not in done:
            yield f"job {job} was never finished for {period}"


def tally_orphans(folder: Path, stored: set[str]) -> int:
    """How many files no row names: uploads whose process died before the row was written. No loss, but litter."""
    return sum(1 for path in folder.rglob("*") if path.is_file() and str(path.relative_to(folder)) not in stored)
