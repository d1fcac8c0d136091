"""Answering a search: candidates from the index, the rows themselves from the database, which decides what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace
from tortoise.expressions import Q

from yetan.access.scope import granted_units, search_scopes, visible
from yetan.act import Act
from yetan.errors import Invalid
from yetan.issues.models import Category, Issue
from yetan.issues.search import KIND as ISSUE
from yetan.issues.service import ISSUE_KINDS
from yetan.log import log
from yetan.publication.listing import STATE_GROUPS, ListFilters
from yetan.publication.models import PublicIssue
from yetan.publication.search import KIND as PUBLIC_ISSUE
from yetan.runtime import current
from yetan.search import (
    FACETS,
    PUBLIC_SCOPE,
    Facet,
    IndexDamaged,
    SearchPage,
    SearchQuery,
    SearchUnavailable,
    contact_number,
)
from yetan.searching.mending import damage_met, is_hollow
from yetan.searching.popular import popular
from yetan.searching.vocabulary import learn_changes
from yetan.units.models import Unit
from yetan.units.service import subtree_of
from yetan.web.forms import Field

#: Seconds the index may take for an answer; then the database is asked.
_PATIENCE = 3.0
#: Seconds it may take for suggestions: later they help nobody.
_SUGGESTING = 1.0
#: How many are given, and how long a query may be, in characters, that is still being written.
SUGGESTED = 8
_LONGEST_BEGINNING = 40
#: The largest id the databases hold.
_LARGEST_ID = 2**31

#: How many parts of a query may each be somebody's name or phone.
_CHUNKS = 8

Sort = Literal["relevance", "newest", "oldest"]
#: How pages let people choose it.
SORT_FIELD = Field(
    "sort",
    "怎么排",
    "choice",
    required=False,
    choices=(("", "最相关的在前"), ("newest", "最新的在前"), ("oldest", "最早的在前")),
)
Runs = tuple[tuple[str, bool], ...]


class Filters(Struct, frozen=True):
    """What a search is narrowed to, None or "" leaves it open; and the order it comes in."""

    unit: int | None = None
    category: int | None = None
    state: str = ""
    matter: str = ""
    year: int | None = None
    raised_from: datetime | None = None
    raised_until: datetime | None = None
    sort: Sort = "relevance"


def sort_in(typed: Mapping[str, object]) -> Sort:
    """The order somebody chose in SORT_FIELD. Raises `Invalid`."""
    return SORT_FIELD.clean(typed.get("sort")) or "relevance"


def filters_of(listed: ListFilters, sort: Sort) -> Filters:
    """A search narrowed as the public lists are, to whole years. Raises `Invalid` for a group of states."""
    if listed.state in dict(STATE_GROUPS):
        raise Invalid.field("state", "查找只能按一个状态缩小范围，请从列出的状态里选一个。")
    return Filters(
        unit=listed.unit.id if listed.unit else None,
        category=listed.category,
        state=listed.state,
        matter=listed.kind,
        year=listed.year,
        sort=sort,
    )


class Found(Struct, frozen=True):
    """One result: the row (a `PublicIssue` or an `Issue`), its title and a piece of text with the matches marked."""

    row: Any
    title: Runs
    snippet: Runs
    #: It holds only some of the words.
    partial: bool = False


class Counted(Struct, frozen=True):
    """How many results a further narrowing leaves: to a unit (by its id), a category, a state, a matter, a year."""

    value: str
    label: str
    count: int
    #: The code of a unit, by which the public pages call it.
    code: str = ""


class Results(Struct, frozen=True):
    """A page of results, best first. `degraded`: the index could not answer, so the database did, without ranking."""

    found: tuple[Found, ...]
    total: int
    more: bool
    degraded: bool = False
    also_searched: tuple[str, ...] = ()
    #: How many hold all of the words.
    whole: int = 0
    #: What was taken for pinyin or for a wrong character.
    guessed: tuple[str, ...] = ()
    facets: Mapping[Facet, tuple[Counted, ...]] = field(default_factory=dict)


async def search_board(
    text: str, filters: Filters, *, limit: int = 20, offset: int = 0, counted: bool = False
) -> Results:
    """Search what is published; `counted` by what it can be narrowed to.

    A row that is no longer published is not shown, whatever the index says (C50).
    """
    query = _query(text, filters, frozenset({PUBLIC_SCOPE}), PUBLIC_ISSUE, limit, offset, counted)
    try:
        page = await ask(query)
    except SearchUnavailable as error:
        log.warning("search index unavailable, answering from the database: %s", error)
        return await _from_database(PublicIssue.all(), "issue_id", text, filters, limit, offset)
    rows = {row.issue_id: row for row in await PublicIssue.filter(issue_id__in=[hit.id for hit in page.hits])}
    return await _results(page, rows, query)


async def search_desk(
    act: Act, text: str, filters: Filters, *, limit: int = 20, offset: int = 0, counted: bool = False
) -> Results:
    """Search every issue the actor may see; `counted` by what it can be narrowed to."""
    query = replace(
        _query(text, filters, search_scopes(act), ISSUE, limit, offset, counted),
        numbers=frozenset(
            contact_number(unit, chunk)
            for unit in granted_units(act.actor, "issue.contacts")
            for chunk in text.split()[:_CHUNKS]
        ),
    )
    try:
        page = await ask(query)
    except SearchUnavailable as error:
        log.warning("search index unavailable, answering from the database: %s", error)
        return await _from_database(visible(Issue, act), "id", text, filters, limit, offset)
    rows = {row.id: row for row in await visible(Issue, act).filter(id__in=[hit.id for hit in page.hits])}
    return await _results(page, rows, query)


async def suggestions(act: Act, start: str, limit: int = SUGGESTED) -> list[str]:
    """How the beginning of a query may go on: what others search, and words of published issues.

    Without a beginning, what others search.
    """
    start = _beginning(start)
    offered = await popular(act, start, limit)
    words = await _words(start, frozenset({PUBLIC_SCOPE}), PUBLIC_ISSUE, limit) if start else []
    return list(dict.fromkeys(each for each in (*offered, *words) if each != start))[:limit]


async def desk_suggestions(act: Act, start: str, limit: int = SUGGESTED) -> list[str]:
    """The same at the desk: words of the issues the actor may see, and no others (C46)."""
    start = _beginning(start)
    return await _words(start, search_scopes(act), ISSUE, limit) if start else []


def _beginning(text: str) -> str:
    """A query as far as it was written; of one too long to go on, nothing."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_BEGINNING else ""


