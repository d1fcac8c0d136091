"""What most forms do when they are sent: take the typed values to one service, or come back as they were typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from yetan.errors import Conflict, Forbidden, Invalid, Refused
from yetan.web.forms import Choices, Field, Form
from yetan.web.request import Request


class NotDone(Struct, frozen=True):
    """The form to draw again, with what was typed and why it was not taken, and the answer's status."""

    form: Form
    status: int


async def submit(
    request: Request,
    fields: Sequence[Field],
    service: Callable[[dict[str, Any]], Awaitable[Any]],
    *,
    choices: Mapping[str, Choices] | None = None,
) -> NotDone | None:
    """Give the cleaned values of `fields` to `service`. None when it is done."""
    form = await request.form(fields, choices=choices)
    try:
        await service(form.clean())
    except Invalid as error:
        form.refuse(error)
        return NotDone(form, error.status)
    except (Refused, Conflict, Forbidden) as error:
        form.message = error.message
        form.ask_files_again()
        return NotDone(form, error.status)
    return None
