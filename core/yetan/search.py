"""What a search backend is, and what it is fed.

A backend (Whoosh, PostgreSQL, a stranger's) holds text and gives candidates, best first. It never decides who
may see what: every query carries the asker's scope terms, every document the terms that may read it, and the
page loads each hit again through the database before showing it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct, field

#: The scope term of a document that anybody may read.
PUBLIC_SCOPE = "public"


def unit_scope(unit_id: int) -> str:
    """The scope term that posts in the unit `unit_id` (or above it) may read."""
    return f"unit:{unit_id}"


def person_scope(person_id: int) -> str:
    """The scope term that one person, `person_id`, may read."""
    return f"person:{person_id}"


def contact_number(unit_id: int, contact: str) -> str:
    """A raiser's phone or name as a number of a document: found only by those who ask for it under that unit (C46).

    Finding an issue by a phone tells whose it is, which not everybody may know who may see the issue.
    """
    return f"{unit_id}/{contact}"


class SearchDocument(Struct, frozen=True):
    """One thing that can be found.

    `key` is "<kind>:<id>" and unique in the index. `text` fields may be long (10,000 characters and more);
    `numbers` are matched exactly (issue number, source number, phone). `units` are the unit and all its
    ancestors, so that filtering by a county finds its villages; `categories` likewise.
    """

    key: str
    kind: str
    title: str
    text: str = ""
    reply: str = ""
    place: str = ""
    numbers: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    state: str = ""
    #: What kind of matter it is, where its kind of document has several: a problem, a suggestion.
    matter: str = ""
    raised_at: datetime | None = None
    #: The local year of `raised_at`.
    year: int | None = None
    scopes: frozenset[str] = frozenset()


#: What results can be counted by. Of units and categories each result counts for those above it as well.
Facet = Literal["unit", "category", "state", "kind", "matter", "year"]
FACETS: tuple[Facet, ...] = ("unit", "category", "state", "kind", "matter", "year")


class SearchQuery(Struct, frozen=True):
    """What somebody asks. Filters are exact and ANDed; `scopes` is never empty: a document must carry one.

    Sorted by date, what holds all of the words comes alone, and what holds some of them only where nothing does.
    """

    text: str
    scopes: frozenset[str]
    #: Numbers looked for besides those in the text; see `contact_number`.
    numbers: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    unit: int | None = None
    category: int | None = None
    state: str | None = None
    matter: str | None = None
    year: int | None = None
    raised_from: datetime | None = None
    raised_until: datetime | None = None
    sort: Literal["relevance", "newest", "oldest"] = "relevance"
    facets: frozenset[Facet] = frozenset()
    limit: int = 20
    offset: int = 0


class SearchHit(Struct, frozen=True):
    """One candidate: the document's key and its score (higher is better; scores of two queries do not compare).

    `partial`: it holds only some of what was asked for.
    """

    key: str
    score: float
    partial: bool = False

    @property
    def id(self) -> int:
        """The id after the colon of the key."""
        return int(self.key.rpartition(":")[2])

    @property
    def kind(self) -> str:
        """The kind before the colon of the key."""
        return self.key.rpartition(":")[0]


class SearchPage(Struct, frozen=True):
    """Hits in order; how many matched in all, and `whole`, how many of these hold everything asked for.

    `also_searched` is the query in Simplified characters, where it was not; `guessed` are words that were taken
    for what was typed as pinyin or with a wrong character. `facets` counts all that matched, by value.
    """

    hits: tuple[SearchHit, ...]
    total: int
    also_searched: tuple[str, ...] = ()
    whole: int = 0
    guessed: tuple[str, ...] = ()
    facets: Mapping[Facet, Mapping[str, int]] = field(default_factory=dict)


class Vocabulary(Struct, frozen=True):
    """What the town calls things: names of units, places and categories, and rings of words that say the same."""

    words: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()


def rings_in(text: str) -> tuple[tuple[str, ...], ...]:
    """The rings of a file of synonyms: one a line, its words apart by spaces. A line that begins with # is a remark."""
    rings = (tuple(dict.fromkeys(line.split())) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return tuple(ring for ring in rings if len(ring) > 1)


class SearchUnavailable(Exception):  # noqa: N818 - a state of the service, told to the reader as such
    """The index is missing, damaged or locked; the caller answers from the database and says so."""


class IndexBusy(SearchUnavailable):
    """Another process is writing or rebuilding: nothing is wrong, and it is worth to come back later."""


class IndexDamaged(SearchUnavailable):
    """The index is missing or cannot be understood: only a rebuild helps, which the city then does by itself (F24)."""


@runtime_checkable
class SearchBackend(Protocol):
    """An engine behind the product's search. All calls are awaited in the event loop and never block it.

    Every method raises `SearchUnavailable` where the index cannot answer.
    """

    async def open(self) -> None:
        """Open the index, or make an empty one. Called once before serving."""

    async def close(self) -> None:
        """Release threads, locks and files. May be called twice."""

    def learn(self, vocabulary: Vocabulary) -> None:
        """Take up what the town calls things. Synonyms hold from the next search on, words from the next rebuild."""

    def same_as(self, word: str) -> tuple[str, ...]:
        """What else is searched for a word: the engine's own synonyms and the town's."""

    async def due(self) -> str:
        """Why the index should be rebuilt (another analysis, another dictionary), in Chinese; "" where it need not.

        Until then it serves on.
        """

    async def apply(self, upserts: Sequence[SearchDocument], deletes: Iterable[str]) -> None:
        """Replace or add `upserts` and remove the keys `deletes`, in one commit. Doing it twice changes nothing."""

    async def search(self, query: SearchQuery) -> SearchPage:
        """Answer a query."""

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        """Build a new generation from all documents while the old one serves, then switch. Returns how many."""

    async def count(self) -> int:
        """How many documents the index holds."""

    async def keys(self) -> frozenset[str]:
        """The keys of all documents, for comparing the index with the database."""

    async def suggest(self, start: str, scopes: frozenset[str], kinds: frozenset[str], limit: int) -> tuple[str, ...]:
        """Words that begin with `start`, or whose pinyin does, and that a document within the scopes holds."""

    def highlight(self, text: str, query: str, *, length: int = 160) -> tuple[tuple[str, bool], ...]:
        """Cut `text` to about `length` characters around the best match and split it in runs, (run, matched).

        Works on folded text, so a query in Traditional characters marks Simplified text. Joined, the runs are
        a part of `text` unchanged (with an ellipsis where it was cut); `length=0` keeps all of it.
        """


LoadDocuments = Callable[[Sequence[int]], Awaitable[Sequence[SearchDocument]]]
ListIds = Callable[[int, int], Awaitable[Sequence[int]]]


class SearchSource(Struct, frozen=True):
    """A kind of document that the core or a plugin feeds to the index.

    `kind` prefixes the document keys. `load(ids)` returns the documents of those that exist and may be found now:
    an id without a document is removed from the index. `ids(after, limit)` walks all ids in ascending order for
    a rebuild. `events` are the event types after which the event's subject (or `subject_of(event data)`) is
    indexed again.
    """

    kind: str
    load: LoadDocuments
    ids: ListIds
    events: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)
