"""A damaged index is rebuilt by itself, in the background, while the database answers in its place (F24).

Only beside a serving site or a worker: a command of the operator says what is wrong and rebuilds nothing unasked.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yetan.log import log
from yetan.runtime import current
from yetan.search import IndexBusy, SearchUnavailable

#: Seconds from one rebuild to the next, doubled each time it fails: whatever breaks an index again and again must not
#: keep the machine busy.
PAUSE, LONGEST_PAUSE = 10.0, 600.0


class _Mender:
    """The rebuild of this process, if there is one. Of several processes one rebuilds: the engine keeps the others
    from it, and they find a whole index afterwards.
    """

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.not_before = 0.0
        self.failures = 0
        #: The index was lost and made anew: what it finds, nothing, is not to be believed.
        self.hollow = False

    def begin(self) -> None:
        if (self.task is None or self.task.done()) and time.monotonic() >= self.not_before:
            # Nothing of the request that met the damage goes along: neither its language nor its patience.
            self.task = asyncio.create_task(self.mend(), name="mending", context=contextvars.Context())

    async def mend(self) -> None:
        from yetan.searching.feed import rebuild

        if self.hollow:
            log.warning("the search index holds nothing yet and is filled now; meanwhile the database is searched")
        else:
            log.error("the search index is damaged or lost and is rebuilt now; meanwhile the database is searched")
        try:
            count = await rebuild()
        except IndexBusy:
            log.info("another process is writing to the search index; it is looked at again later")
        except SearchUnavailable as error:
            self.failures += 1
            log.error("the search index could not be rebuilt, which is tried again later: %s", error)
        except Exception:
            self.failures += 1
            log.exception("the search index could not be rebuilt, which is tried again later")
        else:
            self.failures, self.hollow = 0, False
            log.warning("the search index is whole again: %s documents", count)
        self.not_before = time.monotonic() + min(PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE)

    async def look(self) -> None:
        """Fill an index that holds nothing though there is something to be found."""
        city = current()
        if city.search is None or await city.search.count():
            return
        for source in city.registry.search_sources.values():
            if await source.ids(0, 1):
                self.hollow = True
        if self.hollow:
            self.begin()


_mender: _Mender | None = None


@asynccontextmanager
async def mending() -> AsyncIterator[None]:
    """While the block runs, a damaged index is rebuilt. A rebuild not done by its end is dropped; the old one stays."""
    global _mender
    _mender = mender = _Mender()
    try:
        with suppress(SearchUnavailable):  # the first search will meet it
            await mender.look()
        yield
    finally:
        _mender = None
        if mender.task is not None:
            mender.task.cancel()
            await asyncio.gather(mender.task, return_exceptions=True)


def damage_met() -> None:
    """Somebody met a damaged index: have it rebuilt, unless that is under way or was tried a moment ago."""
    if _mender is not None:
        _mender.begin()


def is_hollow() -> bool:
    """Whether the index is still being filled after it was lost."""
    if _mender is None or not _mender.hollow:
        return False
    _mender.begin()
    return True
