"""A clock that ran ahead and came back: what it left lying in the future (F14).

Numbers, the order of events and what a job has done go by sequence or by period, and need nothing. A delivery put off
or leased by the wrong clock would lie still until the future comes; a deadline computed by it stands as it was
written, for nobody can tell it from one that was meant.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from yetan.events.models import Delivery
from yetan.log import log

#: Farther ahead nothing is put off or leased by a clock that is right: the longest pause is an hour and a quarter.
FARTHEST = timedelta(hours=3)
#: Clocks of several machines differ, and are set right, by less.
SLACK = timedelta(minutes=1)


async def take_back(now: datetime) -> int:
    """Make due again what waits for a time that cannot have been meant; returns how many deliveries."""
    put_off = await Delivery.filter(state="pending", due_at__gt=now + FARTHEST).update(due_at=now)
    leased = await Delivery.filter(state="pending", lease_until__gt=now + FARTHEST).update(lease_until=None)
    if put_off or leased:
        log.warning("the clock had run ahead: %s deliveries put off and %s leased by it are due now", put_off, leased)
    return put_off + leased
