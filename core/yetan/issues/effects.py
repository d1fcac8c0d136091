"""What the core's transitions change besides the state, as columns; and what they refuse for reasons of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import Any

from yetan.access.scope import visible
from yetan.act import Act
from yetan.db.reading import load
from yetan.errors import Invalid, Refused
from yetan.events.service import emit
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue, IssueLink, Raiser
from yetan.issues.numbers import normal_number
from yetan.people.service import acts_for
from yetan.rules.service import value_of
from yetan.runtime import current
from yetan.units.models import Unit
from yetan.units.service import superior_of

Effect = Callable[[Act, Issue, Mapping[str, Any]], Awaitable[dict[str, Any]]]


async def _deadline(act: Act, unit_id: int, day: date) -> datetime:
    """The end of the deadline's day, which may not lie in the past nor beyond the unit's limit (001-11)."""
    calendar = current().calendar
    today = calendar.local_date(act.now)
    if day < today:
        raise Invalid.field("deadline", "完成时限不能早于今天，请改一个日期。")
    limit = int(await value_of("issue.longest_days", unit_id))
    if (day - today).days > limit:
        raise Invalid.field(
            "deadline", "完成时限最长 {count} 天，请改早一些；确实办不完的，到期前可以延期并说明原因。", count=limit
        )
    return calendar.end_of_day(day)


async def check_owner(act: Act, account_id: int, unit_id: int) -> int:
    """The account, if a post in the unit or above it lets it act there. Raises `Invalid` naming `owner`."""
    if not await acts_for(account_id, unit_id, current().calendar.local_date(act.now)):
        raise Invalid.field("owner", "这个人在责任单位和它的上级都没有岗位，办不了这件事，请另选一位，或者改责任单位。")
    return account_id


async def _unit(unit_id: int, field: str) -> Unit:
    found = await load(Unit, "id = ? AND active", [unit_id])
    if not found:
        raise Invalid.field(field, "没有这个单位，或者它已经并入别处，请重新选。")
    return found[0]


async def _list(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    unit_id = values["unit"] or issue.responsible_unit_id
    await _unit(unit_id, "unit")
    supervisor = values["supervisor"]
    return {
        "responsible_unit_id": unit_id,
        "owner_id": await check_owner(act, values["owner"], unit_id),
        "supervisor_id": supervisor,
        "measures": values["measures"],
        "deadline": await _deadline(act, unit_id, values["deadline"]),
        "listed_at": act.now,
    }


async def _resolve(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"outcome": values["outcome"], "resolved_at": act.now, "resolved_by_id": act.actor.account_id}


async def _transfer(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    unit = await _unit(values["unit"], "unit")
    if unit.id == issue.responsible_unit_id:
        raise Invalid.field("unit", "现在的责任单位就是它，请选另一个单位。")
    return {"responsible_unit_id": unit.id, "owner_id": None, "deadline": None}


async def _report_up(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    superior = await superior_of(await Unit.get(id=issue.responsible_unit_id))
    if superior is None:
        raise Refused("上面没有单位可以上报了，请转办给能解决的部门。")
    return {"responsible_unit_id": superior.id, "owner_id": None, "deadline": None}


async def _extend(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    deadline = await _deadline(act, issue.responsible_unit_id, values["deadline"])
    if issue.deadline is not None and deadline <= issue.deadline:
        raise Invalid.field("deadline", "新的时限要比原来的晚，请改一个日期。")
    return {"deadline": deadline}


async def _again(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    """Another round of handling: residents' verdicts of the last one stay on record but count no more."""
    return {"round": issue.round + 1, "resolved_at": None, "struck_off_at": None}


async def _strike_off(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"struck_off_at": act.now}


async def _reconsider(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"responsible_unit_id": issue.unit_id, "owner_id": None, "deadline": None}


async def join(act: Act, issue: Issue, person_id: int, *, at: datetime) -> None:
    """Make a person, who spoke up at `at`, one of those who raise the issue. Doing it twice changes nothing."""
    _, added = await Raiser.get_or_create(issue_id=issue.id, person_id=person_id, defaults={"at": at})
    if added:
        # The board counts the raisers, and its row follows events alone.
        await emit(act, "issue.raiser_added", ("issue", issue.id), audience="parties", data={"person_id": person_id})


async def _merge(act: Act, issue: Issue, values: Mapping[str, Any]) -> dict[str, Any]:
    target = await visible(Issue, act).get_or_none(number=normal_number(values["into"]))
    if target is None or target.id == issue.id:
        raise Invalid.field("into", "没有找到要并入的那一件，请核对编号。")
    if state_of(target.state).category not in ("open", "awaiting"):
        raise Invalid.field("into", "那一件已经办完了，不能再并进去。请先重新办理那一件。")
    for raiser in await Raiser.filter(issue_id=issue.id):
        await join(act, target, raiser.person_id, at=raiser.at)
    await IssueLink.get_or_create(issue_id=issue.id, other_id=target.id, kind="merged", defaults={"at": act.now})
    return {"owner_id": None, "deadline": None}


EFFECTS: Mapping[str, Effect] = {
    "list": _list,
    "resolve": _resolve,
    "settle": _resolve,
    "transfer": _transfer,
    "report_up": _report_up,
    "extend": _extend,
    "return": _again,
    "reopen": _again,
    "strike_off": _strike_off,
    "reconsider": _reconsider,
    "merge": _merge,
}
