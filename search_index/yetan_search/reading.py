"""What an engine in files offers of a generation: a view to read it, and a way to fill a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from yetan.api import SearchDocument, SearchPage, SearchQuery
from yetan_search.analysis import Analysis
from yetan_search.making import Making
from yetan_search.synonyms import Synonyms


class Snapshot(Protocol):
    """One thread's view of a generation as it was at one commit."""

    path: Path
    made: Making

    def is_up_to_date(self) -> bool:
        """Whether nothing was committed since."""

    def close(self) -> None:
        """Release its files."""

    def count(self) -> int:
        """How many documents there are."""

    def keys(self) -> frozenset[str]:
        """The keys of all documents."""

    def search(self, query: SearchQuery, synonyms: Synonyms) -> SearchPage:
        """Answer a query."""

    def suggest(self, start: str, query: SearchQuery, limit: int) -> tuple[str, ...]:
        """See `SearchBackend.suggest`; `query` says what may be found."""


class Filling(Protocol):
    """A new generation while documents are written to it."""

    def add(self, document: SearchDocument, analysis: Analysis) -> None:
        """Write a document that was not written yet."""

    def finish(self) -> None:
        """Commit all of them."""

    def cancel(self) -> None:
        """Let go of the files."""
