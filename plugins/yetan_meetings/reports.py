"""After a meeting: 会议情况报告, written from the record, sent up to the township, and received there (002-A2c)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response
from tortoise.expressions import Q

from yetan.api import (
    VERSION_FIELD,
    Account,
    Act,
    Conflict,
    EventType,
    Field,
    Form,
    Invalid,
    Issue,
    NotFound,
    NoticeKind,
    Page,
    Panel,
    Permission,
    RecordKind,
    Refused,
    Request,
    Unit,
    Visibility,
    accounts_in,
    change,
    clean,
    current,
    drawn_number,
    emit,
    granted_units,
    may,
    message_ids,
    notify,
    require,
    roles_holding,
    state_of,
    submit,
    superior_of,
    today,
    translate,
    units_below,
    visible,
)
from yetan_activities.api import Activity, Attendance, held, hosted, kind_of, occasions, presence_at
from yetan_meetings.agenda import STATES, items_of
from yetan_meetings.forms import THEMATIC_MEETING
from yetan_meetings.leaders import OFFICIAL_ROLES
from yetan_meetings.models import MeetingReport
from yetan_meetings.units import OVERSEE, load_tree, overseen
from yetan_meetings.voting import tallies

RECEIVE = "meetings.report.receive"
SENT, RECEIVED, RETURNED = "meetings.report_sent", "meetings.report_received", "meetings.report_returned"
_REPORT = "meeting_report"
REPORT_FIELDS = (
    Field("situation", "会议情况", "long_text", max_length=4000, hint="什么时候、在哪里、谁来了、议了什么。"),
    Field("resolutions", "议定事项", "long_text", required=False, max_length=4000),
    Field("follow_up", "怎么落实", "long_text", required=False, max_length=4000, hint="谁办、什么时候办完。"),
)
_AGAIN = Field("again", "再写一份", "boolean", required=False)
_SEND = Field("send", "送上去", "boolean", required=False)
RECEIPT_FIELDS = (Field("note", "收到以后要说的", "long_text", required=False, max_length=500),)
RETURN_FIELDS = (Field("reason", "为什么退回", "long_text", max_length=500, hint="要补什么、改什么。"),)
_TAB = Field("state", "哪一类", required=False, max_length=10)
_BEFORE = Field("before", "从哪一份接着看", "number", required=False, minimum=1)
_SHOWN = 30
#: How far back a meeting without a report is asked about.
_YEAR = timedelta(days=366)


async def latest_of(activity_id: int) -> MeetingReport | None:
    """The report of a meeting as it stands: a draft, one that was sent, or one that came back."""
    return await MeetingReport.filter(activity_id=activity_id).order_by("-number").first()


def is_draft(report: MeetingReport | None) -> bool:
    """Whether it can still be written in."""
    return report is None or report.sent_at is None


def state_label(report: MeetingReport) -> str:
    """Where a report stands, as a message id."""
    if report.sent_at is None:
        return message_ids("还没有送")
    if report.returned_at is not None:
        return message_ids("退回来了")
    return message_ids("已收到") if report.received_at is not None else message_ids("送上去了，等确认")


@change(MeetingReport, action="meetings.write_report")
async def write_report(
    act: Act, activity_id: int, values: Mapping[str, Any], version: int, *, send: bool = False
) -> MeetingReport:
    """Write the report of a meeting, `values` being REPORT_FIELDS, as it was read in `version` (0 for none yet).

    With `send` it goes up to the township and does not change any more: what is written after that is a report of its
    own, with the next number. Raises `Conflict` where somebody was quicker, `Refused` while the township has not
    answered the last one, or before the meeting was held.
    """
    activity = await held((await hosted(act, activity_id)).id)
    typed = clean(REPORT_FIELDS, values)
    report = await latest_of(activity.id)
    if report is not None and report.sent_at is not None and report.returned_at is None and report.received_at is None:
        raise Refused("报告已经送上去了，还没有确认收到。要改的，请上级先退回来。")
    if (report.version if is_draft(report) and report is not None else 0) != version:
        raise Conflict("另一位同事刚刚改过这份报告。请对照现在的内容，再提交一次；您写的还在。")
    if is_draft(report) and report is not None:
        changes = {**typed, "updated_at": act.now, "version": report.version + 1}
        await MeetingReport.filter(id=report.id).update(**changes)
    else:
        number = report.number + 1 if report is not None else 1
        report = await MeetingReport.create(
            activity_id=activity.id, number=number, created_at=act.now, updated_at=act.now, **typed
        )
    return await _send(act, activity, report) if send else await MeetingReport.get(id=report.id)


async def _send(act: Act, activity: Activity, report: MeetingReport) -> MeetingReport:
    if activity.closed_at is None and activity.date > today(act):
        raise Refused("会还没有开，开完再送报告。现在写的可以先保存。")
    superior = await superior_of(await Unit.get(id=activity.unit_id))
    if superior is None:
        raise Refused("上面没有可以送的单位。请管理员核对单位表里的上级。")
    sent = {"sent_at": act.now, "sent_by_id": act.actor.account_id, "to_unit_id": superior.id}
    await MeetingReport.filter(id=report.id).update(**sent)
    event = await emit(act, SENT, (_REPORT, report.id), data={"unit": superior.id})
    receivers = await accounts_in([superior.id], today(act), roles=sorted(roles_holding(RECEIVE)))
    told = [account.id for account in receivers if account.id != act.actor.account_id]
    unit = await Unit.get(id=activity.unit_id)
    await notify(event, SENT, told, title=activity.title, unit=unit.name)
    return await MeetingReport.get(id=report.id)


@change(MeetingReport, action="meetings.receive_report")
async def receive_report(act: Act, report_id: int, values: Mapping[str, Any]) -> MeetingReport:
    """The township confirms that it has the report. Raises `Refused` for one that was answered already."""
    note = clean(RECEIPT_FIELDS, values)["note"]
    return await _answer(
        act, report_id, RECEIVED, received_at=act.now, received_by_id=act.actor.account_id, receipt_note=note
    )


@change(MeetingReport, action="meetings.return_report")
async def return_report(act: Act, report_id: int, values: Mapping[str, Any]) -> MeetingReport:
    """The township gives the report back, with a reason. Raises `Refused` for one that was answered already."""
    reason = clean(RETURN_FIELDS, values)["reason"]
    return await _answer(act, report_id, RETURNED, returned_at=act.now, receipt_note=reason)


async def _answer(act: Act, report_id: int, kind: str, **answer: Any) -> MeetingReport:
    report = await visible(MeetingReport, act).get_or_none(id=report_id).select_related("activity")
    if report is None or report.to_unit_id is None:
        raise NotFound
    await require(act, RECEIVE, [report.to_unit_id])
    waiting = MeetingReport.filter(id=report.id, received_at=None, returned_at=None)
    if not await waiting.update(**answer):
        raise Refused("这份报告已经有人确认或者退回了，请刷新页面。")
    event = await emit(act, kind, (_REPORT, report.id))
    if report.sent_by_id is not None and report.sent_by_id != act.actor.account_id:
        await notify(event, kind, [report.sent_by_id], title=report.activity.title)
    return await MeetingReport.get(id=report.id)


# What the record says


async def drafted(activity: Activity) -> dict[str, str]:
    """A report as the record of the meeting tells it, for somebody to go on writing."""
    presence = (await presence_at([activity.id]))[activity.id]
    unit = await Unit.get(id=activity.unit_id)
    named = Attendance.filter(activity_id=activity.id, present_at__isnull=False)
    leaders = await named.filter(role__in=list(OFFICIAL_ROLES)).order_by("id")
    items = await items_of(activity.id)
    counted = await tallies(items)
    opening = translate(
        "{day}，{unit}在{place}召开{kind}，主题是“{title}”。到场居民 {residents} 人。",
        day=f"{activity.date:%Y-%m-%d}",
        unit=unit.name,
        place=activity.place,
        kind=translate(kind_of(activity).label),
        title=activity.title,
        residents=max(presence.residents, activity.stated_residents or 0),
    )
    came = translate("到场的领导和干部：{names}。", names=translate("、").join(row.name for row in leaders))
    said = [f"{number}. {item.title}" + _result(item) for number, item in enumerate(items, start=1)]
    resolved = [
        f"{item.title}{translate('：')}{item.outcome}" + _votes(counted.get(item.id))
        for item in items
        if item.state == "resolved"
    ]
    return {
        "situation": "\n".join(filter(None, (opening, came if leaders else "", *said, activity.summary))),
        "resolutions": "\n".join(resolved),
        "follow_up": "\n".join([line async for line in _issues(activity)]),
    }


def _result(item: Any) -> str:
    return translate("（{result}）", result=translate(STATES[item.state])) if item.state in STATES else ""


def _votes(tally: Any) -> str:
    if tally is None:
        return ""
    lines = translate("，").join(f"{translate(label)} {number}" for label, number in tally.lines)
    return translate("（表决：{lines}）", lines=lines)


async def _issues(activity: Activity) -> Any:
    raised = Issue.filter(origin_kind=activity.kind, origin_id=activity.id).select_related("responsible_unit")
    for issue in await raised.order_by("id"):
        deadline = f"{current().calendar.local_date(issue.deadline):%Y-%m-%d}" if issue.deadline is not None else "-"
        yield translate(
            "{number} {title}：{unit}办，{deadline}前办完，现在是“{state}”。",
            number=issue.number,
            title=issue.title,
            unit=issue.responsible_unit.name,
            deadline=deadline,
            state=translate(state_of(issue.state).label),
        )


# Pages of the meeting


async def report_of_meeting(request: Request) -> Response:
    """The report of the meeting: to be written, or as it was sent."""
    activity = await hosted(request.act, request.subject.id)
    return await _draw(request, activity, again=clean((_AGAIN,), await request.values((_AGAIN,)))["again"])


async def _draw(
    request: Request,
    activity: Activity,
    form: Form | None = None,
    status: int = 200,
    *,
    again: bool = False,
    conflict: bool = False,
) -> Response:
    latest = await latest_of(activity.id)
    writing = latest is None or latest.sent_at is None or latest.returned_at is not None or again
    if form is None and writing:
        kept = {field.name: getattr(latest, field.name) for field in REPORT_FIELDS} if latest is not None else None
        values: dict[str, object] = {**(kept or await drafted(activity)), "version": _version_of(latest)}
        form = Form((*REPORT_FIELDS, VERSION_FIELD), values)
    sent = await MeetingReport.filter(activity_id=activity.id, sent_at__isnull=False).order_by("-number")
    return request.render(
        "meetings/report_writing.html",
        status,
        activity=activity,
        superior=await superior_of(await Unit.get(id=activity.unit_id)),
        form=form,
        latest=latest,
        written=[(translate(field.label), getattr(latest, field.name)) for field in REPORT_FIELDS]
        if conflict
        else None,
        sent=[(report, state_label(report)) for report in sent],
        may_again=latest is not None and latest.received_at is not None,
    )


def _version_of(latest: MeetingReport | None) -> int:
    return latest.version if latest is not None and latest.sent_at is None else 0


async def submit_report(request: Request) -> Response:
    """Save it, or send it up."""
    activity = await hosted(request.act, request.subject.id)
    form = await request.form((*REPORT_FIELDS, VERSION_FIELD, _SEND))
    form_again = Form((*REPORT_FIELDS, VERSION_FIELD), form.values)
    try:
        values = form.clean()
        version, send = drawn_number(values.pop("version")), values.pop("send")
        await write_report(request.act, activity.id, values, version, send=send)
    except Invalid as error:
        form_again.refuse(error)
        return await _draw(request, activity, form_again, error.status)
    except (Conflict, Refused) as error:
        form_again.message = error.message
        if isinstance(error, Conflict):
            form_again.values["version"] = _version_of(await latest_of(activity.id))
        return await _draw(request, activity, form_again, error.status, conflict=isinstance(error, Conflict))
    return request.redirect("meetings.report_of", id=activity.id)


async def reports_of(act: Act, activity: Activity) -> Mapping[str, Any] | None:
    """The panel on a meeting's record: where its report stands, and the way to it."""
    if not kind_of(activity).agenda or not await may(act, f"{activity.kind}.keep", [activity.unit_id]):
        return None
    latest = await latest_of(activity.id)
    return {"report": latest, "state": state_label(latest) if latest is not None else None}


