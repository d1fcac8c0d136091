"""The index is a disposable projection of the database, fed by an external subscriber and rebuilt by a command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from yetan.db.failures import database_is_away
from yetan.events.models import Event
from yetan.log import log
from yetan.plugins.declarations import Subscription, matches
from yetan.plugins.guarding import is_paused, plugin_of
from yetan.runtime import current
from yetan.search import IndexDamaged, SearchDocument, SearchSource, SearchUnavailable
from yetan.searching.mending import damage_met
from yetan.searching.places import gather
from yetan.searching.vocabulary import learn

_CHUNK = 200


class Feed:
    """A subscriber: index again what the events are about. Doing it twice changes nothing."""

    def __init__(self, sources: Sequence[SearchSource]) -> None:
        self.sources = sources

    @property
    def paused(self) -> bool:
        """Whether the sources belong to a plugin that is in quarantine: what they are told waits."""
        return any(is_paused(source.load) for source in self.sources)

    async def __call__(self, events: Sequence[Event]) -> None:
        search = current().search
        if search is None:
            return
        upserts: list[SearchDocument] = []
        deletes: list[str] = []
        for source in self.sources:
            ids = sorted(
                {event.subject_id for event in events if any(matches(each, event.type) for each in source.events)}
            )
            documents = await source.load(ids) if ids else ()
            upserts += documents
            deletes += sorted({f"{source.kind}:{each}" for each in ids} - {document.key for document in documents})
        if upserts or deletes:
            try:
                if not await search.count():
                    # An index that holds nothing yet is made with the names there are by now.
                    await learn()
                await search.apply(upserts, deletes)
            except IndexDamaged:
                damage_met()
                raise


def subscription(plugin: str, sources: Sequence[SearchSource]) -> Subscription:
    """The index's own, for the sources of one plugin: it hears what they name, no more.

    Each plugin has its own, so that one whose documents cannot be had keeps nobody else's out of the index.
    """
    events = tuple(sorted({pattern for source in sources for pattern in source.events}))
    return Subscription(f"{plugin}.search", events, Feed(sources), mode="external", historical=True)


async def every_document() -> AsyncIterator[SearchDocument]:
    """Every document there is, source by source, read in chunks. What a plugin fails to give is left out."""
    for source in current().registry.search_sources.values():
        after = 0
        try:
            while ids := await source.ids(after, _CHUNK):
                for document in await source.load(ids):
                    yield document
                after = ids[-1]
        except Exception as error:
            if not plugin_of(source.load) or database_is_away(error):
                raise
            log.exception("the documents of %s are not in the index", source.kind)


async def rebuild(progress: Callable[[int], None] | None = None) -> int:
    """Rebuild the index beside the serving one and switch. Raises `SearchUnavailable` where no engine is configured."""
    backend = current().search
    if backend is None:
        raise SearchUnavailable("No search backend is configured; set `search` in yetan.toml.")
    await gather()
    await learn()
    return await backend.rebuild(every_document(), progress)
