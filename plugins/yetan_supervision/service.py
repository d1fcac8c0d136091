"""When a dunning notice is due, and issuing one (002-B10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tortoise.expressions import Subquery

from yetan.api import (
    Account,
    Act,
    Event,
    Issue,
    NotFound,
    Refused,
    change,
    current,
    emit,
    load,
    notify,
    require,
    set_due,
    translate,
    value_of,
    visible,
)
from yetan_supervision.configuration import SupervisionConfiguration
from yetan_supervision.models import DunningNotice

DUE = "supervision.dunning"
DUNNED = "supervision.dunned"
LEAD_DAYS = "supervision.lead_days"


async def follow_issue(events: Sequence[Event]) -> None:
    """Subscriber: a listed or extended issue is to be dunned some days before its deadline; a finished one is not."""
    ids = sorted({event.subject_id for event in events})
    for issue in await load(Issue, f"id IN ({', '.join('?' * len(ids))})", ids):
        await set_due(DUE, ("issue", issue.id), await _due_at(issue))


async def _due_at(issue: Issue) -> datetime | None:
    """When the issue is to be dunned: as many days before its deadline as its unit says; None for never.

    Never: history, what nobody has to act on, and what was dunned for this deadline.
    """
    configuration: SupervisionConfiguration = current().plugin_configurations["supervision"]
    if not configuration.automatic or issue.historical or issue.deadline is None or not is_open(issue):
        return None
    if await load(DunningNotice, "issue_id = ? AND deadline = ?", [issue.id, issue.deadline]):
        return None
    return issue.deadline - timedelta(days=int(await value_of(LEAD_DAYS, issue.responsible_unit_id)))


def is_open(issue: Issue) -> bool:
    """Whether somebody still has to act on it."""
    state = current().registry.states.get(issue.state)
    return state is not None and state.category == "open"


async def fall_due(act: Act, issue_id: int) -> None:
    """The day has come: issue the notice, unless the deadline or the rule has moved it on since."""
    issue = await Issue.get_or_none(id=issue_id)
    at = await _due_at(issue) if issue is not None else None
    if issue is None or at is None:
        return
    if at > act.now:
        await set_due(DUE, ("issue", issue.id), at)
    else:
        await _issue_notice(act, issue)


@change(DunningNotice)
async def dun(act: Act, issue_id: int) -> DunningNotice:
    """Issue a notice by hand. Raises `Refused` for an issue without a deadline, closed, or dunned for it already."""
    issue = await visible(Issue, act).get_or_none(id=issue_id)
    if issue is None:
        raise NotFound
    await require(act, "supervision.dun", [issue.unit_id, issue.responsible_unit_id])
    if reason := await dun_refusal(act, issue):
        raise Refused(reason)
    notice = await _issue_notice(act, issue)
    if notice is None:
        raise Refused("这个期限的《催办单》已经发过了。延期以后才会有新的。")
    return notice


async def dun_refusal(act: Act, issue: Issue) -> str:
    """Why no notice can be issued now, or ""."""
    if issue.deadline is None or not is_open(issue):
        return translate("这件事没有在办的期限，不用催办。")
    if await DunningNotice.filter(issue_id=issue.id, deadline=issue.deadline).exists():
        return translate("这个期限的《催办单》已经发过了。延期以后才会有新的。")
    return ""


async def dun_one_of_several(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> DunningNotice:
    """`dun` as part of a bulk action: whatever else was done to the issue meanwhile does not stand in its way."""
    return await dun(act, issue.id)


async def _issue_notice(act: Act, issue: Issue) -> DunningNotice | None:
    """Write the notice unless there is one for this deadline, and tell those who have to act."""
    assert issue.deadline is not None
    calendar = current().calendar
    notice, created = await DunningNotice.get_or_create(
        {
            "issued_at": act.now,
            "days_left": (calendar.local_date(issue.deadline) - calendar.local_date(act.now)).days,
            "issued_by_id": act.actor.account_id,
        },
        issue_id=issue.id,
        deadline=issue.deadline,
    )
    if not created:
        return None
    event = await emit(act, DUNNED, ("issue", issue.id), audience="public", data={"notice_id": notice.id})
    told = [account for account in (issue.owner_id, issue.supervisor_id) if account is not None]
    await notify(event, DUNNED, told)
    await set_due(DUE, ("issue", issue.id), None)
    return notice


async def notices_of(act: Act, issue: Issue) -> Mapping[str, Any] | None:
    """The panel on an issue's desk page: the notices so far, and whether one may be issued now."""
    notices = await DunningNotice.filter(issue_id=issue.id).order_by("-id")
    dunned = any(notice.deadline == issue.deadline for notice in notices)
    return {
        "notices": notices,
        "may_dun": issue.deadline is not None and is_open(issue) and not dunned,
        "issue": issue,
    }


async def has_notice(act: Act, issue: Issue) -> bool:
    """Whether there is a notice to print."""
    return await DunningNotice.filter(issue_id=issue.id).exists()


async def notice_paper(act: Act, issue: Issue) -> Mapping[str, Any]:
    """What the printed 《催办单》 shows: the newest notice. Raises `NotFound` when there is none yet."""
    notice = await DunningNotice.filter(issue_id=issue.id).order_by("-id").first()
    if notice is None:
        raise NotFound("这件事还没有发过《催办单》。")
    await issue.fetch_related("unit", "responsible_unit", "owner__person")
    issuer = await Account.get(id=notice.issued_by_id).select_related("person") if notice.issued_by_id else None
    return {"notice": notice, "issue": issue, "issuer": issuer}


async def recent(act: Act, before: int | None, limit: int) -> list[DunningNotice]:
    """Notices on issues the actor may see, newest first."""
    notices = DunningNotice.filter(issue_id__in=Subquery(visible(Issue, act).values("id")))
    if before is not None:
        notices = notices.filter(id__lt=before)
    return await notices.order_by("-id").limit(limit).select_related("issue", "issue__responsible_unit")
