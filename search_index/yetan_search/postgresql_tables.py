"""The index in the city's PostgreSQL: a schema of its own, in it a few tables for each generation.

The schema is not in a backup and no part of the models: everything in it can be made anew. A generation is

- `document_<n>`: a narrow row for each document, to be read by the thousand; its terms, weights and text lie apart;
- `term_<n>`: how many documents hold each term;
- `word_<n>`: the vocabulary, each word with its syllables, in the order they were learned.

`generation` says which one serves. Whoever writes holds a lock until the transaction ends, and writes into every
generation there is: one in the making misses nothing, whichever process changes something.
"""

# ruff: noqa: S608 - names of tables are numbers of our own, and every value is a parameter

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from yetan.api import FACETS, IndexDamaged, SearchDocument
from yetan_search import making
from yetan_search.analysis import Analysis
from yetan_search.candidates import MARKS, is_term, rough_terms, stored_weights
from yetan_search.documents import facets_of, numbers_of, text_of, weights_of, words_of
from yetan_search.making import Making
from yetan_search.pinyin import syllables

SCHEMA = "yetan_search"
#: Advisory locks of the writer of the moment, and of the one process that rebuilds. Any numbers of our own will do.
WRITING, REBUILDING = 7_389_001, 7_389_002
#: Numbers are among the terms, with a mark of their own.
NUMBER_MARK = MARKS[1]

_ALL = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.generation (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made text NOT NULL,
    documents integer NOT NULL DEFAULT 0,
    changes bigint NOT NULL DEFAULT 0,
    serves boolean NOT NULL DEFAULT false
)"""
#: What a document is narrowed by. It stays in the row, however long that is: to fetch it from where long columns lie
#: took five times as long as all the rest of a search.
_NARROW = (*FACETS, "scopes", "numbers")
_GENERATION = f"""
CREATE TABLE {SCHEMA}.document_{{0}} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    {", ".join(f"{facet} text[] NOT NULL" for facet in FACETS)},
    scopes text[] NOT NULL,
    raised_at timestamptz,
    numbers text[] NOT NULL,
    terms tsvector NOT NULL,
    weights bytea NOT NULL,
    text text NOT NULL
) WITH (toast_tuple_target = 128);
ALTER TABLE {SCHEMA}.document_{{0}} ALTER COLUMN weights SET STORAGE EXTERNAL,
    {", ".join(f"ALTER COLUMN {column} SET STORAGE MAIN" for column in _NARROW)};
CREATE TABLE {SCHEMA}.term_{{0}} (term text PRIMARY KEY, documents integer NOT NULL) WITH (fillfactor = 70);
CREATE TABLE {SCHEMA}.word_{{0}} (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    word text NOT NULL UNIQUE,
    spelling text NOT NULL
)"""
_COLUMNS = ("key", *FACETS, "scopes", "raised_at", "numbers", "weights", "text", "terms")
_TERMS = len(_COLUMNS)


class Generation(Struct, frozen=True):
    """A row of `generation`."""

    id: int
    made: Making
    serves: bool
    documents: int
    changes: int

    @property
    def document(self) -> str:
        """The table of its documents."""
        return f"{SCHEMA}.document_{self.id}"

    @property
    def term(self) -> str:
        """The table of its terms."""
        return f"{SCHEMA}.term_{self.id}"

    @property
    def word(self) -> str:
        """The table of its vocabulary."""
        return f"{SCHEMA}.word_{self.id}"


class Written(Struct, frozen=True):
    """A document as it is written: the values of its row, its terms, and the words it adds to the vocabulary."""

    key: str
    values: tuple[Any, ...]
    terms: Collection[str]
    words: Mapping[str, str]


def prepared(documents: Sequence[SearchDocument], analysis: Analysis) -> list[Written]:
    """Documents, analysed. Takes some milliseconds for each: not for the event loop."""
    return [_prepared(document, analysis) for document in documents]


def _prepared(document: SearchDocument, analysis: Analysis) -> Written:
    weights = weights_of(document, analysis)
    numbers = [_storable(number) for number in numbers_of(document)]
    facets = facets_of(document)
    values: dict[str, Any] = {
        "key": document.key,
        **{facet: list(facets[facet]) for facet in FACETS},
        "scopes": sorted(document.scopes),
        "raised_at": document.raised_at,
        "numbers": numbers,
        "weights": stored_weights(weights),
        "text": _storable(text_of(document)),
        "terms": [*rough_terms(weights), *(f"{NUMBER_MARK}{number}" for number in numbers)],
    }
    read = {word: " ".join(syllables(word)) for word in words_of(document, analysis)}
    words = {word: spelling for word, spelling in read.items() if spelling}
    return Written(document.key, tuple(values[column] for column in _COLUMNS), weights.keys(), words)


def _storable(text: str) -> str:
    """PostgreSQL's texts hold no character zero."""
    return text.replace("\0", " ")


async def create_schema(connection: asyncpg.Connection) -> None:
    """Make the schema where it is not."""
    await connection.execute(_ALL)