def panels_of(record_kinds: Mapping[str, RecordKind]) -> Iterator[Panel]:
    """On the record of every kind of activity; those without an agenda leave it out."""
    for kind in record_kinds.values():
        if kind.model is Activity:
            name = f"meetings.report.{kind.name}"
            yield Panel(name, f"desk.{kind.name}", "meetings/report_panel.html", reports_of, position=40)


# Pages of the township

#: What the township's list shows, by its tab.
_TABS: Mapping[str, tuple[str, Q]] = {
    "": (message_ids("等着确认"), Q(received_at__isnull=True, returned_at__isnull=True)),
    "received": (message_ids("已收到"), Q(received_at__isnull=False)),
    "returned": (message_ids("退回的"), Q(returned_at__isnull=False)),
}


async def reports(request: Request) -> Response:
    """The reports that came up to one's units, and the thematic meetings that have sent none."""
    asked = (await request.form((_TAB, _BEFORE))).clean()
    tab = asked["state"] if asked["state"] in _TABS else ""
    seen = visible(MeetingReport, request.act)
    rows = seen.filter(_TABS[tab][1])
    if asked["before"] is not None:
        rows = rows.filter(id__lt=asked["before"])
    found = await rows.select_related("activity", "activity__unit").order_by("-id").limit(_SHOWN + 1)
    path = request.templating.addresses.path
    more = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    return request.render(
        "meetings/reports.html",
        tabs=[
            {
                "label": translate(label),
                "href": path("meetings.reports", state=name),
                "current": name == tab,
                "count": await seen.filter(which).count() if not name else None,
                "late": False,
            }
            for name, (label, which) in _TABS.items()
        ],
        reports=found[:_SHOWN],
        more=path("meetings.reports", state=tab, before=more) if more else None,
        missing=await _missing(request.act) if not tab else [],
    )


