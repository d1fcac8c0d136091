"""The form of a search at the desk: what is typed and chosen, and its address."""

from __future__ import annotations

from collections.abc import Mapping

from yetan.i18n import translate as _
from yetan.issues.service import ISSUE_KINDS
from yetan.runtime import current
from yetan.searching.service import SORT_FIELD
from yetan.web.choices import choices_for
from yetan.web.forms import Field, Form
from yetan.web.request import Request

SEARCH_FIELDS = (
    Field("q", "查什么", required=False, max_length=200),
    Field("unit", "单位", "unit", required=False),
    Field("category", "类别", "category", required=False),
    Field("state", "到哪一步", "choice", required=False, max_length=40),
    Field("raised_from", "从哪天起", "date", required=False),
    Field("raised_until", "到哪天止", "date", required=False),
    Field("kind", "问题还是建议", "choice", required=False, choices=ISSUE_KINDS),
    SORT_FIELD,
)


async def search_form(request: Request) -> Form:
    """The form with what was sent."""
    states = [(state.name, _(state.label)) for state in current().registry.states.values()]
    choices = {**await choices_for(request.act, SEARCH_FIELDS), "state": states}
    return await request.form(SEARCH_FIELDS, choices=choices)


def typed_in(form: Form) -> dict[str, str]:
    """What was typed and chosen, without what was left empty."""
    return {field.name: str(form.values[field.name]) for field in SEARCH_FIELDS if form.values.get(field.name)}


def search_address(request: Request, query: Mapping[str, str]) -> str:
    """The address of a search, of the fields there are."""
    known = {field.name for field in SEARCH_FIELDS}
    path = request.templating.addresses.path
    return path("desk.search", **{name: value for name, value in query.items() if name in known})
