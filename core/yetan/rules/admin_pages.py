"""Administration of rules: what each says where and from when, setting it anew, registering the document (001-41)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from yetan.errors import NotFound
from yetan.i18n import translate as _
from yetan.people.service import today
from yetan.plugins.declarations import NavigationItem, Page, Rule
from yetan.rules.models import RuleDocument, RuleValue
from yetan.rules.service import in_words, issue_document, set_value, value_of
from yetan.runtime import current
from yetan.spreadsheets import Cell
from yetan.units.service import root
from yetan.web.choices import units_within
from yetan.web.downloads import listed
from yetan.web.forms import Choices, Field, Form
from yetan.web.request import Request
from yetan.web.submitting import submit

MANAGE = "rule.manage"
_LATEST_DOCUMENTS = 200
DOCUMENT_FIELDS = (
    Field("unit", "发文单位", "unit"),
    Field("title", "文件名称", max_length=200),
    Field("number", "文号", required=False, max_length=60),
    Field("issued_on", "发文日期", "date"),
    Field("text", "全文", "long_text", required=False, max_length=50_000),
)


class RuleView(Struct, frozen=True):
    """A rule with what it says in the whole city now, and every value that was set."""

    rule: Rule
    now: str
    values: list[RuleValue]


async def rules(request: Request) -> Response:
    """Every declared rule, with its values by unit."""
    city = await root()
    day = today(request.act)
    set_values: dict[str, list[RuleValue]] = {}
    for value in await RuleValue.all().select_related("unit", "document").order_by("unit_id", "-effective_from"):
        set_values.setdefault(value.rule, []).append(value)
    shown = [
        RuleView(rule, in_words(rule, await value_of(rule.name, city.id, day)), set_values.get(rule.name, []))
        for rule in current().registry.rules.values()
    ]
    return request.render(
        "admin/rules.html",
        rules=shown,
        in_words=in_words,
        city_unit=city,
        today=day,
        documents=await RuleDocument.all().select_related("issued_by").order_by("-issued_on", "-id").limit(20),
    )


async def export(request: Request) -> Response:
    """What every rule says where, since when and by which document; first what holds where nobody set anything."""
    city, day = await root(), today(request.act)
    values = await RuleValue.all().select_related("unit", "document").order_by("rule", "effective_from", "id")
    cells: list[list[Cell]] = []
    for rule in current().registry.rules.values():
        cells.append(
            [_(rule.label), city.name, in_words(rule, await value_of(rule.name, city.id, day)), None, "", rule.source]
        )
        for value in values:
            if value.rule == rule.name:
                document = value.document.title if value.document is not None else ""
                told = in_words(rule, value.value)
                cells.append([_(rule.label), value.unit.name, told, value.effective_from, document, rule.source])
    headings = (_("规则"), _("单位"), _("规定"), _("生效"), _("依据"), _("出处"))
    return await listed(request, "rules", _("规则"), headings, cells)


async def rule(request: Request) -> Response:
    """The form for a rule's new value."""
    shown = _named(request)
    started = {"effective_from": today(request.act).isoformat()}
    return await _rule(request, Form(_fields(shown), started, choices=await _choices(request)))


async def submit_rule(request: Request) -> Response:
    """Set the value."""
    shown = _named(request)

    async def go(values: dict[str, Any]) -> None:
        await set_value(
            request.act,
            shown.name,
            values["unit"],
            values["value"],
            values["effective_from"],
            int(values["document"]) if values["document"] else None,
        )

    not_done = await submit(request, _fields(shown), go, choices=await _choices(request))
    if not_done is not None:
        return await _rule(request, not_done.form, not_done.status)
    return request.redirect("admin.rules")


async def _rule(request: Request, form: Form, status: int = 200) -> Response:
    return request.render("admin/rule.html", status=status, form=form, rule=_named(request))


def _named(request: Request) -> Rule:
    found = current().registry.rules.get(request.path_params["name"])
    if found is None:
        raise NotFound(_("没有这条规则。它所在的插件可能已经停用。"))
    return found


def _fields(shown: Rule) -> tuple[Field, ...]:
    """A form for one rule: the value is asked for as its kind needs."""
    if shown.kind == "int":
        value = Field("value", _value_label(shown), "number", minimum=shown.minimum, maximum=shown.maximum)
    elif shown.kind == "bool":
        value = Field("value", shown.label, "choice", choices=(("1", "是"), ("0", "否")))
    else:
        value = Field("value", shown.label, "choice", choices=shown.choices)
    return (
        Field("unit", "在哪个单位（连同下面的单位）", "unit"),
        value,
        Field("effective_from", "从哪天起", "date"),
        Field("document", "依据哪份文件", "choice", required=False, hint="没有的话，先登记文件。"),
    )


def _value_label(shown: Rule) -> str:
    return _("{label}（{unit}）", label=_(shown.label), unit=_(shown.unit, count=2)) if shown.unit else shown.label


async def _choices(request: Request) -> dict[str, Choices]:
    documents = await RuleDocument.all().order_by("-issued_on", "-id").limit(_LATEST_DOCUMENTS)
    named = [
        (str(each.id), _("{name}（{title}）", name=each.title, title=each.number) if each.number else each.title)
        for each in documents
    ]
    return {"unit": await units_within(request.act, MANAGE), "document": named}


async def document(request: Request) -> Response:
    """The form for a document."""
    started = {"issued_on": today(request.act).isoformat()}
    return await _document(request, Form(DOCUMENT_FIELDS, started, choices=await _choices(request)))


async def submit_document(request: Request) -> Response:
    """Register a document."""
    not_done = await submit(
        request,
        DOCUMENT_FIELDS,
        lambda values: issue_document(
            request.act,
            values["unit"],
            values["title"],
            values["text"],
            values["issued_on"],
            values["number"],
        ),
        choices=await _choices(request),
    )
    if not_done is not None:
        return await _document(request, not_done.form, not_done.status)
    return request.redirect("admin.rules")


async def _document(request: Request, form: Form, status: int = 200) -> Response:
    return request.render("admin/rule_document.html", status=status, form=form)


PAGES: tuple[Page, ...] = (
    Page("/admin/rules", rules, "admin.rules", permission=MANAGE),
    Page("/admin/rules-export", export, "admin.rules.export", permission=MANAGE, sensitive=True),
    Page("/admin/rules/{name}", rule, "admin.rule", permission=MANAGE),
    Page("/admin/rules/{name}", submit_rule, "admin.rule.submit", methods=("POST",), permission=MANAGE),
    Page("/admin/rule-documents/new", document, "admin.rule_document", permission=MANAGE),
    Page(
        "/admin/rule-documents/new",
        submit_document,
        "admin.rule_document.submit",
        methods=("POST",),
        permission=MANAGE,
    ),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("admin", "规则", "admin.rules", MANAGE, position=40),)
