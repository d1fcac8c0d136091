"""The documents rules come from, for anybody to search and read (001-41, 001-42)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Q

from yetan.errors import NotFound
from yetan.i18n import translate as _
from yetan.plugins.declarations import NavigationItem, Page
from yetan.rules.models import RuleDocument, RuleValue
from yetan.rules.service import in_words
from yetan.runtime import current
from yetan.web.forms import Field, Form
from yetan.web.request import Request

PAGE_SIZE = 20
_QUERY = Field("q", "标题、文号或者内容里的字", required=False, max_length=100)
_AFTER = Field("after", "从哪里接着看", "hidden", required=False, max_length=40)


async def rules(request: Request) -> Response:
    """The rule documents, the latest first, all versions; narrowed by words of title, number or text."""
    typed = await request.values((_QUERY, _AFTER))
    words = str(typed["q"] or "").split()[:8]
    query = RuleDocument.all()
    for word in words:
        query = query.filter(
            Q(title__icontains=word)
            | Q(number__icontains=word)
            | Q(text__icontains=word)
            | Q(issued_by__name__icontains=word)
        )
    if found := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)_(\d{1,9})", str(typed["after"] or ""), re.ASCII):
        query = query.filter(_before(*(int(each) for each in found.groups())))
    rows = await query.order_by("-issued_on", "-id").limit(PAGE_SIZE + 1).select_related("issued_by")
    page = rows[:PAGE_SIZE]
    last = page[-1] if len(rows) > PAGE_SIZE else None
    url = request.templating.addresses.path
    more = url("rules", q=typed["q"], after=f"{last.issued_on.isoformat()}_{last.id}") if last else None
    form = Form((_QUERY,), typed)
    return request.render("public/rules.html", form=form, documents=page, more=more, words=" ".join(words))


def _before(year: int, month: int, day: int, last_id: int) -> Q:
    try:
        on = date(year, month, day)
    except ValueError:
        return Q()
    return Q(issued_on__lte=on) & (Q(issued_on__lt=on) | Q(id__lt=last_id))


async def rule_document(request: Request) -> Response:
    """One document: its text, its other versions, and the rules it set."""
    row = await RuleDocument.get_or_none(id=request.path_params["id"]).select_related("issued_by")
    if row is None:
        raise NotFound("没有这份文件。请从规则文件的名单里找。")
    versions = await RuleDocument.filter(issued_by_id=row.issued_by_id, title=row.title).order_by("-version")
    values = await RuleValue.filter(document_id=row.id).select_related("unit").order_by("rule", "effective_from")
    return request.render(
        "public/rule_document.html",
        document=row,
        versions=[each for each in versions if each.id != row.id],
        newer=versions[0] if versions[0].id != row.id else None,
        values=[_told(value) for value in values],
    )


def _told(value: RuleValue) -> dict[str, Any]:
    """A rule's value in words."""
    rule = current().registry.rules.get(value.rule)
    return {
        "label": _(rule.label) if rule else value.rule,
        "value": in_words(rule, value.value) if rule else value.value,
        "unit_name": value.unit.name,
        "effective_from": value.effective_from,
    }


PAGES: tuple[Page, ...] = (
    Page("/rules", rules, "rules", public=True),
    Page("/rules/{id:int}", rule_document, "rule_document", public=True),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("public", "规则文件", "rules", position=60),)
