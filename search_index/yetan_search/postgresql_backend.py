"""The search engine for several processes: PostgreSQL's full text, in the city's own database.

PostgreSQL finds and counts over an index of terms; texts are cut into terms and candidates ranked here, as for every
engine, in threads. A change is there for all processes as soon as it is committed, and nobody is kept from writing
while a process rebuilds.
"""

# ruff: noqa: S608 - names of tables are numbers of our own

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from yetan.api import IndexBusy, IndexDamaged, SearchDocument, SearchPage, SearchQuery, SearchUnavailable, reached
from yetan_search import postgresql_tables as tables
from yetan_search.batches import batches
from yetan_search.candidates import Part, page, parts_of
from yetan_search.engine import Asked, Engine, understood
from yetan_search.postgresql_selection import holders, select
from yetan_search.postgresql_tables import Generation
from yetan_search.postgresql_vocabulary import Terms, Vocabulary
from yetan_search.ranking import ENOUGH

Result = TypeVar("Result")

#: Connections of a process beside those of the city: for searching, for writing, and for a rebuild.
_CONNECTIONS = 4
#: How long a write waits for another process that is writing, in seconds.
LOCK_TIMEOUT = 5.0
#: Reading the lists of terms of every document is never the better way, whatever is reckoned; to compile a statement
#: takes longer than to run it.
_SETTINGS = {"application_name": "yetan-search", "enable_seqscan": "off", "jit": "off", "work_mem": "32MB"}
#: What PostgreSQL says of tables and columns that are not there, or not as they were made.
_DAMAGED = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedColumnError,
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
)


