"""What a rule says in a unit on a day: the nearest unit's newest value, the city's first value, or the default."""

from __future__ import annotations

from datetime import date
from typing import Any

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import ConfigurationError, Invalid
from yetan.events.service import emit
from yetan.plugins.declarations import Rule
from yetan.rules.models import RuleDocument, RuleValue
from yetan.runtime import current
from yetan.units.service import ancestors_of

CORE_RULES = (
    Rule(
        "issue.longest_days",
        "办理时限最长多少天",
        "int",
        30,
        "001-11",
        unit="天",
        minimum=1,
        maximum=365,
    ),
    Rule("issue.remind_days", "到期前几天提醒", "int", 3, "002-B12", unit="天", minimum=1, maximum=30),
    Rule(
        "publication.second_reader",
        "公开前要另一个人审核",
        "bool",
        False,
        "002-B14",
    ),
)


def check_value(rule: Rule, value: Any) -> Any:
    """The value as the rule's type. Raises `Invalid` saying what it may be."""
    if rule.kind == "bool":
        if isinstance(value, bool) or value in ("1", "0", "true", "false"):
            return value in (True, "1", "true")
        raise Invalid.field("value", f"“{rule.label}”请填是或者否。")
    if rule.kind == "choice":
        if value in dict(rule.choices):
            return value
        raise Invalid.field("value", f"“{rule.label}”请选：{'、'.join(label for _, label in rule.choices)}。")
    try:
        number = int(str(value))
    except ValueError:
        raise Invalid.field("value", f"“{rule.label}”请填一个整数（{rule.unit}）。") from None
    low, high = rule.minimum, rule.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise Invalid.field("value", f"“{rule.label}”要在 {low} 到 {high} {rule.unit}之间。")
    return number


def check_configured_rules() -> None:
    """Refuse first values in yetan.toml for rules nobody declares or that are out of range."""
    runtime = current()
    problems: list[str] = []
    for name, value in runtime.configuration.rules.items():
        rule = runtime.registry.rules.get(name)
        if rule is None:
            known = ", ".join(sorted(runtime.registry.rules))
            problems.append(f"rules.{name}: no such rule; there are {known}")
            continue
        try:
            check_value(rule, value)
        except Invalid as error:
            problems.append(f"rules.{name}: {value!r} is not allowed: {error.message}")
    if problems:
        raise ConfigurationError(problems)


async def value_of(name: str, unit_id: int, on: date | None = None) -> Any:
    """What the rule `name` says in a unit on a local day (today when None)."""
    runtime = current()
    rule = runtime.registry.rules[name]
    day = on or runtime.calendar.local_date(runtime.clock())
    line = (await ancestors_of([unit_id]))[unit_id]
    values = await RuleValue.filter(rule=name, unit_id__in=line, effective_from__lte=day).order_by("-effective_from")
    for ancestor in line:
        for value in values:
            if value.unit_id == ancestor:
                return value.value
    return runtime.configuration.rules.get(name, rule.default)


@change(RuleValue)
async def set_value(
    act: Act, name: str, unit_id: int, value: Any, effective_from: date, document_id: int | None = None
) -> RuleValue:
    """Let a rule say something else in a unit and below it, from a day on, by the document that issues it (001-41)."""
    await require(act, "rule.manage", [unit_id])
    rule = current().registry.rules.get(name)
    if rule is None:
        raise Invalid.field("rule", "没有这条规则。")
    if document_id is not None and not await RuleDocument.filter(id=document_id).exists():
        raise Invalid.field("document", "没有这份文件，请先登记文件。")
    row, _ = await RuleValue.update_or_create(
        {"value": check_value(rule, value), "document_id": document_id},
        rule=name,
        unit_id=unit_id,
        effective_from=effective_from,
    )
    await emit(act, "rule.set", ("rule_value", row.id), data={"rule": name, "unit_id": unit_id})
    return row


@change(RuleDocument)
async def issue_document(
    act: Act, unit_id: int, title: str, text: str, issued_on: date, number: str = ""
) -> RuleDocument:
    """Register a document that issues rules; the same title again is its next version (001-42)."""
    await require(act, "rule.manage", [unit_id])
    earlier = await RuleDocument.filter(issued_by_id=unit_id, title=title).order_by("-version").first()
    document = await RuleDocument.create(
        issued_by_id=unit_id,
        title=title,
        number=number,
        text=text,
        issued_on=issued_on,
        version=earlier.version + 1 if earlier else 1,
    )
    await emit(act, "rule.document_issued", ("rule_document", document.id), audience="public")
    return document
