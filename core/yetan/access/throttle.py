"""Throttles: how often something may be tried in a window, counted by the database (C38, C69)."""

from __future__ import annotations

from datetime import datetime

from yetan.access.models import Throttle
from yetan.access.secrets import keyed_hash
from yetan.db.statements import fetch, inside_transaction
from yetan.errors import TooMany


async def attempt(name: str, subject: str, *, limit: int, window_seconds: int, now: datetime) -> None:
    """Count one try of `name` by or on `subject` and raise `TooMany` once more than `limit` fall in the window.

    The count is written before anything is checked, so tries at the same moment all count. Call it outside a
    transaction: a refusal that rolled the count back would leave the door open.
    """
    assert not inside_transaction(), "attempt() outside a transaction, or a rollback would uncount the try."
    ends = _window_end(now, window_seconds)
    rows = await fetch(
        'INSERT INTO yetan_throttle (name, subject_hash, "window", count) VALUES (?, ?, ?, 1) '
        'ON CONFLICT (name, subject_hash, "window") DO UPDATE SET count = yetan_throttle.count + 1 RETURNING count',
        [name, keyed_hash("throttle", subject), str(ends)],
    )
    if rows[0]["count"] > limit:
        wait = ends - int(now.timestamp())
        raise TooMany("尝试的次数太多了，请过 {count} 分钟再试。", retry_after=wait, count=-(-wait // 60))


async def forgive(name: str, subject: str, *, window_seconds: int, now: datetime) -> None:
    """Take the tries in the running window back: whoever succeeded was entitled to them."""
    ends = str(_window_end(now, window_seconds))
    await Throttle.filter(name=name, subject_hash=keyed_hash("throttle", subject), window=ends).delete()


async def forget_ended(now: datetime) -> int:
    """Remove the counts of windows that have ended by `now`; returns how many. For a daily job."""
    return await Throttle.filter(window__lte=str(int(now.timestamp()))).delete()


def _window_end(now: datetime, window_seconds: int) -> int:
    """When the window that `now` lies in ends: seconds since 1970, ten digits until 2286, so text order is time's."""
    return (int(now.timestamp()) // window_seconds + 1) * window_seconds
