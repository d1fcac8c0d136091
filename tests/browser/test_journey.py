"""Three people carry one issue through the whole loop, each in their own browser: with keys alone, without script."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Site
from .person import Person, until

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_broken_lamp_is_raised_mended_accepted_and_struck_off(chromium: Any, site: Site) -> None:
    resident = Person(chromium, site, 360)
    clerk = Person(chromium, site, 1280)
    official = Person(chromium, site, 1280)
    clerk.sign_in("clerk")
    official.sign_in("deputy")

    # A resident raises it on a phone, without an account.
    resident.go("/raise")
    resident.fill("一句话说是什么事", "老桥头路灯不亮")
    resident.fill("说说经过", "老桥头两盏路灯坏了十天，电话13800005678，晚上看不见台阶。")
    resident.choose("哪个村", "溪尾村")
    resident.check("问题诉求")
    resident.check("大家的事")
    resident.fill("怎么称呼您", "柳三变")
    resident.fill("电话", "13800005678")
    resident.check("我同意")
    resident.press("提交")
    number = re.search(r"\d\d-\d+", resident.page.locator("main").inner_text())
    assert number is not None

    # The township's clerk lists it: owner, measures, deadline.
    clerk.go("/desk/queue/unit")
    clerk.follow("老桥头路灯不亮")
    clerk.follow("立项")
    clerk.choose("责任人", "许秋生")
    clerk.fill("具体措施", "三天内换灯头。")
    clerk.date("完成时限", datetime.now(UTC).date() + timedelta(days=5))
    clerk.press("立项")
    assert clerk.sees("已立项")
    desk = clerk.page.url.partition("?")[0].partition("#")[0].removeprefix(site.address)
    desk = re.match(r"/desk/issues/\d+", desk)[0]  # type: ignore[index]

    # The village's official mends it.
    official.go(desk)
    official.press("开始办理")
    official.follow("办结")
    official.fill("办理结果", "换了两个灯头，亮了。")
    official.press("办结")
    assert official.sees("待验收")

    # The clerk publishes it, with the phone number masked; should the draft be renewed meanwhile, she reads it again.
    def approved() -> bool:
        clerk.go(f"{desk}/publication")
        assert "13800005678" not in clerk.page.get_by_label(re.compile("^公开的内容")).input_value()
        clerk.press("批准公开")
        return clerk.sees("公开板上现在就是这一稿")

    until(approved)

    # The result is fed back.
    clerk.go(desk)
    clerk.follow("反馈")
    clerk.check("公示栏张贴")
    clerk.fill("说了什么", "灯修好了，贴在公示栏。")
    clerk.press("反馈")
    assert clerk.sees("还没有居民验收")

    # The resident finds it on the board, follows it by number and phone, accepts and rates.
    def found() -> bool:
        resident.go("/search?q=路灯")
        return resident.sees("老桥头")

    until(found)
    assert not resident.sees("13800005678")
    resident.go("/follow")
    resident.fill("编号", number[0])
    resident.fill(".*四位", "5678")
    resident.submit()
    resident.follow("验收")
    resident.check("同意")
    resident.submit()
    assert resident.sees("您已经验收同意")
    resident.follow("填测评")
    resident.check("^满意")
    resident.submit()
    assert not resident.sees("填测评：满意不满意"), "one rating each time"

    # The clerk strikes it off; the lamp is lit on the board.
    clerk.go(desk)
    clerk.press("销号")
    assert clerk.sees("已销号")

    def lit() -> bool:
        resident.go(f"/issues/{number[0]}")
        return resident.sees("已销号")

    until(lit)
    resident.go("/")
    assert resident.sees("老桥头路灯不亮")
