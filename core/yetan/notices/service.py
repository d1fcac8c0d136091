"""Who is told what: lines in inboxes, following from events. Telling twice is made impossible by the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from yetan.access.roles import roles_holding
from yetan.act import Act
from yetan.db.bulk import add_new
from yetan.db.reading import load
from yetan.db.statements import fetch, marks
from yetan.events.models import Event
from yetan.events.service import emit_many, new_event
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.people.service import ids_in
from yetan.plugins.declarations import NoticeKind
from yetan.runtime import current

NOTICE_KINDS = (
    NoticeKind("issue.assigned_to_you", "《{title}》（{number}）由您负责，请按时办理。"),
    NoticeKind("issue.arrived", "新到一件：《{title}》（{number}），请看看由谁来办。"),
    NoticeKind("issue.due_soon", "《{title}》（{number}）快到期限了，请抓紧办理或者说明原因延期。"),
    NoticeKind("issue.overdue", "《{title}》（{number}）过了期限还没有办结，请写明原因，并告诉居民进展。"),
    NoticeKind("issue.returned", "居民没有同意《{title}》（{number}）的办理结果，请再办。"),
    NoticeKind("issue.to_feed_back", "《{title}》（{number}）办结了，请把结果告诉居民，并请他们验收。"),
    NoticeKind("issue.to_strike_off", "居民同意了《{title}》（{number}）的办理结果，可以销号了。"),
    NoticeKind("issue.yours_moved", "您反映的《{title}》（{number}）有了新进展：{label}。"),
)

#: Event type to who is told of it, besides the raisers.
_TOLD: Mapping[str, Sequence[tuple[str, str]]] = {
    "issue.reported": (("home_list", "issue.arrived"),),
    "issue.transfer": (("responsible_list", "issue.arrived"),),
    "issue.report_up": (("responsible_list", "issue.arrived"),),
    "issue.list": (("owner", "issue.assigned_to_you"),),
    "issue.assigned": (("owner", "issue.assigned_to_you"),),
    "issue.due_soon": (("owner", "issue.due_soon"),),
    "issue.overdue": (
        ("owner", "issue.overdue"),
        ("supervisor", "issue.overdue"),
        ("responsible_list", "issue.overdue"),
    ),
    "issue.return": (("owner", "issue.returned"),),
    "issue.resolve": (("home_feed_back", "issue.to_feed_back"),),
    "issue.settle": (("home_feed_back", "issue.to_feed_back"),),
    "issue.accepted": (("home_strike_off", "issue.to_strike_off"),),
}
#: What raisers with an account hear of: every step that is public.
_RAISERS_HEAR = frozenset(
    f"issue.{name}"
    for name in (
        "list",
        "start",
        "resolve",
        "settle",
        "transfer",
        "report_up",
        "extend",
        "decline",
        "merge",
        "strike_off",
        "reopen",
        "reconsider",
        "progress",
        "feedback",
    )
)
#: Told of each notice where there is a channel that brings notices; its subject is the notice.
GIVEN = "notice.given"
_NOTICE = "notice"

_RAISERS = """
SELECT raiser.issue_id, account.id AS account_id FROM yetan_raiser raiser
JOIN yetan_account account ON account.person_id = raiser.person_id
WHERE account.active AND raiser.issue_id IN ({issues}) ORDER BY raiser.id"""

EVENTS = tuple(sorted(set(_TOLD) | _RAISERS_HEAR))


async def tell(events: Sequence[Event]) -> None:
    """Subscriber: write the notices that follow from issue events. Nobody is told what they did themselves."""
    ids = {event.subject_id for event in events}
    issues = {issue.id: issue for issue in await load(Issue, f"id IN ({marks(len(ids))})", list(ids))}
    raisers = await _raisers({event.subject_id for event in events if event.type in _RAISERS_HEAR})
    officials = _Officials()
    rows: list[Notice] = []
    for event in events:
        issue = issues.get(event.subject_id)
        if issue is None:
            continue
        told = [
            (kind, account) for group, kind in _TOLD.get(event.type, ()) for account in await officials.of(issue, group)
        ]
        rows += [_notice(event, kind, account) for kind, account in told]
        if event.type in _RAISERS_HEAR:
            label = current().registry.event_types[event.type].label
            rows += [_notice(event, "issue.yours_moved", account, label=label) for account in raisers[issue.id]]
    doers = {event.id: event.actor for event in events}
    told_rows = [row for row in rows if f"account:{row.account_id}" != doers[row.event_id]]
    await _put(told_rows)


def _notice(event: Event, kind: str, account_id: int, **data: Any) -> Notice:
    return Notice(
        account_id=account_id,
        at=event.at,
        kind=kind,
        subject_kind=event.subject_kind,
        subject_id=event.subject_id,
        event_id=event.id,
        data=data,
    )


class _Officials:
    """Who stands for a group of an issue's officials; those of a unit are asked for once."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], list[int]] = {}

    async def of(self, issue: Issue, group: str) -> Iterable[int]:
        if group == "owner":
            return [issue.owner_id] if issue.owner_id else []
        if group == "supervisor":
            return [issue.supervisor_id] if issue.supervisor_id else []
        where, _, right = group.partition("_")
        unit = issue.unit_id if where == "home" else issue.responsible_unit_id
        if (unit, right) not in self._found:
            day = current().calendar.local_date(current().clock())
            self._found[unit, right] = await ids_in([unit], day, roles=sorted(roles_holding(f"issue.{right}")))
        return self._found[unit, right]


async def _raisers(issues: Collection[int]) -> Mapping[int, list[int]]:
    """The accounts of those who raised each issue."""
    found: dict[int, list[int]] = defaultdict(list)
    if issues:
        for row in await fetch(_RAISERS.format(issues=marks(len(issues))), list(issues)):
            found[row["issue_id"]].append(row["account_id"])
    return found


async def notify(event: Event, kind: str, accounts: Iterable[int], **data: Any) -> None:
    """Put a line of a declared kind into inboxes, because of an event. Doing it twice tells nobody twice."""
    assert kind in current().registry.notice_kinds, f"notice kind {kind!r} is not declared in yetan_notice_kinds"
    rows = [_notice(event, kind, account, **data) for account in sorted(set(accounts))]
    await _put(rows)


async def _put(rows: Sequence[Notice]) -> None:
    """Write the notices that are not there yet, and tell the channels of those."""
    if not current().registry.notice_channels:
        await add_new(rows)
        return
    written = Notice.filter(event_id__in={row.event_id for row in rows})
    known = {row["id"] for row in await written.values("id")}
    await add_new(rows)
    new = [row["id"] for row in await written.order_by("id").values("id") if row["id"] not in known]
    act = current().system_act()
    await emit_many(act, [new_event(act, GIVEN, (_NOTICE, each)) for each in new])


async def inbox(act: Act, *, before: int | None = None, limit: int = 30) -> list[Notice]:
    """The actor's notices, newest first."""
    query = Notice.filter(account_id=act.actor.account_id)
    if before is not None:
        query = query.filter(id__lt=before)
    return await query.order_by("-id").limit(limit)


async def unread(act: Act) -> int:
    """How many notices the actor has not read."""
    return await Notice.filter(account_id=act.actor.account_id, read_at=None).count()


async def mark_read(act: Act, up_to: int) -> None:
    """Everything up to a notice has been read."""
    await Notice.filter(account_id=act.actor.account_id, id__lte=up_to, read_at=None).update(read_at=act.now)
