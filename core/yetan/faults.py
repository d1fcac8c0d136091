"""Fault points: named places where a process can be made to die, to show that nothing acknowledged is lost there.

An operator sets nothing here. The soak and the fault tests arm one point by `YETAN_FAULT=point:arrival` in the
environment of a process, or by `arm` in a forked one; the process then kills itself as `kill -9` would.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping

#: Every point, and what stands and what does not when it is reached.
POINTS: Mapping[str, str] = {
    "change.keyed": "the idempotency key is written, nothing else of the change",
    "change.served": "rows, event, deliveries and audit record are written, not committed",
    "change.committed": "the change is committed, its answer not sent",
    "deliveries.handled": "a subscriber has done its work, the done mark is not committed",
    "deliveries.marked": "the deliveries of a batch are marked done and committed",
    "deliveries.leased": "an external subscriber holds its lease and has not begun",
    "import.chunk": "a part of an import is written, not committed",
    "import.committed": "an import is committed, its report not shown",
    "projection.chunk": "a part of the public board is rewritten, not committed",
    "publication.approved": "an approved face is written, not committed",
    "files.stored": "an upload lies in its place, no row names it yet",
    "index.written": "documents are written to the index, not committed there",
    "index.committed": "the index has committed, the delivery is not marked done",
    "index.switched": "a rebuilt index serves, the old one is not removed",
    "audit.sealed": "seals are written, not committed",
    "upgrade.copying": "the copy before an upgrade is written, but has no name yet",
    "upgrade.copied": "the copy before an upgrade is made, nothing is changed",
    "upgrade.statement": "a statement of a migration has run",
    "upgrade.recorded": "a migration is recorded, not committed",
    "upgrade.committed": "an upgrade is committed, not reported",
    "backup.dumped": "a backup has taken the database, nothing of it has a name yet",
    "backup.written": "a backup is written and synced, but has no name yet",
    "restore.unpacked": "a backup is unpacked and checked beside the data, nothing is touched",
    "restore.prepared": "a backup's uploads lie in their place, the database is still the old one",
    "restore.switched": "the database is the backup's, nothing else of the restore is done",
}

_arrivals: Counter[str] = Counter()
_armed: tuple[str, int] | None = None


def arm(point: str, arrival: int = 1) -> None:
    """Make this process die at its `arrival`-th arrival at `point`, counted from now. Raises KeyError if unknown."""
    global _armed
    if point not in POINTS:
        raise KeyError(f"{point!r} is no fault point; they are: {', '.join(POINTS)}")
    _arrivals.clear()
    _armed = (point, arrival)


def reached(point: str) -> None:
    """Mark a place in the code as fault point `point`. Does nothing in a process that is not armed."""
    if _armed is None:
        return
    _arrivals[point] += 1
    if _armed == (point, _arrivals[point]):
        os.kill(os.getpid(), signal.SIGKILL)


def _arm_from_environment(value: str) -> None:
    if value:
        point, _, arrival = value.partition(":")
        arm(point, int(arrival or 1))


_arm_from_environment(os.environ.get("YETAN_FAULT", ""))
