"""The docket of the monthly case conference: every matter without a decision, gone through one by one (002-B4)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from tortoise.expressions import Subquery

from yetan.access.roles import roles_holding
from yetan.access.scope import granted_units
from yetan.act import Act
from yetan.events.models import Event
from yetan.events.service import emit
from yetan.issues.lifecycle import UNLISTED
from yetan.issues.models import Issue, IssueScope, Remark
from yetan.notices.service import notify
from yetan.people.models import Post
from yetan.people.service import accounts_in, today, valid_on
from yetan.plugins.declarations import EventType, Job, NoticeKind
from yetan.statistics.service import Scoreboard, scoreboard

CONFERENCE = "docket.called"
EVENT_TYPE = EventType(CONFERENCE, "提请专题会研究")
NOTICE_KIND = NoticeKind(CONFERENCE, "本月专题会要逐件研究的还有 {count} 件，请打印会议清单。")
#: Who calls the conference: the township's clerk.
_CALLERS = frozenset({"township_clerk"})


class Item(Struct, frozen=True):
    """A matter on the docket: what it is, and the opinion the unit below sent up with it (002-B3)."""

    issue: Issue
    opinion: str


async def items_of(act: Act, limit: int = 300) -> list[Item]:
    """The matters nobody has listed or settled yet, within the subtree of the actor's posts, oldest first."""
    units = granted_units(act.actor, "issue.list")
    issues = await (
        Issue.filter(state__in=UNLISTED, historical=False)
        .filter(id__in=Subquery(IssueScope.filter(unit_id__in=units).values("issue_id")))
        .order_by("raised_at", "id")
        .limit(limit)
        .select_related("unit", "responsible_unit", "category")
    )
    opinions: dict[int, str] = {}
    for remark in await Remark.filter(issue_id__in=[issue.id for issue in issues], kind="opinion").order_by("id"):
        opinions[remark.issue_id] = remark.text
    return [Item(issue, opinions.get(issue.id, "")) for issue in issues]


async def standing(act: Act) -> Scoreboard:
    """How the matters of the actor's units stand: resolved, on schedule, overdue, and the rate (003-05, 003-06)."""
    units = granted_units(act.actor, "issue.list")
    seen = Subquery(IssueScope.filter(unit_id__in=units).values("issue_id"))
    return await scoreboard({"id__in": seen, "kind": "problem", "historical": False}, act.now)


async def remind(act: Act) -> None:
    """Job: tell each township's clerks how many matters this month's conference has to go through."""
    callers = sorted(roles_holding("issue.list") & _CALLERS)
    posts = await Post.filter(valid_on(today(act)), role__in=callers, account__active=True)
    for unit_id in sorted({post.unit_id for post in posts}):
        waiting = await (
            Issue.filter(state__in=UNLISTED, historical=False)
            .filter(id__in=Subquery(IssueScope.filter(unit_id=unit_id).values("issue_id")))
            .count()
        )
        if waiting:
            event = await emit(act, CONFERENCE, ("unit", unit_id), data={"count": waiting})
            await _tell(act, event, unit_id, callers, waiting)


async def _tell(act: Act, event: Event, unit_id: int, roles: Sequence[str], count: int) -> None:
    accounts = await accounts_in([unit_id], today(act), roles=roles)
    await notify(event, CONFERENCE, [account.id for account in accounts], count=count)


#: On the first of each month, at eight in the morning.
JOB = Job("core.conference", "month", remind, at_hour=8)
