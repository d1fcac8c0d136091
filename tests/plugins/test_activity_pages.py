"""What residents see of night activities: the scoreboard, its photos, what people felt, the overview, the notice."""

from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from PIL import Image
from tests.core.test_pages_public import numbers_in, page
from tests.plugins.evenings import EVENING, desk_path, planned, public_path, publish, raised_at, strike_off
from tests.plugins.evenings import town as town
from tests.plugins.evenings import town_of_evenings as town_of_evenings
from tests.plugins.test_signing_in import opened, sign_in

from yetan.access.secrets import new_token
from yetan.errors import Invalid
from yetan.files.models import Attachment
from yetan.people.erasure import erase_person
from yetan.people.models import Person
from yetan.testing import Town
from yetan_activities import overview, reflection_pages
from yetan_activities.models import Activity, Attendance, Reflection
from yetan_activities.reflections import decide


def there(town: Town, activity: Activity, name: str, role: str = "resident", **values: Any) -> Attendance:
    person = town.make_row(Person, name=name, erased_at=None)
    given = {"account_id": None, "link_id": None, "unit_id": None, "present_at": EVENING, **values}
    row: Attendance = town.make_row(
        Attendance, activity_id=activity.id, person_id=person.id, name=name, role=role, way="code", **given
    )
    return row


def figures(text: str) -> dict[str, str]:
    """The figures of a page by their labels."""
    found = re.findall(
        r'class="figure-value"><b>([^<]+)</b>.*?class="figure-label">(?:<a[^>]*>)?([^<]+)', text, re.DOTALL
    )
    return {label: value for value, label in found}


# The scoreboard


def test_the_public_page_is_the_scoreboard_and_follows_each_issue(town: Town) -> None:
    """003-04: what was raised and what became of it, right the moment an issue is struck off."""
    talk = planned(town, stated_residents=46, opened_at=EVENING, closed_at=datetime(2026, 5, 10, 13, 40, tzinfo=UTC))
    publish(town, talk)
    issues = [
        raised_at(town, talk, title=f"第{number}件事", text=f"这是第{number}件，说的事各不相同。") for number in (1, 2)
    ]
    raised_at(town, talk, kind="suggestion", title="多放几张凳子", text="天热了，凉亭里多放几张凳子。")
    leader = town.accounts["leader"]
    there(town, talk, "沈听澜", "leader", account_id=leader.id, unit_id=town.units["county"])
    there(town, talk, "方小敏", house="3 号楼")
    there(town, talk, "老林", "delegate")
    there(town, talk, "何主任", "department", unit_id=town.units["department"])
    text = page(town, public_path(talk))
    assert figures(text) == {"提出的问题": "2", "办结": "0", "销号": "0", "逾期没办完": "0", "建议": "1"}
    assert numbers_in(text) == [issues[0].number, issues[1].number, *numbers_in(text)[2:]]
    assert len(numbers_in(text)) == 3
    assert "柳湾县 沈听澜" in text
    assert "2人签到，主持人报数46人" in text
    assert "县城管局" in text
    for hidden in ("方小敏", "老林", "何主任", "3 号楼"):
        assert hidden not in text, "residents, and who came for a department, are counted or named by it"
    assert "比原定的晚散40分钟" in text
    town.clock.forward(days=7)
    strike_off(town, issues[0])
    text = page(town, public_path(talk))
    assert (figures(text)["办结"], figures(text)["销号"], figures(text)["从提出到销号"]) == ("1", "1", "7")
    town.clock.forward(days=20)
    assert figures(page(town, public_path(talk)))["逾期没办完"] == "1"
    strike_off(town, issues[1])
    assert "提出的2件问题，27天里居民全部验收销号。" in page(town, public_path(talk))


def test_a_planned_evening_invites_and_one_that_is_not_published_is_not_there(town: Town) -> None:
    talk = planned(town, date=date(2026, 5, 20), title="把灯点亮，把路走平")
    page(town, public_path(talk), 404)
    assert "把灯点亮" not in page(town, "/activities")
    publish(town, talk)
    text = page(town, public_path(talk))
    assert "还没有开始" in text
    assert "19:30 到 21:00" in text
    card = town.browser().get(public_path(talk) + "/card.png")
    assert (card.status_code, card.headers["content-type"]) == (200, "image/png")
    assert public_path(talk) + "/card.png" in text