async def _words(start: str, scopes: frozenset[str], kind: str, limit: int) -> list[str]:
    """`start` with its last word made whole; nothing where the index does not answer soon."""
    backend = current().search
    before, _, last = start.rpartition(" ")
    if backend is None or is_hollow():
        return []
    try:
        async with asyncio.timeout(_SUGGESTING):
            words = await backend.suggest(last, scopes, frozenset({kind}), limit)
    except (SearchUnavailable, TimeoutError):
        return []
    return [f"{before} {word}".strip() for word in words]


def _query(
    text: str, filters: Filters, scopes: frozenset[str], kind: str, limit: int, offset: int, counted: bool
) -> SearchQuery:
    return SearchQuery(
        text=text,
        scopes=scopes,
        kinds=frozenset({kind}),
        unit=filters.unit,
        category=filters.category,
        state=filters.state or None,
        matter=filters.matter or None,
        year=filters.year,
        raised_from=filters.raised_from,
        raised_until=filters.raised_until,
        sort=filters.sort,
        facets=frozenset(FACETS if counted else ()),
        limit=limit,
        offset=offset,
    )


async def ask(query: SearchQuery) -> SearchPage:
    """What the index answers in time. Raises `SearchUnavailable`; a damaged index is rebuilt meanwhile."""
    backend = current().search
    if backend is None:
        raise SearchUnavailable("no search backend is configured")
    if is_hollow():
        raise SearchUnavailable("the index was lost and is being filled")
    try:
        async with asyncio.timeout(_PATIENCE):
            await learn_changes()
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


async def _results(page: SearchPage, rows: dict[int, Any], query: SearchQuery) -> Results:
    # What was guessed is marked as well.
    asked = " ".join((query.text, *page.guessed))
    found = tuple(_found(rows[hit.id], asked, hit.partial) for hit in page.hits if hit.id in rows)
    return Results(
        found,
        page.total,
        page.total > query.offset + query.limit,
        also_searched=page.also_searched,
        whole=page.whole,
        guessed=page.guessed,
        facets=await _counted(page, query) if query.facets else {},
    )


def _found(row: Any, text: str, partial: bool = False) -> Found:
    backend = current().search
    if backend is None:
        return Found(row, ((row.title, False),), ((row.text[:160], False),))
    return Found(row, backend.highlight(row.title, text, length=0), backend.highlight(row.text, text), partial)


async def _counted(page: SearchPage, query: SearchQuery) -> dict[Facet, tuple[Counted, ...]]:
    """The narrowings that leave something, in the order people know; of units and categories the next step down."""
    units, categories, states, matters, years = (
        page.facets.get(facet, {}) for facet in ("unit", "category", "state", "matter", "year")
    )
    held = await Unit.filter(id__in=[int(each) for each in units]).order_by("position", "id")
    below = [each for each in held if each.parent_id == query.unit]
    # Where all of them lie in one unit, the step below it is the next.
    while len(below) == 1 and units[str(below[0].id)] == page.total:
        below = [each for each in held if each.parent_id == below[0].id]
    next_step = Category.filter(parent_id=query.category, id__in=[int(each) for each in categories])
    known = current().registry.states
    return {
        "unit": tuple(Counted(str(each.id), each.name, units[str(each.id)], each.code) for each in below),
        "category": tuple(
            Counted(str(each.id), each.name, categories[str(each.id)])
            for each in await next_step.order_by("position", "id")
        ),
        "state": tuple(Counted(name, known[name].label, states[name]) for name in known if name in states),
        "matter": tuple(Counted(name, label, matters[name]) for name, label in ISSUE_KINDS if name in matters),
        "year": tuple(Counted(year, year, years[year]) for year in sorted(years, reverse=True)),
    }


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
    if filters.matter:
        rows = rows.filter(kind=filters.matter)
    if filters.year is not None:
        zone = current().configuration.city.zone
        first, end = (datetime(filters.year + each, 1, 1, tzinfo=zone) for each in (0, 1))
        rows = rows.filter(raised_at__gte=first, raised_at__lt=end)
    if filters.raised_from is not None:
        rows = rows.filter(raised_at__gte=filters.raised_from)
    if filters.raised_until is not None:
        rows = rows.filter(raised_at__lt=filters.raised_until)
    order = ("raised_at", key) if filters.sort == "oldest" else ("-raised_at", f"-{key}")
    page: Sequence[Any] = await rows.order_by(*order).offset(offset).limit(limit + 1)
    found = tuple(_found(row, text) for row in page[:limit])
    return Results(found, offset + len(found), len(page) > limit, degraded=True)


async def _below(category: int) -> list[int]:
    from yetan.publication.search import category_lines

    return [each for each, line in (await category_lines()).items() if category in line]