async def _missing(act: Act) -> list[Activity]:
    """Thematic meetings that were held within a year and have sent no report yet, the latest first."""
    tree, day = await load_tree(), today(act)
    units, since = [unit.id for unit in tree.below(overseen(act, tree))], day - _YEAR
    sent = MeetingReport.filter(sent_at__isnull=False, returned_at=None, activity__kind=THEMATIC_MEETING)
    there = {row["activity_id"] for row in await sent.filter(activity__date__gte=since).values("activity_id")}
    held = [talk.id for talk in await occasions((THEMATIC_MEETING,), units, since, day, day) if talk.state == "held"]
    missing = [each for each in held if each not in there][-_SHOWN:]
    return await Activity.filter(id__in=missing).select_related("unit").order_by("-date", "-id")


async def report(request: Request) -> Response:
    """A report that was sent, and what the township can do with it."""
    return await _report(request, Form(RECEIPT_FIELDS), Form(RETURN_FIELDS))


async def _report(request: Request, receipt: Form, returning: Form, status: int = 200) -> Response:
    row = await MeetingReport.get(id=request.subject.id).select_related("activity", "activity__unit", "to_unit")
    waiting = row.received_at is None and row.returned_at is None
    return request.render(
        "meetings/report.html",
        status,
        **await _shown(row),
        may_answer=waiting and await may(request.act, RECEIVE, [row.to_unit_id or 0]),
        receipt=receipt,
        returning=returning,
    )


