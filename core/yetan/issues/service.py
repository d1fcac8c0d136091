"""Raising issues and moving them through the loop. Every change is one of these functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from yetan.access.scope import may, require, visible
from yetan.act import Act
from yetan.db.bulk import add_new, insert
from yetan.db.change import change
from yetan.db.reading import load
from yetan.db.statements import execute, fetch, marks
from yetan.errors import Conflict, Invalid, NotFound, Refused
from yetan.events.models import Event
from yetan.events.service import emit, set_dues
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues import events
from yetan.issues.effects import EFFECTS, check_owner, join
from yetan.issues.fingerprint import fingerprint_of
from yetan.issues.lifecycle import REPORTED, state_of
from yetan.issues.models import Category, Issue, IssueLink, Raiser, Remark
from yetan.issues.numbers import next_numbers, normal_number
from yetan.issues.scope import visible_issue, write_scopes
from yetan.log import log
from yetan.people.models import Account
from yetan.people.service import find_or_add_person
from yetan.plugins.declarations import Transition
from yetan.rules.service import value_of
from yetan.runtime import current
from yetan.units.models import Unit
from yetan.web.forms import Field, clean

#: A problem wants something mended; a suggestion wants something better: separate record types (003-06).
ISSUE_KINDS = message_ids((("problem", "问题诉求"), ("suggestion", "意见建议")))
VIAS = message_ids(
    (
        ("meeting", "夜谈会"),
        ("visit", "入户走访"),
        ("reception", "接访接谈"),
        ("online", "网上提交"),
        ("phone", "电话"),
        ("import", "历史台账"),
    )
)

#: What anybody is asked for who raises an issue, online or at the desk.
REPORT_FIELDS = (
    Field("title", "一句话说是什么事", max_length=60, hint="例如：荷塘路三盏路灯不亮"),
    Field("text", "说说经过", "long_text", max_length=4000, hint="什么时候开始的，影响到谁，希望怎么办。"),
    Field("unit", "哪个村（社区）", "unit"),
    Field("place", "具体在哪里", required=False, max_length=100, hint="例如：7 号楼到 12 号楼之间"),
    Field("kind", "是问题还是建议", "choice", choices=ISSUE_KINDS),
    Field("collective", "这是大家的事（关系到很多住户）", "boolean", required=False),
    Field("category", "类别", "category", required=False),
    Field("earlier", "以前反映过的编号", "issue_number", required=False, max_length=20, hint="没有就不填。"),
)
PROGRESS_FIELDS = (Field("text", "进展", "long_text", max_length=4000, remark="public", hint="写下的话居民看得到。"),)
ASSIGN_FIELDS = (Field("owner", "新的责任人", "account"),)
CORRECT_FIELDS = tuple(
    field for field in REPORT_FIELDS if field.name in ("title", "text", "place", "kind", "collective", "category")
)
#: What another resident leaves who raises the same matter.
RAISER_FIELDS = (
    Field("name", "姓名", max_length=60, hint="写个姓也行。"),
    Field("phone", "电话", "phone", required=False),
)
LINK_KINDS = message_ids((("repeat", "同一件事又反映了"), ("appeal", "对那一件的结果不服，往上反映")))
LINK_FIELDS = (
    Field("number", "另一件的编号", "issue_number", max_length=20),
    Field("kind", "是什么关系", "choice", choices=LINK_KINDS),
)
_SAME_PERSON_DAYS = 180
#: How many of the others that say the same, or come from the same persons, are linked: the newest.
_SAME_TEXT = "SELECT id FROM yetan_issue WHERE fingerprint = ? AND id <> ? ORDER BY id DESC LIMIT 5"
_SAME_PERSON = """
SELECT DISTINCT issue.id FROM yetan_issue issue JOIN yetan_raiser raiser ON raiser.issue_id = issue.id
WHERE issue.category_id = ? AND issue.raised_at >= ? AND issue.id <> ? AND raiser.person_id IN ({persons})
ORDER BY issue.id DESC LIMIT 5"""


class RaiserInput(Struct, frozen=True):
    """Who raises an issue, as given: a name (or nickname) and perhaps a phone; or somebody known already."""

    name: str = ""
    phone: str = ""
    person_id: int | None = None


@change(Issue)
async def report_issue(
    act: Act,
    values: Mapping[str, Any],
    raisers: Sequence[RaiserInput] = (),
    *,
    via: str = "online",
    origin: tuple[str, int] | None = None,
) -> Issue:
    """Register an issue (002-B1) with its raisers; it gets its number here.

    `values` are REPORT_FIELDS. Anybody may raise one; `via` other than online needs the right to register for others.
    Repeats are linked: the same words (same_text), the same person about the same category (repeat, 001-23), and the
    number of an earlier issue, which is an appeal when it is raised at a higher unit (001-09).
    Raises `Invalid` when fields or the unit cannot be taken.
    """
    cleaned = clean(REPORT_FIELDS, values)
    unit = await _raising_unit(cleaned["unit"])
    if via != "online":
        await require(act, "issue.register", [unit.id])
    await _check_category(cleaned["category"])
    earlier = await _earlier_issue(cleaned["earlier"])
    today = act.now.astimezone(current().configuration.city.zone).date()
    (number,) = await next_numbers(today)
    issue = Issue(
        number=number,
        fingerprint=fingerprint_of(cleaned["title"], cleaned["text"]),
        kind=cleaned["kind"],
        collective=cleaned["collective"],
        title=cleaned["title"],
        text=cleaned["text"],
        place=cleaned["place"],
        category_id=cleaned["category"],
        unit_id=unit.id,
        responsible_unit_id=unit.id,
        state=REPORTED,
        via=via,
        origin_kind=origin[0] if origin else "",
        origin_id=origin[1] if origin else None,
        raised_at=act.now,
        historical=act.historical,
    )
    await insert(issue)
    persons = [await find_or_add_person(act, each.name, each.phone, unit.id, each.person_id) for each in raisers]
    raising = dict.fromkeys(person.id for person in persons)
    await add_new([Raiser(issue_id=issue.id, person_id=person, at=act.now) for person in raising])
    await write_scopes([issue])
    await _link_repeats(act, issue, [person.id for person in persons], earlier)
    await emit(act, events.REPORTED, ("issue", issue.id), audience="public", data={"via": via, "unit": unit.id})
    return issue


async def _raising_unit(unit_id: int) -> Unit:
    found = await load(Unit, "id = ? AND active", [unit_id])
    if not found:
        raise Invalid.field("unit", "没有这个村（社区），或者它已经并入别处，请重新选一个。")
    return found[0]


async def _check_category(category_id: int | None) -> None:
    if category_id is not None and not await load(Category, "id = ? AND active", [category_id]):
        raise Invalid.field("category", "没有这个类别，请从列表里重新选。")


async def _earlier_issue(number: str) -> Issue | None:
    if not number:
        return None
    issue = await Issue.get_or_none(number=normal_number(number))
    if issue is None:
        raise Invalid.field("earlier", "没有编号是 {number} 的事情。请核对编号，或者留空不填。", number=number)
    return issue


async def _link_repeats(act: Act, issue: Issue, persons: Sequence[int], earlier: Issue | None) -> None:
    links: dict[tuple[int, str], None] = {}
    if earlier is not None:
        higher = issue.unit_id != earlier.unit_id and issue.unit_id in [
            row["unit_id"]
            for row in await earlier.scopes.all().values("unit_id")  # type: ignore[attr-defined]
        ]
        links[(earlier.id, "appeal" if higher else "repeat")] = None
    for row in await fetch(_SAME_TEXT, [issue.fingerprint, issue.id]):
        links[(row["id"], "same_text")] = None
    if persons and issue.category_id is not None:
        since = act.now - timedelta(days=_SAME_PERSON_DAYS)
        same = _SAME_PERSON.format(persons=marks(len(persons)))
        for row in await fetch(same, [issue.category_id, since, issue.id, *persons]):
            links[(row["id"], "repeat")] = None
    await add_new([IssueLink(issue_id=issue.id, other_id=other, kind=kind, at=act.now) for other, kind in links])


async def get_visible(act: Act, issue_id: int) -> Issue:
    """The issue, if the actor may see it. Raises `NotFound`."""
    issue = await visible_issue(act, issue_id)
    if issue is None:
        raise NotFound
    return issue


def place_of(transition: Transition, issue: Issue) -> int:
    """The unit a transition's permission is checked against."""
    return issue.unit_id if transition.at == "home" else issue.responsible_unit_id


