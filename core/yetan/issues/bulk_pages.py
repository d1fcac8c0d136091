"""Several issues at once: choosing in a list, a look at what it would do, one press, and what became of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from yetan.access.scope import visible
from yetan.act import Act
from yetan.errors import Invalid, NotFound, Refused
from yetan.i18n import message_ids
from yetan.issues.bulk import Weighed, bulk_action_named, run_bulk, undo_bulk, undone_until, weigh
from yetan.issues.chosen import chosen_ids
from yetan.issues.desk_models import BulkItem, BulkRun
from yetan.issues.models import Issue
from yetan.issues.queues import queues_of, rows_of
from yetan.plugins.declarations import BulkAction, Page
from yetan.rules.sources import rules_in
from yetan.runtime import current
from yetan.units.service import ancestors_of
from yetan.web.choices import choices_for
from yetan.web.forms import Field, Form
from yetan.web.request import BadRequest, Request

#: Which queue to go back to.
FROM = Field("from", "", "hidden", required=False, max_length=20)
#: What was chosen, with the version seen of each: "12:3.15:7".
ISSUES = Field("issues", "", "hidden", max_length=2000)

_ISSUES = re.compile(r"\d{1,9}:\d{1,9}(\.\d{1,9}:\d{1,9})*", re.ASCII)


async def preview(request: Request) -> Response:
    """To which of the chosen issues the action applies, to which it does not and why; and its form."""
    action = bulk_action_named(request.act, request.path_params["action"])
    chosen = await chosen_ids(request)
    back = _back(request, (await request.values((FROM,)))["from"])
    return await _preview(request, action, await weigh(request.act, action, chosen or []), back)


async def submit(request: Request) -> Response:
    """Do it to each, and show what became of them."""
    act = request.act
    action = bulk_action_named(act, request.path_params["action"])
    values = await request.values((*action.form, ISSUES, FROM))
    chosen = _versions(values.pop("issues"))
    back = _back(request, values.pop("from"))
    form = Form(action.form, values, choices=await _choices(act, action, list(chosen)))
    try:
        run = await run_bulk(act, action, chosen, form.clean())
    except (Invalid, Refused) as error:
        form.message = error.message
        weighed = await weigh(act, action, list(chosen))
        return await _preview(request, action, weighed, back, form=form, versions=chosen, status=error.status)
    return request.redirect("desk.bulk.run", run=run.id)


async def run(request: Request) -> Response:
    """What became of each issue of one of one's own runs."""
    return await _run(request, await _own_run(request))


async def undo(request: Request) -> Response:
    """Take it back where nobody has done anything since."""
    own = await _own_run(request)
    try:
        await undo_bulk(request.act, bulk_action_named(request.act, own.action), own)
    except Refused as error:
        return await _run(request, own, message=error.message, status=error.status)
    return request.redirect("desk.bulk.run", run=own.id)


async def print_list(request: Request) -> Response:
    """The chosen issues as a list on paper, without anybody's contact."""
    chosen = await chosen_ids(request)
    found = {issue.id: issue for issue in await visible(Issue, request.act).filter(id__in=chosen or [])}
    rows = await rows_of(request.act, [found[each] for each in chosen or [] if each in found])
    back = _back(request, (await request.values((FROM,)))["from"])
    return request.render("desk/list_print.html", rows=rows, back=back)


def _versions(typed: object) -> dict[int, int]:
    """What the form says was chosen: id to version. Raises `BadRequest` for what no page of ours sends."""
    if not isinstance(typed, str) or len(typed) > ISSUES.max_length or not _ISSUES.fullmatch(typed):
        raise BadRequest("表单不完整，请回到列表重新选。")
    pairs = (each.split(":") for each in typed.split("."))
    return {int(issue): int(version) for issue, version in pairs}


def _back(request: Request, name: object) -> str:
    """The list the choice was made in."""
    path = request.templating.addresses.path
    if any(queue.name == name for queue in queues_of(request.act)):
        return path("desk.queue", queue=name)
    return path("desk")


