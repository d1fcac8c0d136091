"""民情台账, the ledger of people's conditions: what interviews, receptions and chat groups bring, and what becomes of
each entry (002-A3 to A6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from yetan.api import (
    REPORT_FIELDS,
    Act,
    Event,
    Field,
    Form,
    Invalid,
    Issue,
    NotFound,
    Page,
    Panel,
    RaiserInput,
    RecordKind,
    Refused,
    Request,
    Subscription,
    Unit,
    change,
    current,
    emit,
    find_or_add_person,
    may,
    message_ids,
    report_issue,
    require,
    subtree_of,
    today,
    translate,
    units_within,
    visible,
)
from yetan_activities.api import Activity
from yetan_meetings.models import ChatLine, LedgerEntry
from yetan_meetings.months import last_months

CONDITION = "condition"
VIEW, KEEP = f"{CONDITION}.view", f"{CONDITION}.keep"
SOURCES = message_ids(
    (
        ("visit", "入户访谈"),
        ("reception", "定点接谈"),
        ("online", "随机e谈"),
        ("board", "留言板"),
        ("box", "意见箱"),
        ("meeting", "夜谈会"),
    )
)
#: How an issue that is made of an entry came to us, by the entry's source.
_VIAS = {"visit": "visit", "online": "online", "meeting": "meeting"}
#: 三必问: what has to be asked of everybody who is visited (002-A3).
ASKED = (
    Field("basic", "基本情况", "long_text", required=False, max_length=1500, hint="家里几口人，靠什么过日子。"),
    Field("difficulties", "困难问题", "long_text", required=False, max_length=1500),
    Field("suggestions", "工作建议", "long_text", required=False, max_length=1500),
)
TOLD_BY = (
    Field("who", "谁说的", required=False, max_length=60),
    Field("phone", "电话", "phone", required=False),
)
TITLE = Field("title", "一句话说是什么事", max_length=60)
OFFICIAL = Field("official", "谁问的、谁听的", required=False, max_length=60)
FIELDS = (
    TITLE,
    Field("date", "哪一天", "date"),
    Field("source", "怎么来的", "choice", choices=SOURCES),
    *TOLD_BY,
    *ASKED,
    OFFICIAL,
)
#: What is asked besides when an entry becomes an issue.
ISSUE_FIELDS = tuple(field for field in REPORT_FIELDS if field.name in ("kind", "collective"))
#: Whether an entry that is being written becomes an issue at once, and whether it is everybody's matter.
NEED_FIELDS = (
    Field("need", "需要办：同时立一件事，给编号", "boolean", required=False),
    *(field for field in ISSUE_FIELDS if field.name == "collective"),
)
_MOST_PRINTED = 1000
#: A new line, or what ends a sentence: 。！？ by their numbers, since they are no message.
_SENTENCE_END = re.compile(r"[\n\u3002\uff01\uff1f!?]")


async def check_asked(act: Act, entry: LedgerEntry | None, values: Mapping[str, Any]) -> None:
    """An entry says something; of a visit all three questions were asked, and "none" is an answer (002-A3)."""
    empty = [field.name for field in ASKED if not values[field.name]]
    if values["source"] == "visit" and empty:
        raise Invalid(
            "入户三必问，三样都要写；没有的写“没有”。",
            {name: [translate("这一样还没有写，没有的写“没有”。")] for name in empty},
        )
    if len(empty) == len(ASKED):
        raise Invalid.field("difficulties", "基本情况、困难问题、工作建议，至少写一样。")


KIND = RecordKind(
    CONDITION,
    "民情台账",
    LedgerEntry,
    FIELDS,
    counted_in=message_ids("条"),
    readers=frozenset({"leader"}),
    publishers=frozenset(),
    public=False,
    position=56,
    beside=((message_ids("打印台账"), "meetings.ledger"),),
    check=check_asked,
)


def title_of(values: Mapping[str, Any]) -> str:
    """What an entry is called that nobody gave a title: the first sentence of what was said."""
    said = next(filter(None, (values["difficulties"], values["suggestions"], values["basic"])), "")
    return _SENTENCE_END.split(said.strip(), maxsplit=1)[0][: TITLE.max_length]


async def write_entry(
    act: Act,
    unit_id: int,
    values: Mapping[str, Any],
    *,
    activity_id: int | None = None,
    household_id: int | None = None,
) -> LedgerEntry:
    """Write an entry of `FIELDS` down, within a change; of an activity and a household where it comes from those.

    Raises `Invalid` naming what is wrong, `Forbidden` outside the units one keeps the ledger of.
    """
    await require(act, KEEP, [unit_id])
    await check_asked(act, None, values)
    entry = await LedgerEntry.create(
        unit_id=unit_id,
        activity_id=activity_id,
        household_id=household_id,
        created_at=act.now,
        updated_at=act.now,
        updated_by_id=act.actor.account_id,
        **{field.name: values[field.name] for field in FIELDS},
    )
    await emit(act, f"{CONDITION}.kept", (CONDITION, entry.id))
    return entry


async def issue_needed(
    act: Act, entry: LedgerEntry, values: Mapping[str, Any], raisers: Sequence[RaiserInput] = ()
) -> None:
    """Where `NEED_FIELDS` say so, make an issue of an entry that was just written: of a problem if there is one.

    `raisers` are given where they are known better than by the entry's name and phone.
    """
    if values["need"]:
        kind = "problem" if entry.difficulties or not entry.suggestions else "suggestion"
        await _make_issue(act, entry, {"kind": kind, "collective": values["collective"]}, raisers)


@change(Issue, action="condition.issue")
async def make_issue(act: Act, entry_id: int, values: Mapping[str, Any]) -> Issue:
    """Make an issue of an entry, `values` being ISSUE_FIELDS. Raises `Refused` for one that is made of it already."""
    entry = await visible(LedgerEntry, act).get_or_none(id=entry_id)
    if entry is None:
        raise NotFound
    await require(act, KEEP, [entry.unit_id])
    return await _make_issue(act, entry, values)


async def _make_issue(
    act: Act, entry: LedgerEntry, values: Mapping[str, Any], raisers: Sequence[RaiserInput] = ()
) -> Issue:
    """The issue counts for the evening the entry is of, if it is of one; whoever said it is its raiser."""
    said = "\n".join(filter(None, (entry.difficulties, entry.suggestions))) or entry.basic
    told_by = [RaiserInput(entry.who, entry.phone)] if entry.who or entry.phone else []
    activity = await Activity.get(id=entry.activity_id) if entry.activity_id is not None else None
    issue = await report_issue(
        act,
        {**values, "title": entry.title, "text": said, "unit": entry.unit_id},
        raisers or told_by,
        via=_VIAS.get(entry.source, "reception"),
        origin=(activity.kind, activity.id) if activity is not None else (CONDITION, entry.id),
    )
    # Of two who press at once the database lets one through; the other's issue is taken back with this refusal.
    if not await LedgerEntry.filter(id=entry.id, issue_id__isnull=True).update(issue_id=issue.id):
        raise Refused("这一条已经转成要办的事了，请刷新页面看编号。")
    await ChatLine.filter(entry_id=entry.id).update(issue_id=issue.id)
    entry.issue_id = issue.id
    return issue


async def know_persons(events: Sequence[Event]) -> None:
    """Subscriber: an entry belongs to the person that its name and phone are of, who may have them erased (C73)."""
    act = current().system_act()
    for entry in await LedgerEntry.filter(id__in={event.subject_id for event in events}).order_by("id"):
        person_id = None
        if entry.who and entry.phone:
            person_id = (await find_or_add_person(act, entry.who, entry.phone, entry.unit_id)).id
        if person_id != entry.person_id:
            await LedgerEntry.filter(id=entry.id).update(person_id=person_id)


SUBSCRIPTIONS = (Subscription("meetings.ledger_persons", (f"{CONDITION}.kept", f"{CONDITION}.altered"), know_persons),)


# Pages


async def submit_issue(request: Request) -> Response:
    """Make an issue of the entry."""
    entry: LedgerEntry = request.subject
    await make_issue(request.act, entry.id, (await request.form(ISSUE_FIELDS)).clean())
    return request.redirect(f"desk.{CONDITION}.record", id=entry.id)


async def fate_of_entry(act: Act, entry: LedgerEntry) -> Mapping[str, Any]:
    """The panel on an entry: where it is from and the issue made of it, or the form that makes one."""
    issue = await visible(Issue, act).get_or_none(id=entry.issue_id) if entry.issue_id is not None else None
    activity = await visible(Activity, act).get_or_none(id=entry.activity_id) if entry.activity_id else None
    started = {"kind": "suggestion" if entry.suggestions and not entry.difficulties else "problem"}
    return {
        "issue": issue,
        "state": current().registry.states.get(issue.state) if issue is not None else None,
        "made": entry.issue_id is not None,
        "activity": activity,
        "form": Form(ISSUE_FIELDS, started),
        "may_make": entry.issue_id is None and await may(act, "issue.register", [entry.unit_id]),
    }


async def entries_of(act: Act, activity: Activity) -> Mapping[str, Any] | None:
    """The panel on an activity: the entries it brought."""
    entries = await visible(LedgerEntry, act).filter(activity_id=activity.id).select_related("issue").order_by("id")
    return {"entries": entries} if entries else None


def entry_panels(record_kinds: Mapping[str, RecordKind]) -> Sequence[Panel]:
    """A place for the entries on every kind of activity."""
    return [
        Panel(f"meetings.entries.{kind.name}", f"desk.{kind.name}", "meetings/entries.html", entries_of, VIEW, 30)
        for kind in record_kinds.values()
        if kind.model is Activity
    ]


_UNIT, _MONTH = Field("unit", "单位", "unit"), Field("month", "哪个月", "choice")


async def printed_ledger(request: Request) -> Response:
    """The ledger of a unit, and of all below it, in a month, as a paper."""
    act = request.act
    units = await units_within(act, VIEW)
    months = last_months(today(act))
    by_name = {month.name: month for month in months}
    choices = {"unit": units, "month": [(name, month.label) for name, month in by_name.items()]}
    form = await request.form((_UNIT, _MONTH), choices=choices)
    form.values = {"unit": units[0][0] if units else None, "month": months[0].name} | {
        name: value for name, value in form.values.items() if value
    }
    asked = form.clean()
    month = by_name[asked["month"]]
    entries = visible(LedgerEntry, act).filter(unit_id__in=await subtree_of(asked["unit"]))
    entries = entries.filter(date__gte=month.first, date__lte=month.last).order_by(
        "unit__position", "unit_id", "date", "id"
    )
    rows = await entries.select_related("unit", "issue").limit(_MOST_PRINTED + 1)
    if len(rows) > _MOST_PRINTED:
        raise Refused("超过 {most} 条，一次印不完。请选下面的单位，分开打印。", most=_MOST_PRINTED)
    request.looked_at = f"{CONDITION}: {len(rows)}"
    return request.render(
        "meetings/ledger.html",
        form=form,
        unit=await Unit.get(id=asked["unit"]),
        month=month.first,
        entries=rows,
        sources=dict(SOURCES),
        states=current().registry.states,
    )


PAGES = (
    Page("/desk/ledger", printed_ledger, "meetings.ledger", permission=VIEW, sensitive=True),
    Page(
        "/desk/ledger/{id:int}/issue",
        submit_issue,
        "meetings.entry.issue",
        ("POST",),
        permission=KEEP,
        model=LedgerEntry,
    ),
)
PANELS = (Panel("meetings.condition", f"desk.{CONDITION}", "meetings/entry.html", fate_of_entry, VIEW),)