class Option(Struct, frozen=True):
    """A transition out of an issue's state: open to the actor, or not and why."""

    transition: Transition
    refusal: str = ""


async def options(act: Act, issue: Issue) -> list[Option]:
    """The transitions out of the issue's state that the actor's posts allow, each with what still stands in its way."""
    found: list[Option] = []
    state = state_of(issue.state).name
    for transition in current().registry.transitions.values():
        if state in transition.sources and await may(act, transition.permission, [place_of(transition, issue)]):
            found.append(Option(transition, await refusal_of(act, issue, transition)))
    return found


async def refusal_of(act: Act, issue: Issue, transition: Transition) -> str:
    """Why the guards refuse a transition now, or "". A guard that raises refuses."""
    for guard in current().registry.guards:
        if transition.name in guard.transitions:
            try:
                reason = await guard.check(issue, act)
                if not isinstance(reason, str):
                    raise TypeError(f"guard {guard.name!r} answered {reason!r}; a reason is a text")
            except Exception:
                log.exception("guard %s raised and so refuses %s", guard.name, transition.name)
                reason = _(
                    "检查“{guard}”没有完成，暂时不能“{step}”。请联系管理员。",
                    guard=guard.name,
                    step=_(transition.label),
                )
            if reason:
                return reason
    return ""


