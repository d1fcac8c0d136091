"""The public site: the board, lists, an issue, search, and what the figures mean. Reads the projection alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from yetan.db.reading import stored
from yetan.db.remembering import remembered
from yetan.errors import Invalid
from yetan.i18n import message_ids, month_name
from yetan.i18n import translate as _
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Category
from yetan.issues.numbers import normal_number
from yetan.plugins.declarations import NavigationItem, Page
from yetan.publication import board as figures
from yetan.publication import card_pages, desk_pages, hall_pages
from yetan.publication.listing import (
    DATES,
    LIST_FIELDS,
    NARROWED_BY,
    STATE_GROUPS,
    ListedIssue,
    ListFilters,
    city_unit,
    filters_from,
    line_of,
    list_issues,
    position_in,
    published_row,
    unit_choices,
)
from yetan.publication.models import PublicIssue
from yetan.publication.views import (
    LoopFacts,
    PublishedRow,
    days_between,
    figure_views,
    local_day,
    photo_views,
    rating_bars,
    row_views,
    state_view,
    steps_of,
    street_views,
    timeline_of_projection,
)
from yetan.runtime import current
from yetan.searching.narrowing import Narrowing, narrowings
from yetan.searching.popular import count, popular
from yetan.searching.service import SORT_FIELD, Filters, filters_of, search_board, sort_in, suggestions
from yetan.statistics.service import metrics_shown, values
from yetan.web.forms import BoundField, Choices, Field, Form
from yetan.web.panels import panels
from yetan.web.request import Request

PAGE_SIZE = 20
#: How many of the words that others search stand beneath the board's search field.
OFTEN = 6
#: Where a search's pages end: whoever needs more narrows it.
LAST_SEARCH_PAGE = 50

_POSITION = (
    Field("after", "从哪里接着看", "hidden", required=False, max_length=40),
    Field("seen", "已看", "hidden", required=False, max_length=9),
)
_QUERY = Field("q", "查什么", required=False, max_length=200)
_SEARCH_FIELDS = (
    *(field for field in LIST_FIELDS if field.name in ("unit", "category", "state", "kind", "year")),
    SORT_FIELD,
)
_NARROWINGS: tuple[Narrowing, ...] = message_ids(
    (
        ("unit", "单位", "unit"),
        ("category", "类别", "category"),
        ("state", "到哪一步", "state"),
        ("matter", "问题还是建议", "kind"),
        ("year", "年份", "year"),
    )
)
_PAGE = Field("page", "页", "number", required=False, minimum=1, maximum=LAST_SEARCH_PAGE)


# The board


async def board(request: Request) -> Response:
    """The front page: search first, then the month's street of lamps, figures, what was lit and raised, who did."""
    city = await city_unit()
    month = await figures.month_shown(request.act.now)
    lamps = await figures.street(month)
    counted = await values(city.id, month.period) if city else {}
    struck_off = _rows(request, await figures.latest_struck_off())
    raised = _rows(request, await figures.latest_raised())
    repairs = await figures.latest_repairs()
    often = tuple((await popular(request.act))[:OFTEN])
    by_unit = await figures.shares_by_kind_of_unit()
    by_category = await figures.shares_by_category(city.id) if city else ()
    drawn = tuple(await panels(request, "board", None))
    rows = tuple(row.content for row in (*struck_off, *raised))
    mended = tuple((row.number, row.title, row.place, str(row.photos)) for row in repairs)
    url = request.templating.addresses.path
    return request.render_kept(
        "public/board.html",
        (month, lamps, tuple(counted.items()), len(struck_off), rows, by_unit, by_category, drawn, often, mended),
        lambda: {
            "month": month,
            "street": street_views(url, lamps, month),
            "figures": figure_views(url, counted, month=month) if city else [],
            "struck_off": struck_off,
            "raised": raised,
            "repairs": [_repair(request, row) for row in repairs],
            "often": _as_searches(request, often),
            "by_unit": [
                (_(label, count=2), [_share(share, url("unit", code=share.key)) for share in shares])
                for label, shares in by_unit
            ],
            "fewest": figures.FEWEST,
            "by_category": [_share(share, url("issues", category=share.key)) for share in by_category],
            "panels": drawn,
        },
    )


