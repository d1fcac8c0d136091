"""The guard around a search engine: whatever it raises, pages are answered from the database; its plugin is told of."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from yetan.plugins.guarding import Conduct, Guarded
from yetan.search import SearchBackend, SearchDocument, SearchPage, SearchQuery, SearchUnavailable, Vocabulary

T = TypeVar("T")


class GuardedBackend:
    """A backend that raises nothing but `SearchUnavailable`, and draws text unmarked where it cannot be marked."""

    def __init__(self, backend: SearchBackend, conduct: Conduct) -> None:
        self.backend = backend
        self._calls = {
            name: Guarded(conduct, f"search engine {name}", partial(self._call, name))
            for name in ("open", "due", "apply", "search", "rebuild", "count", "keys", "suggest")
        }

    async def _call(self, name: str, *arguments: Any) -> Any:
        return await getattr(self.backend, name)(*arguments)

    async def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return await self._calls[name](*arguments)
        except SearchUnavailable:
            raise
        except Exception as error:
            raise SearchUnavailable(f"the engine failed: {error!r}") from error

    def _at_once(self, otherwise: T, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return self._calls["search"].at_once(function, *arguments)
        except Exception:
            return otherwise

    async def open(self) -> None:
        """See `SearchBackend`, here and below."""
        await self._ask("open")

    async def close(self) -> None:
        """Let go, also of an engine that is in quarantine."""
        await self.backend.close()

    def learn(self, vocabulary: Vocabulary) -> None:
        """Where it cannot, it goes on with what it knew."""
        self._at_once(None, self.backend.learn, vocabulary)

    def same_as(self, word: str) -> tuple[str, ...]:
        """Where it cannot say, nothing."""
        return self._at_once((), self.backend.same_as, word)

    async def due(self) -> str:
        """As the engine says."""
        said: str = await self._ask("due")
        return said

    async def apply(self, upserts: Sequence[SearchDocument], deletes: Iterable[str]) -> None:
        """As the engine does."""
        await self._ask("apply", upserts, deletes)

    async def search(self, query: SearchQuery) -> SearchPage:
        """As the engine answers."""
        page: SearchPage = await self._ask("search", query)
        return page

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        """As the engine does."""
        # What fails may be the reading of the documents: that is told as it is.
        held: int = await self._calls["rebuild"](documents, progress)
        return held

    async def count(self) -> int:
        """As the engine counts."""
        held: int = await self._ask("count")
        return held

    async def keys(self) -> frozenset[str]:
        """As the engine says."""
        held: frozenset[str] = await self._ask("keys")
        return held

    async def suggest(self, start: str, scopes: frozenset[str], kinds: frozenset[str], limit: int) -> tuple[str, ...]:
        """As the engine suggests."""
        words: tuple[str, ...] = await self._ask("suggest", start, scopes, kinds, limit)
        return words

    def highlight(self, text: str, query: str, *, length: int = 160) -> tuple[tuple[str, bool], ...]:
        """Where it cannot mark anything, the beginning of the text."""
        plain = ((text[:length] if length else text, False),)
        return self._at_once(plain, lambda: self.backend.highlight(text, query, length=length))
