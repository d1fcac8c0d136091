"""Refusals of people nobody knows are recorded up to a limit: whoever scans a site must not fill its database."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

#: Records of refused anonymous requests to one page in an hour: from one address (a whole office may share one), and in
#: all. Each process counts for itself, in memory: what is not recorded costs no write.
FROM_ONE_ADDRESS, IN_ALL = 100, 1000


class Flood:
    """The refused anonymous requests to one page in the present hour.

    A page for itself, so that somebody who scans one does not blind the auditor on another, such as signing in.
    """

    def __init__(self) -> None:
        self._hour = -1
        self._counts: Counter[str] = Counter()

    def takes(self, source: str, now: datetime) -> str | None:
        """What to add to the outcome of the record of one more from `source`: ", more" on the last one before the rest
        of the hour goes unrecorded, else "". None where there is to be no record any more."""
        hour = int(now.timestamp()) // 3600
        if hour != self._hour:
            self._hour, self._counts = hour, Counter()
        if self._counts[source] >= FROM_ONE_ADDRESS or self._counts.total() >= IN_ALL:
            return None
        self._counts[source] += 1
        last = self._counts[source] == FROM_ONE_ADDRESS or self._counts.total() == IN_ALL
        return ", more" if last else ""