def _repair(request: Request, row: PublicIssue) -> dict[str, Any]:
    """A struck-off issue in two pictures."""
    url = request.templating.addresses.path
    before_and_after = photo_views(url, "public_photo", figures.seen_repaired(row) or ())
    href = url("issue", number=row.number)
    return {
        "title": row.title,
        "href": href,
        "place": row.place or row.unit_name,
        "days": days_between(row.raised_at, row.struck_off_at) if row.struck_off_at else 0,
        "photos": [photo | {"caption": photo["label"], "href": None} for photo in before_and_after],
    }


def _share(share: figures.Share, href: str) -> dict[str, Any]:
    return {"label": share.label, "href": href, "value": share.struck_off, "total": share.total}


def _rows(request: Request, rows: Sequence[PublicIssue | ListedIssue], found: Any = None) -> list[PublishedRow]:
    url = request.templating.addresses.path
    return row_views(rows, request.act.now, lambda row: url("issue", number=row.number), found)


# The list


async def issues(request: Request) -> Response:
    """Published issues, newest first, narrowed by the form's fields."""
    typed = await request.values((*LIST_FIELDS, *_POSITION))
    wrong: Invalid | None = None
    try:
        filters = await filters_from(typed)
    except Invalid as error:
        wrong, filters = error, ListFilters()
    form = Form(LIST_FIELDS, typed, choices=await _choices(filters, request.act.now, LIST_FIELDS))
    if wrong is not None:
        form.refuse(wrong)
        return request.render("public/issues.html", 422, form=form, items=[], more=None, seen=0, title=_("查事情"))
    page = await list_issues(
        filters, after=position_in(str(typed["after"] or "")), limit=PAGE_SIZE, now=request.act.now
    )
    before = str(typed["seen"] or "")
    seen = (int(before) if before.isascii() and before.isdigit() and len(before) < 7 else 0) + len(page)
    title = await _list_title(filters)

    def context() -> dict[str, Any]:
        kept = {field.name: typed[field.name] for field in LIST_FIELDS}
        more = request.templating.addresses.path("issues", **kept, after=page.next, seen=seen) if page.next else None
        return {"form": form, "items": _rows(request, page.rows), "more": more, "seen": seen, "title": title}

    # What `more` leads to is told by the form, the rows, whether there are more, and `seen`.
    content = (form.content, page.content, page.next is not None, seen, title)
    return request.render_kept("public/issues.html", content, context)


async def _list_title(filters: ListFilters) -> str:
    """What the list shows, in words."""
    parts = [filters.unit.name] if filters.unit else []
    if filters.year is not None:
        year = _("{year}年", year=filters.year)
        named = _("{year}年{month}月", year=filters.year, month=month_name(filters.month)) if filters.month else year
        parts.append(_("{when}{what}", when=named, what=_(dict(DATES)[filters.date or "raised"])))
    elif filters.date:
        parts.append(_(dict(DATES)[filters.date]))
    if filters.state:
        parts.append(_(dict(STATE_GROUPS).get(filters.state) or state_of(filters.state).label))
    if filters.category is not None:
        parts.append(await _category_name(filters.category))
    what = {"problem": _("问题", count=2), "suggestion": _("建议", count=2)}.get(filters.kind, _("事情", count=2))
    return _("{what}：{parts}", parts=_("，").join(parts), what=what) if any(parts) else _("查事情")


@remembered
async def _category_name(category: int) -> str:
    row = await Category.get_or_none(id=category)
    return row.name if row else ""


async def _choices(filters: ListFilters, now: datetime, fields: Sequence[Field]) -> Mapping[str, Choices]:
    """What the filter bar offers. Units one step at a time: where one is, its superiors, and what lies below."""
    present = current().calendar.local_date(now).year
    unit = filters.unit.id if filters.unit is not None else None
    offered = await _offered(unit, filters.category, present, any(field.name == "date" for field in fields))
    return {**offered, "state": tuple((name, _(label)) for name, label in offered["state"])}


