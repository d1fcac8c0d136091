"""Rows of one's own beside an issue: written on its page, seen by whoever sees it, asked for, reminded of, found."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Subquery
from tortoise.queryset import QuerySet

from yetan.api import (
    Act,
    Event,
    Field,
    Guard,
    Issue,
    Job,
    NotFound,
    Page,
    Panel,
    Request,
    SearchDocument,
    SearchSource,
    Visibility,
    ancestors_of,
    change,
    clean,
    emit,
    notify,
    require,
    unit_scope,
    visible,
)
from yetan_how_to.models import SiteReport

REPORTED = "how_to.reported"
WAITING = "how_to.waiting"
_FIELDS = (Field("text", "看到了什么", "long_text", max_length=4000),)
_PATIENCE = timedelta(days=7)


# Who may see them: whoever sees the issue.


def rows(act: Act) -> QuerySet[SiteReport]:
    """The reports on issues the actor may see."""
    return SiteReport.filter(issue_id__in=Subquery(visible(Issue, act).values("id")))


async def units(report: SiteReport) -> Mapping[str, int]:
    """The units that permissions on a report are checked against."""
    issue = await Issue.get(id=report.issue_id)
    return {"home": issue.unit_id, "responsible": issue.responsible_unit_id}


VISIBILITY = Visibility(SiteReport, rows, units)


# Writing one: a service, its page, its place on the issue's page.


@change(SiteReport)
async def report(act: Act, issue_id: int, values: Mapping[str, object]) -> SiteReport:
    """Write a report. Row, event and audit record stand together or not at all, and a double click writes one."""
    issue = await visible(Issue, act).get_or_none(id=issue_id)
    if issue is None:
        raise NotFound
    await require(act, "issue.handle", [issue.unit_id, issue.responsible_unit_id])
    row = await SiteReport.create(issue_id=issue.id, at=act.now, **clean(_FIELDS, values))
    await emit(act, REPORTED, ("site_report", row.id))
    return row


async def submit_report(request: Request) -> Response:
    """The form on the issue's page."""
    issue: Issue = request.subject
    await report(request.act, issue.id, await request.values(_FIELDS))
    return request.redirect("desk.issue", id=issue.id)


PAGE = Page(
    "/desk/issues/{id:int}/site-report",
    submit_report,
    "how_to.report",
    methods=("POST",),
    permission="issue.handle",
    model=Issue,
)


async def reports_on(act: Act, issue: Issue) -> Mapping[str, Any] | None:
    """What the panel shows; None leaves it out."""
    found = await visible(SiteReport, act).filter(issue_id=issue.id).order_by("id")
    return {"reports": found, "issue": issue} if found or issue.state == "on_site" else None


PANEL = Panel("how_to.reports", "desk.issue", "how_to/reports.html", reports_on, "issue.handle")


# What it is good for: nobody comes back without one, and who does not come back is reminded.


async def written(issue: Issue, act: Act) -> str:
    """ "" lets the transition pass; anything else is the reason why not."""
    if await SiteReport.filter(issue_id=issue.id).exists():
        return ""
    return "请先写下踏勘时看到了什么。"


GUARD = Guard("how_to.reported", ("back_from_site",), written)


async def remind(act: Act) -> None:
    """Tell whoever answers for an issue that has been on site for more than a week."""
    for issue in await Issue.filter(state="on_site", owner_id__isnull=False):
        went = (
            await Event.filter(type="issue.go_to_site", subject_kind="issue", subject_id=issue.id)
            .order_by("-id")
            .first()
        )
        if went is not None and went.at < act.now - _PATIENCE:
            event = await emit(act, WAITING, ("issue", issue.id))
            await notify(event, WAITING, [issue.owner_id])


JOB = Job("how_to.remind", "week", remind, at_hour=8)


# Finding them on the desk.


async def documents(ids: Sequence[int]) -> list[SearchDocument]:
    """The documents of reports, each with the scope terms that may read it."""
    found = await SiteReport.filter(id__in=list(ids)).select_related("issue")
    lines = await ancestors_of({row.issue.unit_id for row in found})
    return [
        SearchDocument(
            key=f"site_report:{row.id}",
            kind="site_report",
            title=row.issue.title,
            text=row.text,
            units=lines[row.issue.unit_id],
            raised_at=row.at,
            scopes=frozenset(unit_scope(unit) for unit in lines[row.issue.unit_id]),
        )
        for row in found
    ]


async def all_ids(after: int, limit: int) -> list[int]:
    """The ids in ascending order, for a rebuild."""
    page = SiteReport.filter(id__gt=after).order_by("id").limit(limit)
    return [row["id"] for row in await page.values("id")]


SOURCE = SearchSource("site_report", documents, all_ids, events=(REPORTED,))