async def create_generation(connection: asyncpg.Connection, made: Making, *, serves: bool) -> Generation:
    """Make the tables of another generation. Its terms are indexed by `index_terms`, once there are some."""
    number = await connection.fetchval(
        f"INSERT INTO {SCHEMA}.generation (made, serves) VALUES ($1, $2) RETURNING id", made.written(), serves
    )
    await connection.execute(_GENERATION.format(number))
    return Generation(number, made, serves, 0, 0)


async def index_terms(connection: asyncpg.Connection, generation: Generation) -> None:
    """Index the terms of a generation: faster once over many documents than with each of them."""
    await connection.execute(f"CREATE INDEX ON {generation.document} USING gin (terms) WITH (fastupdate = off)")


async def generations(connection: asyncpg.Connection, *, serving: bool = False) -> list[Generation]:
    """All generations, or the one that serves. Raises `IndexDamaged` where none is."""
    rows = await connection.fetch(
        f"SELECT id, made, serves, documents, changes FROM {SCHEMA}.generation WHERE serves OR NOT $1 ORDER BY id",
        serving,
    )
    if serving and not rows:
        raise IndexDamaged("no generation of the search index serves")
    return [Generation(row["id"], _made(row["made"]), row["serves"], row["documents"], row["changes"]) for row in rows]


def _made(written: str) -> Making:
    try:
        return making.read(written)
    except ValueError:
        return Making("", ())


async def insert(connection: asyncpg.Connection, generation: Generation, documents: Sequence[Written]) -> list[Written]:
    """Write documents, but those whose key is there already. Returns which were written, and learns their words."""
    columns = ", ".join(_COLUMNS)
    values = ", ".join(f"${number}" for number in range(1, _TERMS))
    statement = await connection.prepare(
        f"INSERT INTO {generation.document} ({columns}) VALUES ({values}, array_to_tsvector(${_TERMS}::text[])) "
        "ON CONFLICT (key) DO NOTHING RETURNING key"
    )
    new = [document for document in documents if await statement.fetchval(*document.values)]
    words = {word: spelling for document in new for word, spelling in document.words.items()}
    await connection.execute(
        f"INSERT INTO {generation.word} (word, spelling) SELECT * FROM unnest($1::text[], $2::text[]) "
        "ON CONFLICT (word) DO NOTHING",
        list(words),
        list(words.values()),
    )
    return new


async def remove(
    connection: asyncpg.Connection, generation: Generation, keys: Sequence[str]
) -> tuple[int, Counter[str]]:
    """Remove documents. Returns how many there were, and how many fewer hold each term."""
    rows = await connection.fetch(
        f"DELETE FROM {generation.document} WHERE key = ANY($1::text[]) RETURNING tsvector_to_array(terms) AS terms",
        keys,
    )
    held = Counter(term for row in rows for term in row["terms"] if is_term(term))
    return len(rows), held


async def count_terms(connection: asyncpg.Connection, generation: Generation, changes: Mapping[str, int]) -> None:
    """Write down how many more, or fewer, documents hold each term."""
    # In one order, so that two who write do not wait for each other in a ring.
    changed = sorted((term, number) for term, number in changes.items() if number)
    await connection.execute(
        f"INSERT INTO {generation.term} AS term SELECT * FROM unnest($1::text[], $2::int[]) "
        "ON CONFLICT (term) DO UPDATE SET documents = term.documents + excluded.documents",
        [term for term, _ in changed],
        [number for _, number in changed],
    )


async def mark_gone(connection: asyncpg.Connection, generation: Generation, keys: Sequence[str]) -> None:
    """Keep the place of documents removed during a rebuild, which may have read them before."""
    nothing: dict[str, Any] = {facet: [] for facet in FACETS} | {"raised_at": None, "weights": b"", "text": ""}
    for key in keys:
        values = tuple({**nothing, "key": key}.get(column, []) for column in _COLUMNS)
        await insert(connection, generation, [Written(key, values, (), {})])


async def changed(connection: asyncpg.Connection, generation: Generation, by: int, *, made: Making) -> None:
    """Tell everybody that a generation was changed: it has so many documents more."""
    await connection.execute(
        f"UPDATE {SCHEMA}.generation SET changes = changes + 1, documents = documents + $2, made = $3 WHERE id = $1",
        generation.id,
        by,
        made.written(),
    )


async def serve(connection: asyncpg.Connection, generation: Generation) -> int:
    """Let a generation serve from now on. Returns how many documents it has."""
    await connection.execute(f"DELETE FROM {generation.document} WHERE cardinality(scopes) = 0 AND weights = ''")
    count = await connection.fetchval(f"SELECT count(*) FROM {generation.document}")
    await connection.execute(
        f"UPDATE {SCHEMA}.generation SET serves = (id = $1), documents = CASE id WHEN $1 THEN $2 ELSE documents END",
        generation.id,
        count,
    )
    return int(count)


async def drop(connection: asyncpg.Connection, generation: Generation) -> None:
    """Remove a generation."""
    await connection.execute(f"DELETE FROM {SCHEMA}.generation WHERE id = $1", generation.id)
    tables = (generation.document, generation.term, generation.word)
    await connection.execute(f"DROP TABLE IF EXISTS {', '.join(tables)}")