@remembered
async def _offered(unit: int | None, category: int | None, present: int, dated: bool) -> Mapping[str, Choices]:
    return {
        "unit": await unit_choices(unit),
        "category": await _category_choices(category),
        "state": (*(STATE_GROUPS if dated else ()), *((e.name, e.label) for e in current().registry.states.values())),
        "year": tuple((str(year), str(year)) for year in range(present, (await _first_year() or present) - 1, -1)),
        "month": tuple((str(month), str(month)) for month in range(1, 13)),
    }


async def _category_choices(chosen: int | None) -> Choices:
    """The categories of the first level, and the one that was chosen, with its whole name where it lies below."""
    top = await Category.filter(level=1).order_by("position", "id")
    below = await Category.filter(id=chosen, level__gt=1) if chosen is not None else []
    return (*((str(each.id), each.name) for each in top), *((str(each.id), each.path) for each in below))


async def _first_year() -> int | None:
    """The year of the first published issue."""
    first = await PublicIssue.all().order_by("raised_at", "issue_id").first()
    return current().calendar.local_date(first.raised_at).year if first else None


# An issue


async def issue(request: Request) -> Response:
    """One published issue: where it stands, who has it, what was done."""
    number = normal_number(request.path_params["number"])
    found = await published_row(number)
    if found is None:
        return request.render("public/no_issue.html", 404, number=number)
    row = stored(PublicIssue, found)
    url = request.templating.addresses.path
    now = request.act.now
    state = state_view(state_of(row.state), row.deadline, row.round, now)
    line = await line_of(row.unit_id)
    drawn = tuple(await panels(request, "issue", row))

    def context() -> dict[str, Any]:
        facts = LoopFacts(
            row.raised_at,
            row.listed_at,
            row.resolved_at,
            row.struck_off_at,
            row.unit_name,
            row.responsible_unit_name,
            row.round,
        )
        return {
            "issue": row,
            "state": state,
            "steps": steps_of(state_of(row.state), row.timeline, facts),
            "timeline": timeline_of_projection(row),
            "trail": [(name, url("unit", code=code)) for code, name in line],
            "unit_code": line[-1][0] if line else "",
            "category_href": url("issues", category=row.top_category_id) if row.top_category_id else None,
            "raised": local_day(row.raised_at),
            "deadline": local_day(row.deadline),
            "resolved": local_day(row.resolved_at),
            "days_left": days_between(now, row.deadline) if row.deadline else None,
            "days_taken": days_between(row.raised_at, row.struck_off_at) if row.struck_off_at else None,
            "kind": _("建议") if row.kind == "suggestion" else _("问题"),
            "ratings": rating_bars(row.ratings),
            "slips": sum(row.ratings.values()),
            "photos": photo_views(url, "public_photo", row.photos),
            "panels": drawn,
        }

    return request.render_kept("public/issue.html", (tuple(found), state, line, drawn), context)


# Search


