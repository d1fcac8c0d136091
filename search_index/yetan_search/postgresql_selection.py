"""Selecting documents in PostgreSQL: who holds what of a query, in one statement over the index of terms.

Each part of the query is looked up by itself, so that only narrow rows are read: the lists of terms, which lie apart
and are long, are never opened. What a document holds is then added up.
"""

# ruff: noqa: S608 - names of tables are numbers of our own, and every value is a parameter

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import asyncpg

from yetan.api import SearchQuery
from yetan_search.analysis import Analysis, Question
from yetan_search.candidates import Entry, Option, Part, Selection, Weights, rough_worths, window
from yetan_search.documents import wanted_facets
from yetan_search.postgresql_tables import NUMBER_MARK, Generation
from yetan_search.ranking import NUMBER


class _Statement:
    """The text of a statement and its values."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def value(self, value: Any) -> str:
        """The place of a value in the text."""
        self.values.append(value)
        return f"${len(self.values)}"


async def select(
    connection: asyncpg.Connection,
    generation: Generation,
    query: SearchQuery,
    question: Question,
    parts: Sequence[Part],
) -> Selection:
    """The documents of a page's `window`, and what is counted of all."""
    statement = _Statement()
    allowed = " AND ".join(_conditions(statement, query, question))
    start, end = window(query)
    facets = sorted(query.facets)
    order = {"relevance": "score DESC", "newest": "raised_at DESC NULLS LAST", "oldest": "raised_at NULLS LAST"}
    dated = f" JOIN {generation.document} USING (id)" if query.sort != "relevance" else ""
    whole = "whole OR NOT EXISTS (SELECT FROM found WHERE whole)" if query.sort != "relevance" else "true"
    counts = (
        f"(SELECT json_object_agg(value, number) FROM (SELECT value, count(*) AS number FROM chosen "
        f"JOIN {generation.document} USING (id), unnest({facet}) AS value GROUP BY value) AS counts) AS {facet}"
        for facet in facets
    )
    columns = (
        "(SELECT count(*) FROM chosen) AS total",
        "(SELECT count(*) FROM found WHERE whole) AS whole",
        f"ARRAY(SELECT id FROM chosen{dated} ORDER BY {order[query.sort]}, id DESC "
        f"LIMIT {statement.value(end - start)}::bigint OFFSET {statement.value(start)}::bigint) AS ids",
        *counts,
    )
    text = (
        f"WITH held AS ({_held(statement, generation, parts, question, allowed)}), "
        f"found AS MATERIALIZED ({_found(parts)}), chosen AS (SELECT * FROM found WHERE {whole}) "
        f"SELECT {', '.join(columns)}"
    )
    row = await connection.fetchrow(text, *statement.values)
    return Selection(
        await _entries(connection, generation, row["ids"]),
        row["total"],
        row["whole"],
        {facet: json.loads(row[facet] or "{}") for facet in facets},
    )


async def holders(
    connection: asyncpg.Connection, generation: Generation, query: SearchQuery, words: Sequence[str], limit: int
) -> tuple[str, ...]:
    """The first `limit` of `words` that a document holds which may be found."""
    statement = _Statement()
    allowed = " AND ".join(_conditions(statement, query, Question()))
    asked = f"{statement.value(words)}::text[], {statement.value([_lexeme(word) for word in words])}::text[]"
    rows = await connection.fetch(
        f"SELECT word FROM unnest({asked}) WITH ORDINALITY AS each (word, lexeme, place) "
        f"WHERE EXISTS (SELECT FROM {generation.document} WHERE terms @@ lexeme::tsquery AND {allowed}) "
        f"ORDER BY place LIMIT {statement.value(limit)}::bigint",
        *statement.values,
    )
    return tuple(row["word"] for row in rows)


async def _entries(connection: asyncpg.Connection, generation: Generation, ids: Sequence[int]) -> list[Entry]:
    rows = await connection.fetch(
        f"SELECT key, weights, numbers FROM {generation.document} "
        "JOIN unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, place) USING (id) ORDER BY place",
        ids,
    )
    return [Entry(row["key"], Weights(row["weights"]), row["numbers"]) for row in rows]


def _conditions(statement: _Statement, query: SearchQuery, question: Question) -> Iterator[str]:
    """What a document has to be to be found: all filters exact, all of them kept."""
    yield f"scopes && {statement.value(sorted(query.scopes))}::text[]"
    for facet, values in wanted_facets(query):
        yield f"{facet} && {statement.value(sorted(values))}::text[]"
    if query.raised_from is not None:
        yield f"raised_at >= {statement.value(query.raised_from)}::timestamptz"
    if query.raised_until is not None:
        yield f"raised_at < {statement.value(query.raised_until)}::timestamptz"
    for phrase in question.quoted:
        yield _containing(statement, phrase)
    for phrase in question.without:
        yield f"NOT ({_containing(statement, phrase)})"


def _containing(statement: _Statement, phrase: str) -> str:
    """That a phrase stands in the text letter by letter; looked for only where all of its characters are."""
    characters = _all_of(Analysis.characters(phrase)) or "''"
    return (
        f"CASE WHEN terms @@ {statement.value(characters)}::tsquery "
        f"THEN strpos(text, {statement.value(phrase)}) > 0 ELSE false END"
    )


def _held(
    statement: _Statement, generation: Generation, parts: Sequence[Part], question: Question, allowed: str
) -> str:
    """Rows of (document, part of the query, what it is worth): one for each way that a document holds a part."""

    def rows(part: int, worth: float, lexemes: Iterable[str]) -> str:
        asked = " | ".join(f"({each})" for each in lexemes)
        return (
            f"SELECT id, {part} AS part, {worth:.6f}::real AS worth FROM {generation.document} "
            f"WHERE terms @@ {statement.value(asked)}::tsquery AND {allowed}"
        )

    looked_up = [
        rows(number, worth, lexemes)
        for number, part in enumerate(parts)
        for worth, lexemes in _by_worth(part.options).items()
    ]
    numbers = [_lexeme(f"{NUMBER_MARK}{number}".replace("\0", " ")) for number in question.numbers]
    looked_up += [rows(-1, NUMBER, numbers)] if numbers else []
    return " UNION ALL ".join(looked_up) or "SELECT 0::bigint AS id, 0 AS part, 0::real AS worth WHERE false"


def _by_worth(options: Iterable[Option]) -> Mapping[float, list[str]]:
    """What is looked up together: all that is worth the same."""
    together: dict[float, list[str]] = {}
    for option in options:
        for terms, worth in rough_worths(option):
            together.setdefault(worth, []).append(_all_of(terms))
    return together


def _found(parts: Sequence[Part]) -> str:
    """What each document holds in all, and whether that is the whole query."""
    worths = (f"COALESCE(max(worth) FILTER (WHERE part = {number}), 0)" for number in range(-1, len(parts)))
    needed = [f"bool_or(part = {number})" for number, part in enumerate(parts) if part.needed]
    whole = " OR ".join(("bool_or(part = -1)", *((f"({' AND '.join(needed)})",) if needed else ())))
    return f"SELECT id, {' + '.join(worths)} AS score, {whole} AS whole FROM held GROUP BY id"


def _all_of(terms: Iterable[str]) -> str:
    return " & ".join(map(_lexeme, terms))


def _lexeme(term: str) -> str:
    """A term as it is written in a tsquery."""
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"