async def _shown(row: MeetingReport) -> dict[str, Any]:
    sender = await Account.get_or_none(id=row.sent_by_id).select_related("person") if row.sent_by_id else None
    receiver = await Account.get_or_none(id=row.received_by_id).select_related("person") if row.received_by_id else None
    return {
        "report": row,
        "activity": row.activity,
        "kind": kind_of(row.activity),
        "state": state_label(row),
        "sender": sender,
        "receiver": receiver,
        "parts": [(translate(field.label), getattr(row, field.name)) for field in REPORT_FIELDS],
    }


async def submit_receipt(request: Request) -> Response:
    """Confirm that it is here."""
    not_done = await submit(
        request, RECEIPT_FIELDS, lambda values: receive_report(request.act, request.subject.id, values)
    )
    if not_done is not None:
        return await _report(request, not_done.form, Form(RETURN_FIELDS), not_done.status)
    return request.redirect("meetings.report", id=request.subject.id)


async def submit_return(request: Request) -> Response:
    """Give it back."""
    not_done = await submit(
        request, RETURN_FIELDS, lambda values: return_report(request.act, request.subject.id, values)
    )
    if not_done is not None:
        return await _report(request, Form(RECEIPT_FIELDS), not_done.form, not_done.status)
    return request.redirect("meetings.report", id=request.subject.id)


