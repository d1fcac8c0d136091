"""What becomes of an item: settled on the spot, made an issue with owner, deadline and measures, resolved, noted, or
dropped with a reason. Whatever somebody has to do is an issue, counted and accepted as any other (002-B2, 000-17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from yetan.api import (
    REPORT_FIELDS,
    Act,
    EventType,
    Field,
    Form,
    Issue,
    RaiserInput,
    Refused,
    account_choices_in,
    change,
    choices_for,
    clean,
    current,
    message_ids,
    report_issue,
    state_of,
    today,
    transition_issue,
    translate,
)
from yetan_activities.api import Activity, ActivityGuard, Attendance, kind_of
from yetan_meetings.agenda import STATES, TOPIC, UNDECIDED, chaired_item, present_at, save, tell
from yetan_meetings.models import AgendaItem, Vote
from yetan_meetings.units import offices_near
from yetan_meetings.voting import result_of

DECIDED, CORRECTED = "meetings.item_decided", "meetings.item_corrected"
EVENTS: tuple[EventType, ...] = message_ids((EventType(DECIDED, "定下来一项"), EventType(CORRECTED, "更正一项")))
#: The addresses of an item and of an issue on the desk.
ITEM_PATH, ISSUE_PATH = "/desk/agenda/{id}", "/desk/issues/{id}"
_SUGGESTION, _PROBLEM = "suggestion", "problem"


class Decision(Struct, frozen=True):
    """One of the ways to decide an item. `name` is the state it has afterwards, for good.

    `question` asks for the words that say so; `kinds` are those of the items that may be decided so; `rule` is the ID
    of what it follows.
    """

    name: str
    question: str
    description: str
    kinds: tuple[str, ...] = (_PROBLEM, _SUGGESTION, TOPIC)
    rule: str = ""

    @property
    def label(self) -> str:
        """What it is called, as a message."""
        return STATES[self.name]


DECISIONS: Mapping[str, Decision] = {
    each.name: each
    for each in message_ids(
        (
            Decision("settled", "当场做了什么", "能当场解决的当场解决，登记下来，等居民验收。", (_PROBLEM,), "002-B2"),
            Decision("issue", "", "当场定下责任人、具体措施和完成时限。", rule="002-B5"),
            Decision("resolved", "议定了什么", "大家议定的写下来；要有人去办的，一起定下责任人。", rule="002-A2"),
            Decision("noted", "怎么答复的", "意见建议记下来，当场答复，等提的人认可。", (_SUGGESTION,), "003-06"),
            Decision("dropped", "为什么不议", "重复的、提的人不提了的，写明原因，提的人看得到。"),
        )
    )
}
CORRECTION = Field("outcome", message_ids("更正成"), "long_text", max_length=2000)
_REPORTED = {each.name: each for each in REPORT_FIELDS}
#: What says that somebody has to act on a resolution.
_TO_DO = ("owner", "measures", "deadline")


def decisions_for(item: AgendaItem) -> list[Decision]:
    """The ways in which an item may be decided."""
    return [each for each in DECISIONS.values() if item.kind in each.kinds]


def fields_of(item: AgendaItem, decision: Decision, values: Mapping[str, object] | None = None) -> tuple[Field, ...]:
    """The fields of a decision. A topic may be resolved without anybody having to act; as soon as `values` name an
    owner, measures or a deadline, it is asked for all that an issue needs."""
    words = (Field("outcome", decision.question, "long_text", max_length=2000),) * bool(decision.question)
    category = replace(_REPORTED["category"], required=True)
    about = (category, _REPORTED["place"], _REPORTED["collective"])
    if decision.name == "dropped":
        return words
    if decision.name in ("settled", "noted"):
        return (*words, *about)
    to_do = (*current().registry.transitions["list"].form, *about, _REPORTED["earlier"])
    if decision.name == "resolved" and item.kind == TOPIC and not any((values or {}).get(name) for name in _TO_DO):
        to_do = tuple(replace(each, required=False) for each in to_do)
    return (*words, *to_do)


async def form_of(
    act: Act, activity: Activity, item: AgendaItem, decision: Decision, values: Mapping[str, object]
) -> Form:
    """The form of a decision with what it offers: owners in the unit chosen or above it; as supervisors whoever is
    there, the officials above, and those of their departments (003-07). A city without categories asks for none."""
    fields = fields_of(item, decision, values)
    unit = str(values.get("unit") or "")
    unit_id = int(unit) if unit.isascii() and unit.isdigit() and len(unit) < 10 else None
    choices = await choices_for(act, fields, near=unit_id or activity.unit_id)
    if any(each.name == "supervisor" for each in fields):
        choices["supervisor"] = await account_choices_in(act, await _supervising_units(activity, unit_id))
    if not choices.get("category"):
        fields = tuple(each for each in fields if each.name != "category")
    return Form(fields, values, choices=choices)


async def _supervising_units(activity: Activity, unit_id: int | None) -> list[int]:
    stood_for = [each.unit_id for each in await present_at(activity.id) if each.unit_id is not None]
    near = await offices_near([activity.unit_id, unit_id or activity.unit_id])
    return list(dict.fromkeys([*stood_for, *near]))


@change(AgendaItem, action="meetings.decide_{decision}")
async def decide(act: Act, item_id: int, decision: str, values: Mapping[str, Any], version: int) -> AgendaItem:
    """Decide an item, for good; `values` are of `form_of`, `version` is what was read.

    The result of a vote stays, also when somebody's data are erased later; who voted how is forgotten.
    What somebody has to do or did becomes an issue of the resident who raised it, in the same transaction. Of two hosts
    who decide one item the second is told (`Conflict`). Raises `Refused` while it is being voted on, and where it would
    be resolved without a vote in a form that asks for one; `Invalid` naming fields.
    """
    activity, item = await chaired_item(act, item_id, version)
    chosen = DECISIONS[decision]
    if item.state not in UNDECIDED:
        raise Refused("这一项已经定下来了：{state}。", state=translate(STATES[item.state]))
    if item.kind not in chosen.kinds:
        raise Refused("这一类事情不能这样定，请选别的办法。")
    if item.vote_state == "open":
        raise Refused("这一项还在表决。请先结束表决，再定下来。")
    if decision == "resolved" and kind_of(activity).votes and item.vote_state != "closed":
        raise Refused("议定事项要逐项表决。请先开始表决。")
    cleaned = (await form_of(act, activity, item, chosen, values)).clean()
    # First the decision, so that of two hosts one makes the issue.
    result = await result_of(item)
    await save(item, state=decision, outcome=cleaned.get("outcome") or "", decided_at=act.now, **result)
    await Vote.filter(item_id=item.id).delete()
    if issue := await _issue_of(act, activity, item, cleaned):
        await save(item, issue_id=issue.id)
    await tell(act, DECIDED, activity, item, decision=decision, issue_id=item.issue_id)
    return item


async def _issue_of(act: Act, activity: Activity, item: AgendaItem, cleaned: Mapping[str, Any]) -> Issue | None:
    """The issue that a decided item becomes, listed or settled at once; None for what is dropped, and for a topic that
    is resolved with nobody to act on it."""
    if item.state == "dropped" or (item.kind == TOPIC and not cleaned.get("owner")):
        return None
    report = {
        "title": item.title,
        "text": item.text or (item.outcome if item.kind == TOPIC else "") or item.title,
        "unit": activity.unit_id,
        "kind": _SUGGESTION if item.kind == _SUGGESTION else _PROBLEM,
        "earlier": cleaned.get("earlier") or "",
        **{name: cleaned.get(name) for name in ("place", "category", "collective")},
    }
    raiser = await Attendance.get_or_none(id=item.raised_by_id) if item.raised_by_id else None
    raisers = [RaiserInput(person_id=raiser.person_id)] if raiser is not None else []
    via, origin = kind_of(activity).via, (activity.kind, activity.id)
    issue = await report_issue(act, report, raisers, via=via, origin=origin)
    step = "list" if cleaned.get("owner") else "settle"
    form = current().registry.transitions[step].form
    return await transition_issue(act, issue.id, step, {each.name: cleaned.get(each.name) for each in form})


@change(AgendaItem, action="meetings.correct_item")
async def correct_item(act: Act, item_id: int, values: Mapping[str, Any], version: int) -> AgendaItem:
    """Correct the words of what was resolved or dropped; what they were stays at the desk, with the day.

    What became an issue is corrected there. Raises `Refused` for anything else, `Conflict` as `decide`.
    """
    activity, item = await chaired_item(act, item_id, version)
    if not may_be_corrected(item):
        raise Refused("只有议定的和不议的能在这里更正；成了事项的，请到那一件里更正。")
    words = clean((CORRECTION,), values)["outcome"]
    before = translate("（{date}更正，原来写的是：{words}）", date=today(act).isoformat(), words=item.outcome)
    await save(item, outcome=words, corrected=f"{before}\n{item.corrected}".strip())
    await tell(act, CORRECTED, activity, item)
    return item


def may_be_corrected(item: AgendaItem) -> bool:
    """Whether its words are the item's own."""
    return item.state in ("resolved", "dropped")


