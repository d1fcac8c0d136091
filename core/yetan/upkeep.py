"""What the core does by the clock: forgetting what has expired."""

from __future__ import annotations

from datetime import timedelta

from yetan.access.sessions import forget_expired
from yetan.access.throttle import forget_ended
from yetan.act import Act
from yetan.events.jobs import forget_runs
from yetan.events.models import RequestKey
from yetan.files.orphans import sweep
from yetan.files.uploads import forget_old
from yetan.issues.bulk import forget_bulk_runs
from yetan.plugins.declarations import Job
from yetan.plugins.quarantine import forget_failures
from yetan.plugins.timing import forget_times

#: A form that was open longer than this is sent as a new one (C54).
KEYS_KEPT = timedelta(days=7)


async def forget(act: Act) -> None:
    """Remove expired sessions, ended throttle windows, old idempotency keys, job runs, what is old of plugins' failures
    and times, what became of each issue of a bulk action, uploads nobody confirmed and files no row names."""
    await forget_expired(act.now)
    await forget_ended(act.now)
    await RequestKey.filter(at__lt=act.now - KEYS_KEPT).delete()
    await forget_runs(act.now)
    await forget_bulk_runs(act.now)
    await forget_failures(act.now)
    await forget_times(act.now)
    forget_old(act.now)
    await sweep(act)


JOBS = (Job("core.forget", "day", forget, at_hour=4),)
