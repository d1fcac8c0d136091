"""Reading audit records: for whoever audits the whole city, since records belong to no unit."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from yetan.access.scope import require
from yetan.act import Act
from yetan.audit.models import AuditRecord
from yetan.units.service import root

VIEW = "audit.view"


class RecordFilters(Struct, frozen=True):
    """What records are narrowed to; "" and None leave it open. `actor` as in records: "account:12", "system".

    `subject` is "Issue:5", or "Issue:" for all of a kind; `since` and `until` are instants, the latter excluded.
    """

    actor: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def read_records(
    act: Act, filters: RecordFilters, *, before: int | None = None, limit: int = 50
) -> list[AuditRecord]:
    """The records that match, newest first; `before` is the id the page before ended with. Raises `Forbidden`."""
    await require(act, VIEW, [(await root()).id])
    query = AuditRecord.all()
    if before is not None:
        query = query.filter(id__lt=before)
    if filters.actor:
        query = query.filter(actor=filters.actor)
    if filters.subject.endswith(":"):
        query = query.filter(subject__startswith=filters.subject)
    elif filters.subject:
        query = query.filter(subject=filters.subject)
    if filters.since is not None:
        query = query.filter(at__gte=filters.since)
    if filters.until is not None:
        query = query.filter(at__lt=filters.until)
    return await query.order_by("-id").limit(limit)
