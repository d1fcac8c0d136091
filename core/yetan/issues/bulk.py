"""The same done to several issues at once: each by itself, with the usual rights, version, event and record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import Struct

from yetan.access.scope import holds, may, visible
from yetan.access.secrets import new_token
from yetan.act import Act
from yetan.db.bulk import add_new, insert
from yetan.db.change import change
from yetan.errors import Conflict, NotFound, Refused, YetanError
from yetan.events.models import Event
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.actions import ACTIONS
from yetan.issues.desk_models import BulkItem, BulkRun
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue
from yetan.issues.service import assign, place_of, refusal_of, transition_issue
from yetan.plugins.declarations import BulkAction, Transition
from yetan.plugins.guarding import is_paused
from yetan.runtime import current

#: How many issues one press of a button may take along: a list to be read through, and no more.
MOST_AT_ONCE = 100
#: How long it is kept what became of each.
RUNS_KEPT = timedelta(days=30)


def bulk_actions(act: Act) -> list[BulkAction]:
    """What the actor may do to several issues at once: steps of the lifecycle, then what was declared."""
    steps = [_of_step(each) for each in current().registry.transitions.values() if each.several]
    declared = [each for each in current().registry.bulk_actions.values() if not is_paused(each.run)]
    found = [each for each in (*declared, *steps) if holds(act.actor, each.permission)]
    return sorted(found, key=lambda each: each.position)


def bulk_action_named(act: Act, name: str) -> BulkAction:
    """The bulk action of that name. Raises `NotFound` where the actor has none."""
    for action in bulk_actions(act):
        if action.name == name:
            return action
    raise NotFound("没有这一项，请从列表上面的按钮进入。")


def _of_step(transition: Transition) -> BulkAction:
    """A transition as something done to several issues."""
    back = _STEPS_BACK.get(transition.name)
    return BulkAction(
        name=f"transition.{transition.name}",
        label=transition.label,
        permission=transition.permission,
        run=partial(_run_step, transition),
        refusal=partial(_step_refusal, transition),
        form=transition.form,
        undo=back,
        remembers=("responsible_unit_id",) if back else (),
        irrevocable="" if back else message_ids("这一步没有退回去的办法：做了什么，都记在经过里。"),
        rule=transition.rule,
        description=transition.description,
        position=50,
    )


async def _run_step(transition: Transition, act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await transition_issue(act, issue.id, transition.name, values, version=version)


async def _step_refusal(transition: Transition, act: Act, issue: Issue) -> str:
    state = state_of(issue.state)
    if state.name not in transition.sources:
        return _("现在是“{state}”，不能“{step}”。", state=_(state.label), step=_(transition.label))
    if not await may(act, transition.permission, [place_of(transition, issue)]):
        return _("不归您的岗位管。")
    return await refusal_of(act, issue, transition)


async def _transfer_back(act: Act, issue: Issue, before: Mapping[str, Any], version: int) -> Issue:
    """Transfer an issue to where it came from: it is a transfer like any other, by whoever may act there."""
    values = {"unit": before["responsible_unit_id"], "reason": _("转错了，转回原来的单位。")}
    return await transition_issue(act, issue.id, "transfer", values, version=version)


_STEPS_BACK = {"transfer": _transfer_back}


async def _action_refusal(name: str, act: Act, issue: Issue) -> str:
    """Why one of `ACTIONS` cannot be done to an issue."""
    action = next(each for each in ACTIONS if each.name == name)
    state = state_of(issue.state)
    if action.categories and state.category not in action.categories:
        return _("现在是“{state}”，不能“{step}”。", state=_(state.label), step=_(action.label))
    if not await may(act, action.permission, action.units(issue)):
        return _("不归您的岗位管。")
    return await action.refusal(act, issue)


async def _run_action(name: str, act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    action = next(each for each in ACTIONS if each.name == name)
    return await action.run(act, issue, values, version)


async def _assign_back(act: Act, issue: Issue, before: Mapping[str, Any], version: int) -> Issue:
    """Give an issue back to its former owner."""
    if before["owner_id"] is None:
        raise Refused("原来没有责任人，退不回去。要换人，请打开这一件再换。")
    return await assign(act, issue.id, before["owner_id"], version=version)


def _of_action(name: str, **more: Any) -> BulkAction:
    """One of `ACTIONS` as something done to several issues; its form is the same for all issues."""
    action = next(each for each in ACTIONS if each.name == name)
    return BulkAction(
        name=name,
        label=action.label,
        permission=action.permission,
        run=partial(_run_action, name),
        refusal=partial(_action_refusal, name),
        rule=action.rule,
        description=action.description,
        **more,
    )


def core_bulk_actions() -> tuple[BulkAction, ...]:
    """What the core declares, beside the steps of the lifecycle that say so themselves."""
    from yetan.issues.service import ASSIGN_FIELDS, PROGRESS_FIELDS

    return (
        _of_action("assign", form=ASSIGN_FIELDS, undo=_assign_back, remembers=("owner_id",), position=40),
        _of_action(
            "progress",
            form=PROGRESS_FIELDS,
            irrevocable=message_ids("写下的进展居民马上看得到，收不回来；写错了，再写一条说明。"),
            position=60,
        ),
    )


# Before


class Weighed(Struct, frozen=True):
    """An issue somebody chose, and why the action does not apply to it, or ""."""

    issue: Issue
    refusal: str


async def weigh(act: Act, action: BulkAction, chosen: Sequence[int]) -> list[Weighed]:
    """Which of the chosen issues the action applies to, in their order, without what is out of sight."""
    found = {issue.id: issue for issue in await visible(Issue, act).filter(id__in=list(chosen[:MOST_AT_ONCE]))}
    return [Weighed(found[each], await _refusal(act, action, found[each])) for each in chosen if each in found]


async def _refusal(act: Act, action: BulkAction, issue: Issue) -> str:
    if not await may(act, action.permission, [issue.unit_id, issue.responsible_unit_id]):
        return _("不归您的岗位管。")
    return await action.refusal(act, issue)


# Doing it


async def run_bulk(act: Act, action: BulkAction, chosen: Mapping[int, int], values: Mapping[str, Any]) -> BulkRun:
    """Do `action` to each chosen issue (id to the version seen) in a transaction of its own.

    One that is refused, or that somebody else has changed meanwhile, holds none of the others back. Sent again with
    the same key, it goes on where it stopped and ends in the same run. Raises `NotFound` where none is in sight.
    """
    run = await _begin(act, action.name, chosen, values)
    for item in await BulkItem.filter(run_id=run.id, state="waiting").order_by("id"):
        await _do(act.keyed(f"{run.key}-{item.issue_id}"), action, item, values)
    return run


@change(BulkRun, action="issues.bulk.{name}")
async def _begin(act: Act, name: str, chosen: Mapping[int, int], values: Mapping[str, Any]) -> BulkRun:
    """The run, with an item for each issue: what is remembered of it is so before anything is done."""
    action = bulk_action_named(act, name)
    issues = {issue.id: issue for issue in await visible(Issue, act).filter(id__in=list(chosen)[:MOST_AT_ONCE])}
    if act.actor.account_id is None or not issues:
        raise NotFound
    run = await insert(BulkRun(account_id=act.actor.account_id, action=name, key=act.key or new_token(), at=act.now))
    await add_new(
        [
            BulkItem(
                run_id=run.id,
                issue_id=issue.id,
                version=chosen[issue.id],
                before={column: getattr(issue, column) for column in action.remembers},
            )
            for each in chosen
            if (issue := issues.get(each)) is not None
        ]
    )
    return run


async def _do(act: Act, action: BulkAction, item: BulkItem, values: Mapping[str, Any]) -> None:
    issue = await visible(Issue, act).get_or_none(id=item.issue_id)
    try:
        if issue is None:
            raise NotFound
        await action.run(act, issue, values, item.version)
        item.state = "done"
        item.after = await _last_event(item.issue_id, actor=act.actor.label)
    except YetanError as error:
        item.state, item.told = "refused", error.message
    await item.save(update_fields=["state", "told", "after"])


async def _last_event(issue_id: int, **by: str) -> int | None:
    """The last thing somebody did to an issue: what the system follows up with is nobody's doing."""
    told = Event.filter(subject_kind="issue", subject_id=issue_id, **by).exclude(actor="system")
    last = await told.order_by("-id").first()
    return last.id if last is not None else None


