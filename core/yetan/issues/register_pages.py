"""Registering at the desk: the form an official fills in for residents."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from yetan.errors import Invalid, Refused
from yetan.files.service import BODY_LIMIT
from yetan.issues.queues import units_below
from yetan.issues.registering import MOST_RAISERS, REGISTER_FIELDS, raiser_fields, raisers_in, register_issue
from yetan.plugins.declarations import NavigationItem, Page
from yetan.units.models import Unit
from yetan.web.choices import choices_for
from yetan.web.forms import Field, Form
from yetan.web.request import Request

#: How many residents the form has room for, and the button that makes room for more.
ROOM = Field("room", "", "hidden", required=False, max_length=2)
MORE = Field("more", "", "hidden", required=False, max_length=1)
FIRST_ROOM, MORE_ROOM = 2, 3


async def register(request: Request) -> Response:
    """The empty form."""
    return _draw(request, await _form(request, {}, FIRST_ROOM), FIRST_ROOM)


async def submit_register(request: Request) -> Response:
    """Register the issue and show it; or draw the form again, longer or with what is wrong."""
    asked = await request.values((ROOM, MORE))
    room = _room(asked["room"])
    fields = (*REGISTER_FIELDS, *raiser_fields(room))
    values = await request.values(fields)
    if asked["more"]:
        room = min(room + MORE_ROOM, MOST_RAISERS)
        form = await _form(request, values, room)
        form.ask_files_again()
        return _draw(request, form, room)
    form = await _form(request, values, room)
    photos: list[Any] = list(values.get("photos") or [])  # type: ignore[call-overload]
    try:
        typed = form.clean()
        issue = await register_issue(request.act, typed, raisers_in(typed, room), photos)
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            form.refuse(error)
        else:
            form.message = error.message
            form.ask_files_again()
        return _draw(request, form, room, error.status)
    return request.redirect("desk.issue", id=issue.id)


def _room(typed: object) -> int:
    text = typed if isinstance(typed, str) and typed.isascii() and typed.isdigit() else ""
    return min(max(int(text or FIRST_ROOM), 1), MOST_RAISERS)


async def _form(request: Request, values: dict[str, object], room: int) -> Form:
    """The form, offering the units the actor registers for."""
    choices = await choices_for(request.act, REGISTER_FIELDS, raising=True)
    below = Unit.filter(id__in=units_below(request.act, "issue.register"))
    reach = {str(row["id"]) for row in await below.values("id")}
    choices["unit"] = [choice for choice in choices["unit"] if choice[0] in reach]
    values = dict(values)
    if len(choices["unit"]) == 1:
        values.setdefault("unit", choices["unit"][0][0])
    return Form((*REGISTER_FIELDS, *raiser_fields(room)), values, choices=choices)


def _draw(request: Request, form: Form, room: int, status: int = 200) -> Response:
    names = [field.name for field in REGISTER_FIELDS]
    return request.render(
        "desk/register.html",
        status,
        form=form,
        matter=[form[name] for name in names],
        raisers=[(form[f"name_{n}"], form[f"phone_{n}"]) for n in range(1, room + 1)],
        room=room,
        more=room < MOST_RAISERS,
        possible=bool(form.choices["unit"]),
    )


PAGES: tuple[Page, ...] = (
    Page("/desk/register", register, "desk.register", permission="issue.register"),
    Page(
        "/desk/register",
        submit_register,
        "desk.register.submit",
        methods=("POST",),
        permission="issue.register",
        body_limit=BODY_LIMIT,
    ),
)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("desk", "登记", "desk.register", permission="issue.register", position=20),
)
