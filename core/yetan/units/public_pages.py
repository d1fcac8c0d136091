"""Units as the public sees them: the tree with its figures, and one unit."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from yetan.db.remembering import remembered
from yetan.errors import NotFound
from yetan.i18n import translate as _
from yetan.plugins.declarations import NavigationItem, Page
from yetan.publication.board import month_shown
from yetan.publication.listing import ListFilters, city_unit, line_of, list_issues, unit_coded
from yetan.publication.views import figure_views, row_views
from yetan.runtime import current
from yetan.statistics.service import by_unit, metrics_shown, values
from yetan.units.models import Unit, UnitMerger, UnitName
from yetan.web.panels import panels
from yetan.web.request import Request

#: How many of a unit's latest issues its page shows.
LATEST = 6


async def units(request: Request) -> Response:
    """The city's units, two levels of them, with their figures; what lies below stands on each one's own page."""
    city = await city_unit()
    tops = await _below((city.id,)) if city else ()
    inner = await _below(tuple(unit.id for unit in tops))
    shown = [*([city] if city else []), *tops, *inner]
    figures = await by_unit([unit.id for unit in shown])
    return request.render_kept(
        "public/units.html",
        tuple((unit.parent_id, _said(unit), tuple(figures[unit.id].items())) for unit in shown),
        lambda: {
            "city_unit": city,
            "groups": [(top, [unit for unit in inner if unit.parent_id == top.id]) for top in tops],
            "figures": figures,
            "labels": _labels(),
            "metrics": metrics_shown(figures.values()),
        },
    )


async def unit(request: Request) -> Response:
    """One unit: its figures, the units below it, its latest issues. `{code}` is the official code."""
    code = request.path_params["code"]
    row = await unit_coded(code)
    if row is None:
        raise NotFound("没有这个单位。请从各单位的名单里找。")
    now = request.act.now
    line = (await line_of(row.id))[:-1]
    below = await _below((row.id,))
    month = await month_shown(now)
    former, into, absorbed = await _past_of(row.id)
    of_month, in_all = await values(row.id, month.period), await values(row.id)
    figures = await by_unit([each.id for each in below])
    url = request.templating.addresses.path
    page = await list_issues(ListFilters(unit=row), limit=LATEST, now=now)
    items = row_views(page.rows, now, lambda issue: url("issue", number=issue.number))
    kinds = current().configuration.unit_kinds
    drawn = tuple(await panels(request, "unit", row))

    def context() -> dict[str, Any]:
        return {
            "unit": row,
            "label": _labels().get(row.kind, ""),
            "raises": row.active and row.kind in kinds and kinds[row.kind].raises,
            "trail": [(name, url("unit", code=code)) for code, name in line],
            "former": former,
            "merged_into": into,
            "absorbed": absorbed,
            "month": month,
            "of_month": figure_views(url, of_month, unit_code=row.code, month=month),
            "in_all": figure_views(url, in_all, unit_code=row.code),
            "below": below,
            "figures": figures,
            "labels": _labels(),
            "metrics": metrics_shown(figures.values()),
            "items": items,
            "panels": drawn,
        }

    content = (
        (_said(row), row.active, line, month, tuple(of_month.items()), tuple(in_all.items())),
        tuple((_said(each), tuple(figures[each.id].items())) for each in below),
        tuple((each.name, each.until) for each in former),
        _said(into) if into else None,
        tuple((each.unit.name, each.on) for each in absorbed),
        tuple(each.content for each in items),
        drawn,
    )
    return request.render_kept("public/unit.html", content, context)


def _said(unit: Unit) -> tuple[str, str, str]:
    """What pages say of a unit itself."""
    return unit.code, unit.name, unit.kind


@remembered
async def _past_of(unit: int) -> tuple[list[UnitName], Unit | None, list[UnitMerger]]:
    """A unit's former names, what it was merged into, and what was merged into it."""
    merger = await UnitMerger.get_or_none(unit_id=unit).select_related("into")
    return (
        await UnitName.filter(unit_id=unit).order_by("until", "id"),
        merger.into if merger else None,
        await UnitMerger.filter(into_id=unit).select_related("unit").order_by("on"),
    )


@remembered
async def _below(parents: tuple[int, ...]) -> tuple[Unit, ...]:
    """The active units right below, without departments: issues are raised in places."""
    kinds = current().configuration.unit_kinds
    rows = await Unit.filter(parent_id__in=parents, active=True).order_by("position", "id")
    return tuple(row for row in rows if row.kind not in kinds or not kinds[row.kind].department)


def _labels() -> dict[str, str]:
    return {name: _(kind.label) for name, kind in current().configuration.unit_kinds.items()}


PAGES: tuple[Page, ...] = (
    Page("/units", units, "units", public=True, budget="overviews"),
    Page("/units/{code}", unit, "unit", public=True, budget="overviews"),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("public", "各单位", "units", position=40),)