async def paper(request: Request) -> Response:
    """The report as it goes into a file."""
    row = await MeetingReport.get(id=request.subject.id).select_related("activity", "activity__unit", "to_unit")
    return request.render("meetings/report_paper.html", **await _shown(row))


async def waiting_reports(act: Act, _subject: object) -> Mapping[str, Any] | None:
    """The panel on the desk: how many reports wait for the receipt of one's own unit."""
    sent = MeetingReport.filter(to_unit_id__in=list(granted_units(act.actor, RECEIVE)), sent_at__isnull=False)
    count = await sent.filter(received_at=None, returned_at=None).count()
    return {"count": count} if count else None


def _within(act: Act) -> Q:
    """Of the units one may see the reports of, or sent to them."""
    if act.actor.unrestricted:
        return Q()
    below = units_below(act, OVERSEE)
    return Q(activity__unit_id__in=below) | Q(to_unit_id__in=below)


def _seen(act: Act) -> Any:
    """Reports that were sent; drafts are read by those alone who write them, on the meeting's page."""
    return MeetingReport.filter(_within(act), sent_at__isnull=False)


async def _units(row: MeetingReport) -> Mapping[str, int]:
    home = {"home": (await Activity.get(id=row.activity_id)).unit_id}
    return {**home, "to": row.to_unit_id} if row.to_unit_id is not None else home


_OF_MEETING, _SENT_ONE = "/desk/activities/{id:int}/report", "/desk/reports/{id:int}"
PAGES = (
    Page(_OF_MEETING, report_of_meeting, "meetings.report_of", permission="signed_in", model=Activity, sensitive=True),
    Page(_OF_MEETING, submit_report, "meetings.report_of.submit", ("POST",), permission="signed_in", model=Activity),
    Page("/desk/reports", reports, "meetings.reports", permission=OVERSEE),
    Page(_SENT_ONE, report, "meetings.report", permission=OVERSEE, model=MeetingReport, sensitive=True),
    Page(f"{_SENT_ONE}/print", paper, "meetings.report.print", permission=OVERSEE, model=MeetingReport, sensitive=True),
    Page(
        f"{_SENT_ONE}/receive",
        submit_receipt,
        "meetings.report.receive",
        ("POST",),
        permission=RECEIVE,
        model=MeetingReport,
    ),
    Page(
        f"{_SENT_ONE}/return",
        submit_return,
        "meetings.report.return",
        ("POST",),
        permission=RECEIVE,
        model=MeetingReport,
    ),
)
PERMISSIONS = (Permission(RECEIVE, "确认收到会议情况报告", frozenset({"township_clerk", "leader"})),)
EVENTS = (
    EventType(SENT, "送出会议情况报告"),
    EventType(RECEIVED, "收到会议情况报告"),
    EventType(RETURNED, "退回会议情况报告"),
)
NOTICES = (
    NoticeKind(SENT, "{unit}送来《{title}》的会议情况报告，请看过以后确认收到。", "meetings.report"),
    NoticeKind(RECEIVED, "《{title}》的会议情况报告，上级收到了。", "meetings.report"),
    NoticeKind(RETURNED, "《{title}》的会议情况报告退回来了，请看原因，改过再送。", "meetings.report"),
)
VISIBILITY = (Visibility(MeetingReport, _seen, _units),)
PANELS = (Panel("meetings.reports", "desk", "meetings/reports_panel.html", waiting_reports, RECEIVE),)
