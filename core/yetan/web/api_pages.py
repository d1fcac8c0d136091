"""The JSON API: what was published, for everybody. It reads the projection that the public pages read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence, Set
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec.structs import replace
from starlette.responses import JSONResponse, Response

from yetan.errors import Invalid, NotFound
from yetan.i18n import message_ids
from yetan.issues.models import Category
from yetan.issues.numbers import normal_number
from yetan.plugins.declarations import Page
from yetan.publication.listing import (
    LIST_FIELDS,
    NARROWED_BY,
    ListedIssue,
    ListFilters,
    Position,
    filters_from,
    list_issues,
    position_in,
)
from yetan.publication.models import PublicIssue
from yetan.publication.search import category_lines
from yetan.runtime import current
from yetan.searching.service import SORT_FIELD, Filters, Found, Results, filters_of, search_board, sort_in, suggestions
from yetan.web.forms import Field, clean
from yetan.web.openapi import API_LIMIT, API_LIMIT_MAXIMUM, SEARCH_DEPTH, SEARCH_FACETS, document
from yetan.web.request import BadRequest, Request

_PAGING = (
    Field("limit", "limit", "number", required=False, minimum=1, maximum=API_LIMIT_MAXIMUM),
    Field("cursor", "cursor", required=False, max_length=8000),
)
#: A category's path has up to three names; its id may stand there instead.
_CATEGORY = Field("category", "category", required=False, max_length=200)
_FILTERS = tuple(_CATEGORY if field.name == "category" else field for field in LIST_FIELDS)
_QUERY = Field("q", "q", max_length=200)
_BEGINNING = Field("q", "q", required=False, max_length=200)
#: A search is narrowed to whole years.
_NARROWING = (*(field for field in _FILTERS if field.name not in ("month", "date")), SORT_FIELD)

_BAD_CURSOR = message_ids("cursor 不对。请原样用上一页 next 里的值，或者去掉它，从头看起。")


async def issues(request: Request) -> Response:
    """Published issues, newest first; a cursor goes on exactly where the page before ended."""
    values = await request.values((*_FILTERS, *_PAGING))
    paging = _cleaned(_PAGING, values)
    filters = await _filters(values)
    after = _position_in(paging["cursor"]) if paging["cursor"] else None
    page = await list_issues(filters, after=after, limit=paging["limit"] or API_LIMIT, now=request.act.now)
    return _answer(request, page.rows, _encoded(_LIST, str(page.next).encode()) if page.next else None)


async def search(request: Request) -> Response:
    """Published issues that match, best first, up to SEARCH_DEPTH of them.

    What is published while somebody pages may rank above what they have seen and push it down: the cursor tells
    what was given already, so that nothing comes twice and nothing is left out.
    """
    values = await request.values((_QUERY, *_NARROWING, *_PAGING))
    cleaned = _cleaned((_QUERY, *_PAGING), values)
    filters = await _search_filters(values)
    given = _ids_in(cleaned["cursor"]) if cleaned["cursor"] else frozenset()
    limit = min(cleaned["limit"] or API_LIMIT, SEARCH_DEPTH - len(given))
    # Rows withdrawn since stand in no result any more, so what follows them has moved up.
    offset = await PublicIssue.filter(issue_id__in=given).count() if given else 0
    look = partial(search_board, cleaned["q"], filters, limit=limit + 1)
    first = results = await look(offset=offset, counted=not given)
    found = _besides(given, results)
    while results.more and len(found) <= limit:
        offset += limit + 1
        results = await look(offset=offset)
        found += _besides(given | {each.row.issue_id for each in found}, results)
    page = found[:limit]
    given |= {each.row.issue_id for each in page}
    further = len(found) > limit and len(given) < SEARCH_DEPTH
    return JSONResponse(
        {
            "items": [{**_item(request, each.row), "partial": each.partial} for each in page],
            "next": _cursor_of(given) if further else None,
            **_about(first),
        }
    )


def _besides(given: Set[int], results: Results) -> list[Found]:
    """Those of `results` that were not given already."""
    return [each for each in results.found if each.row.issue_id not in given]


def _about(results: Results) -> dict[str, Any]:
    """What the search page says above and beside its results."""
    return {
        "total": None if results.degraded else results.total,
        "whole": None if results.degraded else results.whole,
        "degraded": results.degraded,
        "also_searched": results.also_searched,
        "guessed": results.guessed,
        "facets": {
            name: [
                {"value": each.code or each.value, "label": each.label, "count": each.count}
                for each in results.facets[facet]
            ]
            for name, facet in SEARCH_FACETS.items()
        }
        if results.facets
        else None,
    }


async def suggest(request: Request) -> Response:
    """How what somebody began to write may go on."""
    values = _cleaned((_BEGINNING,), await request.values((_BEGINNING,)))
    return JSONResponse({"items": await suggestions(request.act, values["q"])})


async def issue(request: Request) -> Response:
    """Everything published about one issue."""
    row = await PublicIssue.get_or_none(number=normal_number(request.path_params["number"]))
    if row is None:
        raise NotFound
    return JSONResponse(_whole(request, row))


async def openapi(request: Request) -> Response:
    """What this API takes and answers, as OpenAPI 3.1."""
    return JSONResponse(document(current().configuration))


def _cleaned(fields: Sequence[Field], values: dict[str, object]) -> dict[str, Any]:
    try:
        return clean(fields, values)
    except Invalid as error:
        raise _refusal(error) from None


def _refusal(error: Invalid) -> BadRequest:
    """What is wrong with which parameter, in one line."""
    return BadRequest("".join(f"{name}: {text}" for name, texts in error.fields.items() for text in texts))


async def _filters(values: dict[str, object]) -> ListFilters:
    """The filters of the public list, with a category of any level, by id or path."""
    category = await _category(str(values.get("category") or "").strip())
    try:
        filters = await filters_from({**values, "category": None})
    except Invalid as error:
        raise _refusal(error) from None
    if category is None:
        return filters
    if category.level == 1:
        return replace(filters, category=category.id)
    below = tuple(each for each, line in (await category_lines()).items() if category.id in line)
    return replace(filters, categories=below)


async def _category(text: str) -> Category | None:
    if not text:
        return None
    known = Category.filter(id=int(text)) if re.fullmatch(r"[0-9]{1,9}", text) else Category.filter(path=text)
    category = await known.first()
    if category is None:
        missing = Invalid.field("category", "没有这个类别，请写类别的编号，或从一级起的完整名称，中间用 / 隔开。")
        raise _refusal(missing)
    return category


async def _search_filters(values: dict[str, object]) -> Filters:
    """What a search is narrowed to, with a category of any level, by id or path."""
    category = await _category(str(values.get("category") or "").strip())
    try:
        filters = filters_of(await filters_from({**values, "category": None}), sort_in(values))
    except Invalid as error:
        raise _refusal(error) from None
    return replace(filters, category=category.id if category else None)


# Answers


def _answer(request: Request, rows: Iterable[PublicIssue | ListedIssue], following: str | None) -> JSONResponse:
    return JSONResponse({"items": [_item(request, row) for row in rows], "next": following})


def _item(request: Request, row: PublicIssue | ListedIssue) -> dict[str, Any]:
    path = request.templating.addresses.path("issue", number=row.number)
    return {
        "number": row.number,
        "source_number": row.source_number or None,
        "title": row.title,
        "state": row.state,
        "kind": row.kind,
        "unit": row.unit_name,
        "category": row.category_path or None,
        "place": row.place or None,
        "raised_at": _moment(row.raised_at),
        "resolved_at": _moment(row.resolved_at),
        "struck_off_at": _moment(row.struck_off_at),
        "updated_at": _moment(row.updated_at),
        "url": current().configuration.base_url + path,
    }


def _whole(request: Request, row: PublicIssue) -> dict[str, Any]:
    address = request.templating.addresses.path
    return {
        **_item(request, row),
        "text": row.text,
        "measures": row.measures or None,
        "outcome": row.outcome or None,
        "collective": row.collective,
        "responsible_unit": row.responsible_unit_name,
        "raised_precision": row.raised_precision,
        "listed_at": _moment(row.listed_at),
        "deadline": _moment(row.deadline),
        "round": row.round,
        "raisers": row.raisers,
        "ratings": row.ratings,
        "timeline": [
            {"at": _moment(datetime.fromisoformat(entry["at"])), "type": entry["type"], "text": entry["text"] or None}
            for entry in row.timeline
        ],
        "photos": [
            {
                "url": current().configuration.base_url + address("public_photo", name=photo["name"]),
                "caption": photo["caption"] or None,
                "stage": photo["stage"] or None,
                "width": photo["width"],
                "height": photo["height"],
            }
            for photo in row.photos
        ],
    }


def _moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


# Cursors: opaque to the reader, checked when they come back


#: What a cursor begins with says what it goes on with.
_LIST, _RESULTS = "i", "s"


def _encoded(kind: str, content: bytes) -> str:
    return kind + base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decoded(kind: str, cursor: str) -> bytes:
    """What `_encoded` put into a cursor. Raises `BadRequest` for any other text."""
    content = cursor.removeprefix(kind)
    if content == cursor or not re.fullmatch(r"[A-Za-z0-9_-]+", content):
        raise BadRequest(_BAD_CURSOR)
    try:
        return base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
    except binascii.Error:
        raise BadRequest(_BAD_CURSOR) from None


def _position_in(cursor: str) -> Position:
    position = position_in(_decoded(_LIST, cursor).decode("latin-1"))
    if position is None:
        raise BadRequest(_BAD_CURSOR)
    return position


def _cursor_of(ids: Iterable[int]) -> str:
    """The ids in ascending order, each as its distance from the one before, seven bits to a byte."""
    packed = bytearray()
    before = 0
    for each in sorted(ids):
        step, before = each - before, each
        while step > 0x7F:
            packed.append(step & 0x7F | 0x80)
            step >>= 7
        packed.append(step)
    return _encoded(_RESULTS, bytes(packed))


def _ids_in(cursor: str) -> frozenset[int]:
    """The ids of a cursor. Raises `BadRequest` unless it is one of ours."""
    ids: set[int] = set()
    last = step = shift = 0
    for byte in _decoded(_RESULTS, cursor):
        step |= (byte & 0x7F) << shift
        shift += 7
        if shift > 35:
            raise BadRequest(_BAD_CURSOR)
        if not byte & 0x80:
            last += step
            ids.add(last)
            step = shift = 0
    if shift or not ids or last > 0x7FFFFFFF or len(ids) >= SEARCH_DEPTH or _cursor_of(ids) != cursor:
        raise BadRequest(_BAD_CURSOR)
    return frozenset(ids)


PAGES: tuple[Page, ...] = (
    Page("/api/v1/issues", issues, "api.issues", public=True, narrowed_by=NARROWED_BY),
    Page("/api/v1/issues/{number}", issue, "api.issue", public=True),
    Page("/api/v1/search", search, "api.search", public=True, budget="search"),
    Page("/api/v1/suggest", suggest, "api.suggest", public=True, budget="suggestions"),
    Page("/api/v1/openapi.json", openapi, "api.openapi", public=True),
)
