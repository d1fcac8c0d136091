"""Signing in at an evening: by the code on the wall, without an account; by one press with one; one person, one row."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.act import ANONYMOUS, Act
from yetan.people.models import Link, Person
from yetan.testing import Town
from yetan.testing.town import Browser
from yetan_activities import signing_in
from yetan_activities.models import Activity, Attendance

#: Half past seven in the evening of 10 May 2026, in the city.
EVENING = datetime(2026, 5, 10, 11, 30, tzinfo=UTC)


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


@pytest.fixture
def talk(town: Town) -> Activity:
    """An open talk of 溪尾村 that has begun."""
    town.clock.now = EVENING
    return opened(town, planned(town))


def planned(town: Town, **values: Any) -> Activity:
    """An open talk of 溪尾村, planned for that evening."""
    given = {
        "kind": "open_talk",
        "title": "创新社区治理",
        "place": "村口廊桥",
        "unit_id": town.units["village"],
        **values,
    }
    row: Activity = town.make_row(Activity, date=EVENING.date(), opened_at=None, closed_at=None, **given)
    return row


def opened(town: Town, activity: Activity, by: str = "village") -> Activity:
    """The activity, which its host has begun now."""
    answer = town.browser(by).submit(f"/desk/activities/{activity.id}/open")
    assert answer.status_code == 303, answer.text
    return town.reload(activity)


def code(town: Town, activity: Activity) -> str:
    """The address that the code on the wall holds now."""

    async def go() -> str:
        return signing_in.code_of(activity, town.clock())

    return f"/s/{town.do(go)}"


def sign_in(town: Town, activity: Activity, browser: Browser | None = None, **typed: str) -> Any:
    """Scan the code with a phone, and send the form."""
    browser = browser or town.browser()
    page = browser.get(code(town, activity))
    if page.status_code == 303:
        page = browser.get(f"/activities/{activity.id}/sign-in")
    return browser.submit(f"/activities/{activity.id}/sign-in", {"ticket": ticket(page), **typed})


def ticket(page: Any) -> str:
    """What the form of a page was given."""
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def there(town: Town, activity: Activity) -> list[tuple[str, str]]:
    """Name and house of everybody present, in the order in which they came."""

    async def go() -> list[tuple[str, str]]:
        rows = Attendance.filter(activity_id=activity.id, present_at__isnull=False)
        return [(row.name, row.house) for row in await rows.order_by("id")]

    return town.do(go)


def attendance(town: Town, activity: Activity, name: str) -> Attendance:
    async def go() -> Attendance:
        return await Attendance.get(activity_id=activity.id, name=name)

    return town.do(go)


def test_the_wall_shows_a_plain_address_and_the_code_before_it_is_still_taken(town: Town, talk: Activity) -> None:
    wall = town.browser("village").get(f"/desk/activities/{talk.id}/code")
    assert 'class="qr"' in wall.text
    assert int(wall.headers["refresh"]) <= 61
    first = code(town, talk)
    town.clock.forward(seconds=60)
    assert code(town, talk) != first
    assert "怎么称呼您" in town.browser().get(first).text
    town.clock.forward(seconds=60)
    late = town.browser().get(first)
    assert late.status_code == 409
    assert "过时了" in late.text
    assert "ticket" not in late.text
    assert town.browser().get(first[:-1] + ("0" if first[-1] != "0" else "1")).status_code == 404


def test_a_code_from_yesterday_or_of_an_evening_not_begun_or_over_says_what_to_do(town: Town) -> None:
    town.clock.now = EVENING
    activity = planned(town)
    early = town.browser().get(code(town, activity))
    assert early.status_code == 409
    assert "主持人宣布开始以后再扫一次" in early.text
    activity = opened(town, activity)
    yesterday = code(town, activity)
    town.clock.forward(days=1)
    assert "过时了" in town.browser().get(yesterday).text
    town.browser("deputy").submit(f"/desk/activities/{activity.id}/close")
    over = town.browser().get(code(town, activity))
    assert over.status_code == 410
    assert "这一场已经结束了" in over.text


def test_who_has_scanned_may_take_some_minutes_to_fill_the_form_in(town: Town, talk: Activity) -> None:
    phone = town.browser()
    form = {"ticket": ticket(phone.get(code(town, talk))), "name": "黄阿婆"}
    town.clock.forward(minutes=21)
    late = phone.submit(f"/activities/{talk.id}/sign-in", form)
    assert late.status_code == 409
    assert "再扫一扫" in late.text
    assert "黄阿婆" in late.text
    town.clock.forward(minutes=-2)
    assert phone.submit(f"/activities/{talk.id}/sign-in", form).status_code == 303
    forged = {"ticket": f"{talk.id}.9999999999.{'0' * 64}", "name": "生人"}
    assert phone.submit(f"/activities/{talk.id}/sign-in", forged).status_code == 409
    assert there(town, talk) == [("黄阿婆", "")]


def test_a_couple_signs_in_on_one_phone_and_its_seat_is_nobody_elses(town: Town, talk: Activity) -> None:
    phone = town.browser()
    assert sign_in(town, talk, phone, name="黄阿婆", house="3 号").status_code == 303
    assert sign_in(town, talk, phone, name="老黄", house="3 号").status_code == 303
    seat = phone.get(f"/activities/{talk.id}/seat")
    assert "黄阿婆" in seat.text
    assert "老黄" in seat.text
    assert "再签一位" in seat.text
    assert phone.get(code(town, talk)).headers["location"] == f"/activities/{talk.id}/seat"
    stranger = town.browser()
    empty = stranger.get(f"/activities/{talk.id}/seat")
    assert empty.status_code == 409
    assert "黄阿婆" not in empty.text
    token = phone.cookies["yetan-seat"]
    stranger.cookies.set("yetan-seat", token.replace(token.partition(".")[0], "1-2-3", 1))
    assert "黄阿婆" not in stranger.get(f"/activities/{talk.id}/seat").text
    phone.submit(f"/activities/{talk.id}/sign-in", {"ticket": "x", "name": "生人"})
    assert there(town, talk) == [("黄阿婆", "3 号"), ("老黄", "3 号")]


def test_the_same_name_and_house_is_the_same_person_and_a_name_alone_is_asked_about(town: Town, talk: Activity) -> None:
    sign_in(town, talk, name="黄阿婆", house="3 号")
    assert sign_in(town, talk, name="黄阿婆", house="3 号").status_code == 303
    sign_in(town, talk, name="小林")
    unclear = sign_in(town, talk, name="小林")
    assert unclear.status_code == 422
    assert "请写上住在哪里" in unclear.text
    assert sign_in(town, talk, name="小林", house="8 号").status_code == 303
    assert there(town, talk) == [("黄阿婆", "3 号"), ("小林", ""), ("小林", "8 号")]


def test_a_phone_number_takes_consent_and_then_tells_who_it_is(town: Town, talk: Activity) -> None:
    asked = sign_in(town, talk, name="小林", phone="13900001111")
    assert asked.status_code == 422
    assert "要勾选同意" in asked.text
    sign_in(town, talk, name="小林", phone="13900001111", consent="1")
    assert sign_in(town, talk, name="小林", phone="13900001111", consent="1").status_code == 303
    assert sign_in(town, talk, name="小林", house="").status_code == 422
    assert there(town, talk) == [("小林", "")]
    # Somebody else who knows name and house takes no seat that has a phone number to it.
    sign_in(town, talk, name="小吴", house="5 号", phone="13900002222", consent="1")
    assert sign_in(town, talk, name="小吴", house="5 号").status_code == 422


def test_the_phone_of_somebody_who_was_expected_is_kept(town: Town) -> None:
    town.clock.now = EVENING
    activity = planned(town)
    path = f"/desk/activities/{activity.id}/attendance"
    assert town.browser("village").submit(path, {"name": "小郑", "role": "delegate"}).status_code == 303
    opened(town, activity)
    left = {"name": "小郑", "phone": "13900003333", "consent": "1"}
    assert sign_in(town, activity, town.browser(), **left).status_code == 303
    assert sign_in(town, activity, town.browser(), **left).status_code == 303
    assert there(town, activity) == [("小郑", "")]
    came = attendance(town, activity, "小郑")

    async def person_of() -> Person:
        return await Person.get(id=came.person_id)

    person = town.do(person_of)
    assert (came.role, person.name, person.phone) == ("delegate", "小郑", "13900003333")


def test_an_account_signs_in_by_one_press_with_the_link_that_makes_it_count(town: Town, talk: Activity) -> None:
    leader = town.accounts["leader"].id
    near = {"account_id": leader, "household_id": None, "kind": "sponsor", "since": EVENING.date() - timedelta(days=9)}
    town.make_row(Link, unit_id=town.units["township"], until=EVENING.date() - timedelta(days=1), **near)
    link = town.make_row(Link, unit_id=town.units["township"], until=None, **near)
    town.make_row(Link, unit_id=town.units["elsewhere"], until=None, **near)
    for who in ("leader", "resident", "department"):
        phone = town.browser(who)
        page = phone.get(code(town, talk))
        sent = {"ticket": ticket(page), "own": "1"}
        assert phone.submit(f"/activities/{talk.id}/sign-in", sent).status_code == 303
    came = attendance(town, talk, "沈听澜")
    assert (came.role, came.account_id, came.link_id, came.unit_id) == ("leader", leader, link.id, town.units["county"])
    assert (attendance(town, talk, "柳三变").role, attendance(town, talk, "吴照明").role) == ("resident", "department")
    assert attendance(town, talk, "吴照明").link_id is None


def test_nobody_takes_a_leaders_name_by_typing_it(town: Town) -> None:
    town.clock.now = EVENING
    activity = planned(town)
    village = town.browser("village")
    for name, role in (("沈听澜", "leader"), ("黄阿婆", "delegate")):
        assert (
            village.submit(f"/desk/activities/{activity.id}/attendance", {"name": name, "role": role}).status_code
            == 303
        )
    opened(town, activity)
    refused = sign_in(town, activity, name="沈听澜")
    assert refused.status_code == 422
    assert "请登录后签到" in refused.text
    leader = town.browser("leader")
    page = leader.get(code(town, activity))
    assert leader.submit(f"/activities/{activity.id}/sign-in", {"ticket": ticket(page), "own": "1"}).status_code == 303
    assert attendance(town, activity, "沈听澜").account_id == town.accounts["leader"].id
    # Who is expected under the name alone is found, and their house added.
    assert sign_in(town, activity, name="黄阿婆", house="3 号").status_code == 303
    assert attendance(town, activity, "黄阿婆").role == "delegate"
    assert there(town, activity) == [("沈听澜", ""), ("黄阿婆", "3 号")]


@BOTH_DATABASES
def test_two_phones_with_one_name_at_one_moment_are_one_person_or_asked(town: Town, talk: Activity) -> None:
    """Of several at once with a house there is one row; without one the others are asked for it."""

    async def go(house: str) -> list[object]:
        anybody = Act(ANONYMOUS, town.clock())
        typed = {"name": "小林", "house": house}
        tries = [signing_in.sign_in(anybody, talk.id, typed, way="code") for _ in range(4)]
        return await asyncio.gather(*tries, return_exceptions=True)

    with_house = town.run(go("8 号"))
    assert len({getattr(each, "id", each) for each in with_house}) == 1
    alone = town.run(go(""))
    assert sorted(type(each).__name__ for each in alone) == ["Attendance", "Invalid", "Invalid", "Invalid"]
    assert there(town, talk) == [("小林", "8 号"), ("小林", "")]

    async def people() -> int:
        return await Person.filter(name="小林").count()

    assert town.do(people) == 2


def test_a_form_sent_twice_is_one_person_in_the_same_seat(town: Town, talk: Activity) -> None:
    """The answer got lost, and the phone sends it again under its key."""
    phone = town.browser()
    page = phone.get(code(town, talk))
    form = {"ticket": ticket(page), "name": "小林", "_key": "k" * 32}
    for _ in range(2):
        phone.cookies.clear()
        assert phone.submit(f"/activities/{talk.id}/sign-in", form).status_code == 303
        assert "小林" in phone.get(f"/activities/{talk.id}/seat").text
    assert there(town, talk) == [("小林", "")]
