"""Personal data on request (C73, C74): finding a person, handing out what is held about them, erasing it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Q

from yetan.access.scope import visible
from yetan.errors import Invalid
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.models import Issue
from yetan.people.erasure import erase_person, export_person
from yetan.people.models import Account, HouseholdMember, Person
from yetan.plugins.declarations import Page
from yetan.units.models import Unit
from yetan.web.forms import Field, Form
from yetan.web.request import Request
from yetan.web.submitting import submit

PRIVACY = "person.privacy"
PAGE_SIZE = 50
SEARCH_FIELDS = (Field("q", "姓名或者完整的电话", required=False, max_length=60),)
#: What has to be typed before anything is erased, where there is no name.
_WORD = message_ids("删除")
_CONFIRM = Field("confirm", "写下这个人的姓名，确认删除", max_length=60)


async def persons(request: Request) -> Response:
    """Persons within reach, found by a part of the name or the whole phone number. Nobody is listed unasked."""
    form = await request.form(SEARCH_FIELDS)
    asked: str = form.clean()["q"]
    found: Sequence[Person] = []
    if asked:
        query = visible(Person, request.act).filter(Q(name__icontains=asked) | Q(phone=asked), erased_at=None)
        found = await query.select_related("unit").order_by("id").limit(PAGE_SIZE)
        request.looked_at = f"persons found: {len(found)}"
    return request.render("admin/persons.html", form=form, persons=found, asked=asked, most=PAGE_SIZE)


async def person(request: Request) -> Response:
    """What is held about a person, in short."""
    return await _person(request, Form((_CONFIRM,)))


async def _person(request: Request, form: Form, status: int = 200) -> Response:
    row: Person = await Person.get(id=request.subject.id)
    member = await HouseholdMember.get_or_none(person_id=row.id).select_related("household")
    issues = Issue.filter(raisers__person_id=row.id).order_by("-raised_at", "-id")
    return request.render(
        "admin/person.html",
        status=status,
        form=form,
        person=row,
        unit=await Unit.get_or_none(id=row.unit_id) if row.unit_id is not None else None,
        household=member.household if member is not None else None,
        numbers=[str(number) for number in await issues.limit(PAGE_SIZE).values_list("number", flat=True)],
        account=await Account.get_or_none(person_id=row.id),
        word=row.name or _(_WORD),
    )


async def export(request: Request) -> Response:
    """Everything held about the person, as a JSON file to hand to them."""
    found = await export_person(request.act, request.subject.id)
    return Response(
        json.dumps(found, ensure_ascii=False, indent=2, default=_plain),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="person-{request.subject.id}.json"'},
    )


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


async def erase(request: Request) -> Response:
    """Erase a person, once their name has been typed."""

    async def go(values: dict[str, Any]) -> None:
        row: Person = request.subject
        if row.erased_at is None and values["confirm"] != (row.name or _(_WORD)):
            raise Invalid.field("confirm", "请写“{word}”，一个字都不差，才会删除。", word=row.name or _(_WORD))
        await erase_person(request.act, row.id)

    not_done = await submit(request, (_CONFIRM,), go)
    if not_done is not None:
        return await _person(request, not_done.form, not_done.status)
    return request.redirect("admin.person", id=request.subject.id)


PAGES: tuple[Page, ...] = (
    Page("/admin/persons", persons, "admin.persons", permission=PRIVACY, sensitive=True),
    Page("/admin/persons/{id:int}", person, "admin.person", permission=PRIVACY, model=Person, sensitive=True),
    Page(
        "/admin/persons/{id:int}/export.json",
        export,
        "admin.person.export",
        permission=PRIVACY,
        model=Person,
        sensitive=True,
    ),
    Page(
        "/admin/persons/{id:int}/erase",
        erase,
        "admin.person.erase",
        methods=("POST",),
        permission=PRIVACY,
        model=Person,
    ),
)
