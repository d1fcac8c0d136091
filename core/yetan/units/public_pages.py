"""Units as the public sees them: the tree with its figures, and one unit."""

from __future__ import annotations

from starlette.responses import Response

from yetan.errors import NotFound
from yetan.plugins.declarations import NavigationItem, Page
from yetan.publication.board import month_shown
from yetan.publication.listing import ListFilters, list_issues
from yetan.publication.views import figure_views, row_views
from yetan.runtime import current
from yetan.statistics.service import by_unit, values
from yetan.units.models import Unit, UnitMerger, UnitName
from yetan.units.service import ancestors_of
from yetan.web.request import Request

#: How many of a unit's latest issues its page shows.
LATEST = 6


async def units(request: Request) -> Response:
    """The city's units, two levels of them, with their figures; what lies below stands on each one's own page."""
    city = await Unit.filter(parent_id=None).order_by("id").first()
    tops = await _below([city.id]) if city else []
    inner = await _below([unit.id for unit in tops])
    shown = [*([city] if city else []), *tops, *inner]
    figures = await by_unit([unit.id for unit in shown])
    groups = [(top, [unit for unit in inner if unit.parent_id == top.id]) for top in tops]
    return request.render(
        "public/units.html", city_unit=city, groups=groups, figures=figures, labels=_labels(), metrics=_metrics(request)
    )


async def unit(request: Request) -> Response:
    """One unit: its figures, the units below it, its latest issues. `{code}` is the official code."""
    code = request.path_params["code"]
    row = await Unit.get_or_none(code=code) if len(code) <= 40 else None
    if row is None:
        raise NotFound("没有这个单位。请从各单位的名单里找。")
    line = (await ancestors_of([row.id]))[row.id][1:]
    above = {each.id: each for each in await Unit.filter(id__in=line)}
    below = await _below([row.id])
    month = await month_shown(request.act.now)
    merger = await UnitMerger.get_or_none(unit_id=row.id).select_related("into")
    page = await list_issues(ListFilters(unit=row), limit=LATEST, now=request.act.now)
    url = request.templating.addresses.path
    kinds = current().configuration.unit_kinds
    return request.render(
        "public/unit.html",
        unit=row,
        label=_labels().get(row.kind, ""),
        raises=row.active and row.kind in kinds and kinds[row.kind].raises,
        trail=[(above[each].name, url("unit", code=above[each].code)) for each in line[::-1] if each in above],
        former=await UnitName.filter(unit_id=row.id).order_by("until", "id"),
        merged_into=merger.into if merger else None,
        absorbed=await UnitMerger.filter(into_id=row.id).select_related("unit").order_by("on"),
        month=month,
        of_month=figure_views(url, await values(row.id, month.period), unit_code=row.code, month=month),
        in_all=figure_views(url, await values(row.id), unit_code=row.code),
        below=below,
        figures=await by_unit([each.id for each in below]),
        labels=_labels(),
        metrics=_metrics(request),
        items=await row_views(page.rows, request.act.now, lambda issue: url("issue", number=issue.number)),
    )


async def _below(parents: list[int]) -> list[Unit]:
    """The active units right below, without departments: issues are raised in places."""
    kinds = current().configuration.unit_kinds
    rows = await Unit.filter(parent_id__in=parents, active=True).order_by("position", "id")
    return [row for row in rows if row.kind not in kinds or not kinds[row.kind].department]


def _labels() -> dict[str, str]:
    return {name: kind.label for name, kind in current().configuration.unit_kinds.items()}


def _metrics(request: Request) -> list[object]:
    return [metric for metric in request.templating.registry.metrics.values() if metric.public]


PAGES: tuple[Page, ...] = (
    Page("/units", units, "units", public=True),
    Page("/units/{code}", unit, "unit", public=True),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("public", "各单位", "units", position=40),)
