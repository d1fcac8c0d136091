"""The panel beside a list: an issue in short, and what can be done with it now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from yetan.access.scope import visible
from yetan.audit.service import record
from yetan.errors import NotFound
from yetan.i18n import translate as _
from yetan.issues.issue_view import loop_of
from yetan.issues.models import Issue
from yetan.issues.offers import Offer, offers_of
from yetan.issues.queues import Row, rows_of
from yetan.issues.timeline import Entry, timeline_of
from yetan.publication.views import Step
from yetan.web.request import Request


class IssuePanel(Struct, frozen=True):
    """An issue in short. `steps` is None where it left the loop; `last` is the newest line of its timeline."""

    row: Row
    version: int
    steps: Sequence[Step] | None
    offers: Sequence[Offer]
    refused: Sequence[Offer]
    last: Entry | None

    @property
    def progress(self) -> str:
        """Which steps were taken, without those passed over, and which is being taken, in words."""
        steps = self.steps or ()
        done = _("、").join(step.label for step in steps if step.status == "done" and step.when is not None)
        now = next((step.label for step in steps if step.status == "now"), "")
        if now and done:
            return _("{done}已经完成，现在是{now}", done=done, now=now)
        return _("现在是{now}", now=now) if now else ""


async def panel_of(request: Request, issue_id: int) -> IssuePanel:
    """The panel of an issue; the look is recorded, as that at its page is (C79). Raises `NotFound`."""
    act = request.act
    issue = await visible(Issue, act).get_or_none(id=issue_id).select_related("unit", "responsible_unit")
    if issue is None:
        raise NotFound
    offers, refused = await offers_of(act, request.templating.addresses.path, issue)
    (row,) = await rows_of(act, [issue])
    entries = await timeline_of(issue)
    steps = await loop_of(issue)
    await record(act, "desk.issue", f"Issue:{issue.id}", "looked")
    return IssuePanel(row, issue.version, steps, offers, refused, entries[0] if entries else None)
