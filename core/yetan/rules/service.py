"""What a rule says in a unit on a day: the nearest unit's newest value, the city's first value, or the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.db.statements import fetch, marks
from yetan.errors import Conflict, Invalid
from yetan.events.service import emit
from yetan.i18n import translate as _
from yetan.plugins.declarations import Rule
from yetan.rules.models import RuleDocument, RuleValue
from yetan.runtime import current
from yetan.spelling import nearest

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

#: What units above issued long ago comes first: of each unit the last row is what counts.
_VALUES = """
SELECT above.unit_id, rule.value FROM yetan_unit_ancestor above
JOIN yetan_rule_value rule ON rule.unit_id = above.ancestor_id
WHERE above.unit_id IN ({units}) AND rule.rule = ? AND rule.effective_from <= ?
ORDER BY above.depth DESC, rule.effective_from"""


def check_value(rule: Rule, value: Any) -> Any:
    """The value as the rule's type. Raises `Invalid` saying what it may be."""
    label, unit = _(rule.label), _(rule.unit, count=2)
    if rule.kind == "bool":
        if isinstance(value, bool) or value in ("1", "0", "true", "false"):
            return value in (True, "1", "true")
        raise Invalid.field("value", "“{label}”请填是或者否。", label=label)
    if rule.kind == "choice":
        if value in [choice for choice, _label in rule.choices]:
            return value
        choices = _("、").join(_(each) for _name, each in rule.choices)
        raise Invalid.field("value", "“{label}”请选：{choices}。", label=label, choices=choices)
    try:
        number = int(str(value))
    except ValueError:
        raise Invalid.field("value", "“{label}”请填一个整数（{unit}）。", label=label, unit=unit) from None
    if rule.minimum is not None and number < rule.minimum:
        raise Invalid.field("value", "“{label}”不能少于 {least} {unit}。", label=label, least=rule.minimum, unit=unit)
    if rule.maximum is not None and number > rule.maximum:
        raise Invalid.field("value", "“{label}”不能多于 {most} {unit}。", label=label, most=rule.maximum, unit=unit)
    return number


def check_configured(values: Mapping[str, Any], rules: Mapping[str, Rule]) -> list[str]:
    """What is wrong with the first values of yetan.toml: for rules nobody declares, or not what the rule takes."""
    problems: list[str] = []
    for name, value in values.items():
        if name not in rules:
            near = nearest(name, rules)
            advice = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(rules))}"
            problems.append(f"rules.{name}: no enabled plugin declares this rule; {advice}")
            continue
        try:
            check_value(rules[name], value)
        except Invalid as error:
            problems.append(f"rules.{name}: {value!r} is not allowed: {error.message}")
    return problems


def in_words(rule: Rule, value: Any) -> str:
    """A rule's value as people say it."""
    if rule.kind == "bool":
        return _("是") if value else _("否")
    if rule.kind == "choice":
        return _(dict(rule.choices).get(value, str(value)))
    return _("{value}{unit}", value=value, unit=_(rule.unit, count=value)) if rule.unit else str(value)


async def value_of(name: str, unit_id: int, on: date | None = None) -> Any:
    """What the rule `name` says in a unit on a local day (today when None)."""
    return (await values_of(name, [unit_id], on))[unit_id]


async def values_of(name: str, units: Sequence[int], on: date | None = None) -> dict[int, Any]:
    """What the rule `name` says in each of many units on a local day (today when None), asked at once."""
    runtime = current()
    rule = runtime.registry.rules[name]
    day = on or runtime.calendar.local_date(runtime.clock())
    first = check_value(rule, runtime.configuration.rules.get(name, rule.default))
    said = dict.fromkeys(units, first)
    read = RuleValue._meta.fields_map["value"].to_python_value
    for row in await fetch(_VALUES.format(units=marks(len(units))), [*units, name, day]) if units else ():
        said[row["unit_id"]] = read(row["value"])
    return said


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
    try:
        async with in_transaction():
            document = await RuleDocument.create(
                issued_by_id=unit_id,
                title=title,
                number=number,
                text=text,
                issued_on=issued_on,
                version=earlier.version + 1 if earlier else 1,
            )
    except IntegrityError:
        raise Conflict("刚刚有人登记了同名的文件。请刷新看看，是不是同一份。") from None
    await emit(act, "rule.document_issued", ("rule_document", document.id), audience="public")
    return document