# Photos


def picture() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (60, 40), "#13223f").save(kept, "JPEG")
    return kept.getvalue()


def test_photos_are_public_with_the_evening_alone_and_gone_at_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """C27, C50: before the public only once the evening is published with them, with their credit."""
    talk = planned(town, title="凉亭夜谈")
    village = town.browser("village")
    credit = {"caption": "凉亭里说路灯。摄影：陈小满 13800001234", "_key": new_token()}
    for _again in range(2):
        answer = village.submit(
            desk_path(talk) + "/photos", credit, files={"photos": ("a.jpg", picture(), "image/jpeg")}
        )
        assert answer.status_code == 303, answer.text
    (photo,) = town.run(_photos(talk))
    assert photo.caption in village.get(desk_path(talk)).text
    seen = {
        who: town.browser(who).get(f"/files/{photo.stored_name}").status_code
        for who in ("village", "clerk", "other", "")
    }
    assert seen == {"village": 200, "clerk": 200, "other": 404, "": 404}
    assert town.browser().get(f"/photos/{photo.stored_name}").status_code == 404
    stale = village.submit(desk_path(talk) + "/publish", {"version": "1"})
    assert stale.status_code == 409, "whoever publishes has to have seen the photo"
    assert village.submit(desk_path(talk) + "/publish", {"version": "-1"}).status_code == 400
    publish(town, talk)
    text = page(town, public_path(talk))
    assert photo.stored_name in text
    assert "摄影：陈小满" in text
    assert "13800001234" not in text
    assert town.browser().get(f"/photos/{photo.stored_name}").status_code == 200
    assert village.submit(desk_path(talk) + "/withdraw", {"reason": "拍到了孩子的脸"}).status_code == 303
    assert town.browser().get(f"/photos/{photo.stored_name}").status_code == 404
    publish(town, talk)
    gone = {"photo": str(photo.id)}
    assert town.browser("other").submit(desk_path(talk) + "/photos/remove", gone).status_code == 404
    assert village.submit(desk_path(talk) + "/photos/remove", gone).status_code == 303
    assert photo.stored_name not in page(town, public_path(talk))
    assert town.browser().get(f"/photos/{photo.stored_name}").status_code == 404
    assert town.run(_photos(talk)) == []
    nothing = village.submit(desk_path(talk) + "/photos", {"caption": "忘了选"})
    assert nothing.status_code == 422
    assert "还没有选照片" in nothing.text
    monkeypatch.setattr("yetan.records.photos.MOST", 0)
    one_more = {"photos": ("b.jpg", picture(), "image/jpeg")}
    full = village.submit(desk_path(talk) + "/photos", {"caption": "再放一张"}, files=one_more)
    assert full.status_code == 409
    assert "照片要重新选一次" in full.text


async def _photos(activity: Activity) -> list[Attachment]:
    return await Attachment.filter(subject_kind=activity.kind, subject_id=activity.id)


# Reflections


