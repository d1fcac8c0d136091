"""What is done at the desk beside the loop, and signing in: with keys alone, without script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from yetan.testing import Town

from .conftest import Site
from .person import Person, until

pytestmark = pytest.mark.browser
_LEDGER = """编号,标题,留言时间,内容,村
1,老桥头路灯不亮,2025-03-04,老桥头两盏路灯坏了十天。,溪尾村
2,井盖松动,2025-03-05,菜场门口的井盖松动，夜里响。,溪尾村
"""
_HOUSEHOLDS = """村,门牌地址,住的人,联户干部
溪尾村,老街 5 号,李桂香 13800005678、李小满,许秋生
"""


@pytest.fixture
def town_database_url(town_database_url: str, tmp_path: Path) -> str:
    """The town's database, with two issues to be done something to, and one that is public."""
    plugins = ("whoosh", "lantern", "supervision")
    with Town(town_database_url, tmp_path, plugins=plugins, search="whoosh").open() as town:
        for title in ("桥栏杆松了", "水渠堵了"):
            town.report(title=title)
        town.publish(town.report(title="公厕没有水"))
    return town_database_url


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_desk_is_worked_with_keys_alone(chromium: Any, site: Site, tmp_path: Path) -> None:
    """One server and one browser for all of it."""
    resident = Person(chromium, site, 360)
    what_was_typed_stays_when_the_look_changes(resident)
    clerk = Person(chromium, site, 1280)
    a_password_is_set_and_let_in_by(clerk)
    a_ledger_is_looked_at_and_brought_in(clerk, tmp_path)
    several_are_done_and_taken_back(Person(chromium, site, 1280))
    what_is_public_is_withdrawn(Person(chromium, site, 1280), resident)
    households_are_kept(Person(chromium, site, 1280), tmp_path)


def what_was_typed_stays_when_the_look_changes(resident: Person) -> None:
    resident.go("/raise")
    resident.fill("一句话说是什么事", "菜场门口积水")
    resident.press("长辈版", within=".view")
    assert resident.labelled("一句话说是什么事").input_value() == "菜场门口积水"
    resident.page.keyboard.press("Tab")
    resident.reach(resident.labelled("一句话说是什么事"))
    with resident.page.expect_navigation():
        resident.page.keyboard.press("Enter")
    resident.fill("说说经过", "水漫到鞋面。")
    assert resident.page.locator("html[data-elder]").count() == 1, "the return key went on, and changed no look"
    resident.press("夜间", within="#menu")
    assert resident.labelled("说说经过").input_value() == "水漫到鞋面。"
    resident.press("标准版", within=".view")
    assert resident.labelled("一句话说是什么事").input_value() == "菜场门口积水"
    assert resident.labelled("说说经过").input_value() == "水漫到鞋面。"
    resident.go("/issues")
    resident.choose("单位", "柳湾县")
    resident.press("日间", within="#menu")
    assert "unit=county" in resident.page.url


def a_password_is_set_and_let_in_by(clerk: Person) -> None:
    clerk.sign_in("clerk")
    clerk.go("/me/password")
    for label in ("新密码", "再写一遍新密码"):
        clerk.fill(label, "灯亮了就销号 2026")
    clerk.press("改密码")
    clerk.press("退出（周明远）", within="#menu")
    clerk.go("/sign-in")
    clerk.fill("用户名", "clerk")
    clerk.fill("密码", "不是这个密码")
    clerk.press("登录")
    assert clerk.labelled("^用户名").input_value() == "clerk"
    clerk.fill("密码", "灯亮了就销号 2026")
    clerk.press("登录")
    assert "/desk" in clerk.page.url


def found(official: Person, title: str) -> bool:
    official.go(f"/desk/search?q={title}")
    return bool(official.page.locator("main").get_by_role("link", name=title).count())


def a_ledger_is_looked_at_and_brought_in(clerk: Person, folder: Path) -> None:
    ledger = folder / "台账.csv"
    ledger.write_text(_LEDGER, encoding="utf-8")
    clerk.go("/admin/import")
    clerk.choose_file("台账（", ledger)
    clerk.choose("没写单位的", "石桥镇")
    clerk.press("上传，先看一看")
    assert clerk.sees("要写入2件")
    clerk.press("写入")
    until(lambda: found(clerk, "井盖松动"))


def several_are_done_and_taken_back(leader: Person) -> None:
    leader.sign_in("leader")
    leader.go("/desk/queue/unit")
    for title in ("桥栏杆松了", "水渠堵了"):
        box = leader.page.locator("tr").filter(has_text=title).locator(".tick input")
        leader.reach(box)
        leader.page.keyboard.press("Space")
        assert box.is_checked()
    # A button above the list: back to it.
    leader.press("转办", backwards=True)
    assert leader.sees("转办：2件")
    leader.choose("转给哪个单位", "石桥镇 荷塘社区")
    leader.fill("原因", "归荷塘社区管。")
    leader.press("给这2件：转办")
    assert leader.sees("做了的 2")
    leader.press("撤回")
    assert leader.sees("撤回了的 2")


def what_is_public_is_withdrawn(publisher: Person, resident: Person) -> None:
    resident.go("/issues")
    assert resident.sees("公厕没有水")
    publisher.sign_in("publisher")
    until(lambda: found(publisher, "公厕没有水"))
    publisher.follow("公厕没有水")
    publisher.follow("看公开稿")
    publisher.fill("撤下的原因", "写了不该公开的话。")
    publisher.press("撤下")
    assert publisher.sees("已经撤下，公开板上看不到")

    def gone() -> bool:
        resident.go("/issues")
        return not resident.sees("公厕没有水")

    until(gone)


def households_are_kept(village: Person, folder: Path) -> None:
    village.sign_in("village")
    village.go("/desk/households")
    village.follow("登记一户")
    village.choose("哪个村", "溪尾村")
    village.fill("门牌地址", "老街 3 号")
    village.press("登记")
    village.fill("姓名", "陈阿公")
    village.press("加进来")
    village.choose("联户干部", "许秋生")
    village.press("记下来")
    assert village.sees("联户干部：许秋生")
    table = folder / "住户.csv"
    table.write_text(_HOUSEHOLDS, encoding="utf-8")
    village.go("/desk/households")
    village.follow("导入住户")
    village.choose_file("表格", table)
    village.press("上传，先看一看")
    assert village.sees("会新增1行")
    village.press("写入")
    assert village.sees("老街 5 号")
    with village.page.expect_download() as taken:
        village.reach(village.page.locator("main").get_by_role("link", name="导出（Excel）"))
        village.page.keyboard.press("Enter")
    assert taken.value.suggested_filename.endswith(".xlsx")
