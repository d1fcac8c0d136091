"""Papers: the 民情台账 (ledger of people's conditions) entry of one issue (002-A6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yetan.access.scope import holds, require
from yetan.act import Act
from yetan.errors import NotFound
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Acceptance, Feedback, Issue, Raiser, Rating
from yetan.issues.service import VIAS
from yetan.issues.timeline import timeline_of
from yetan.log import log
from yetan.plugins.declarations import DocumentKind
from yetan.plugins.guarding import is_paused
from yetan.runtime import current


async def _ledger_entry(act: Act, issue: Issue) -> Mapping[str, Any]:
    """Everything the entry shows, raisers' contacts included."""
    await issue.fetch_related("unit", "responsible_unit", "category", "owner__person", "supervisor__person")
    return {
        "issue": issue,
        "state": state_of(issue.state),
        "via": dict(VIAS).get(issue.via, issue.via),
        "raisers": [
            row.person for row in await Raiser.filter(issue_id=issue.id).select_related("person").order_by("id")
        ],
        "feedbacks": await Feedback.filter(issue_id=issue.id).order_by("id"),
        "acceptances": await Acceptance.filter(issue_id=issue.id).select_related("person").order_by("id"),
        "ratings": await Rating.filter(issue_id=issue.id).order_by("id"),
        "timeline": await timeline_of(issue, newest_first=False),
    }


LEDGER_ENTRY = DocumentKind(
    name="ledger_entry",
    title="民情台账",
    model=Issue,
    permission="issue.print",
    template="documents/ledger_entry.html",
    load=_ledger_entry,
)


async def documents_of(act: Act, subject: Any) -> list[DocumentKind]:
    """The papers of a subject that there are now and that the actor's posts may print."""
    return [
        kind
        for kind in current().registry.documents.values()
        if isinstance(subject, kind.model) and holds(act.actor, kind.permission) and await _is_there(act, kind, subject)
    ]


async def _is_there(act: Act, kind: DocumentKind, subject: Any) -> bool:
    """Whether the subject has the paper now. One whose plugin cannot say so is left out."""
    if is_paused(kind.load):
        return False
    try:
        return kind.available is None or await kind.available(act, subject)
    except Exception:
        log.exception("whether there is a paper %s cannot be found out", kind.name)
        return False


async def load_document(act: Act, name: str, subject: Any) -> tuple[DocumentKind, Mapping[str, Any]]:
    """A paper and what it shows. Raises `NotFound` where the subject has none such, `Forbidden` without the right."""
    runtime = current()
    kind = runtime.registry.documents.get(name)
    if kind is None or not isinstance(subject, kind.model):
        raise NotFound("没有这种单据。")
    units = await runtime.registry.visibility[kind.model].units(subject)
    await require(act, kind.permission, units.values())
    return kind, await kind.load(act, subject)
