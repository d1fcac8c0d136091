"""Answering a search: candidates from the index, the rows themselves from the database, which decides what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.expressions import Q

from yetan.access.scope import search_scopes, visible
from yetan.act import Act
from yetan.issues.models import Issue
from yetan.issues.search import KIND as ISSUE
from yetan.log import log
from yetan.publication.models import PublicIssue
from yetan.publication.search import KIND as PUBLIC_ISSUE
from yetan.runtime import current
from yetan.search import PUBLIC_SCOPE, IndexDamaged, SearchPage, SearchQuery, SearchUnavailable
from yetan.searching.mending import damage_met, is_hollow
from yetan.units.service import subtree_of

#: Seconds the index may take for an answer; then the database is asked.
_PATIENCE = 3.0
#: The largest id the databases hold.
_LARGEST_ID = 2**31

Runs = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is narrowed to; None or "" leaves it open."""

    unit: int | None = None
    category: int | None = None
    state: str = ""
    raised_from: datetime | None = None
    raised_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One result: the row (a `PublicIssue` or an `Issue`), its title and a piece of text with the matches marked."""

    row: Any
    title: Runs
    snippet: Runs


@dataclass(frozen=True, slots=True)
class Results:
    """A page of results, best first. `degraded`: the index could not answer, so the database did, without ranking."""

    found: tuple[Found, ...]
    total: int
    more: bool
    degraded: bool = False
    also_searched: tuple[str, ...] = ()


async def search_board(text: str, filters: Filters, *, limit: int = 20, offset: int = 0) -> Results:
    """Search what is published. A row that is no longer published is not shown, whatever the index says (C50)."""
    query = _query(text, filters, frozenset({PUBLIC_SCOPE}), PUBLIC_ISSUE, limit, offset)
    try:
        page = await _ask(query)
    except SearchUnavailable as error:
        log.warning("search index unavailable, answering from the database: %s", error)
        return await _from_database(PublicIssue.all(), "issue_id", text, filters, limit, offset)
    rows = {row.issue_id: row for row in await PublicIssue.filter(issue_id__in=[hit.id for hit in page.hits])}
    return _results(page, rows, text, limit, offset)


async def search_desk(act: Act, text: str, filters: Filters, *, limit: int = 20, offset: int = 0) -> Results:
    """Search every issue the actor may see."""
    query = _query(text, filters, search_scopes(act), ISSUE, limit, offset)
    try:
        page = await _ask(query)
    except SearchUnavailable as error:
        log.warning("search index unavailable, answering from the database: %s", error)
        return await _from_database(visible(Issue, act), "id", text, filters, limit, offset)
    rows = {row.id: row for row in await visible(Issue, act).filter(id__in=[hit.id for hit in page.hits])}
    return _results(page, rows, text, limit, offset)


def _query(text: str, filters: Filters, scopes: frozenset[str], kind: str, limit: int, offset: int) -> SearchQuery:
    return SearchQuery(
        text=text,
        scopes=scopes,
        kinds=frozenset({kind}),
        unit=filters.unit,
        category=filters.category,
        state=filters.state or None,
        raised_from=filters.raised_from,
        raised_until=filters.raised_until,
        limit=limit,
        offset=offset,
    )


async def _ask(query: SearchQuery) -> SearchPage:
    backend = current().search
    if backend is None:
        raise SearchUnavailable("no search backend is configured")
    if is_hollow():
        raise SearchUnavailable("the index was lost and is being filled")
    try:
        async with asyncio.timeout(_PATIENCE):
            page = await backend.search(query)
        _check(page)
    except TimeoutError:
        raise SearchUnavailable(f"the index did not answer in {_PATIENCE} s") from None
    except IndexDamaged:
        damage_met()
        raise
    return page


def _check(page: SearchPage) -> None:
    """Whether every hit names a row, as those of an index do whose stored fields are whole. Raises `IndexDamaged`."""
    try:
        for hit in page.hits:
            if not 0 < hit.id < _LARGEST_ID:
                raise ValueError(hit.key)
    except ValueError as error:
        raise IndexDamaged(f"a hit names no row: {error}") from error


def _results(page: SearchPage, rows: dict[int, Any], text: str, limit: int, offset: int) -> Results:
    found = tuple(_found(rows[hit.id], text) for hit in page.hits if hit.id in rows)
    return Results(found, page.total, page.total > offset + limit, also_searched=page.also_searched)


def _found(row: Any, text: str) -> Found:
    backend = current().search
    if backend is None:
        return Found(row, ((row.title, False),), ((row.text[:160], False),))
    return Found(row, backend.highlight(row.title, text, length=0), backend.highlight(row.text, text))


async def _from_database(rows: Any, key: str, text: str, filters: Filters, limit: int, offset: int) -> Results:
    """Every word of the query somewhere in title, text or number; newest first."""
    for word in text.split()[:8]:
        rows = rows.filter(Q(title__icontains=word) | Q(text__icontains=word) | Q(number=word))
    if filters.unit is not None:
        rows = rows.filter(unit_id__in=await subtree_of(filters.unit))
    if filters.category is not None:
        rows = rows.filter(category_id__in=await _below(filters.category))
    if filters.state:
        rows = rows.filter(state=filters.state)
    if filters.raised_from is not None:
        rows = rows.filter(raised_at__gte=filters.raised_from)
    if filters.raised_until is not None:
        rows = rows.filter(raised_at__lt=filters.raised_until)
    page: Sequence[Any] = await rows.order_by("-raised_at", f"-{key}").offset(offset).limit(limit + 1)
    found = tuple(_found(row, text) for row in page[:limit])
    return Results(found, offset + len(found), len(page) > limit, degraded=True)


async def _below(category: int) -> list[int]:
    from yetan.publication.search import category_lines

    return [each for each, line in (await category_lines()).items() if category in line]
