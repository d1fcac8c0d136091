"""What a process knows of the words and terms of a generation in PostgreSQL. Asked for as it is needed, and kept."""

# ruff: noqa: S608 - names of tables are numbers of our own

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import asyncpg

from yetan_search.pinyin import Sounds
from yetan_search.postgresql_tables import Generation

Result = TypeVar("Result")


class Terms:
    """How common terms were after one change of a generation, and how its words sound."""

    def __init__(self, generation: Generation, sounds: Sounds) -> None:
        self.generation = generation
        self.documents = generation.documents
        self.sounds = sounds
        #: Asked for and not known yet.
        self.missing: set[str] = set()
        self._held: dict[str, int] = {}

    def frequency(self, term: str) -> int:
        """How many documents hold `term`; 0 while that is not known."""
        if term not in self._held:
            self.missing.add(term)
            return 0
        return self._held[term]

    async def fetch_missing(self, connection: asyncpg.Connection) -> None:
        """Ask for what was missing."""
        missing, self.missing = self.missing, set()
        rows = await connection.fetch(
            f"SELECT term, documents FROM {self.generation.term} WHERE term = ANY($1::text[])", sorted(missing)
        )
        self._held.update(dict.fromkeys(missing, 0) | {row["term"]: max(row["documents"], 0) for row in rows})


class Vocabulary:
    """The words of a generation, read on as others are learned, and its terms as they were found last."""

    def __init__(self, generation: Generation) -> None:
        self._sounds = Sounds()
        self._last = 0
        #: The threads that understand queries and the one that learns words take turns.
        self._lock = threading.Lock()
        self._terms = Terms(generation, self._sounds)

    def is_of(self, generation: Generation) -> bool:
        """Whether this is the vocabulary of a generation."""
        return self._terms.generation.id == generation.id

    async def terms(self, connection: asyncpg.Connection, generation: Generation) -> Terms:
        """The terms as this connection sees them; its transaction may be older than another's."""
        if generation.changes < self._terms.generation.changes:
            return Terms(generation, self._sounds)
        if generation.changes > self._terms.generation.changes or not self._last:
            rows = await connection.fetch(
                f"SELECT number, word, spelling FROM {generation.word} WHERE number > $1 ORDER BY number", self._last
            )
            await asyncio.to_thread(self._learn, [(row["word"], row["spelling"]) for row in rows])
            self._last = max([self._last, *(row["number"] for row in rows)])
            self._terms = Terms(generation, self._sounds)
        return self._terms

    async def answer(self, connection: asyncpg.Connection, terms: Terms, work: Callable[[Terms], Result]) -> Result:
        """Do `work` in a thread, again and again until it knows of every term how common it is."""

        def attempt() -> Result:
            with self._lock:
                return work(terms)

        while True:
            result = await asyncio.to_thread(attempt)
            if not terms.missing:
                return result
            await terms.fetch_missing(connection)

    def _learn(self, words: list[tuple[str, str]]) -> None:
        with self._lock:
            for word, spelling in words:
                self._sounds.add(word, tuple(spelling.split(" ")))
