"""Administration of units: the tree, renaming, merging, switching off, and bringing a table of units in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response
from tortoise.expressions import Q

from yetan.access.scope import may, require, visible
from yetan.errors import Forbidden, Invalid, Refused
from yetan.files.uploads import Upload, find, keep
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.plugins.declarations import NavigationItem, Page
from yetan.runtime import current
from yetan.spreadsheets import Cell, Table
from yetan.units.models import Unit, UnitMerger, UnitName
from yetan.units.service import (
    MERGE_FIELDS,
    NAME_FIELDS,
    ancestors_of,
    compare_units,
    load_units,
    merge_units,
    rename,
    root,
    set_active,
)
from yetan.units.table import UNIT_COLUMNS, UnitTable, parse_units
from yetan.web.choices import units_within
from yetan.web.downloads import listed
from yetan.web.forms import Field, Form
from yetan.web.request import Request
from yetan.web.submitting import submit

MANAGE = "unit.manage"
#: How many a list shows at most; whoever needs others searches.
MOST_SHOWN = 200
SEARCH_FIELDS = (Field("q", "名称或者编码", required=False, max_length=60),)
_UNDER = Field("under", "上级单位", "number", required=False)
_ACTIVE = Field("active", "启用", "boolean", required=False)
_HINT = message_ids("列名：编码、名称、类型、上级编码、简称、曾用名。")
FILE_FIELDS = (Field("file", "单位表（.xlsx 或 .csv）", "file", hint=_HINT),)
#: A table of 16 MiB, and what surrounds it in a form.
UPLOAD_LIMIT = 17 * 1024 * 1024
_KIND = "units"


async def units(request: Request) -> Response:
    """What lies directly below a unit, from the top of one's reach down; or what a search finds."""
    form = await request.form((*SEARCH_FIELDS, _UNDER))
    asked = form.clean()
    reach = visible(Unit, request.act)
    above = await reach.get_or_none(id=asked["under"]) if asked["under"] is not None else None
    if asked["q"]:
        found = reach.filter(
            Q(name__icontains=asked["q"]) | Q(code=asked["q"]) | Q(former_names__name__icontains=asked["q"])
        )
        shown = await found.distinct().order_by("position", "id").limit(MOST_SHOWN)
    elif above is not None:
        shown = await reach.filter(parent_id=above.id).order_by("position", "id").limit(MOST_SHOWN)
    else:
        shown = await _top(request)
    return request.render(
        "admin/units.html",
        form=Form(SEARCH_FIELDS, form.values),
        units=shown,
        kinds=_kind_labels(),
        below=await _counts([unit.id for unit in shown]),
        parents=await _parents(shown),
        above=above,
        line=await _line(above) if above is not None else [],
        asked=asked["q"],
        most=MOST_SHOWN,
        may_import=await may(request.act, MANAGE, [(await root()).id]),
    )


async def _top(request: Request) -> list[Unit]:
    """The units of one's reach with nothing of it above them."""
    within = await visible(Unit, request.act).order_by("position", "id")
    ids = {unit.id for unit in within}
    return [unit for unit in within if unit.parent_id not in ids]


async def _counts(ids: Sequence[int]) -> dict[int, int]:
    """How many units lie directly below each."""
    below: dict[int, int] = dict.fromkeys(ids, 0)
    for row in await Unit.filter(parent_id__in=list(ids)).values("parent_id"):
        below[row["parent_id"]] += 1
    return below


async def _parents(shown: Sequence[Unit]) -> dict[int, str]:
    above = await Unit.filter(id__in=[unit.parent_id for unit in shown if unit.parent_id is not None])
    return {unit.id: unit.name for unit in above}


async def _line(unit: Unit) -> list[Unit]:
    """The units above, from the top down."""
    ids = (await ancestors_of([unit.id]))[unit.id][1:]
    found = {each.id: each for each in await Unit.filter(id__in=ids)}
    return [found[each] for each in reversed(ids)]


def _kind_labels() -> dict[str, str]:
    return {name: _(kind.label) for name, kind in current().configuration.unit_kinds.items()}


async def unit(request: Request) -> Response:
    """One unit, with the form for its name."""
    row: Unit = request.subject
    return await _unit(request, Form(NAME_FIELDS, {"name": row.name, "short_name": row.short_name}))


async def _unit(request: Request, form: Form, *, status: int = 200) -> Response:
    row = await Unit.get(id=request.subject.id)
    merger = await UnitMerger.get_or_none(unit_id=row.id).select_related("into")
    return request.render(
        "admin/unit.html",
        status=status,
        form=form,
        unit=row,
        kind=_kind_labels().get(row.kind, row.kind),
        line=await _line(row),
        children=await Unit.filter(parent_id=row.id).order_by("position", "id").limit(MOST_SHOWN),
        former=await UnitName.filter(unit_id=row.id).order_by("id"),
        merger=merger,
    )


async def submit_name(request: Request) -> Response:
    """Rename the unit."""
    not_done = await submit(request, NAME_FIELDS, lambda values: rename(request.act, request.subject.id, values))
    if not_done is not None:
        return await _unit(request, not_done.form, status=not_done.status)
    return request.redirect("admin.unit", id=request.subject.id)


async def switch(request: Request) -> Response:
    """Offer the unit in forms, or no longer."""
    active = _ACTIVE.clean((await request.values((_ACTIVE,)))["active"])
    try:
        await set_active(request.act, request.subject.id, active)
    except (Refused, Forbidden) as error:
        row: Unit = request.subject
        form = Form(NAME_FIELDS, {"name": row.name, "short_name": row.short_name}, message=error.message)
        return await _unit(request, form, status=error.status)
    return request.redirect("admin.unit", id=request.subject.id)