# Taking it back


def undone_until(run: BulkRun) -> datetime:
    """Until when a run may be taken back, if there is a way."""
    return run.at + timedelta(minutes=current().configuration.desk.undo_minutes)


async def undo_bulk(act: Act, action: BulkAction, run: BulkRun) -> None:
    """Take back what a run has done, issue by issue, by a change of its own; nothing is erased.

    What somebody has done something to since stays. Raises `Refused` once the time is up, or without a way back.
    """
    run = await _begin_undo(act, run.id)
    for item in await BulkItem.filter(run_id=run.id, state="done").order_by("id"):
        await _undo(act.keyed(f"{run.key}-{item.issue_id}-undo"), action, item)


@change(BulkRun, action="issues.bulk.undo")
async def _begin_undo(act: Act, run_id: int) -> BulkRun:
    """Say that a run is taken back. One that was broken off may be gone on with."""
    run = await BulkRun.get(id=run_id)
    action = bulk_action_named(act, run.action)
    if action.undo is None:
        raise Refused("“{action}”退不回去。{why}", action=_(action.label), why=_(action.irrevocable))
    if act.now > undone_until(run):
        raise Refused("已经过了能撤回的时间。要改的，请打开每一件去改。")
    if not await BulkItem.filter(run_id=run.id, state="done").exists():
        raise Refused("没有可以撤回的了。")
    run.undone_at = act.now
    await run.save(update_fields=["undone_at"])
    return run


async def _undo(act: Act, action: BulkAction, item: BulkItem) -> None:
    assert action.undo is not None
    issue = await visible(Issue, act).get_or_none(id=item.issue_id)
    try:
        if issue is None:
            raise NotFound
        if await _last_event(issue.id) != item.after:
            raise Conflict("这一件后来又有人办过，没有撤回。要改的，请打开它去改。")
        await action.undo(act, issue, item.before, issue.version)
        state, told = "undone", ""
    except YetanError as error:
        state, told = "kept", error.message
    # Of two who press at once, the first has said what became of it.
    await BulkItem.filter(id=item.id, state="done").update(state=state, told=told)


async def forget_bulk_runs(now: datetime) -> None:
    """Drop what became of runs long ago; what was done stands on the issues themselves."""
    await BulkRun.filter(at__lt=now - RUNS_KEPT).delete()
