"""The index is a disposable projection of the database, fed by an external subscriber and rebuilt by a command."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from yetan.events.models import Event
from yetan.plugins.declarations import Subscription, matches
from yetan.runtime import current
from yetan.search import IndexDamaged, SearchDocument, SearchSource, SearchUnavailable
from yetan.searching.mending import damage_met
from yetan.searching.vocabulary import learn

_CHUNK = 200


def subscription(sources: Iterable[SearchSource]) -> Subscription:
    """The index's own: it hears what its sources name, no more."""
    events = tuple(sorted({pattern for source in sources for pattern in source.events}))
    return Subscription("core.search", events, follow_events, mode="external", historical=True)


async def follow_events(events: Sequence[Event]) -> None:
    """Subscriber: index again what the events are about. Doing it twice changes nothing."""
    runtime = current()
    if runtime.search is None:
        return
    wanted: dict[str, set[int]] = defaultdict(set)
    for event in events:
        for source in runtime.registry.search_sources.values():
            if any(matches(pattern, event.type) for pattern in source.events):
                wanted[source.kind].add(event.subject_id)
    upserts: list[SearchDocument] = []
    deletes: list[str] = []
    for kind, ids in wanted.items():
        documents = await runtime.registry.search_sources[kind].load(sorted(ids))
        upserts += documents
        deletes += sorted({f"{kind}:{each}" for each in ids} - {document.key for document in documents})
    if upserts or deletes:
        try:
            if not await runtime.search.count():
                # An index that holds nothing yet is made with the names there are by now.
                await learn()
            await runtime.search.apply(upserts, deletes)
        except IndexDamaged:
            damage_met()
            raise


async def every_document() -> AsyncIterator[SearchDocument]:
    """Every document there is, source by source, read in chunks."""
    for source in current().registry.search_sources.values():
        after = 0
        while ids := await source.ids(after, _CHUNK):
            for document in await source.load(ids):
                yield document
            after = ids[-1]


async def rebuild(progress: Callable[[int], None] | None = None) -> int:
    """Rebuild the index beside the serving one and switch. Raises `SearchUnavailable` where no engine is configured."""
    backend = current().search
    if backend is None:
        raise SearchUnavailable("No search backend is configured; set `search` in yetan.toml.")
    await learn()
    return await backend.rebuild(every_document(), progress)
