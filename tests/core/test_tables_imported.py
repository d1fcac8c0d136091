"""Tables of accounts and of synonyms: looked at first, then taken as a whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from yetan.audit.models import AuditRecord
from yetan.errors import Invalid
from yetan.people.accounts_table import AccountRow, add_accounts
from yetan.people.models import Account, Post
from yetan.searching.synonyms import rings
from yetan.testing import Town

HEAD = "登录名,姓名,单位,角色,职务,从哪天起\n"


@pytest.fixture
def town(shared_town: Town) -> Town:
    """Each test brings in names of its own."""
    return shared_town


def upload(town: Town, kind: str, text: str, who: str = "administrator") -> Any:
    file = ("file", ("table.csv", text.encode(), "text/csv"))
    return town.browser(who).submit(f"/admin/{kind}/import", files=[file])


def look(town: Town, kind: str, text: str) -> tuple[str, str]:
    """The address of the look at a table, and what it says."""
    where = upload(town, kind, text).headers["location"]
    return where, town.browser("administrator").get(where).text


def accounts(town: Town) -> dict[str, list[tuple[str, str]]]:
    """Role and title of each post, by sign-in name."""

    async def go() -> dict[str, list[tuple[str, str]]]:
        found = {row.id: row.username for row in await Account.all()}
        posts = await Post.all().order_by("id")
        return {name: [(p.role, p.title) for p in posts if p.account_id == each] for each, name in found.items()}

    return town.do(go)


def test_accounts_are_looked_at_and_then_brought_in_with_their_posts(town: Town) -> None:
    first = "a01,白露,溪尾村,village_official,网格员,2026-05-01\n"
    text = f"{HEAD}{first}a01,白露,sibling,leader,,\nclerk,周明远,石桥镇,leader,,\n"
    where, page = look(town, "accounts", text)
    assert "会新增2行；已经有的1行不动" in page
    assert "a01" not in accounts(town), "looking writes nothing"
    administrator = town.browser("administrator")
    for _time in range(2):
        assert administrator.submit(where).headers["location"] == "/admin/accounts"
    assert accounts(town)["a01"] == [("village_official", "网格员"), ("leader", "")]
    assert accounts(town)["clerk"] == [("township_clerk", "")], "who is there stays"

    async def recorded() -> int:
        return await AuditRecord.filter(action="people.add_accounts", outcome="done").count()

    assert town.do(recorded) == 1
    assert "没有要写入的" in look(town, "accounts", text)[1]


def test_one_wrong_row_keeps_all_out_and_each_is_named(town: Town) -> None:
    text = f"{HEAD}b01,小寒,溪尾村,leader,,\nb02,,没有的村,皇帝,,五月\nb01,大寒,溪尾村,leader,,\n"
    where, page = look(town, "accounts", text)
    for words in ("没有填姓名", "没有这个单位", "没有这个角色", "认不出是什么时间", "前面写的是小寒"):
        assert words in page, words
    assert town.browser("administrator").submit(where).headers["location"] == where
    assert "b01" not in accounts(town)


def test_what_a_service_refuses_is_told_with_its_row_and_nothing_is_written(town: Town) -> None:
    """Somebody took a name between the look and its confirmation."""
    village, day = town.units["village"], town.clock().date()
    rows = [
        AccountRow(2, "c01", "立夏", village, "leader", "", day),
        AccountRow(3, "clerk", "小满", village, "leader", "", day),
    ]

    async def bring_in() -> None:
        await add_accounts(await town.act("administrator"), rows)

    with pytest.raises(Invalid, match="第 3 行：登录名“clerk”已经有人用了"):
        town.do(bring_in)
    assert "c01" not in accounts(town)


def test_accounts_are_brought_in_within_reach_only(town: Town) -> None:
    assert upload(town, "accounts", HEAD, who="clerk").status_code == 403
    assert upload(town, "accounts", "名字,电话\n甲,1\n").status_code == 422
    assert upload(town, "accounts", "").status_code == 422
    where, _page = look(town, "accounts", f"{HEAD}d01,谷雨,溪尾村,leader,,\n")
    assert town.browser("clerk").get(where).status_code == 403


def test_synonyms_are_looked_at_and_then_brought_in(town: Town) -> None:
    where, page = look(town, "synonyms", "意思相同的词\n堵车 塞车\n垃圾站 垃圾点、垃圾屋\n")
    assert "会新增2行" in page
    town.browser("administrator").submit(where)
    brought = {("堵车", "塞车"), ("垃圾站", "垃圾点", "垃圾屋")}
    assert set(town.do(rings)) == brought
    where, page = look(town, "synonyms", "意思相同的词\n塞车 堵车\n垃圾站 垃圾池\n一个\n")
    assert "已经在另一组里" in page
    assert "至少要有两个词" in page
    town.browser("administrator").submit(where)
    assert set(town.do(rings)) == brought
