"""Calendars that phones subscribe to (RFC 5545) and feeds (RFC 4287): what is published, of a unit or of the city."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from defusedxml import ElementTree
from icalendar import Calendar
from tests.plugins.evenings import (
    EVENING,
    desk_path,
    planned,
    public_path,
    publish,
    raised_at,
    strike_off,
)
from tests.plugins.evenings import town as town
from tests.plugins.evenings import town_of_evenings as town_of_evenings

from yetan.testing import Town
from yetan_activities.models import Activity

ATOM = {"a": "http://www.w3.org/2005/Atom"}


def events(town: Town, query: str = "") -> dict[str, Any]:
    """The events of a calendar by their ids, as the library reads them back."""
    answer = town.browser().get("/activities/calendar.ics" + query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert all(len(line.encode()) <= 75 for line in answer.text.split("\r\n")), "RFC 5545 folds longer lines"
    return {str(event["uid"]): event for event in Calendar.from_ical(answer.content).walk("VEVENT")}


def uid(activity: Activity) -> str:
    return f"{activity.kind}-{activity.id}@testserver"


def entries(town: Town, query: str = "") -> dict[str, Any]:
    """The entries of a feed by their titles."""
    answer = town.browser().get("/activities/feed.atom" + query)
    assert answer.headers["content-type"].startswith("application/atom+xml")
    root = ElementTree.fromstring(answer.content)
    for wanted in ("a:id", "a:title", "a:updated", "a:author/a:name"):
        assert root.findtext(wanted, namespaces=ATOM), wanted
    return {entry.findtext("a:title", namespaces=ATOM): entry for entry in root.findall("a:entry", ATOM)}


def test_what_is_planned_and_published_stands_in_the_calendar_at_its_local_time(town: Town) -> None:
    talk = planned(town, title="茶话，说说路灯；井盖", date=date(2026, 5, 30), starts_at="22:30", ends_at="00:30")
    hidden = planned(town, title="还没有公开")
    publish(town, talk)
    event = events(town)[uid(talk)]
    assert uid(hidden) not in events(town)
    assert str(event["summary"]) == "集中畅谈：茶话，说说路灯；井盖"
    assert event["dtstart"].dt == datetime(2026, 5, 30, 14, 30, tzinfo=UTC)
    assert event["dtend"].dt - event["dtstart"].dt == timedelta(hours=2), "it ends after midnight"
    assert event["dtstart"].params["TZID"] == "Asia/Shanghai"
    assert str(event["url"]) == "http://testserver" + public_path(talk)
    assert str(event["location"]) == "溪尾村 村口廊桥"
    whole_day = planned(town, title="哪一天还没有定钟点", date=date(2026, 5, 31), starts_at="", ends_at="")
    publish(town, whole_day)
    assert events(town)[uid(whole_day)]["dtstart"].dt == date(2026, 5, 31)


def test_a_calendar_is_of_a_unit_and_follows_what_becomes_of_its_evenings(town: Town) -> None:
    talk = planned(town, title="石桥镇里的", unit_id=town.units["sibling"])
    publish(town, talk, "sibling")
    assert uid(talk) in events(town, "?unit=township")
    assert uid(talk) not in events(town, "?unit=elsewhere")
    assert uid(talk) not in events(town, "?unit=township&kind=thematic_meeting")
    nowhere = town.browser().get("/activities/calendar.ics?unit=nowhere")
    assert nowhere.status_code == 404
    first = events(town)[uid(talk)]["sequence"]
    clerk = town.browser("clerk")
    altered = {"title": "石桥镇里的", "date": "2026-05-11", "starts_at": "20:00", "place": "凉亭", "version": "1"}
    assert clerk.submit(desk_path(talk), altered).status_code == 303
    publish(town, talk, "sibling")
    event = events(town)[uid(talk)]
    assert event["dtstart"].dt == datetime(2026, 5, 11, 12, tzinfo=UTC)
    assert event["sequence"] > first
    assert clerk.submit(desk_path(talk) + "/withdraw", {"reason": "改期"}).status_code == 303
    assert uid(talk) not in events(town)


def test_a_feed_tells_of_each_evening_anew_when_an_issue_of_it_moves(town: Town) -> None:
    talk = planned(town, title="灯下<&>说事")
    publish(town, talk)
    title = "集中畅谈：灯下<&>说事"
    issue = raised_at(town, talk)
    before = entries(town)[title]
    assert before.findtext("a:id", namespaces=ATOM) == "http://testserver" + public_path(talk)
    assert "提出1件，销号0件" in before.findtext("a:summary", namespaces=ATOM)
    town.clock.forward(days=7)
    strike_off(town, issue)
    after = entries(town, "?unit=village")[title]
    assert "提出1件，销号1件" in after.findtext("a:summary", namespaces=ATOM)
    assert datetime.fromisoformat(after.findtext("a:updated", namespaces=ATOM)) == EVENING + timedelta(days=7)
    assert title not in entries(town, "?unit=elsewhere")


def test_a_phone_that_asks_again_is_told_that_nothing_has_changed(town: Town) -> None:
    talk = planned(town, title="没有变的")
    publish(town, talk)
    for path in ("/activities/calendar.ics?unit=village", "/activities/feed.atom?unit=village"):
        tag = town.browser().get(path).headers["etag"]
        town.clock.forward(minutes=5)
        assert town.browser().get(path, headers={"If-None-Match": tag}).status_code == 304
        overview = town.browser().get("/activities?unit=village").text
        assert path in overview
    publish(town, planned(town, title="新来的"))
    again = town.browser().get("/activities/calendar.ics?unit=village", headers={"If-None-Match": tag})
    assert again.status_code == 200
