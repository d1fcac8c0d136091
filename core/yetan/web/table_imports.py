"""Bringing a table in from a page: upload, a look at what it would do, then all of it or nothing.

A noun declares a `TableImport` and gets its four pages. Nothing is written before the look is confirmed, and one row
that is refused keeps all rows out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from starlette.datastructures import UploadFile
from starlette.responses import Response

from yetan.act import Act
from yetan.errors import Conflict, Forbidden, Invalid, Refused
from yetan.files.uploads import Upload, find, keep
from yetan.plugins.declarations import Page
from yetan.spreadsheets import Columns, RowProblem, Table
from yetan.web.forms import Field, Form
from yetan.web.request import Request

#: A table of 16 MiB, and what surrounds it in a form.
UPLOAD_LIMIT = 17 * 1024 * 1024
#: How many rows a look shows at most.
MOST_SHOWN = 200


class Reading(Struct, frozen=True):
    """What a table would add, as the look shows it: `rows` of `headings` cells each; and what is wrong with it.

    `values` is what is loaded; `known` how many rows are there already, and left as they are.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    values: Sequence[Any]
    problems: Sequence[RowProblem]
    known: int = 0


class TableImport(Struct, frozen=True):
    """A table that can be brought in. `name` is that of its pages, `back` of the list it adds to, `kind` its uploads'.

    `read(act, table)` says what it would do; `load(act, values)` does it in one change. `title`, `hint` (which columns)
    and `lead` are message ids. With `sensitive`, the look says something of people, and that it was taken is recorded.
    """

    name: str
    path: str
    back: str
    kind: str
    permission: str
    title: str
    hint: str
    lead: str
    columns: Columns
    read: Callable[[Act, Table], Awaitable[Reading]]
    load: Callable[[Act, Sequence[Any]], Awaitable[Any]]
    sensitive: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The form."""
        return (Field("file", "表格（.xlsx 或 .csv）", "file", hint=self.hint),)

    def pages(self) -> tuple[Page, ...]:
        """The form, what it is sent to, the look, and what confirms it."""
        name, path, permission = self.name, self.path, self.permission
        look = f"{path}/{{upload}}"
        return (
            Page(path, partial(_form, self), name, permission=permission),
            Page(
                path,
                partial(_submit, self),
                f"{name}.submit",
                methods=("POST",),
                permission=permission,
                body_limit=UPLOAD_LIMIT,
            ),
            Page(look, partial(_look, self), f"{name}.look", permission=permission, sensitive=self.sensitive),
            Page(look, partial(_confirm, self), f"{name}.confirm", methods=("POST",), permission=permission),
        )


async def _form(table: TableImport, request: Request) -> Response:
    return _drawn(table, request, Form(table.fields))


def _drawn(table: TableImport, request: Request, form: Form, status: int = 200) -> Response:
    return request.render("admin/table_import.html", status, table=table, form=form)


async def _submit(table: TableImport, request: Request) -> Response:
    form = await request.form(table.fields)
    kept: Upload | None = None
    try:
        file = form.clean()["file"]
        if not isinstance(file, UploadFile):
            raise Invalid.field("file", "请选一个文件。")
        kept = await keep(request.act, file, table.kind, table.columns)
        await table.read(request.act, await kept.read())
    except Invalid as error:
        if kept is not None:
            kept.discard()
        form.refuse(error.about("file"))
        return _drawn(table, request, form, error.status)
    return request.redirect(f"{table.name}.look", upload=kept.token)


async def _look(table: TableImport, request: Request) -> Response:
    kept = find(request.act, request.path_params["upload"], table.kind)
    if kept.outcome is not None:
        return request.redirect(table.back)
    return await _looked(table, request, kept)


async def _looked(table: TableImport, request: Request, kept: Upload, message: str = "", status: int = 200) -> Response:
    reading = await table.read(request.act, await kept.read())
    request.looked_at = f"{table.kind}: {len(reading.rows)}"
    return request.render(
        "admin/table_look.html",
        status,
        table=table,
        upload=kept,
        reading=reading,
        message=message,
        most=MOST_SHOWN,
    )


async def _confirm(table: TableImport, request: Request) -> Response:
    kept = find(request.act, request.path_params["upload"], table.kind)
    if kept.outcome is not None:
        return request.redirect(table.back)
    reading = await table.read(request.act, await kept.read())
    if reading.problems or not reading.values:
        return request.redirect(f"{table.name}.look", upload=kept.token)
    try:
        async with kept.claimed():
            # The upload itself is taken once, under whichever key.
            await table.load(request.act.keyed(""), reading.values)
    except (Invalid, Refused, Forbidden, Conflict) as error:
        return await _looked(table, request, kept, error.message, error.status)
    kept.finish(loaded=len(reading.values))
    return request.redirect(table.back)


def refused_row(row: int, error: Exception) -> Invalid:
    """What a service refused, told with the row of the table it was about."""
    return Invalid("第 {row} 行：{why}", row=row, why=getattr(error, "message", str(error)))
