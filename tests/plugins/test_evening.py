"""The evening on the host's phone: opened once, closed once, nobody closes what stands open, and the list is right."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openpyxl import load_workbook
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind
from tests.plugins.test_signing_in import EVENING, attendance, code, opened, planned, sign_in, there, ticket
from tests.plugins.test_signing_in import talk as talk

from yetan.act import Act
from yetan.api import Refused
from yetan.events.models import Event
from yetan.runtime import current
from yetan.testing import Town
from yetan_activities import signing_in
from yetan_activities.api import ActivityGuard, close_activity, held_open, open_activity
from yetan_activities.attendance import presence_at
from yetan_activities.models import Activity, Attendance

talk = talk


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


@contextmanager
def guarded(check: Callable[[Act, Activity], Any], kinds: tuple[str, ...] = ()) -> Iterator[None]:
    """The city with one guard of activities alone."""
    registry = current().registry
    offered = registry.offered
    registry.offered = {**offered, "yetan_activities_guards": (ActivityGuard("test.guard", kinds, check),)}
    try:
        yield
    finally:
        registry.offered = offered


def events(town: Town, activity: Activity) -> list[str]:
    async def go() -> list[str]:
        rows = Event.filter(subject_kind=activity.kind, subject_id=activity.id, type__startswith="activities.")
        return [row.type for row in await rows.order_by("id")]

    return town.do(go)


def test_it_begins_once_earlier_than_planned_and_on_no_other_day(town: Town) -> None:
    town.clock.now = EVENING
    activity = planned(town, starts_at="20:30")
    first = opened(town, activity)
    assert first.opened_at == EVENING
    town.clock.forward(minutes=5)
    assert opened(town, activity, by="deputy").opened_at == EVENING
    assert events(town, activity) == ["activities.opened"]
    other = planned(town, title="下周再谈")
    town.clock.forward(days=-3)
    refused = town.browser("village").submit(f"/desk/activities/{other.id}/open")
    assert refused.status_code == 409
    assert "定在 2026-05-10，今天是 2026-05-07" in refused.text
    assert town.reload(other).opened_at is None


def test_an_evening_past_midnight_is_still_that_evening(town: Town) -> None:
    activity = planned(town)
    town.clock.now = EVENING
    town.clock.forward(hours=6)
    assert opened(town, activity).opened_at is not None


def test_only_who_keeps_such_activities_there_runs_it(town: Town, talk: Activity) -> None:
    """Also who sends a form that is refused is not shown the list or the code with it."""
    sign_in(town, talk, name="王大妈")
    for who in ("sibling", "other", "leader", "resident"):
        browser = town.browser(who)
        for path in ("evening", "attendance", "code", "attendance/export"):
            assert browser.get(f"/desk/activities/{talk.id}/{path}").status_code in (403, 404), f"{who} {path}"
        assert browser.submit(f"/desk/activities/{talk.id}/close").status_code in (403, 404)
        added = browser.submit(f"/desk/activities/{talk.id}/attendance", {"name": "生人", "role": "resident"})
        stated = browser.submit(f"/desk/activities/{talk.id}/stated", {"stated_residents": "很多"})
        for answer in (added, stated):
            assert answer.status_code in (403, 404)
            assert "王大妈" not in answer.text
            assert "扫一扫" not in answer.text
    assert town.browser("clerk").get(f"/desk/activities/{talk.id}/evening").status_code == 200
    assert (town.reload(talk).closed_at, len(there(town, talk))) == (None, 1)


def test_it_ends_once_and_afterwards_nobody_signs_in(town: Town, talk: Activity) -> None:
    town.clock.forward(hours=2)
    for who in ("deputy", "village"):
        assert town.browser(who).submit(f"/desk/activities/{talk.id}/close").status_code == 303
        town.clock.forward(minutes=1)
    assert events(town, talk) == ["activities.opened", "activities.closed"]
    closed = town.reload(talk)
    assert closed.closed_at is not None
    assert (closed.closed_at - EVENING).seconds == 2 * 3600
    assert town.browser().get(code(town, talk)).status_code == 410
    assert town.browser("village").submit(f"/desk/activities/{talk.id}/open").status_code == 409


def test_who_filled_the_form_in_when_it_ended_is_told_so(town: Town, talk: Activity) -> None:
    phone = town.browser()
    page = phone.get(code(town, talk))
    town.browser("village").submit(f"/desk/activities/{talk.id}/close")
    late = phone.submit(f"/activities/{talk.id}/sign-in", {"ticket": ticket(page), "name": "小林"})
    assert late.status_code == 409
    assert "已经结束了" in late.text
    assert there(town, talk) == []


def test_what_stands_open_keeps_it_from_ending_and_is_named(town: Town, talk: Activity) -> None:
    async def refuses(act: Act, activity: Activity) -> str:
        return "沟盖的事还没有定责任人。"

    async def breaks(act: Act, activity: Activity) -> str:
        raise LookupError

    village = town.browser("village")
    for check, reason in ((refuses, "沟盖的事还没有定责任人"), (breaks, "有一项检查出了错")):
        with guarded(check):
            refused = village.submit(f"/desk/activities/{talk.id}/close")
        assert refused.status_code == 409
        assert reason in refused.text
        assert town.reload(talk).closed_at is None
    with guarded(refuses, kinds=("film",)):
        assert village.submit(f"/desk/activities/{talk.id}/close").status_code == 303


@BOTH_DATABASES
def test_of_several_who_open_or_close_it_at_once_one_does(town: Town) -> None:
    town.clock.now = EVENING
    activity = planned(town)

    async def go(service: Callable[[Act, int], Any]) -> list[Any]:
        acts = [await town.act(who) for who in ("village", "deputy", "clerk")]
        return await asyncio.gather(*(service(act, activity.id) for act in acts))

    town.run(go(open_activity))
    town.run(go(close_activity))
    assert events(town, activity) == ["activities.opened", "activities.closed"]


@BOTH_DATABASES
def test_nothing_is_raised_beside_the_closing(town: Town, talk: Activity) -> None:
    """What holds the evening open is done before a guard looks, or refused: never after it has looked."""
    seen: list[int] = []
    looking = asyncio.Event()

    async def look(act: Act, activity: Activity) -> str:
        looking.set()
        await asyncio.sleep(0.05)
        seen.append(await Attendance.filter(activity_id=activity.id).count())
        return ""

    async def go() -> tuple[Any, Any]:
        act = await town.act("village")
        closing = asyncio.create_task(close_activity(act, talk.id))
        await looking.wait()
        late = signing_in.sign_in(act, talk.id, {"name": "小林", "role": "resident"}, way="host")
        return tuple(await asyncio.gather(closing, late, return_exceptions=True))  # type: ignore[return-value]

    with guarded(look):
        closed, late = town.run(go())
    assert closed.closed_at is not None
    assert isinstance(late, Refused)
    assert (seen, there(town, talk)) == ([0], [])

    async def held() -> None:
        await held_open(talk.id)

    with pytest.raises(Refused):
        town.do(held)


def test_who_forgot_to_end_it_is_told_the_next_morning(town: Town, talk: Activity) -> None:
    """Who opened it, else those of the unit who may end it."""
    nobodys = planned(town, title="没有人认领的一场")

    async def open_by_itself() -> None:
        await open_activity(await town.act(), nobodys.id)

    town.do(open_by_itself)
    town.run_worker()
    town.clock.now = EVENING
    town.clock.forward(hours=12, minutes=29)
    town.run_worker()
    assert "还没有结束" not in town.browser("village").get("/desk/notices").text
    town.clock.forward(minutes=2)
    town.run_worker()
    inbox = town.browser("village").get("/desk/notices")
    assert "《创新社区治理》开了一夜，还没有结束" in inbox.text
    assert f'href="/desk/activities/{talk.id}/evening"' in inbox.text
    told = {who: town.browser(who).get("/desk/notices").text for who in ("village", "deputy", "leader", "sibling")}
    assert {who for who, text in told.items() if "创新社区治理" in text} == {"village"}
    assert {who for who, text in told.items() if "没有人认领的一场" in text} == {"village", "deputy"}
    assert town.reload(talk).closed_at is None


def test_the_host_lists_who_is_expected_ticks_them_off_and_adds_who_has_no_phone(town: Town) -> None:
    town.clock.now = EVENING
    before = opened(town, planned(town, title="上一场"))
    sign_in(town, before, name="黄阿婆", house="3 号")
    sign_in(town, before, name="老黄")
    activity = planned(town)
    village, base = town.browser("village"), f"/desk/activities/{activity.id}/attendance"
    page = village.get(base)
    assert "黄阿婆 3 号" in page.text
    offered = attendance(town, before, "黄阿婆")
    assert village.submit(f"{base}/earlier", {f"earlier_{offered.id}": "1"}).status_code == 303
    assert village.submit(base, {"name": "吴主任", "role": "property"}).status_code == 303
    early = village.submit(f"{base}/tick", {"attendance": attendance(town, activity, "吴主任").id})
    assert early.status_code == 409
    assert there(town, activity) == []
    opened(town, activity)
    for name in ("黄阿婆", "黄阿婆"):
        village.submit(f"{base}/tick", {"attendance": attendance(town, activity, name).id})
    village.submit(base, {"name": "无名", "role": "resident"})
    village.submit(base, {"account": town.accounts["clerk"].id, "role": "resident"})
    sign_in(town, activity, name="吴主任")
    counted = town.run(presence_at([activity.id]))[activity.id]
    assert (counted.residents, counted.everybody, counted.awaited) == (2, 4, 0)
    assert dict(counted.by_role) == {"resident": 2, "official": 1, "property": 1}
    assert attendance(town, activity, "黄阿婆").person_id == offered.person_id
    evening = village.get(f"/desk/activities/{activity.id}/evening")
    assert "居民到场" in evening.text
    assert 'class="qr"' in evening.text


def test_mistakes_are_put_right_during_the_evening_and_who_was_forgotten_is_added_after_it(
    town: Town, talk: Activity
) -> None:
    village, base = town.browser("village"), f"/desk/activities/{talk.id}/attendance"
    phone = town.browser()
    sign_in(town, talk, phone, name="写错了")
    sign_in(town, talk, name="小林")
    village.submit(f"{base}/remove", {"attendance": attendance(town, talk, "写错了").id})
    assert there(town, talk) == [("小林", "")]
    assert "还没有签到" in phone.get(f"/activities/{talk.id}/seat").text
    village.submit(f"/desk/activities/{talk.id}/close")
    assert village.submit(f"{base}/remove", {"attendance": attendance(town, talk, "小林").id}).status_code == 409
    village.submit(base, {"name": "老黄", "role": "resident"})
    assert attendance(town, talk, "老黄").way == "desk"
    village.submit(f"{base}/remove", {"attendance": attendance(town, talk, "老黄").id})
    assert there(town, talk) == [("小林", "")]


def test_the_number_counted_by_hand_stands_beside_those_who_signed_in(town: Town, talk: Activity) -> None:
    sign_in(town, talk, name="黄阿婆", house="3 号")
    village, base = town.browser("village"), f"/desk/activities/{talk.id}"
    assert village.submit(f"{base}/stated", {"stated_residents": "四十六"}).status_code == 422
    for _ in range(2):
        assert village.submit(f"{base}/stated", {"stated_residents": "46"}).status_code == 303
    assert "报数 46 位" in village.get(f"{base}/evening").text
    counted = town.reload(talk)
    assert (counted.stated_residents, counted.version) == (46, talk.version + 1)
    assert town.browser("sibling").submit(f"{base}/stated", {"stated_residents": "900"}).status_code == 404


def test_the_list_is_taken_away_as_an_excel_file(town: Town, talk: Activity) -> None:
    sign_in(town, talk, name="黄阿婆", house="3 号", phone="13900001111", consent="1")
    answer = town.browser("village").get(f"/desk/activities/{talk.id}/attendance/export")
    rows = list(load_workbook(io.BytesIO(answer.content)).active.values)  # type: ignore[union-attr]
    assert rows[1][:3] == ("黄阿婆", "3 号", "居民")
    assert rows[1][5] == "19:30"
    assert "13900001111" not in str(rows)
