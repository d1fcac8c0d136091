"""The desk's work queues: which issues wait for whom, the nearest deadline first, read by keyset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from yetan.access.scope import granted_units, holds, visible
from yetan.act import Act
from yetan.errors import NotFound
from yetan.events.models import Due
from yetan.i18n import translate as _
from yetan.issues.lifecycle import (
    HANDLING,
    LISTED,
    REPORTED,
    REPORTED_UP,
    RETURNED,
    TRANSFERRED,
    state_of,
    states_of,
)
from yetan.issues.models import Acceptance, Feedback, Issue
from yetan.people.models import Account
from yetan.plugins.declarations import State
from yetan.publication.models import Publication
from yetan.publication.service import waiting
from yetan.publication.views import StateView, days_between, local_day, state_view
from yetan.runtime import current
from yetan.units.models import Unit, UnitAncestor

PAGE_SIZE = 20


class Queue(Struct, frozen=True):
    """A list of work. `late`: whatever stands in it is bad news. `permission`: who has such a list at all."""

    name: str
    label: str
    empty: str
    permission: str = "issue.view"
    late: bool = False


QUEUES = (
    Queue("mine", "我的", "现在没有由您负责、还没办完的事。"),
    Queue("unit", "本单位", "您的单位现在没有要办的事。"),
    Queue("due-soon", "即将到期", "没有快到期限的事。"),
    Queue("overdue", "逾期", "没有超过期限的事。", late=True),
    Queue("awaiting", "待验收", "没有等反馈、验收或者销号的事。"),
    Queue("unassigned", "没有责任人", "每件事都定了责任人。"),
    Queue("publish", "待公开", "没有等审核的公开稿。", permission="publication.approve"),
)


def queues_of(act: Act) -> list[Queue]:
    """The queues the actor's posts have."""
    return [queue for queue in QUEUES if holds(act.actor, queue.permission)]


def queue_named(act: Act, name: str) -> Queue:
    """The queue of that name. Raises `NotFound` for one the actor does not have."""
    for queue in queues_of(act):
        if queue.name == name:
            return queue
    raise NotFound("没有这个列表，请从上面的栏目里选。")


def units_below(act: Act, permission: str) -> Any:
    """The units in which the actor holds a permission, and all below them, for `unit__in`."""
    granted = granted_units(act.actor, permission)
    return Subquery(UnitAncestor.filter(ancestor_id__in=granted).values("unit_id"))


async def issues_in(act: Act, queue: Queue) -> QuerySet[Issue]:
    """The issues of a queue. Each is scoped by units, and with them by what the actor may see.

    Imported answers that nobody accepted yet are not work that waits: they are found by searching.
    """
    below = units_below(act, "issue.view")
    here = Issue.filter(responsible_unit_id__in=below)
    going, awaiting = states_of("open"), states_of("awaiting")
    match queue.name:
        case "mine":
            own = Issue.filter(Q(responsible_unit_id__in=below) | Q(unit_id__in=below))
            return own.filter(owner_id=act.actor.account_id, state__in=[*going, *awaiting])
        case "due-soon":
            # The reminder, set by the unit's rule, is still to come for those that are not due soon.
            later = Due.filter(kind="issue.due_soon", subject_kind="issue", at__gt=act.now)
            timely = here.filter(state__in=going, deadline__gte=act.now)
            return timely.exclude(id__in=Subquery(later.values("subject_id")))
        case "overdue":
            return here.filter(state__in=going, deadline__lt=act.now)
        case "awaiting":
            return Issue.filter(unit_id__in=below, state__in=awaiting, historical=False)
        case "unassigned":
            return here.filter(state__in=going, owner_id__isnull=True)
        case "publish":
            return Issue.filter(id__in=Subquery(waiting(act).values("subject_id")))
        case _:
            return here.filter(state__in=going)


async def counts(act: Act) -> dict[str, int]:
    """How many issues stand in each of the actor's queues."""
    return {
        queue.name: await (waiting(act) if queue.name == "publish" else await issues_in(act, queue)).count()
        for queue in queues_of(act)
    }


class QueuePage(Struct, frozen=True):
    """Some issues of a queue and the id of the last one, after which to go on, or None at the end."""

    issues: tuple[Issue, ...]
    next: int | None


async def page_of(act: Act, queue: Queue, after: int | None = None, limit: int = PAGE_SIZE) -> QueuePage:
    """A page of a queue: nearest deadline first, then, oldest first, those without one.

    Drafts to be published stand in the order they were made. `after` is the issue the page before ended with.
    """
    last = await visible(Issue, act).get_or_none(id=after) if after is not None else None
    rows = await (_drafted if queue.name == "publish" else _by_deadline)(act, queue, last, limit + 1)
    page = tuple(rows[:limit])
    return QueuePage(page, page[-1].id if len(rows) > limit else None)


async def _by_deadline(act: Act, queue: Queue, last: Issue | None, limit: int) -> list[Issue]:
    issues = await issues_in(act, queue)
    rows: list[Issue] = []
    if last is None or last.deadline is not None:
        dated = issues.filter(deadline__isnull=False)
        rows += await _following(dated, "deadline", last).order_by("deadline", "id").limit(limit)
        last = None
    if len(rows) < limit:
        undated = issues.filter(deadline__isnull=True)
        rows += await _following(undated, "raised_at", last).order_by("raised_at", "id").limit(limit - len(rows))
    return rows