async def _choices(act: Act, action: BulkAction, ids: Sequence[int]) -> Mapping[str, Any]:
    """What select boxes offer that has to suit all of the issues: accounts of the nearest unit above them all."""
    chosen = visible(Issue, act).filter(id__in=ids)
    units = {row["responsible_unit_id"] for row in await chosen.values("responsible_unit_id")}
    above = await ancestors_of(units)
    shared = set.intersection(*(set(each) for each in above.values())) if above else set()
    near = next((unit for unit in next(iter(above.values()), ()) if unit in shared), None)
    return await choices_for(act, action.form, near=near)


async def _preview(
    request: Request,
    action: BulkAction,
    weighed: Sequence[Weighed],
    back: str,
    *,
    form: Form | None = None,
    versions: Mapping[int, int] | None = None,
    status: int = 200,
) -> Response:
    act = request.act
    fitting = [each.issue for each in weighed if not each.refusal]
    refused = [each for each in weighed if each.refusal]
    seen = versions or {}
    if form is None:
        form = Form(action.form, choices=await _choices(act, action, [issue.id for issue in fitting]))
    path = request.templating.addresses.path
    return request.render(
        "desk/bulk.html",
        status,
        action=action,
        rules=rules_in(action.rule),
        form=form,
        fitting=[(row, "") for row in await rows_of(act, fitting)],
        refused=[
            (row, each.refusal)
            for row, each in zip(await rows_of(act, [each.issue for each in refused]), refused, strict=True)
        ],
        issues=".".join(f"{issue.id}:{seen.get(issue.id, issue.version)}" for issue in fitting),
        target=path("desk.bulk.submit", action=action.name),
        minutes=current().configuration.desk.undo_minutes if action.undo else 0,
        back=back,
    )


async def _own_run(request: Request) -> BulkRun:
    own = await BulkRun.get_or_none(id=request.path_params["run"], account_id=request.act.actor.account_id)
    if own is None:
        raise NotFound("没有这次办理，或者记录已经过期。每一件做了什么，请看那一件的经过。")
    return own


async def _run(request: Request, own: BulkRun, *, message: str = "", status: int = 200) -> Response:
    act = request.act
    action = bulk_action_named(act, own.action)
    items = await BulkItem.filter(run_id=own.id).order_by("id")
    seen = visible(Issue, act).filter(id__in=[item.issue_id for item in items])
    rows = {row.id: row for row in await rows_of(act, await seen)}
    until = undone_until(own)
    return request.render(
        "desk/bulk_run.html",
        status,
        action=action,
        run=own,
        message=message,
        groups=[
            (heading, found)
            for state, heading in _STATES.items()
            if (found := [(rows.get(item.issue_id), item.told) for item in items if item.state == state])
        ],
        done=[item for item in items if item.state == "done"],
        until=until if action.undo is not None and act.now <= until else None,
        undo=request.templating.addresses.path("desk.bulk.undo", run=own.id),
    )


#: By what became of an issue, what stands above those of which it did.
_STATES: Mapping[str, str] = message_ids(
    {
        "done": "做了的",
        "undone": "撤回了的",
        "kept": "没有撤回的",
        "refused": "没有做的",
        "waiting": "还没轮到的",
    }
)

PAGES: tuple[Page, ...] = (
    Page("/desk/bulk/{action}", preview, "desk.bulk", permission="issue.view"),
    Page("/desk/bulk/{action}", submit, "desk.bulk.submit", methods=("POST",), permission="issue.view"),
    Page("/desk/bulk-runs/{run:int}", run, "desk.bulk.run", permission="issue.view"),
    Page("/desk/bulk-runs/{run:int}/undo", undo, "desk.bulk.undo", methods=("POST",), permission="issue.view"),
    Page("/desk/print-list", print_list, "desk.print_list", permission="issue.view"),
)