def test_what_people_felt_is_shown_once_somebody_read_it(town: Town) -> None:
    talk = planned(town, title="说说那一晚", date=date(2026, 5, 9))
    path = f"/activities/{talk.id}/reflect"
    said = {"text": "第三天沟盖就换好了，还打电话问我 13800001234。", "name": "三号楼居民"}
    assert town.browser().submit(path, said).status_code == 404, "nobody knows of it yet"
    publish(town, talk)
    assert path in page(town, public_path(talk))
    empty = town.browser().submit(path, {"name": "三号楼居民"})
    assert empty.status_code == 422
    assert "三号楼居民" in empty.text
    answer = town.browser().submit(path, said)
    assert answer.status_code == 303
    assert "收到了" in page(town, answer.headers["location"])
    village = town.browser("village")
    written = village.submit(f"/desk/activities/{talk.id}/reflections", {"text": "坐到凉亭里才知道老人从那里过。"})
    assert written.status_code == 303
    assert "第三天" not in page(town, public_path(talk))
    resident, official = town.run(_reflections(talk))
    assert (official.name, official.kind) == ("陈小满，溪尾村", "official")
    assert "第三天沟盖" in town.browser("clerk").get("/desk/reflections").text
    assert "第三天沟盖" not in town.browser("elsewhere").get("/desk/reflections").text
    for who, status in (("elsewhere", 404), ("leader", 403), ("clerk", 303)):
        shown = {"reflection": str(resident.id), "state": "shown"}
        decided = town.browser(who).submit(f"/desk/activities/{talk.id}/reflections/decide", shown)
        assert decided.status_code == status, who
    text = page(town, public_path(talk))
    assert "第三天沟盖就换好了" in text
    assert "感言，三号楼居民" in text
    assert "13800001234" not in text
    assert "坐到凉亭里" not in text

    async def put_back() -> None:
        await decide(await town.act("clerk"), talk.id, resident.id, "waiting")

    with pytest.raises(Invalid):
        town.do(put_back)
    assert "第三天沟盖就换好了" in page(town, public_path(talk))
    hidden = {"reflection": str(resident.id), "state": "hidden"}
    assert village.submit(f"/desk/activities/{talk.id}/reflections/decide", hidden).status_code == 303
    assert "第三天沟盖" not in page(town, public_path(talk))


def test_what_was_felt_at_a_kind_that_is_gone_waits_for_nobody(town: Town) -> None:
    gone = planned(town, kind="lantern_walk", title="去年的灯会")
    town.make_row(Reflection, activity_id=gone.id, kind="resident", state="waiting", person_id=None, decided_by_id=None)
    assert "去年的灯会" not in town.browser("clerk").get("/desk/reflections").text


