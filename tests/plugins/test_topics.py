"""Topics of residents: proposed and talked of without an account, read before they are shown, taken at a meeting."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.databases import database_kind as database_kind

from yetan.errors import Refused
from yetan.testing import Town
from yetan_activities.api import Activity
from yetan_meetings.models import AgendaItem, Topic, TopicComment
from yetan_meetings.topics import schedule_topic

WORDS = "小区里的充电棚放在哪里"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


def propose(town: Town, title: str = WORDS, **values: str) -> Topic:
    given = {"unit": "village", "title": title, "text": "东门口，电话13812345678。", "name": "阿莲", **values}
    answer = town.browser().submit("/topics/new", given)
    assert answer.status_code == 303, answer.text
    assert "收到了" in town.browser().get(answer.headers["location"]).text
    return town.run(Topic.all().order_by("-id"))[0]


def planned(town: Town, unit: str = "village", kind: str = "thematic_meeting") -> Activity:
    values = {"kind": kind, "title": "停车和充电", "place": "凉亭", "date": date(2026, 5, 20)}
    nothing: dict[str, Any] = dict.fromkeys(("opened_at", "closed_at", "stated_residents"))
    nothing |= dict.fromkeys(("starts_at", "ends_at", "venue", "programme", "summary"), "")
    return town.make_row(Activity, unit_id=town.units[unit], **values, **nothing)


def test_a_topic_is_shown_once_somebody_read_it_masked_and_without_a_name(town: Town) -> None:
    topic = propose(town)
    anybody, official = town.browser(), town.browser("village")
    assert WORDS not in anybody.get("/topics").text
    assert anybody.get(f"/topics/{topic.id}").status_code == 404
    assert "居民提的话题和看法，有1条等您看" in official.get("/desk").text
    assert "阿莲" in official.get(f"/desk/topics/{topic.id}").text
    assert town.browser("other").get(f"/desk/topics/{topic.id}").status_code == 404
    assert official.submit(f"/desk/topics/{topic.id}/show").status_code == 303
    for page in ("/topics", "/topics?unit=county", "/units/village", f"/topics/{topic.id}"):
        text = anybody.get(page).text
        assert WORDS in text, page
        assert "阿莲" not in text, page
        assert "13812345678" not in text, page
    assert WORDS not in anybody.get("/topics?unit=elsewhere").text


def test_a_topic_that_is_left_out_keeps_the_reason_and_is_not_shown_any_more(town: Town) -> None:
    topic = propose(town)
    official = town.browser("village")
    official.submit(f"/desk/topics/{topic.id}/show")
    assert official.submit(f"/desk/topics/{topic.id}/decline", {"reason": ""}).status_code == 422
    assert official.submit(f"/desk/topics/{topic.id}/decline", {"reason": "已经在办。"}).status_code == 303
    assert town.browser().get(f"/topics/{topic.id}").status_code == 404
    assert WORDS not in town.browser().get("/topics").text
    assert "已经在办。" in official.get(f"/desk/topics/{topic.id}").text


def test_what_others_say_of_a_topic_is_read_before_it_is_shown(town: Town) -> None:
    topic = propose(town)
    page = f"/topics/{topic.id}"
    said = {"text": "放在西门，离楼远一点。", "name": "老郭"}
    assert town.browser().submit(f"{page}/comment", said).status_code == 404, "nobody sees the topic yet"
    official = town.browser("village")
    official.submit(f"/desk/topics/{topic.id}/show")
    assert town.browser().submit(f"{page}/comment", said).status_code == 303
    assert "西门" not in town.browser().get(page).text
    assert "西门" in official.get("/desk/topics").text
    (comment,) = town.run(TopicComment.all())
    decide = f"/desk/topic-comments/{comment.id}"
    assert town.browser("other").submit(decide, {"state": "shown"}).status_code == 404
    assert official.submit(decide, {"state": "shown"}).status_code == 303
    text = town.browser().get(page).text
    assert "西门" in text
    assert "老郭" not in text
    official.submit(decide, {"state": "declined"})
    assert "西门" not in town.browser().get(page).text


def test_a_topic_is_put_on_the_agenda_of_a_planned_meeting_once(town: Town) -> None:
    topic = propose(town)
    planned(town, "other")
    meeting = planned(town)
    official = town.browser("village")
    form = official.get(f"/desk/topics/{topic.id}").text
    assert "5月20日，停车和充电" in form
    answer = official.submit(f"/desk/topics/{topic.id}/schedule", {"activity": str(meeting.id)})
    assert answer.status_code == 303, answer.text
    (item,) = town.run(_all(AgendaItem.all()))
    assert (item.activity_id, item.kind, item.title, item.state) == (meeting.id, "topic", WORDS, "waiting")
    assert WORDS in town.browser().get("/topics").text, "what is on an agenda is public"

    async def again() -> None:
        await schedule_topic(await town.act("village"), topic.id, {"activity": str(meeting.id)})

    with pytest.raises(Refused):
        town.do(again)
    assert len(town.run(_all(AgendaItem.all()))) == 1
    refused = official.submit(f"/desk/topics/{topic.id}/decline", {"reason": "不议了。"})
    assert refused.status_code == 409


def test_before_a_meeting_its_page_asks_for_topics_and_afterwards_shows_those_taken(town: Town) -> None:
    meeting = planned(town)
    page = f"/records/thematic_meeting/{meeting.id}"
    official = town.browser("village")
    assert official.submit(f"/desk{page}/publish", {"version": str(meeting.version)}).status_code == 303
    town.run_worker()
    assert "/topics/new?unit=village" in town.browser().get(page).text
    taken, other = propose(town), propose(town, "要不要办夜校")
    official.submit(f"/desk/topics/{taken.id}/schedule", {"activity": str(meeting.id)})
    official.submit(f"/desk/topics/{other.id}/show")
    before = town.browser().get(page).text
    assert WORDS in before
    assert "要不要办夜校" in before
    town.clock.forward(days=30)
    town.run_worker()
    after = town.browser().get(page).text
    assert WORDS in after
    assert "要不要办夜校" not in after
    assert "/topics/new" not in after


def test_one_address_does_not_flood_the_desk(town: Town) -> None:
    browser = town.browser()
    given = {"unit": "village", "title": WORDS}
    assert [browser.submit("/topics/new", given).status_code for _each in range(21)] == [303] * 20 + [429]


@pytest.mark.parametrize(
    "town_options",
    [{"plugins": ("activities", "meetings"), "plugin": {"meetings": {"topics": False, "comments": False}}}],
)
def test_a_city_that_takes_no_topics_has_no_pages_for_them(town: Town) -> None:
    for page in ("/topics", "/topics/new?unit=village", "/topics/1", "/topics/1/comment"):
        assert town.browser().get(page).status_code == 404, page
    assert town.browser().submit("/topics/new", {"unit": "village", "title": WORDS}).status_code == 404
    assert "/topics" not in town.browser().get("/units/village").text


async def _all(rows: Any) -> Any:
    return await rows