class PostgresqlBackend(Engine):
    """A `SearchBackend` in the PostgreSQL database at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        # What the city's own connections are told behind the question mark is not for these.
        self._url = urlunsplit(urlsplit(url)._replace(scheme="postgresql", query=""))
        self._pool: asyncpg.Pool | None = None
        #: What this process knows of the words and terms of the generation that serves.
        self._vocabulary: Vocabulary | None = None

    async def open(self) -> None:
        """Connect, make an empty index where there is none, and remove what an interrupted rebuild left."""
        self._pool = await asyncpg.create_pool(
            self._url, min_size=0, max_size=_CONNECTIONS, timeout=LOCK_TIMEOUT, server_settings=_SETTINGS
        )
        with suppress(SearchUnavailable):
            async with self._connected() as connection:
                await self._prepare(connection)

    async def close(self) -> None:
        """Disconnect, once what is under way is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def apply(self, upserts: Sequence[SearchDocument], deletes: Iterable[str]) -> None:
        """Replace or add `upserts` and remove the keys `deletes`, in one transaction. A key in both is kept."""
        documents = {document.key: document for document in upserts}
        gone = [key for key in dict.fromkeys(deletes) if key not in documents]
        if not documents and not gone:
            return
        async with self._connected() as connection, connection.transaction():
            await _lock_writing(connection)
            await tables.generations(connection, serving=True)
            for generation in await tables.generations(connection):
                await self._change(connection, generation, list(documents.values()), gone)
            reached("index.written")
        reached("index.committed")

    async def due(self) -> str:
        """See `SearchBackend.due`."""

        async def due(_: asyncpg.Connection, generation: Generation) -> str:
            return generation.made.due(self._making)

        return await self._read(due)

    async def count(self) -> int:
        """How many documents the index holds."""

        async def count(connection: asyncpg.Connection, generation: Generation) -> int:
            return int(await connection.fetchval(f"SELECT count(*) FROM {generation.document}"))

        return await self._read(count)

    async def keys(self) -> frozenset[str]:
        """The keys of all documents."""

        async def keys(connection: asyncpg.Connection, generation: Generation) -> frozenset[str]:
            return frozenset(row["key"] for row in await connection.fetch(f"SELECT key FROM {generation.document}"))

        return await self._read(keys)

    async def search(self, query: SearchQuery) -> SearchPage:
        """Answer a query. Without anything to look for in `query.text` nothing is found."""
        synonyms = self._synonyms

        def understand(terms: Terms) -> tuple[Asked, tuple[Part, ...], tuple[Part, ...]]:
            asked = understood(query, terms.generation.made, synonyms, terms.sounds, terms.frequency)
            return asked, *parts_of(asked, terms)

        async def search(connection: asyncpg.Connection, generation: Generation) -> SearchPage:
            vocabulary = self._vocabulary_of(generation)
            terms = await vocabulary.terms(connection, generation)
            asked, parts, characters = await vocabulary.answer(connection, terms, understand)
            if not asked.question.characters:
                return SearchPage((), 0)
            selection = await select(connection, generation, query, asked.question, parts)
            if selection.total < ENOUGH:
                selection = await select(connection, generation, query, asked.question, (*parts, *characters))
            return await asyncio.to_thread(page, query, asked, selection, terms)

        return await self._read(search)

    async def suggest(self, start: str, scopes: frozenset[str], kinds: frozenset[str], limit: int) -> tuple[str, ...]:
        """See `SearchBackend.suggest`."""
        query = SearchQuery("", scopes, kinds=kinds)

        async def suggest(connection: asyncpg.Connection, generation: Generation) -> tuple[str, ...]:
            vocabulary = self._vocabulary_of(generation)
            terms = await vocabulary.terms(connection, generation)
            words = await vocabulary.answer(
                connection, terms, lambda terms: terms.sounds.suggested(start, terms.frequency)
            )
            return await holders(connection, generation, query, words, limit)

        return await self._read(suggest)

    async def rebuild(
        self, documents: AsyncIterable[SearchDocument], progress: Callable[[int], None] | None = None
    ) -> int:
        """Build a new generation while the old one serves and everybody writes, then switch. Returns how many.

        Another rebuild is refused meanwhile.
        """
        making = self._making
        async with self._connected() as connection, _rebuilding(connection):
            await tables.create_schema(connection)
            await _remove_left_over(connection)
            async with connection.transaction():
                generation = await tables.create_generation(connection, making, serves=False)
            try:
                return await self._fill(connection, generation, documents, progress)
            except BaseException:
                with suppress(Exception):
                    await tables.drop(connection, generation)
                raise

    # Writing

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await _lock_writing(connection)
            await tables.create_schema(connection)
            if not await tables.generations(connection):
                await tables.index_terms(
                    connection, await tables.create_generation(connection, self._making, serves=True)
                )
        with suppress(SearchUnavailable):
            async with _rebuilding(connection):
                await _remove_left_over(connection)

    async def _change(
        self,
        connection: asyncpg.Connection,
        generation: Generation,
        documents: Sequence[SearchDocument],
        gone: Sequence[str],
    ) -> None:
        """Write documents to a generation. One that serves and holds nothing is made with what is known by now."""
        made = self._making if generation.serves and not generation.documents else generation.made
        written = await asyncio.to_thread(tables.prepared, documents, made.analysis)
        removed, fewer = await tables.remove(connection, generation, [*(each.key for each in written), *gone])
        await tables.insert(connection, generation, written)
        if not generation.serves:
            await tables.mark_gone(connection, generation, gone)
        more = Counter(term for document in written for term in document.terms)
        more.subtract(fewer)
        await tables.count_terms(connection, generation, more)
        await tables.changed(connection, generation, len(written) - removed, made=made)

    async def _fill(
        self,
        connection: asyncpg.Connection,
        generation: Generation,
        documents: AsyncIterable[SearchDocument],
        progress: Callable[[int], None] | None,
    ) -> int:
        """Write all documents to a new generation, and let it serve."""
        count, held = 0, Counter[str]()
        async for batch in batches(documents):
            written = await asyncio.to_thread(tables.prepared, batch, generation.made.analysis)
            async with connection.transaction():
                await _lock_writing(connection)
                new = await tables.insert(connection, generation, written)
            count += len(new)
            held.update(term for document in new for term in document.terms)
            if progress:
                progress(count)
        await tables.index_terms(connection, generation)
        await connection.execute(f"ANALYZE {generation.document}")
        reached("index.written")
        async with connection.transaction():
            await _lock_writing(connection)
            await tables.count_terms(connection, generation, held)
            count = await tables.serve(connection, generation)
        reached("index.switched")
        await _remove_left_over(connection)
        return count

    # Reading

    def _vocabulary_of(self, generation: Generation) -> Vocabulary:
        if self._vocabulary is None or not self._vocabulary.is_of(generation):
            self._vocabulary = Vocabulary(generation)
        return self._vocabulary

    async def _read(self, work: Callable[[asyncpg.Connection, Generation], Awaitable[Result]]) -> Result:
        """Do `work` on the index as it is now, with the generation that serves."""
        while True:
            asked: Generation | None = None
            try:
                async with self._connected() as connection, _unchanging(connection):
                    [asked] = await tables.generations(connection, serving=True)
                    return await work(connection, asked)
            except IndexDamaged:
                # A rebuild may have switched, and removed this generation, since it was chosen.
                if asked is None or await self._serving() == asked.id:
                    raise

    async def _serving(self) -> int:
        async with self._connected() as connection:
            [generation] = await tables.generations(connection, serving=True)
            return generation.id

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection. Whatever goes wrong on it is `SearchUnavailable`."""
        if self._pool is None:
            raise SearchUnavailable("the search index is not open")
        try:
            async with self._pool.acquire(timeout=LOCK_TIMEOUT) as connection:
                yield connection
        except asyncpg.LockNotAvailableError as error:
            raise IndexBusy("another process is writing to the search index") from error
        except _DAMAGED as error:
            raise IndexDamaged(f"the search index cannot be read or written: {error!r}") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise SearchUnavailable(f"the search index cannot be reached: {error!r}") from error


def _unchanging(connection: asyncpg.Connection) -> asyncpg.transaction.Transaction:
    """What the block sees of the index stays as it is at its first statement."""
    return connection.transaction(isolation="repeatable_read", readonly=True)


async def _lock_writing(connection: asyncpg.Connection) -> None:
    """Keep others from writing until the transaction ends. Raises `LockNotAvailableError` where it takes too long."""
    await connection.execute(f"SET LOCAL lock_timeout = {round(LOCK_TIMEOUT * 1000)}")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", tables.WRITING)


@asynccontextmanager
async def _rebuilding(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Keep others from rebuilding. Should this process die, the server lets them again."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", tables.REBUILDING):
        raise IndexBusy("the search index is being rebuilt already")
    try:
        yield
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.execute("SELECT pg_advisory_unlock($1)", tables.REBUILDING)


async def _remove_left_over(connection: asyncpg.Connection) -> None:
    """Remove the generations that do not serve. Where somebody reads one for long, the next rebuild does it."""
    with suppress(asyncpg.LockNotAvailableError):
        async with connection.transaction():
            await _lock_writing(connection)
            for generation in await tables.generations(connection):
                if not generation.serves:
                    await tables.drop(connection, generation)