def _following(query: QuerySet[Any], instant: str, last: Any) -> QuerySet[Any]:
    """The rows after `last`: the bound first, as a range an index can use."""
    if last is None:
        return query
    at = getattr(last, instant)
    return query.filter(**{f"{instant}__gte": at}).filter(Q(**{f"{instant}__gt": at}) | Q(id__gt=last.id))


async def _drafted(act: Act, queue: Queue, last: Issue | None, limit: int) -> list[Issue]:
    before = await Publication.get_or_none(subject_kind="issue", subject_id=last.id) if last is not None else None
    drafts = _following(waiting(act), "prepared_at", before).order_by("prepared_at", "id").limit(limit)
    ids = [draft.subject_id for draft in await drafts]
    found = {issue.id: issue for issue in await Issue.filter(id__in=ids)}
    return [found[each] for each in ids if each in found]


class Row(Struct, frozen=True):
    """An issue in a queue. `days_left` to the deadline are below zero when it is past; None where they do not count."""

    id: int
    number: str
    title: str
    unit: str
    owner: str
    state: StateView
    deadline: date | None
    days_left: int | None
    next_step: str

    @property
    def time_left(self) -> str:
        """How long there is until the deadline, in words."""
        return days_left_in_words(self.days_left)


def days_left_in_words(days: int | None) -> str:
    """How long there is until the deadline."""
    if days is None:
        return ""
    if days < 0:
        return _("超{count}天", count=-days)
    return _("剩{count}天", count=days) if days else _("今天到期")


async def rows_of(act: Act, issues: Sequence[Issue], queue: Queue | None = None) -> list[Row]:
    """What a list shows of issues, read in a handful of queries."""
    unit_names = {row.id: row.name for row in await Unit.filter(id__in={issue.unit_id for issue in issues})}
    owners = {issue.owner_id for issue in issues if issue.owner_id is not None}
    names = {row.id: row.person.name for row in await Account.filter(id__in=owners).select_related("person")}
    told = await _told(issues)
    rows = []
    for issue in issues:
        state = state_of(issue.state)
        days_left = None
        if issue.deadline is not None and state.category == "open":
            days_left = days_between(act.now, issue.deadline)
        step = next_step(issue, state, days_left, told[issue.id])
        rows.append(
            Row(
                id=issue.id,
                number=issue.number,
                title=issue.title,
                unit=unit_names[issue.unit_id],
                owner=names.get(issue.owner_id or 0, ""),
                state=state_view(state, issue.deadline, issue.round, act.now),
                deadline=local_day(issue.deadline),
                days_left=days_left,
                next_step=_("看公开稿，批准或者改") if queue is not None and queue.name == "publish" else step,
            )
        )
    return rows


class Told(Struct, frozen=True):
    """What residents heard and said in the present round: fed back, and each verdict."""

    fed_back: bool = False
    verdicts: tuple[bool, ...] = ()


async def _told(issues: Sequence[Issue]) -> dict[int, Told]:
    rounds = {issue.id: issue.round for issue in issues}
    fed_back = {
        row.issue_id for row in await Feedback.filter(issue_id__in=list(rounds)) if row.round == rounds[row.issue_id]
    }
    verdicts: dict[int, list[bool]] = defaultdict(list)
    for row in await Acceptance.filter(issue_id__in=list(rounds)):
        if row.round == rounds[row.issue_id]:
            verdicts[row.issue_id].append(row.accepted)
    return {each: Told(each in fed_back, tuple(verdicts[each])) for each in rounds}


def next_step(issue: Issue, state: State, days_left: int | None, told: Told) -> str:
    """What has to happen next with an issue, in words."""
    if state.category == "closed_good":
        return _("已经销号")
    if state.category == "closed":
        return _("已经了结")
    if state.category == "awaiting":
        return _step_to_acceptance(issue, told)
    if days_left is not None and days_left < 0:
        return _("过了期限，要写明原因，告诉居民")
    if state.name in (REPORTED, TRANSFERRED, REPORTED_UP):
        return _("要立项：定责任人、措施、期限")
    if issue.owner_id is None:
        return _("要定责任人")
    if state.name == LISTED:
        return _("等责任人动手")
    if state.name == RETURNED:
        return _("居民没有同意，要再办")
    if state.name == HANDLING:
        return _("办完了写办理结果")
    for transition in current().registry.transitions.values():
        if state.name in transition.sources and transition.kind == "main":
            return _(transition.label)
    return _("打开看看怎么办")


def _step_to_acceptance(issue: Issue, told: Told) -> str:
    """Feedback, then acceptance, then the lamp (002-B13 to B16)."""
    if not told.fed_back:
        return _("办结了，还没有公示") if issue.collective else _("办结了，还没有告诉反映人")
    if not told.verdicts:
        return _("等居民验收")
    return _("居民同意了，可以销号") if all(told.verdicts) else _("居民没有同意，要退回再办")
