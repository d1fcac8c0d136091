"""Doing what has fallen due."""

from __future__ import annotations

import logging
from datetime import timedelta

from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.db.reading import load
from yetan.db.statements import marks
from yetan.events.attempts import bounded
from yetan.events.models import Due
from yetan.plugins.declarations import DueKind
from yetan.plugins.guarding import is_paused
from yetan.runtime import current

logger = logging.getLogger(__name__)

#: A row whose handling failed is due again after this long. It is never given up: no deadline may be lost.
PUT_OFF = timedelta(minutes=10)

#: Real time a handler has; it holds a transaction meanwhile.
_HANDLING_LIMIT = timedelta(minutes=1)


async def sweep(act: Act, limit: int = 200) -> int:
    """Do what is due at `act.now`, oldest first, at most `limit` rows; returns how many were done or put off.

    Each row goes in one transaction with its handling, and only one of several workers does it. Where a
    handler fails, that is logged and the row put off; others are not held back. Kinds nobody declares (a
    plugin is off), or whose plugin is in quarantine, are left.
    """
    kinds = {name: kind for name, kind in current().registry.due_kinds.items() if not is_paused(kind.handle)}
    due = f"at <= ? AND kind IN ({marks(len(kinds))}) ORDER BY at, id LIMIT ?"
    rows = await load(Due, due, [act.now, *kinds, limit]) if kinds else []
    settled = 0
    for row in rows:
        try:
            settled += await _handle(act, kinds[row.kind], row)
        except Exception:
            logger.exception("due %s of %s %s failed, put off", row.kind, row.subject_kind, row.subject_id)
            settled += await Due.filter(id=row.id, at=row.at).update(at=act.now + PUT_OFF)
    return settled


async def _handle(act: Act, kind: DueKind, row: Due) -> bool:
    """Take the row away and do what it is there for; False if it was taken or moved in the meantime."""
    async with in_transaction():
        if not await Due.filter(id=row.id, at=row.at).delete():
            return False
        await bounded(kind.handle(act, row.subject_id), _HANDLING_LIMIT)
        return True
