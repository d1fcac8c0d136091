"""Writing audit records."""

from __future__ import annotations

from yetan.act import Act
from yetan.audit.models import AuditRecord


async def record(act: Act, action: str, subject: str = "", outcome: str = "ok") -> None:
    """Who did, looked at or was refused what. Never the words of a form, never a phone number."""
    await AuditRecord.create(
        at=act.now,
        actor=act.actor.label,
        action=action[:120],
        subject=subject[:80],
        outcome=outcome[:20],
        source=act.source[:64],
    )
