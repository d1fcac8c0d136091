"""The searches one keeps under a name: keeping one, and the page on which they are renamed and dropped."""

from __future__ import annotations

from starlette.responses import Response

from yetan.errors import Invalid, Refused
from yetan.issues.saved_filters import NAME_FIELDS, drop_filter, rename_filter, save_filter, saved_filters
from yetan.issues.search_form import SEARCH_FIELDS, search_address, search_form, typed_in
from yetan.plugins.declarations import Page
from yetan.web.forms import Form
from yetan.web.request import Request


async def filters(request: Request) -> Response:
    """One's own kept searches."""
    return await _filters(request)


async def save(request: Request) -> Response:
    """Keep the search whose form was sent along, and go on with it."""
    form = await search_form(request)
    query = typed_in(form)
    named = await request.form(NAME_FIELDS)
    try:
        form.clean()
        await save_filter(request.act, named.values, query)
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            named.refuse(error)
        named.message = error.message
        return await _filters(request, unsaved=(named, query), status=error.status)
    return request.redirect_to(search_address(request, query))


async def rename(request: Request) -> Response:
    """Call a kept search otherwise."""
    named = await request.form(NAME_FIELDS)
    try:
        await rename_filter(request.act, request.path_params["filter"], named.values)
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            named.refuse(error)
        named.message = error.message
        return await _filters(request, renaming=(request.path_params["filter"], named), status=error.status)
    return request.redirect("desk.filters")


async def drop(request: Request) -> Response:
    """Keep it no longer."""
    await drop_filter(request.act, request.path_params["filter"])
    return request.redirect("desk.filters")


async def _filters(
    request: Request,
    *,
    unsaved: tuple[Form, dict[str, str]] | None = None,
    renaming: tuple[int, Form] | None = None,
    status: int = 200,
) -> Response:
    kept = await saved_filters(request.act)
    forms = {each.id: Form(NAME_FIELDS, {"name": each.name}) for each in kept}
    if renaming is not None:
        forms |= {renaming[0]: renaming[1]}
    return request.render(
        "desk/filters.html",
        status,
        kept=[(each, search_address(request, each.query), forms[each.id]) for each in kept],
        unsaved=unsaved,
        fields=[field.name for field in SEARCH_FIELDS],
    )


PAGES: tuple[Page, ...] = (
    Page("/desk/filters", filters, "desk.filters", permission="issue.view"),
    Page("/desk/filters", save, "desk.filter.save", methods=("POST",), permission="issue.view"),
    Page("/desk/filters/{filter:int}", rename, "desk.filter.rename", methods=("POST",), permission="issue.view"),
    Page("/desk/filters/{filter:int}/drop", drop, "desk.filter.drop", methods=("POST",), permission="issue.view"),
)
