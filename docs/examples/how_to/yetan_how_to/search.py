"""An engine of one's own: every document in memory, found where it holds every word. For a city of some hundreds."""

from collections import Counter
from collections.abc import AsyncIterable, Callable, Iterable, Sequence

from yetan.api import SearchDocument, SearchHit, SearchPage, SearchQuery, Vocabulary


class InMemory:
    """Fulfils `SearchBackend`; the contract tests of `tests/search` run on it as on the others."""

    def __init__(self) -> None:
        self._documents: dict[str, SearchDocument] = {}

    async def open(self) -> None:
        """Nothing to open: what memory lacks after a start is told by `due`."""

    async def close(self) -> None:
        """Nothing to let go of."""

    def learn(self, vocabulary: Vocabulary) -> None:
        """It knows no words."""

    def same_as(self, word: str) -> tuple[str, ...]:
        """Nothing but the word itself."""
        return ()

    async def due(self) -> str:
        """Empty after every start."""
        return "" if self._documents else "内存里还没有内容"

    async def apply(self, upserts: Sequence[SearchDocument], deletes: Iterable[str]) -> None:
        """Replace and remove."""
        for key in deletes:
            self._documents.pop(key, None)
        self._documents |= {each.key: each for each in upserts}

    async def search(self, query: SearchQuery) -> SearchPage:
        """Whatever holds every word and passes every filter, the newest first."""
        found = sorted(
            (each for each in self._documents.values() if _matches(each, query)),
            key=lambda each: (each.raised_at.timestamp() if each.raised_at else 0, each.key),
            reverse=query.sort != "oldest",
        )
        hits = tuple(SearchHit(each.key, 1.0) for each in found[query.offset : query.offset + query.limit])
        values = {
            "unit": lambda each: each.units,
            "category": lambda each: each.categories,
            "state": lambda each: (each.state,),
            "kind": lambda each: (each.kind,),
            "matter": lambda each: (each.matter,),
            "year": lambda each: (each.year,),
        }
        facets = {
            facet: Counter(str(value) for each in found for value in values[facet](each) if value)
            for facet in query.facets
        }
        return SearchPage(hits, len(found), whole=len(found), facets=facets)

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        """Fill another dictionary, then switch."""
        fresh: dict[str, SearchDocument] = {}
        async for document in documents:
            fresh[document.key] = document
            if progress is not None:
                progress(len(fresh))
        self._documents = fresh
        return len(fresh)

    async def count(self) -> int:
        """How many documents there are."""
        return len(self._documents)

    async def keys(self) -> frozenset[str]:
        """Their keys."""
        return frozenset(self._documents)

    async def suggest(self, start: str, scopes: frozenset[str], kinds: frozenset[str], limit: int) -> tuple[str, ...]:
        """Titles that begin so."""
        titles = (each.title for each in self._documents.values() if each.scopes & scopes and each.kind in kinds)
        return tuple(sorted({title for title in titles if title.startswith(start)}))[:limit]

    def highlight(self, text: str, query: str, *, length: int = 160) -> tuple[tuple[str, bool], ...]:
        """The beginning, with nothing marked."""
        return (((text[:length] if length else text), False),)


def _matches(document: SearchDocument, query: SearchQuery) -> bool:
    said = "\n".join((document.title, document.text, document.reply, document.place))
    numbers = {*document.numbers} & {*query.text.split(), *query.numbers}
    return (
        bool(document.scopes & query.scopes)
        and (not query.kinds or document.kind in query.kinds)
        and (query.unit is None or query.unit in document.units)
        and (query.category is None or query.category in document.categories)
        and (query.state is None or query.state == document.state)
        and (query.matter is None or query.matter == document.matter)
        and (query.year is None or query.year == document.year)
        and (bool(numbers) or all(word in said for word in query.text.split()))
    )
