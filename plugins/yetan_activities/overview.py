"""Night activities of a unit and all below it: what comes, what was; on a page, on units' pages, at the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from msgspec import Struct
from starlette.responses import Response
from tortoise.queryset import QuerySet

from yetan.api import (
    Act,
    Field,
    Form,
    Invalid,
    Issue,
    NavigationItem,
    Page,
    Panel,
    Permission,
    PublicRecord,
    Request,
    Unit,
    clean,
    holds,
    latest_first,
    message_ids,
    subtree_of,
    today,
    unit_choices,
    unit_coded,
    visible,
)
from yetan.api import translate as _
from yetan_activities.kinds import ActivityKind, kinds_of_city
from yetan_activities.models import Activity
from yetan_activities.occasions import occasions
from yetan_activities.reflections import waiting_for

VIEW = "activities.view"
#: How many of what comes are shown, how many of what was on one page, and of each on other pages.
_COMING, _PAST, _ON_PAGES = 50, 20, 3
_FIRST_YEAR, _LAST_YEAR = 1990, 2200

FILTER_FIELDS: tuple[Field, ...] = message_ids(
    (
        Field("unit", "单位", "choice", required=False, max_length=40),
        Field("kind", "哪一种", "choice", required=False, max_length=30),
        Field("year", "年", "number", required=False, minimum=_FIRST_YEAR, maximum=_LAST_YEAR),
        Field("month", "月", "number", required=False, minimum=1, maximum=12),
    )
)
NARROWED_BY = tuple(field.name for field in FILTER_FIELDS)
_BEFORE = Field("before", "从哪一场接着看", "hidden", required=False, max_length=30)


class Filters(Struct, frozen=True):
    """What a list of activities is narrowed to; `unit` takes in everything below it."""

    unit: Unit | None = None
    kind: str = ""
    year: int | None = None
    month: int | None = None

    @property
    def span(self) -> tuple[date, date] | None:
        """The first and the last day of the year or month; None without a year."""
        if self.year is None:
            return None
        first = date(self.year, self.month or 1, 1)
        following = date(self.year + (self.month in (None, 12)), 1 if self.month in (None, 12) else self.month + 1, 1)
        return first, following - timedelta(days=1)


async def filters_from(values: Mapping[str, object]) -> Filters:
    """The filters of what was typed for FILTER_FIELDS. Raises `Invalid` naming the field."""
    code = str(values.get("unit") or "").strip()
    unit = await unit_coded(code)
    cleaned = clean(FILTER_FIELDS, values, {"unit": [(unit.code, unit.name)] if unit else [], "kind": kind_choices()})
    if cleaned["month"] is not None and cleaned["year"] is None:
        raise Invalid.field("year", "选了月份，也要选年份。")
    return Filters(unit, cleaned["kind"], cleaned["year"], cleaned["month"])


def kind_choices() -> list[tuple[str, str]]:
    """The kinds of activities, in their order."""
    return [(kind.name, kind.label) for kind in kinds_of_city()]


async def published_activities(filters: Filters) -> QuerySet[PublicRecord]:
    """The published activities that match."""
    rows = PublicRecord.filter(kind__in=[filters.kind] if filters.kind else [name for name, _label in kind_choices()])
    if filters.unit is not None and filters.unit.parent_id is not None:
        rows = rows.filter(unit_id__in=await subtree_of(filters.unit.id))
    if filters.span is not None:
        first, last = filters.span
        rows = rows.filter(date__gte=first, date__lte=last)
    return rows


class Listed(Struct, frozen=True):
    """An activity in a list. `kind` is the name of its kind; `raised` and `struck_off` count problems."""

    id: int
    kind: str
    label: str
    title: str
    date: date
    starts_at: str
    place: str
    unit_name: str
    raised: int
    struck_off: int


async def listed_of(rows: Sequence[PublicRecord]) -> list[Listed]:
    """Published activities as lists and feeds draw them, with what came of each."""
    units = {unit.id: unit.name for unit in await Unit.filter(id__in={row.unit_id for row in rows})}
    labels = dict(kind_choices())
    counted = await _counted(rows)
    return [
        Listed(
            row.record_id,
            row.kind,
            labels[row.kind],
            row.title,
            row.date,
            row.face.get("starts_at") or "",
            row.face.get("place") or "",
            units[row.unit_id],
            *counted.get((row.kind, row.record_id), (0, 0)),
        )
        for row in rows
    ]


async def _counted(rows: Sequence[PublicRecord]) -> dict[tuple[str, int], tuple[int, int]]:
    """By activity: how many problems were raised there, and how many of them are struck off."""
    found = Issue.filter(
        origin_kind__in=list({row.kind for row in rows}), origin_id__in=[row.record_id for row in rows], kind="problem"
    )
    counted: dict[tuple[str, int], tuple[int, int]] = {}
    for kind, activity, struck_off_at in await found.values_list("origin_kind", "origin_id", "struck_off_at"):
        raised, lit = counted.get((kind, activity), (0, 0))
        counted[kind, activity] = raised + 1, lit + (struck_off_at is not None)
    return counted


# The public page


async def overview(request: Request) -> Response:
    """What comes next and what was, narrowed by the form's fields."""
    typed = await request.values((*FILTER_FIELDS, _BEFORE))
    wrong: Invalid | None = None
    try:
        filters = await filters_from(typed)
    except Invalid as error:
        wrong, filters = error, Filters()
    form = Form(FILTER_FIELDS, typed, choices=await _choices(filters, request.act))
    if wrong is not None:
        form.refuse(wrong)
    day = today(request.act)
    rows = await published_activities(filters)
    before = str(typed["before"] or "")
    coming: list[PublicRecord] = []
    past: list[PublicRecord] = []
    more = ""
    if wrong is None:
        past, more = await latest_first(rows.filter(date__lt=day), before, _PAST)
        if not before:
            coming = await rows.filter(date__gte=day).order_by("date", "kind", "record_id").limit(_COMING)
    kept = {field.name: typed[field.name] for field in FILTER_FIELDS}
    narrowed = {name: kept[name] for name in ("unit", "kind")} if wrong is None else {}
    path = request.templating.addresses.path
    return request.render(
        "activities/overview.html",
        422 if wrong is not None else 200,
        form=form,
        title=_title(filters),
        unit=filters.unit,
        coming=sorted(await listed_of(coming), key=lambda row: (row.date, row.starts_at)),
        past=await listed_of(past),
        more=path("activities.overview", **kept, before=more) if more else None,
        first=not before,
        narrowed=any(kept.values()),
        kinds=kinds_of_city(),
        calendar=path("activities.calendar", **narrowed),
        feed=path("activities.feed", **narrowed),
    )


