"""Bringing a ledger in from the browser: upload, look at what would happen, then write it (C29)."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from yetan.access.scope import may, require
from yetan.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from yetan.files.uploads import Upload, find, keep
from yetan.i18n import translate as _
from yetan.issues.importing import DEFAULT_SOURCE, ImportPlan, carry_out, plan_import
from yetan.issues.ledger import (
    LEDGER_COLUMNS,
    Ledger,
    ledger_columns,
    parse_ledger,
    read_mapping,
    refused_table,
)
from yetan.plugins.declarations import NavigationItem, Page
from yetan.runtime import current
from yetan.spreadsheets import Table
from yetan.units.models import Unit
from yetan.units.service import root
from yetan.web.choices import units_within
from yetan.web.downloads import XLSX, attached
from yetan.web.forms import Choices, Field, Form
from yetan.web.request import Request

RUN = "import.run"
APPROVE = "publication.approve"
UPLOAD_LIMIT = 17 * 1024 * 1024
#: How many problems a page lists; the file of refused rows has all of them.
MOST_SHOWN = 500
_KIND = "issues"
_REFUSED = "refused.xlsx"

FILE_FIELDS = (
    Field("file", "台账（.xlsx 或 .csv）", "file"),
    Field("unit", "没写单位的，算在哪里", "unit"),
    Field(
        "source",
        "台账叫什么",
        required=False,
        max_length=40,
        hint="编号加上这个名称，就认得一件事，再导入不会重复。同一本台账每次写一样的名称；只有一本的，不用填。",
    ),
    Field(
        "mapping",
        "列名对照",
        "long_text",
        required=False,
        max_length=5000,
        hint='系统认不出的列名，在这里说明，一行一个，如 "工单流水" = "source_number"。一般不用填。',
    ),
)
CONFIRM_FIELDS = (
    Field("way", "怎么写", "choice", choices=(("all", "写入"), ("skip", "跳过有问题的行写入"))),
    Field("publish", "写入后就公开（姓名、电话、门牌号等会自动遮盖）", "boolean", required=False),
)


async def upload(request: Request) -> Response:
    """The form for a ledger."""
    choices = await _choices(request)
    return _upload(request, Form(FILE_FIELDS, await _started(choices), choices=choices))


async def _started(choices: dict[str, Choices]) -> dict[str, object]:
    """Where there is one unit to choose, or the city among them, that is it."""
    top = str((await root()).id)
    units = [unit for unit, _ in choices["unit"]]
    return {"unit": top if top in units else units[0] if len(units) == 1 else None}


def _upload(request: Request, form: Form, status: int = 200) -> Response:
    fields = [(column.field, column.label) for column in LEDGER_COLUMNS]
    return request.render("admin/import.html", status=status, form=form, fields=fields)


async def _choices(request: Request) -> dict[str, Choices]:
    return {"unit": await units_within(request.act, RUN)}


async def submit_upload(request: Request) -> Response:
    """Keep the ledger and show what importing it would do."""
    form = await request.form(FILE_FIELDS, choices=await _choices(request))
    kept: Upload | None = None
    try:
        typed = form.clean()
        if not isinstance(typed["file"], UploadFile):
            raise Invalid.field("file", "请选一个文件。")
        columns = ledger_columns(read_mapping(typed["mapping"], _("列名对照")))
        kept = await keep(
            request.act,
            typed["file"],
            _KIND,
            columns,
            unit=typed["unit"],
            source=typed["source"] or DEFAULT_SOURCE,
            mapping=typed["mapping"],
        )
        await _ledger(request, kept, await kept.read())
    except Invalid as error:
        if kept is not None:
            kept.discard()
        form.refuse(error.about("file"))
        return _upload(request, form, error.status)
    return request.redirect("admin.import.preview", upload=kept.token)


async def _ledger(request: Request, kept: Upload, table: Table) -> Ledger:
    columns = ledger_columns(read_mapping(kept.about["mapping"], _("列名对照")))
    zone = current().configuration.city.zone
    return await asyncio.to_thread(parse_ledger, table, columns, zone, now=request.act.now)


async def _plan(request: Request, kept: Upload, table: Table) -> ImportPlan:
    """What importing the upload would do now."""
    ledger = await _ledger(request, kept, table)
    unit = await Unit.get(id=kept.about["unit"])
    await require(request.act, RUN, [unit.id])
    reach = {int(each) for each, _ in await units_within(request.act, RUN)}
    return await plan_import(ledger, table, unit, kept.about["source"], reach=reach)


async def preview(request: Request) -> Response:
    """What would be written and what refused, with every reason; once written, what was done."""
    kept = find(request.act, request.path_params["upload"], _KIND)
    if kept.outcome is not None:
        return request.render(
            "admin/import_report.html",
            upload=kept,
            outcome=kept.outcome,
            has_refused=(kept.folder / _REFUSED).is_file(),
        )
    return await _preview(request, kept)


async def _preview(request: Request, kept: Upload, *, message: str = "", status: int = 200) -> Response:
    plan = await _plan(request, kept, await kept.read())
    labels = {column.field: column.label for column in LEDGER_COLUMNS}
    problems = [problem for row in plan.refused for problem in row.problems]
    return request.render(
        "admin/import_preview.html",
        status=status,
        upload=kept,
        unit=await Unit.get(id=kept.about["unit"]),
        plan=plan,
        columns=[(heading, labels[name]) for name, heading in plan.ledger.columns.items()],
        problems=problems[:MOST_SHOWN],
        more_problems=max(0, len(problems) - MOST_SHOWN),
        warnings=plan.warnings[:MOST_SHOWN],
        more_warnings=max(0, len(plan.warnings) - MOST_SHOWN),
        may_publish=await _may_publish(request, plan),
        publish=Form(CONFIRM_FIELDS)["publish"],
        message=message,
    )


async def _may_publish(request: Request, plan: ImportPlan) -> bool:
    for unit in set(plan.units.values()):
        if not await may(request.act, APPROVE, [unit]):
            return False
    return True


async def confirm(request: Request) -> Response:
    """Write the ledger: all of it, or without the refused rows, which are kept as a file to correct."""
    kept = find(request.act, request.path_params["upload"], _KIND)
    if kept.outcome is not None:
        return request.redirect("admin.import.preview", upload=kept.token)
    try:
        typed = (await request.form(CONFIRM_FIELDS)).clean()
        async with kept.claimed() as table:
            await _write(request, kept, table, typed)
    except (Refused, Conflict, Forbidden, Invalid) as error:
        return await _preview(request, kept, message=error.message, status=error.status)
    return request.redirect("admin.import.preview", upload=kept.token)


async def _write(request: Request, kept: Upload, table: Table, typed: dict[str, Any]) -> None:
    plan = await _plan(request, kept, table)
    if plan.refused and typed["way"] == "all":
        raise Refused("有不能导入的行，什么都没有写入。请改好再上传，或者选“跳过有问题的行写入”。")
    if plan.refused:
        content = await asyncio.to_thread(refused_table, plan.ledger)
        (kept.folder / _REFUSED).write_bytes(content)
    report = await carry_out(request.act, plan, publish=typed["publish"], progress=lambda *_: None)
    kept.finish(
        added=report.added,
        answered=report.answered,
        published=report.published,
        linked=report.linked,
        present=len(plan.present),
        refused=len(plan.refused),
    )


async def discard(request: Request) -> Response:
    """Throw the upload away, with everything kept of it."""
    find(request.act, request.path_params["upload"], _KIND).discard()
    return request.redirect("admin.import")


async def refused_rows(request: Request) -> Response:
    """The rows that were refused, as they came, each with its reasons."""
    kept = find(request.act, request.path_params["upload"], _KIND)
    file = kept.folder / _REFUSED
    if not file.is_file():
        if kept.outcome is not None:
            raise NotFound("这次导入没有被拒的行。")
        plan = await _plan(request, kept, await kept.read())
        content = await asyncio.to_thread(refused_table, plan.ledger)
        return Response(content, media_type=XLSX, headers=attached(_("未导入.xlsx")))
    return FileResponse(file, media_type=XLSX, headers=attached(_("未导入.xlsx")))


_UPLOAD = "/admin/import/{upload}"
PAGES: tuple[Page, ...] = (
    Page("/admin/import", upload, "admin.import", permission=RUN),
    Page(
        "/admin/import",
        submit_upload,
        "admin.import.submit",
        methods=("POST",),
        permission=RUN,
        body_limit=UPLOAD_LIMIT,
    ),
    Page(_UPLOAD, preview, "admin.import.preview", permission=RUN, sensitive=True),
    Page(_UPLOAD, confirm, "admin.import.confirm", methods=("POST",), permission=RUN),
    Page(f"{_UPLOAD}/discard", discard, "admin.import.discard", methods=("POST",), permission=RUN),
    Page(f"{_UPLOAD}/refused.xlsx", refused_rows, "admin.import.refused", permission=RUN, sensitive=True),
)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("admin", "导入台账", "admin.import", RUN, position=50),
    NavigationItem("desk", "导入台账", "admin.import", RUN, position=80),
)