@change(Issue, action="issue.{name}")
async def transition_issue(
    act: Act, issue_id: int, name: str, values: Mapping[str, Any] | None = None, *, version: int | None = None
) -> Issue:
    """Move an issue by the transition `name`, with the values of its form.

    `version` is the version the person saw. Raises `NotFound`, `Forbidden`, `Conflict` (somebody was quicker),
    `Refused` (a guard says no) or `Invalid` (fields).
    """
    issue = await get_visible(act, issue_id)
    transition = current().registry.transitions[name]
    await require(act, transition.permission, [place_of(transition, issue)])
    return await move(act, issue, transition, values or {}, version=version)


async def move(
    act: Act, issue: Issue, transition: Transition, values: Mapping[str, Any], *, version: int | None = None
) -> Issue:
    """`transition_issue` after its permission check; also for what follows from a resident's own act."""
    await expect_version(issue, version)
    state = state_of(issue.state)
    if state.name not in transition.sources:
        raise Conflict(
            "这件事现在是“{state}”，不能再“{step}”。请刷新页面看看最新情况。",
            state=_(state.label),
            step=_(transition.label),
        )
    cleaned = clean(transition.form, values)
    if reason := await refusal_of(act, issue, transition):
        raise Refused(reason)
    effect = EFFECTS.get(transition.name)
    changes: dict[str, Any] = await effect(act, issue, cleaned) if effect else {}
    before, acting = issue.state, issue.responsible_unit_id
    after = transition.target or issue.state
    await save_change(issue, {**changes, "state": after})
    data = {"from": before, "to": after, "round": issue.round}
    data |= {key: value for key, value in changes.items() if key.endswith("_id") and isinstance(value, int)}
    event = await emit(act, f"issue.{transition.name}", ("issue", issue.id), audience=transition.audience, data=data)
    await keep_words(act, issue, event, transition.form, cleaned)
    if issue.responsible_unit_id != acting:
        await write_scopes([issue])
    await _set_dues(issue)
    return issue


async def expect_version(issue: Issue, version: int | None) -> None:
    """Raise `Conflict` unless the issue still is as the person saw it; None asks nothing."""
    if version is not None and version != issue.version:
        raise await conflict(issue)


async def save_change(issue: Issue, changes: Mapping[str, Any]) -> None:
    """Compare-and-set: write `changes` if nobody changed the issue since it was read, else raise `Conflict` (C61)."""
    written = {name: Issue._meta.fields_map[name].to_db_value(value, Issue) for name, value in changes.items()}
    columns = "".join(f", {name} = ?" for name in written)
    statement = f"UPDATE yetan_issue SET version = version + 1{columns} WHERE id = ? AND version = ?"  # noqa: S608
    if await execute(statement, [*written.values(), issue.id, issue.version]) != 1:
        raise await conflict(await Issue.get(id=issue.id))
    vars(issue).update(changes, version=issue.version + 1)


async def conflict(issue: Issue) -> Conflict:
    """What to tell the one who came second: what happened in between and by whom."""
    # What follows from a change, such as the board's being brought up to date, is nobody's doing.
    told = Event.filter(subject_kind="issue", subject_id=issue.id, type__startswith="issue.")
    last = await told.order_by("-id").first()
    state = _(state_of(issue.state).label)
    if last is None:
        return Conflict("这件事刚刚有人改过，现在是“{state}”。您写的还在，请看过最新情况再提交。", state=state)
    name = await _actor_name(last.actor)
    label = _(current().registry.event_types[last.type].label)
    return Conflict(
        "{name}刚刚做了“{step}”，现在是“{state}”。您写的还在，请看过最新情况再提交。",
        name=name,
        step=label,
        state=state,
    )


async def _actor_name(actor: str) -> str:
    kind, _colon, number = actor.partition(":")
    if kind == "account" and (account := await Account.get_or_none(id=int(number)).select_related("person")):
        return account.person.name
    return _("居民") if kind in ("person", "anonymous") else _("系统")


