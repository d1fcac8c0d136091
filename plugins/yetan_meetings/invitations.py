"""Before a meeting: whom it invites, whether they were told, and what they answered (002-A2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from yetan.api import (
    Account,
    Act,
    EventType,
    Field,
    Form,
    Invalid,
    NotFound,
    NoticeKind,
    Page,
    Panel,
    RecordKind,
    Refused,
    Request,
    Unit,
    account_choices_in,
    change,
    choices_for,
    clean,
    current,
    emit,
    may,
    message_ids,
    notify,
    posts_on,
    submit,
    today,
)
from yetan_activities.api import ROLES, Activity, Attendance, expect, held, hosted, kind_of
from yetan_meetings.models import Invitation
from yetan_meetings.units import offices_near

INVITED = "meetings.invited"
INVITE_FIELDS = (
    Field("role", "什么身份", "choice", choices=tuple(role for role in ROLES if role[0] not in ("resident", "host"))),
    Field("account", "有账号的，从这里选", "account", required=False, hint="选了就不用写姓名，系统会通知本人。"),
    Field("name", "没有账号的，写姓名", required=False, max_length=60),
    Field("unit", "哪个单位的", "unit", required=False),
    Field("phone", "电话", "phone", required=False, hint="只有办事台看得到。"),
)
#: What is noted of an invitation that stands.
MARKS = message_ids(
    (("told", "已通知"), ("coming", "来"), ("excused", "请假"), ("withdrawn", "不请了")),
)
MARK_FIELDS = (Field("invitation", "哪一位", "number"), Field("mark", "怎么样", "choice", choices=MARKS))


async def _to_come(act: Act, activity_id: int) -> Activity:
    """The meeting, which the actor keeps, and nobody else changes meanwhile. Raises `Refused` for one that is over."""
    activity = await held((await hosted(act, activity_id)).id)
    if activity.closed_at is not None:
        raise Refused("这一场已经结束了，不用再请人。")
    return activity


@change(Invitation, action="meetings.invite")
async def invite(act: Act, activity_id: int, values: Mapping[str, Any]) -> Invitation:
    """Invite somebody, `values` being INVITE_FIELDS; they are expected at the meeting from now on.

    Who has an account finds it in the inbox, unless the night has passed and this is only written down afterwards.
    Raises `Invalid` for somebody who is invited already.
    """
    activity = await _to_come(act, activity_id)
    passed = not activity.is_open and activity.date < current().calendar.night_of(act.now)
    typed = clean(INVITE_FIELDS, values)
    account = await Account.get_or_none(id=typed["account"], active=True).select_related("person")
    name = account.person.name if account is not None else typed["name"]
    if not name:
        raise Invalid.field("name", "请选一个账号，或者写姓名。")
    invitation, created = await Invitation.get_or_create(
        {
            "phone": typed["phone"],
            "unit_id": typed["unit"] or await _unit_of(act, account),
            "account_id": account.id if account is not None else None,
            "told_at": act.now if account is not None and not passed else None,
            "created_at": act.now,
        },
        activity_id=activity.id,
        role=typed["role"],
        name=name,
    )
    if not created:
        raise Invalid.field("name", "{name}已经请过了。", name=name)
    await _expected(act, activity, invitation)
    event = await emit(act, INVITED, (activity.kind, activity.id), data={"invitation": invitation.id})
    if account is not None and account.id != act.actor.account_id and not passed:
        at = f"{activity.date:%Y-%m-%d} {activity.starts_at}".strip()
        await notify(event, INVITED, [account.id], title=activity.title, at=at, place=activity.place)
    return invitation


async def _unit_of(act: Act, account: Account | None) -> int | None:
    """For whom an official comes."""
    posts = await posts_on([account.id], today(act)) if account is not None else []
    return posts[0].unit_id if posts else None


async def _expected(act: Act, activity: Activity, invitation: Invitation) -> None:
    """Put them on the list that the host ticks off; the invitation is of the same person (C73)."""
    account = invitation.account_id
    given = {"name": "" if account else invitation.name, "account": account, "phone": invitation.phone}
    there = await expect(act, activity, {"role": invitation.role, **given}, unit_id=invitation.unit_id)
    await Invitation.filter(id=invitation.id).update(person_id=there.person_id)


@change(Activity, action="meetings.mark_invitation")
async def mark_invitation(act: Act, activity_id: int, values: Mapping[str, Any]) -> Activity:
    """Note that somebody was told, or what they answered, `values` being MARK_FIELDS; the same twice is once.

    Who does not come, or is not invited any more, is not expected either, unless they are there already.
    """
    typed = clean(MARK_FIELDS, values)
    activity = await _to_come(act, activity_id)
    invitation = await Invitation.get_or_none(id=typed["invitation"], activity_id=activity.id)
    if invitation is None:
        raise NotFound
    mark, row = typed["mark"], Invitation.filter(id=invitation.id)
    if mark == "told":
        await row.filter(told_at=None).update(told_at=act.now)
        return activity
    if mark == "withdrawn":
        await row.delete()
    else:
        await row.update(answer=mark, told_at=invitation.told_at or act.now)
    if mark == "coming":
        await _expected(act, activity, invitation)
    else:
        absent = Attendance.filter(activity_id=activity.id, expected=True, present_at=None)
        await absent.filter(person_id=invitation.person_id).delete()
    return activity


# Pages


async def invitations(request: Request) -> Response:
    """Whom the meeting invites, and the form for another."""
    activity = await hosted(request.act, request.subject.id)
    return await _draw(request, activity, Form(INVITE_FIELDS, choices=await _choices(request, activity)))


async def _choices(request: Request, activity: Activity) -> dict[str, Any]:
    """Accounts of the unit and those above it, and of the departments that all of these have."""
    offered = await choices_for(request.act, [field for field in INVITE_FIELDS if field.kind == "unit"])
    return {**offered, "account": await account_choices_in(request.act, await offices_near([activity.unit_id]))}


async def _draw(request: Request, activity: Activity, form: Form, status: int = 200) -> Response:
    return request.render(
        "meetings/invitations.html",
        status,
        activity=activity,
        invitations=await _invited(activity),
        roles=dict(ROLES),
        form=form,
        over=activity.closed_at is not None,
    )


async def _invited(activity: Activity) -> Sequence[Invitation]:
    rows = await Invitation.filter(activity_id=activity.id).select_related("unit").order_by("id")
    order = [role for role, _label in ROLES]
    return sorted(rows, key=lambda row: order.index(row.role) if row.role in order else len(order))


async def submit_invitation(request: Request) -> Response:
    """Invite somebody, and on to the next."""
    activity = await hosted(request.act, request.subject.id)
    not_done = await submit(
        request,
        INVITE_FIELDS,
        lambda values: invite(request.act, activity.id, values),
        choices=await _choices(request, activity),
    )
    if not_done is not None:
        return await _draw(request, activity, not_done.form, not_done.status)
    return request.redirect("meetings.invitations", id=activity.id)


async def submit_mark(request: Request) -> Response:
    """Note what became of an invitation."""
    await mark_invitation(request.act, request.subject.id, (await request.form(MARK_FIELDS)).clean())
    return request.redirect("meetings.invitations", id=request.subject.id)


async def printed_invitations(request: Request) -> Response:
    """The list of those invited, as a paper to be signed at the door."""
    activity = await hosted(request.act, request.subject.id)
    return request.render(
        "meetings/invitations_paper.html",
        activity=activity,
        unit=await Unit.get(id=activity.unit_id),
        invitations=await _invited(activity),
        roles=dict(ROLES),
    )


async def invitations_of(act: Act, activity: Activity) -> Mapping[str, Any] | None:
    """The panel on a meeting's record: how many are invited, told and coming, and the way to the list."""
    if not kind_of(activity).agenda or not await may(act, f"{activity.kind}.keep", [activity.unit_id]):
        return None
    rows = await Invitation.filter(activity_id=activity.id)
    return {
        "invited": len(rows),
        "told": sum(row.told_at is not None for row in rows),
        "coming": sum(row.answer == "coming" for row in rows),
    }