async def merging(request: Request) -> Response:
    """The form for what the unit goes into."""
    choices = {"into": await units_within(request.act, MANAGE)}
    return request.render("admin/unit_merge.html", form=Form(MERGE_FIELDS, choices=choices), unit=request.subject)


async def submit_merging(request: Request) -> Response:
    """Merge the unit."""
    not_done = await submit(
        request,
        MERGE_FIELDS,
        lambda values: merge_units(request.act, request.subject.id, values["into"]),
        choices={"into": await units_within(request.act, MANAGE)},
    )
    if not_done is not None:
        return request.render("admin/unit_merge.html", status=not_done.status, form=not_done.form, unit=request.subject)
    return request.redirect("admin.unit", id=request.subject.id)


# A table of units


async def export(request: Request) -> Response:
    """The units within reach as a table that can be brought in again: those above come first."""
    kinds = current().configuration.unit_kinds
    rows = await visible(Unit, request.act).filter(active=True).order_by("position", "id").select_related("parent")
    former: dict[int, list[str]] = defaultdict(list)
    for each in await UnitName.filter(unit_id__in=[unit.id for unit in rows]).order_by("id"):
        former[each.unit_id].append(each.name)
    cells: list[list[Cell]] = [
        [
            unit.code,
            unit.name,
            kinds[unit.kind].label if unit.kind in kinds else unit.kind,
            unit.parent.code if unit.parent is not None else "",
            unit.short_name,
            _("、").join(former[unit.id]),
        ]
        for unit in rows
    ]
    headings = [
        UNIT_COLUMNS[name].label for name in ("code", "name", "kind", "parent_code", "short_name", "former_names")
    ]
    return await listed(request, "units", _("单位", count=2), headings, cells)


async def upload(request: Request) -> Response:
    """The form for a table."""
    await _require_city(request)
    return request.render("admin/units_upload.html", form=Form(FILE_FIELDS))


async def submit_upload(request: Request) -> Response:
    """Keep the table and show what it would do."""
    await _require_city(request)
    form = await request.form(FILE_FIELDS)
    kept: Upload | None = None
    try:
        file = form.clean()["file"]
        if not isinstance(file, UploadFile):
            raise Invalid.field("file", "请选一个文件。")
        kept = await keep(request.act, file, _KIND, UNIT_COLUMNS)
        await _parsed(await kept.read())
    except Invalid as error:
        if kept is not None:
            kept.discard()
        form.refuse(error.about("file"))
        return request.render("admin/units_upload.html", status=error.status, form=form)
    return request.redirect("admin.units.preview", upload=kept.token)


async def preview(request: Request) -> Response:
    """What the table would add and change, or what is wrong with it. Nothing is written."""
    await _require_city(request)
    kept = find(request.act, request.path_params["upload"], _KIND)
    if kept.outcome is not None:
        return request.redirect("admin.units")
    parsed = await _parsed(await kept.read())
    added, changed = await compare_units(parsed.units)
    return request.render(
        "admin/units_preview.html",
        upload=kept,
        total=len(parsed.units),
        added=added,
        changed=changed,
        problems=parsed.problems,
        kinds=_kind_labels(),
        most=MOST_SHOWN,
    )


async def confirm(request: Request) -> Response:
    """Load the table, as it was previewed; once, however often it is confirmed."""
    kept = find(request.act, request.path_params["upload"], _KIND)
    if kept.outcome is not None:
        return request.redirect("admin.units")
    if (await _parsed(await kept.read())).problems:
        return request.redirect("admin.units.preview", upload=kept.token)
    async with kept.claimed() as table:
        units = (await _parsed(table)).units
        await load_units(request.act, units)
    kept.finish(loaded=len(units))
    return request.redirect("admin.units")


async def _parsed(table: Table) -> UnitTable:
    kinds = {word: name for name, kind in current().configuration.unit_kinds.items() for word in (name, kind.label)}
    known: list[Any] = await Unit.all().values_list("code", flat=True)
    return parse_units(table, kinds=kinds, known=known)


async def _require_city(request: Request) -> None:
    """A table changes the whole tree: for whoever manages the city itself."""
    await require(request.act, MANAGE, [(await root()).id])


_UNIT = "/admin/units/{id:int}"
PAGES: tuple[Page, ...] = (
    Page("/admin/units", units, "admin.units", permission=MANAGE),
    Page("/admin/units/export", export, "admin.units.export", permission=MANAGE, sensitive=True),
    Page("/admin/units/import", upload, "admin.units.import", permission=MANAGE),
    Page(
        "/admin/units/import",
        submit_upload,
        "admin.units.import.submit",
        methods=("POST",),
        permission=MANAGE,
        body_limit=UPLOAD_LIMIT,
    ),
    Page("/admin/units/import/{upload}", preview, "admin.units.preview", permission=MANAGE),
    Page(
        "/admin/units/import/{upload}",
        confirm,
        "admin.units.confirm",
        methods=("POST",),
        permission=MANAGE,
    ),
    Page(_UNIT, unit, "admin.unit", permission=MANAGE, model=Unit),
    Page(f"{_UNIT}/name", submit_name, "admin.unit.rename", methods=("POST",), permission=MANAGE, model=Unit),
    Page(f"{_UNIT}/active", switch, "admin.unit.switch", methods=("POST",), permission=MANAGE, model=Unit),
    Page(f"{_UNIT}/merge", merging, "admin.unit.merge", permission=MANAGE, model=Unit),
    Page(
        f"{_UNIT}/merge",
        submit_merging,
        "admin.unit.merge.submit",
        methods=("POST",),
        permission=MANAGE,
        model=Unit,
    ),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "单位", "admin.units", MANAGE, position=10),)