async def _choices(filters: Filters, act: Act) -> Mapping[str, Any]:
    first = await PublicRecord.filter(kind__in=[name for name, _label in kind_choices()]).order_by("date").first()
    this_year = today(act).year
    years = range(this_year + 1, (min(first.date.year, this_year) if first else this_year) - 1, -1)
    return {
        "unit": await unit_choices(filters.unit.id if filters.unit is not None else None),
        "kind": [(name, _(label)) for name, label in kind_choices()],
        "year": [(str(year), str(year)) for year in years],
        "month": [(str(month), str(month)) for month in range(1, 13)],
    }


def _title(filters: Filters) -> str:
    """What the list shows, in words."""
    label = _(dict(kind_choices())[filters.kind]) if filters.kind else _("夜谈活动")
    return _("{what}：{parts}", what=label, parts=filters.unit.name) if filters.unit is not None else label


async def on_unit(act: Act, unit: Unit) -> Mapping[str, Any] | None:
    """What comes next and what was last, on the page of a unit that residents see."""
    rows = await published_activities(Filters(unit))
    past = await rows.filter(date__lt=today(act)).order_by("-date", "-id").limit(_ON_PAGES)
    listed = [*await _next(rows, act), *await listed_of(past)]
    return {"rows": listed, "title": _("夜谈活动"), "unit": unit.code} if listed else None


async def on_board(act: Act, subject: None) -> Mapping[str, Any] | None:
    """What comes next anywhere, on the front page."""
    listed = await _next(await published_activities(Filters()), act)
    return {"rows": listed, "title": _("接下来的夜谈"), "unit": None} if listed else None


async def _next(rows: QuerySet[PublicRecord], act: Act) -> list[Listed]:
    coming = await rows.filter(date__gte=today(act)).order_by("date", "kind", "record_id").limit(_ON_PAGES)
    return await listed_of(coming)


# The desk


class KindOnDesk(Struct, frozen=True):
    """A kind with what the actor may do: see the list, plan one."""

    kind: ActivityKind
    plans: bool


async def desk(request: Request) -> Response:
    """What comes next in the actor's units, what was last, and the way to each kind."""
    act, day = request.act, today(request.act)
    rows = visible(Activity, act).select_related("unit")
    past = await rows.filter(date__lt=day).order_by("-date", "-id").limit(_PAST)
    return request.render(
        "activities/desk.html",
        kinds=[
            KindOnDesk(kind, holds(act.actor, f"{kind.name}.keep"))
            for kind in kinds_of_city()
            if holds(act.actor, f"{kind.name}.view")
        ],
        labels=dict(kind_choices()),
        coming=await rows.filter(date__gte=day).order_by("date", "starts_at", "id").limit(_COMING),
        past=past,
        held=await _held_of(past, day),
        waiting=await waiting_for(act).count(),
    )


async def _held_of(past: Sequence[Activity], day: date) -> set[int]:
    """Which of them were held, be it that somebody wrote so afterwards; the latest first."""
    if not past:
        return set()
    kinds, units = {row.kind for row in past}, {row.unit_id for row in past}
    found = await occasions(kinds, units, past[-1].date, past[0].date, day)
    return {each.id for each in found if each.state == "held"}


PERMISSIONS = (
    Permission(
        VIEW,
        "查看各种夜谈活动",
        frozenset(
            {
                "village_official",
                "township_clerk",
                "department_official",
                "leader",
                "publisher",
                "supervisor",
            }
        ),
    ),
)
NAVIGATION = (
    NavigationItem("public", "夜谈活动", "activities.overview", position=30),
    NavigationItem("desk", "夜谈活动", "activities.desk", VIEW, position=30),
)
PANELS = (
    Panel("activities.unit", "unit", "activities/next_panel.html", on_unit, position=20),
    Panel("activities.board", "board", "activities/next_panel.html", on_board, position=20),
)
PAGES = (
    Page("/activities", overview, "activities.overview", public=True, budget="overviews", narrowed_by=NARROWED_BY),
    Page("/desk/activities", desk, "activities.desk", permission=VIEW),
)