# What keeps a meeting from being closed


async def undecided(act: Act, activity: Activity) -> str:
    """Guard: each item of the agenda is decided; else which are not, each a link."""
    items = await AgendaItem.filter(activity_id=activity.id, state__in=UNDECIDED).order_by("position")
    if not items:
        return ""
    links = _listed([(ITEM_PATH.format(id=item.id), item.title) for item in items])
    return Markup(translate("议程上还有没定下来的：")) + links


async def unassigned(act: Act, activity: Activity) -> str:
    """Guard: each issue raised there has owner, deadline and measures, or is done (000-17); else which have not."""
    issues = await Issue.filter(origin_kind=activity.kind, origin_id=activity.id).order_by("id")
    left = [issue for issue in issues if state_of(issue.state).category == "open" and not _assigned(issue)]
    if not left:
        return ""
    links = _listed([(ISSUE_PATH.format(id=issue.id), f"{issue.number} {issue.title}") for issue in left])
    return Markup(translate("这些事还没有定责任人、具体措施或者完成时限：")) + links


def _assigned(issue: Issue) -> bool:
    return issue.owner_id is not None and issue.deadline is not None and bool(issue.measures)


def _listed(links: Sequence[tuple[str, str]]) -> Markup:
    return Markup(translate("、")).join(Markup('<a href="{}">{}</a>').format(href, label) for href, label in links)


GUARDS = (ActivityGuard("meetings.agenda", (), undecided), ActivityGuard("meetings.assigned", (), unassigned))
