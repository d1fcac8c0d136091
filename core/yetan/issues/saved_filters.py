"""Searches kept under a name, for oneself alone; and how one wants the desk to behave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Forbidden, Invalid, NotFound, Refused
from yetan.issues.desk_models import DeskSettings, SavedFilter
from yetan.people.models import Account
from yetan.web.forms import Field, clean

NAME = Field("name", "叫什么名字", max_length=20, hint="例如：西片逾期的")
NAME_FIELDS = (NAME,)
#: More tabs than this nobody finds anything among.
MOST_KEPT = 12


async def saved_filters(act: Act) -> list[SavedFilter]:
    """One's own, the oldest first."""
    return await SavedFilter.filter(account_id=act.actor.account_id).order_by("id")


@change(SavedFilter)
async def save_filter(act: Act, values: Mapping[str, Any], query: Mapping[str, str]) -> SavedFilter:
    """Keep a search under a name. The same name again is the newer search."""
    account = _own_account(act)
    name = clean(NAME_FIELDS, values)["name"]
    if not query:
        raise Invalid.field("name", "还没有选条件。请先查一次，再存下来。")
    kept = await saved_filters(act)
    if len(kept) >= MOST_KEPT and name not in [each.name for each in kept]:
        raise Refused("最多存 {most} 个。请先到“我存的查询”里删掉用不着的。", most=MOST_KEPT)
    row, _ = await SavedFilter.update_or_create({"query": dict(query), "at": act.now}, account_id=account, name=name)
    return row


@change(SavedFilter)
async def rename_filter(act: Act, filter_id: int, values: Mapping[str, Any]) -> SavedFilter:
    """Give a kept search another name. Raises `Invalid` where one's own bears it already."""
    row = await _own(act, filter_id)
    name = clean(NAME_FIELDS, values)["name"]
    if await SavedFilter.filter(account_id=row.account_id, name=name).exclude(id=row.id).exists():
        raise Invalid.field("name", "已经有一个叫这个名字，请换一个。")
    row.name = name
    await row.save(update_fields=["name"])
    return row


@change(Account)
async def drop_filter(act: Act, filter_id: int) -> Account:
    """Keep a search no longer. What stays, and a repeat is given again, is the account."""
    row = await _own(act, filter_id)
    await SavedFilter.filter(id=row.id).delete()
    return await Account.get(id=row.account_id)


async def listens_to_keys(act: Act) -> bool:
    """Whether the actor's lists listen to single keys: unless they said otherwise."""
    row = await DeskSettings.get_or_none(account_id=act.actor.account_id)
    return row is None or row.keys


@change(DeskSettings)
async def set_keys(act: Act, keys: bool) -> DeskSettings:
    """Have one's lists listen to single keys, or not."""
    row, _ = await DeskSettings.update_or_create({"keys": keys}, account_id=_own_account(act))
    return row


def _own_account(act: Act) -> int:
    if act.actor.account_id is None:
        raise Forbidden("请先登录。")
    return act.actor.account_id


async def _own(act: Act, filter_id: int) -> SavedFilter:
    row = await SavedFilter.get_or_none(id=filter_id, account_id=_own_account(act))
    if row is None:
        raise NotFound("没有这个查询，或者已经删掉了。")
    return row