async def search(request: Request) -> Response:
    """Search what is published; without words, the box and hints."""
    typed = await request.values((_QUERY, *_SEARCH_FIELDS, _PAGE))
    now = request.act.now
    hints = [
        (category.name, request.templating.addresses.path("issues", category=category.id))
        for category in await Category.filter(level=1, active=True).order_by("position", "id").limit(12)
    ]
    wrong: Invalid | None = None
    listed, filters, page, words = ListFilters(), Filters(), 1, str(typed["q"] or "")
    try:
        words = str(_QUERY.clean(typed["q"]))
        page = _PAGE.clean(typed["page"]) or 1
        listed = await filters_from(typed)
        filters = filters_of(listed, sort_in(typed))
    except Invalid as error:
        wrong = error
    form = Form(
        (replace(_QUERY, kind="hidden"), *_SEARCH_FIELDS), typed, choices=await _choices(listed, now, _SEARCH_FIELDS)
    )
    if wrong is not None:
        form.refuse(wrong)
    url = request.templating.addresses.path
    if wrong is not None or not words:
        return request.render(
            "public/search.html",
            422 if wrong else 200,
            form=form,
            words=words,
            results=None,
            hints=hints,
            often=_as_searches(request, await popular(request.act)),
        )
    results = await search_board(words, filters, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE, counted=True)
    if page == 1 and not results.degraded:
        count(request.act, words, results.whole)
    kept = {name: value for name, value in typed.items() if name != "page"}
    narrowed = [field.name for field in _SEARCH_FIELDS if typed[field.name] and field is not SORT_FIELD]
    items = _rows(
        request,
        [found.row for found in results.found],
        {found.row.issue_id: (found.title, found.snippet) for found in results.found},
    )
    last = page == LAST_SEARCH_PAGE
    return request.render(
        "public/search.html",
        form=form,
        words=words,
        results=results,
        items=items,
        narrowings=narrowings(results, _NARROWINGS, kept, partial(url, "search")),
        orders=_orders(request, kept),
        guesses=_as_searches(request, results.guessed),
        chosen=[(_name_of(form[name]), url("search", **(kept | {name: None}))) for name in narrowed],
        others=_as_searches(request, [] if items else await suggestions(request.act, words)),
        often=_as_searches(request, [] if items else await popular(request.act)),
        more=url("search", **kept, page=page + 1) if results.more and not last else None,
        cut_off=results.more and last,
        first=url("search", **kept) if page > 1 else None,
        seen=(page - 1) * PAGE_SIZE + len(items),
        total=None if results.degraded else results.total,
        widened=url("search", q=words) if narrowed else None,
        hints=hints,
    )


def _as_searches(request: Request, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each text with the address that searches for it."""
    return [(text, request.templating.addresses.path("search", q=text)) for text in texts]


def _name_of(field: BoundField) -> str:
    """What was chosen in a field, as people call it."""
    if field.name == "year":
        return _("{year}年", year=field.value)
    return _(dict(field.choices).get(field.value, field.value))


def _orders(request: Request, kept: Mapping[str, object]) -> list[tuple[str, str, bool]]:
    """The orders results come in, their addresses, and which it is now."""
    url = request.templating.addresses.path
    return [
        (_(label), url("search", **(dict(kept) | {"sort": value})), value == (kept.get("sort") or ""))
        for value, label in SORT_FIELD.choices
    ]


async def suggest(request: Request) -> Response:
    """How what somebody began to write may go on: words of published issues, and what others search."""
    words = str((await request.values((_QUERY,)))["q"] or "")
    offered = _as_searches(request, await suggestions(request.act, words))
    return request.render("public/suggest.html", words=words, offered=offered)


# What the figures mean


async def figures_page(request: Request) -> Response:
    """Every figure's definition, and the months so far."""
    city = await city_unit()
    months = await figures.months_of(city.id, request.act.now, count=24) if city else []
    return request.render_kept(
        "public/figures.html",
        tuple((month, tuple(counted.items())) for month, counted in months),
        lambda: {
            "metrics": [metric for metric in request.templating.registry.metrics.values() if metric.public],
            "shown": metrics_shown(counted for _month, counted in months),
            "months": months,
        },
    )


PAGES: tuple[Page, ...] = (
    Page("/", board, "board", public=True, budget="overviews"),
    Page("/issues", issues, "issues", public=True, narrowed_by=NARROWED_BY),
    Page("/issues/{number}", issue, "issue", public=True),
    Page("/search", search, "search", public=True, kept=False, budget="search"),
    Page("/search/suggest", suggest, "search.suggest", public=True, budget="suggestions"),
    Page("/figures", figures_page, "figures", public=True),
    *hall_pages.PAGES,
    *card_pages.PAGES,
    *desk_pages.PAGES,
)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("public", "首页", "board", position=10),
    NavigationItem("public", "查事情", "issues", position=20),
)