async def keep_words(
    act: Act,
    issue: Issue,
    event: Event,
    form: Sequence[Field],
    cleaned: Mapping[str, Any],
    *,
    person_id: int | None = None,
) -> None:
    """Keep the words of a form as erasable remarks on the event."""
    remarks = [
        Remark(
            issue_id=issue.id,
            event_id=event.id,
            kind=field.name,
            text=str(cleaned[field.name]),
            audience=field.remark,
            at=event.at,
            author_id=act.actor.account_id,
            person_id=person_id,
        )
        for field in form
        if field.remark and cleaned.get(field.name)
    ]
    await add_new(remarks)


async def _set_dues(issue: Issue) -> None:
    """What falls due for an issue in hand: a reminder some days before, and the deadline itself."""
    if state_of(issue.state).category != "open" or issue.deadline is None or issue.historical:
        await set_dues(("issue", issue.id), {"issue.due_soon": None, "issue.overdue": None})
        return
    days = int(await value_of("issue.remind_days", issue.responsible_unit_id))
    dates = {"issue.due_soon": issue.deadline - timedelta(days=days), "issue.overdue": issue.deadline}
    await set_dues(("issue", issue.id), dates)


@change(Issue)
async def add_progress(act: Act, issue_id: int, text: str, *, version: int | None = None) -> Issue:
    """Write down progress that residents can read (002-B17). Raises `Refused` once the issue is closed."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.handle", [issue.responsible_unit_id])
    await expect_version(issue, version)
    cleaned = clean(PROGRESS_FIELDS, {"text": text})
    if state_of(issue.state).category not in ("open", "awaiting"):
        raise Refused("这件事已经办完，不能再写进展。问题又出现了，请用“重新办理”。")
    await save_change(issue, {})
    event = await emit(act, "issue.progress", ("issue", issue.id), audience="public", data={"round": issue.round})
    await keep_words(act, issue, event, PROGRESS_FIELDS, cleaned)
    return issue


@change(Issue)
async def assign(act: Act, issue_id: int, owner_id: int, *, version: int | None = None) -> Issue:
    """Give an issue to another owner within the responsible unit (002-B5)."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.assign", [issue.responsible_unit_id])
    await expect_version(issue, version)
    await check_owner(act, owner_id, issue.responsible_unit_id)
    before = issue.owner_id
    await save_change(issue, {"owner_id": owner_id})
    await emit(act, "issue.assigned", ("issue", issue.id), data={"from": before, "owner_id": owner_id})
    return issue


@change(Issue)
async def correct(act: Act, issue_id: int, values: Mapping[str, Any], *, version: int | None = None) -> Issue:
    """Correct what was written down at registration. The published face stays as approved until reviewed again."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.register", [issue.unit_id])
    await expect_version(issue, version)
    cleaned = clean(CORRECT_FIELDS, values)
    await _check_category(cleaned["category"])
    changes = {
        **cleaned,
        "category_id": cleaned.pop("category"),
        "fingerprint": fingerprint_of(cleaned["title"], cleaned["text"]),
    }
    changes.pop("category", None)
    await save_change(issue, changes)
    await emit(act, "issue.corrected", ("issue", issue.id))
    return issue


@change(Issue)
async def add_raiser(act: Act, issue_id: int, raiser: RaiserInput) -> Issue:
    """Another resident raises the same matter. Doing it twice changes nothing."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.register", [issue.unit_id])
    person = await find_or_add_person(act, raiser.name, raiser.phone, issue.unit_id, raiser.person_id)
    await join(act, issue, person.id, at=act.now)
    return issue


@change(Issue)
async def link_issues(act: Act, issue_id: int, values: Mapping[str, Any]) -> Issue:
    """Link an issue to another by hand: repeat (001-23) or appeal (001-09). Doing it twice changes nothing."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.register", [issue.unit_id])
    cleaned = clean(LINK_FIELDS, values)
    other = await visible(Issue, act).get_or_none(number=normal_number(cleaned["number"]))
    if other is None or other.id == issue.id:
        raise Invalid.field("number", "没有找到要关联的那一件，请核对编号。")
    _, added = await IssueLink.get_or_create(
        issue_id=issue.id, other_id=other.id, kind=cleaned["kind"], defaults={"at": act.now}
    )
    if added:
        data = {"other": other.id, "kind": cleaned["kind"]}
        await emit(act, "issue.linked", ("issue", issue.id), data=data)
    return issue


async def fall_due(act: Act, issue_id: int, *, kind: str) -> None:
    """Tell that an issue is due soon or overdue, if it still is open; called by the due table's sweep."""
    issue = await Issue.get_or_none(id=issue_id)
    if issue is not None and state_of(issue.state).category == "open":
        await emit(act, kind, ("issue", issue.id), data={"round": issue.round})