def panels_of(record_kinds: Mapping[str, RecordKind]) -> Iterator[Panel]:
    """On the record of every kind of activity; those without an agenda leave it out."""
    for kind in record_kinds.values():
        if kind.model is Activity:
            name = f"meetings.invitations.{kind.name}"
            yield Panel(name, f"desk.{kind.name}", "meetings/invitations_panel.html", invitations_of, position=5)


_INVITATIONS = "/desk/activities/{id:int}/invitations"
_ANYBODY = "signed_in"
PAGES = (
    Page(_INVITATIONS, invitations, "meetings.invitations", permission=_ANYBODY, model=Activity, sensitive=True),
    Page(_INVITATIONS, submit_invitation, "meetings.invite", ("POST",), permission=_ANYBODY, model=Activity),
    Page(
        f"{_INVITATIONS}/mark", submit_mark, "meetings.invitation.mark", ("POST",), permission=_ANYBODY, model=Activity
    ),
    Page(
        f"{_INVITATIONS}/print",
        printed_invitations,
        "meetings.invitations.print",
        permission=_ANYBODY,
        model=Activity,
        sensitive=True,
    ),
)
EVENTS = (EventType(INVITED, "请人参加"),)
NOTICES = (NoticeKind(INVITED, "请您参加《{title}》：{at}，{place}。"),)