def test_who_sits_there_may_write_before_anything_is_published(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = opened(town, planned(town, title="今晚坐在这里"))
    phone = town.browser()
    assert sign_in(town, talk, phone, name="柳四", house="2 号楼").status_code == 303
    path = f"/activities/{talk.id}/reflect"
    assert path in phone.get(f"/activities/{talk.id}/seat").text
    assert phone.submit(path, {"text": "头一回有人把我的话记下来。"}).status_code == 303
    assert town.browser().get(path).status_code == 404
    (written,) = town.run(_reflections(talk))
    monkeypatch.setattr(reflection_pages, "_TRIES", 1)
    assert phone.submit(path, {"text": "再写一句。"}).status_code == 429
    there = town.run(Attendance.get(activity_id=talk.id, name="柳四"))
    assert (written.person_id, written.name) == (there.person_id, "")


def test_what_a_known_person_felt_is_erased_with_them(town: Town) -> None:
    talk = planned(town, title="记得谁写的")
    person = town.make_row(Person, name="柳七", erased_at=None)
    town.make_row(
        Reflection,
        activity_id=talk.id,
        kind="resident",
        state="shown",
        person_id=person.id,
        text="灯亮了。",
        decided_by_id=None,
    )
    publish(town, talk)
    assert "灯亮了。" in page(town, public_path(talk))

    async def forget() -> None:
        await erase_person(await town.act(), person.id)

    town.do(forget)
    assert "灯亮了。" not in page(town, public_path(talk))


async def _reflections(activity: Activity) -> list[Reflection]:
    return await Reflection.filter(activity_id=activity.id).order_by("id")


# The overview


def test_the_desk_says_which_evenings_were_written_down_afterwards(town: Town) -> None:
    """By a summary, a number, or who was there; a number of nobody tells nothing."""
    day: dict[str, Any] = {"date": date(2026, 5, 8), "summary": ""}
    told = planned(town, title="写了小结的", **{**day, "summary": "说的是停车。"})
    counted = planned(town, title="报了数的", stated_residents=12, **day)
    listed = planned(town, title="补了名单的", **day)
    there(town, listed, "方小敏")
    nothing = planned(town, title="什么也没有的", stated_residents=0, **day)
    rows = town.browser("village").get("/desk/activities").text.split("<tr")

    def says(activity: Activity) -> bool:
        (row,) = (each for each in rows if activity.title in each)
        return "会后补记" in row

    assert [says(each) for each in (told, counted, listed, nothing)] == [True, True, True, False]


def test_the_overview_says_what_comes_and_what_was_below_a_unit(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    near = planned(town, title="荷塘六月谈", date=date(2026, 6, 8), unit_id=town.units["sibling"], stated_residents=10)
    far = planned(town, title="樟林六月谈", date=date(2026, 6, 9), unit_id=town.units["other"])
    was = planned(
        town,
        title="荷塘二月谈",
        kind="thematic_meeting",
        date=date(2026, 2, 8),
        unit_id=town.units["sibling"],
        stated_residents=20,
    )
    first = planned(town, title="荷塘一月谈", date=date(2026, 1, 8), unit_id=town.units["sibling"])
    for activity, by in ((near, "sibling"), (far, "other"), (was, "sibling"), (first, "sibling")):
        publish(town, activity, by)
    text = page(town, "/activities", unit="township")
    assert "樟林六月谈" not in text
    assert text.index("接下来") < text.index("荷塘六月谈") < text.index("以前的") < text.index("荷塘二月谈")
    assert "荷塘二月谈" not in page(town, "/activities", unit="township", kind="open_talk")
    assert "荷塘二月谈" in page(town, "/activities", year=2026, month=2)
    assert "荷塘六月谈" not in page(town, "/activities", year=2026, month=2)
    assert "看全部" in page(town, "/activities", year=2025)
    with monkeypatch.context() as short:
        short.setattr(overview, "_PAST", 1)
        latest = page(town, "/activities", unit="sibling")
        assert ("荷塘二月谈" in latest, "荷塘一月谈" in latest) == (True, False)
        found = re.search(r'href="(/activities\?[^"]*before=[^"]+)"', latest)
        assert found is not None
        behind = page(town, found[1].replace("&amp;", "&"))
        assert [each in behind for each in ("荷塘六月谈", "荷塘二月谈", "荷塘一月谈")] == [False, False, True]
    assert "也要选年份" in page(town, "/activities", 422, month=2)
    of_unit = page(town, "/units/sibling")
    assert figures(of_unit)["到场居民"] == "30", "kinds add to one figure"
    assert "争取资金" not in figures(of_unit), "what nobody counted is no figure"
    assert 'href="/activities?unit=sibling&amp;kind=thematic_meeting">专题座谈' in of_unit
    assert public_path(near) in of_unit
    assert public_path(was) in of_unit
    assert public_path(far) not in of_unit
    assert "接下来的夜谈" in page(town, "/")


def test_the_desk_leads_to_every_kind_and_counts_who_came_and_what_was_raised(town: Town) -> None:
    talk = planned(town, title="数一数")
    there(town, talk, "甲")
    there(town, talk, "乙", "leader")
    raised_at(town, talk, title="数得出来的一件", text="这一件只在这一晚说过。")
    clerk = town.browser("clerk")
    text = clerk.get("/desk/activities").text
    assert desk_path(talk) in text
    assert "/desk/records/household_interview/new" in text
    row = clerk.get("/desk/records/open_talk").text.partition("数一数")[2].partition("</tr>")[0]
    assert re.findall(r'data-label="(签到居民|提出的事)">(\d+)<', row) == [("签到居民", "1"), ("提出的事", "1")]


def test_the_notice_is_printed_once_the_evening_is_published(town: Town) -> None:
    talk = planned(town, title="创新社区治理，养老服务提质增效", date=date(2026, 5, 30))
    clerk = town.browser("clerk")
    assert "张贴的告示" not in clerk.get(desk_path(talk)).text
    publish(town, talk)
    assert "张贴的告示" in clerk.get(desk_path(talk)).text
    notice = clerk.get(desk_path(talk) + "/print/activity_notice").text
    assert "19:30 到 21:00" in notice
    assert f"/qr.svg?page=%2Frecords%2Fopen_talk%2F{talk.id}" in notice
    assert town.browser("other").get(desk_path(talk) + "/print/activity_notice").status_code == 404
