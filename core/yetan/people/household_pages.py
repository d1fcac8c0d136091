"""Households, for those who answer for the very unit they are in (003-10)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from yetan.access.scope import granted_units, visible
from yetan.i18n import translate as _
from yetan.people.households_table import COLUMNS, add_households, read_households, rows_of_households
from yetan.people.models import Household, HouseholdMember
from yetan.people.service import (
    HOUSEHOLD_FIELDS,
    MEMBER_FIELDS,
    OFFICIAL_FIELDS,
    add_household,
    add_member,
    official_of,
    remove_member,
    set_official,
)
from yetan.plugins.declarations import Page
from yetan.units.models import Unit
from yetan.web.choices import choices_for, unit_choices
from yetan.web.downloads import listed
from yetan.web.forms import Choices, Field, Form
from yetan.web.request import Request
from yetan.web.submitting import submit
from yetan.web.table_imports import TableImport

MANAGE = "household.manage"
IMPORT = TableImport(
    name="desk.households.import",
    path="/desk/households/import",
    back="desk.households",
    kind="households",
    permission=MANAGE,
    title="导入住户",
    hint="列名：村（社区）、门牌地址、住的人、联户干部。",
    lead=(
        "一户一行。住的人写姓名，空一格写电话，几个人用顿号隔开，例如：李桂香 13800005678、李小满。"
        "先看一遍会新增哪些，确认以后才写入；有一行不对，就一行也不写。已经有的住户不动。"
    ),
    columns=COLUMNS,
    read=read_households,
    load=add_households,
    sensitive=True,
)
PAGE_SIZE = 50
SEARCH_FIELDS = (Field("q", "门牌地址", required=False, max_length=60),)
AFTER = Field("after", "从哪一户接着看", "number", required=False, minimum=0)
_PERSON = Field("person", "哪个人", "number")


async def households(request: Request) -> Response:
    """The households of one's units, found by a part of the address."""
    form = await request.form((*SEARCH_FIELDS, AFTER))
    asked = form.clean()
    query = visible(Household, request.act)
    if asked["q"]:
        query = query.filter(address__icontains=asked["q"])
    if asked["after"] is not None:
        query = query.filter(id__gt=asked["after"])
    rows = await query.prefetch_related("unit", "members").order_by("id").limit(PAGE_SIZE + 1)
    more = None
    if len(rows) > PAGE_SIZE:
        more = request.templating.addresses.path("desk.households", q=asked["q"], after=rows[PAGE_SIZE - 1].id)
    return request.render(
        "admin/households.html", form=Form(SEARCH_FIELDS, form.values), households=rows[:PAGE_SIZE], more=more
    )


async def export(request: Request) -> Response:
    """The households of one's units with names and phones, as they can be brought in again."""
    headings = (_("村（社区）"), _("门牌地址"), _("住的人"), _("联户干部"))
    return await listed(request, "households", _("住户"), headings, await rows_of_households(request.act))


async def new_household(request: Request) -> Response:
    """The form."""
    return await _new(request, Form(HOUSEHOLD_FIELDS, choices=await _units(request)))


async def submit_new_household(request: Request) -> Response:
    """Add a household, or find the one of that address, and go to it."""
    made: list[Household] = []

    async def add(values: dict[str, Any]) -> None:
        made.append(await add_household(request.act, values["unit"], values["address"], []))

    not_done = await submit(request, HOUSEHOLD_FIELDS, add, choices=await _units(request))
    if not_done is not None:
        return await _new(request, not_done.form, not_done.status)
    return request.redirect("desk.household", id=made[0].id)


async def _units(request: Request) -> dict[str, Choices]:
    """The very units one answers for; not what lies below them."""
    own = {str(unit) for unit in granted_units(request.act.actor, MANAGE)}
    return {"unit": [(unit, label) for unit, label in await unit_choices() if unit in own]}


async def _new(request: Request, form: Form, status: int = 200) -> Response:
    return request.render("admin/household_new.html", status=status, form=form)


async def household(request: Request) -> Response:
    """Who lives there."""
    return await _household(request, Form(MEMBER_FIELDS))


async def _household(request: Request, form: Form, status: int = 200, *, official_form: Form | None = None) -> Response:
    row: Household = request.subject
    official = await official_of(request.act, row.id)
    if official_form is None:
        chosen = {"official": official.id if official else None}
        official_form = Form(OFFICIAL_FIELDS, chosen, choices=await _officials(request))
    members = await HouseholdMember.filter(household_id=row.id).select_related("person").order_by("id")
    return request.render(
        "admin/household.html",
        status=status,
        form=form,
        household=row,
        unit=await Unit.get(id=row.unit_id),
        persons=[member.person for member in members],
        official=official,
        official_form=official_form,
    )


async def _officials(request: Request) -> dict[str, Choices]:
    return await choices_for(request.act, OFFICIAL_FIELDS, near=request.subject.unit_id)


async def submit_member(request: Request) -> Response:
    """Add somebody."""
    not_done = await submit(request, MEMBER_FIELDS, lambda values: add_member(request.act, request.subject.id, values))
    if not_done is not None:
        return await _household(request, not_done.form, not_done.status)
    return request.redirect("desk.household", id=request.subject.id)


async def submit_leaving(request: Request) -> Response:
    """Take somebody out."""
    person = _PERSON.clean((await request.values((_PERSON,)))["person"])
    await remove_member(request.act, request.subject.id, person)
    return request.redirect("desk.household", id=request.subject.id)


async def submit_official(request: Request) -> Response:
    """Say who keeps in touch with them."""
    not_done = await submit(
        request,
        OFFICIAL_FIELDS,
        lambda values: set_official(request.act, request.subject.id, values["official"]),
        choices=await _officials(request),
    )
    if not_done is not None:
        return await _household(request, Form(MEMBER_FIELDS), not_done.status, official_form=not_done.form)
    return request.redirect("desk.household", id=request.subject.id)


_HOUSEHOLD = "/desk/households/{id:int}"
PAGES: tuple[Page, ...] = (
    Page("/desk/households", households, "desk.households", permission=MANAGE, sensitive=True),
    Page("/desk/households/export", export, "desk.households.export", permission=MANAGE, sensitive=True),
    *IMPORT.pages(),
    Page("/desk/households/new", new_household, "desk.household.new", permission=MANAGE),
    Page(
        "/desk/households/new",
        submit_new_household,
        "desk.household.new.submit",
        methods=("POST",),
        permission=MANAGE,
    ),
    Page(_HOUSEHOLD, household, "desk.household", permission=MANAGE, model=Household, sensitive=True),
    Page(
        f"{_HOUSEHOLD}/members",
        submit_member,
        "desk.household.member",
        methods=("POST",),
        permission=MANAGE,
        model=Household,
    ),
    Page(
        f"{_HOUSEHOLD}/leave",
        submit_leaving,
        "desk.household.leave",
        methods=("POST",),
        permission=MANAGE,
        model=Household,
    ),
    Page(
        f"{_HOUSEHOLD}/official",
        submit_official,
        "desk.household.official",
        methods=("POST",),
        permission=MANAGE,
        model=Household,
    ),
)
