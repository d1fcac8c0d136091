"""The meeting itself: matters are raised, taken one by one, voted on, decided; nothing is left open when it closes."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from tests.plugins.evenings import OPTIONS, planned, public_path, publish
from tests.plugins.evenings import town as town
from tests.plugins.evenings import town_of_evenings as town_of_evenings
from tests.plugins.test_signing_in import attendance, code, opened, sign_in, ticket

from yetan.issues.models import Issue
from yetan.testing import Town
from yetan.testing.town import Browser
from yetan_meetings.models import AgendaItem, Vote

COUNCIL = {"label": "夜议会", "agenda": True}


@pytest.fixture(scope="module")
def evening_options() -> dict[str, Any]:
    return {**OPTIONS, "plugin": {"activities": {"kinds": {"council": COUNCIL}}}}


class Evening:
    """A meeting of 溪尾村 this evening, its host at the desk, and residents with their phones."""

    def __init__(self, town: Town, kind: str = "thematic_meeting", *, begun: bool = True, **values: Any) -> None:
        self.town = town
        self.host = town.browser("village")
        self.activity = planned(town, kind=kind, **values)
        self.id = self.activity.id
        if begun:
            self.open()

    def open(self) -> None:
        self.activity = opened(self.town, self.activity)

    @property
    def desk(self) -> str:
        """The host's page on a phone."""
        return str(self.host.get(f"/desk/activities/{self.id}/evening").text)

    @property
    def public(self) -> str:
        """What residents read once it is published as it stands."""
        publish(self.town, self.activity)
        self.town.run_worker()
        return str(self.town.browser().get(public_path(self.activity)).text)

    def phone(self, *names: str) -> Browser:
        """A phone that has signed in for some people, one after another."""
        phone = self.town.browser()
        for name in names:
            answer = sign_in(self.town, self.activity, phone, name=name)
            assert answer.status_code == 303, answer.text
        return phone

    def seat(self, phone: Browser) -> str:
        """What a resident sees on their phone."""
        return str(phone.get(f"/activities/{self.id}/seat").text)

    def raised(self, title: str, *, by: Browser | None = None, **values: str) -> int:
        """The item of what somebody raises: a resident on a phone, else the host."""
        who, path = (by, f"/activities/{self.id}/matters") if by else (self.host, f"/desk/activities/{self.id}/agenda")
        answer = who.submit(path, {"title": title, "kind": "problem", **values})
        assert answer.status_code == 303, answer.text
        return self.town.run(_newest_item()).id

    def there(self, name: str) -> str:
        """The attendance of somebody who is there, as a form sends it."""
        return str(attendance(self.town, self.activity, name).id)

    def decide(self, item: int, decision: str, by: Browser | None = None, **values: Any) -> Any:
        """What the host is answered who decides an item."""
        row = self.town.run(_item(item))
        sent = {"version": str(row.version), "category": str(self.town.category), **values}
        return (by or self.host).submit(f"/desk/agenda/{item}/decide/{decision}", sent)

    def in_order(self, **values: Any) -> dict[str, Any]:
        """Owner, measures and deadline: by the village's own deputy within ten days."""
        return {
            "owner": str(self.town.accounts["deputy"].id),
            "measures": "三天内换灯头。",
            "deadline": (self.town.clock().date() + timedelta(days=10)).isoformat(),
            **values,
        }

    def close(self) -> Any:
        """What the host is answered who closes the meeting."""
        return self.host.submit(f"/desk/activities/{self.id}/close")

    def issues(self) -> list[Issue]:
        """The issues raised there."""
        return self.town.run(_issues(self.id))


async def _item(item: int) -> AgendaItem:
    return await AgendaItem.get(id=item)


async def _newest_item() -> AgendaItem:
    item = await AgendaItem.all().order_by("-id").first()
    assert item is not None
    return item


async def _issues(activity: int) -> list[Issue]:
    return await Issue.filter(origin_id=activity).order_by("id")


async def _votes(item: int) -> list[str]:
    return [vote.choice for vote in await Vote.filter(item_id=item).order_by("attendance_id")]


@pytest.fixture
def evening(town: Town) -> Evening:
    return Evening(town)


def test_an_evening_from_what_is_raised_to_what_was_resolved(evening: Evening, town: Town) -> None:
    """Raised at seats and by the host, taken one by one; settled, ordered, noted, resolved; only then it closes."""
    aunt = evening.phone("王大妈")
    lamps = evening.raised("三盏路灯不亮", by=aunt, text="桥头三盏灯坏了半个月。")
    bench = evening.raised("凉亭凳子松了")
    advice = evening.raised("建议办老年食堂", by=aunt, kind="suggestion")
    topic = evening.raised("凉亭装文化帘", kind="topic")

    assert evening.host.submit(f"/desk/agenda/{lamps}/take").status_code == 303
    assert "三盏路灯不亮" in evening.seat(aunt)
    refused = evening.close()
    assert refused.status_code == 409
    assert f'<a href="/desk/agenda/{bench}">凉亭凳子松了</a>' in refused.text

    # Without somebody, a deadline and measures nothing becomes an issue, and what was typed stays.
    half = evening.decide(lamps, "issue", measures="照明所来换灯头。")
    assert half.status_code == 422
    assert "照明所来换灯头。" in half.text
    assert evening.issues() == []
    # The leader orders a department above, another official sees to it (003-07).
    ordered = evening.in_order(
        unit=str(town.units["department"]),
        owner=str(town.accounts["department"].id),
        supervisor=str(town.accounts["clerk"].id),
    )
    assert evening.decide(lamps, "issue", **ordered).status_code == 303
    assert evening.decide(bench, "settled", outcome="当场拧紧了，坐上去不晃。", collective="1").status_code == 303
    assert evening.decide(advice, "noted", outcome="下月起试办，先登记人数。").status_code == 303
    first, second, third = evening.issues()
    assert (first.state, first.responsible_unit_id) == ("listed", town.units["department"])
    assert (first.owner_id, first.supervisor_id) == (town.accounts["department"].id, town.accounts["clerk"].id)
    assert (first.text, first.via, first.origin_kind) == ("桥头三盏灯坏了半个月。", "meeting", "thematic_meeting")
    assert (second.state, second.outcome, second.kind) == ("resolved", "当场拧紧了，坐上去不晃。", "problem")
    assert (third.state, third.kind) == ("resolved", "suggestion")

    # A thematic meeting votes on what it resolves (002-A2b).
    assert evening.decide(topic, "resolved", outcome="八月底前装好。").status_code == 409
    assert evening.host.submit(f"/desk/agenda/{topic}/vote").status_code == 303
    assert (
        aunt.submit(f"/agenda/{topic}/votes", {"attendance": evening.there("王大妈"), "choice": "for"}).status_code
        == 303
    )
    assert evening.decide(topic, "dropped", outcome="下次再议。").status_code == 409
    assert evening.host.submit(f"/desk/agenda/{topic}/count").status_code == 303
    assert evening.decide(topic, "resolved", outcome="八月底前装好，联系人 13800001234。").status_code == 303
    # The result stays; who voted how is forgotten with the decision.
    assert town.run(_votes(topic)) == []
    assert evening.close().status_code == 303

    # The one who raised it follows it by number and code; the slip works.
    seat = evening.seat(aunt)
    code = re.search(r"查询码</dt><dd class=\"number\">(\d{4}) (\d{4})</dd>", seat)
    assert code, seat
    assert first.number in seat
    opened = town.browser().submit("/follow", {"number": first.number, "proof": code[1] + code[2]})
    assert opened.headers["location"] == f"/follow/{first.number}"

    public = evening.public
    assert "八月底前装好，联系人 138" in public
    assert "同意 1，不同意 0，弃权 0" in public
    assert "13800001234" not in public
    assert "王大妈" not in public
    assert "当场拧紧" not in public


def test_one_person_one_vote(evening: Evening, town: Town) -> None:
    """A couple on one phone votes for each by name; a mind may be changed while the vote is open, and not after."""
    couple = evening.phone("老刘", "刘婶")
    item = evening.raised("凉亭装文化帘", kind="topic")
    early = {"attendance": evening.there("老刘"), "choice": "for"}
    assert couple.submit(f"/agenda/{item}/votes", early).status_code == 409
    evening.host.submit(f"/desk/agenda/{item}/vote")
    seat = evening.seat(couple)
    assert "老刘怎么投？" in seat
    assert "刘婶怎么投？" in seat

    def vote(name: str, choice: str, *, key: str) -> Any:
        sent = {"attendance": evening.there(name), "choice": choice, "_key": key.ljust(20, "k")}
        return couple.submit(f"/agenda/{item}/votes", sent)

    assert vote("老刘", "for", key="first").status_code == 303
    assert vote("刘婶", "against", key="hers").status_code == 303
    assert vote("老刘", "abstained", key="second").status_code == 303
    # The first, sent again when the network is back, is answered as it was and changes nothing.
    assert vote("老刘", "for", key="first").status_code == 303
    assert town.run(_votes(item)) == ["abstained", "against"]
    stranger = evening.phone("外人")
    assert stranger.submit(f"/agenda/{item}/votes", early).status_code == 409

    # Three are there and two voted by phone: one hand at most.
    too_many = evening.host.submit(f"/desk/agenda/{item}/count", {"votes_for": "1", "votes_against": "1"})
    assert too_many.status_code == 422
    assert "不能超过 1" in too_many.text
    assert vote("老刘", "for", key="third").status_code == 303
    assert evening.host.submit(f"/desk/agenda/{item}/count", {"votes_for": "1"}).status_code == 303
    late = vote("刘婶", "for", key="late")
    assert late.status_code == 409
    assert "这一票没有记上" in late.text
    assert "同意 2，不同意 1，弃权 0" in evening.desk


def test_a_resolution_that_somebody_has_to_carry_out_is_an_issue_too(town: Town) -> None:
    """Of a topic it may be; of what a resident raised it always is. A kind of the town's own has an agenda too."""
    evening = Evening(town, "council")
    aunt = evening.phone("王大妈")
    topic = evening.raised("凉亭装文化帘", kind="topic")
    half = evening.decide(topic, "resolved", outcome="八月底前装好。", measures="比三家再买。")
    assert half.status_code == 422
    assert evening.decide(topic, "resolved", outcome="八月底前装好。", **evening.in_order()).status_code == 303
    (issue,) = evening.issues()
    assert (issue.title, issue.text, issue.state) == ("凉亭装文化帘", "八月底前装好。", "listed")
    paper = evening.host.get(f"/desk/records/council/{evening.id}/print/resolutions").text
    assert all(words in paper for words in ("凉亭装文化帘", "八月底前装好。", issue.number, "许秋生"))
    lamps = evening.raised("三盏路灯不亮", by=aunt)
    assert evening.decide(lamps, "resolved", outcome="装六盏。").status_code == 422
    assert evening.decide(lamps, "settled", outcome="换好了。", category="").status_code == 422
    assert evening.decide(lamps, "noted", outcome="知道了。").status_code == 409


def test_what_is_decided_stays_and_a_correction_shows(evening: Evening, town: Town) -> None:
    aunt = evening.phone("王大妈")
    item = evening.raised("三盏路灯不亮", by=aunt)
    assert evening.decide(item, "dropped", outcome="和上周那件是一件事。").status_code == 303
    assert "和上周那件是一件事。" in evening.seat(aunt)
    again = evening.decide(item, "issue", **evening.in_order())
    assert again.status_code == 409
    assert evening.issues() == []
    version = {"version": str(town.run(_item(item)).version)}
    corrected = evening.host.submit(f"/desk/agenda/{item}/correct", {"outcome": "和 26-1 是一件事。", **version})
    assert corrected.status_code == 303
    # What it said before stays at the desk, with the day, and nowhere else.
    assert town.run(_item(item)).outcome == "和 26-1 是一件事。"
    assert (
        f"（{date(2026, 5, 10)}更正，原来写的是：和上周那件是一件事。）"
        in evening.host.get(f"/desk/agenda/{item}").text
    )
    assert "和上周那件" not in evening.seat(aunt)
    assert evening.host.submit(f"/desk/agenda/{item}/correct", {"outcome": "又改", **version}).status_code == 409


def test_who_runs_the_meeting(evening: Evening, town: Town) -> None:
    """Whoever keeps the kind, also from the township; others look or do not even see it."""
    item = evening.raised("三盏路灯不亮", by=evening.phone("王大妈"))
    assert "王大妈" in town.browser("clerk").get(f"/desk/agenda/{item}").text
    assert "王大妈" not in town.browser("leader").get(f"/desk/agenda/{item}").text
    for who, seen, done in (("clerk", 200, 303), ("leader", 200, 403), ("sibling", 404, 404), ("", 303, 303)):
        browser = town.browser(who)
        assert browser.get(f"/desk/agenda/{item}").status_code == seen, who
        answer = browser.submit(f"/desk/agenda/{item}/take")
        assert answer.status_code == done, who
        assert who or "/sign-in" in answer.headers["location"]
    assert town.run(_item(item)).state == "discussing"
    # Nor does a form that is refused name those who are there.
    for path in (f"/desk/activities/{evening.id}/agenda", f"/desk/agenda/{item}/alter"):
        refused = town.browser("leader").submit(path, {"version": "1"})
        assert (refused.status_code, "王大妈" in refused.text) == (403, False), path
    # An interview has no agenda; a phone that has not signed in raises nothing.
    assert evening.host.get(f"/desk/activities/{Evening(town, 'household_interview').id}/agenda").status_code == 404
    nobody = town.browser().submit(f"/activities/{evening.id}/matters", {"title": "广告", "kind": "problem"})
    assert nobody.status_code == 409


def test_topics_stand_before_the_meeting_and_an_issue_without_owner_keeps_it_open(town: Town) -> None:
    evening = Evening(town, begun=False)
    topic = evening.raised("凉亭装文化帘", kind="topic")
    assert "凉亭装文化帘" in evening.public
    altered = {"title": "凉亭装帘子", "kind": "topic", "version": "1"}
    assert evening.host.submit(f"/desk/agenda/{topic}/alter", altered).status_code == 303
    assert evening.host.submit(f"/desk/agenda/{topic}/alter", altered).status_code == 409
    assert evening.host.submit(f"/desk/agenda/{topic}/vote").status_code == 409
    evening.open()
    assert evening.decide(topic, "dropped", outcome="下次再议。").status_code == 303
    issue = town.report(title="没有人管的事")

    async def raised_there() -> None:
        await Issue.filter(id=issue.id).update(origin_kind="thematic_meeting", origin_id=evening.id)

    town.do(raised_there)
    refused = evening.close()
    assert refused.status_code == 409
    assert f'<a href="/desk/issues/{issue.id}">{issue.number} 没有人管的事</a>' in refused.text
    town.move(issue, "list", by="clerk")
    assert evening.close().status_code == 303
    assert evening.host.submit(f"/desk/activities/{evening.id}/agenda", altered).status_code == 409


def test_hands_of_an_evening_that_is_written_down_afterwards_are_typed_in(town: Town) -> None:
    evening = Evening(town, begun=False, date=date(2026, 5, 1), stated_residents=20)
    topic = evening.raised("凉亭装文化帘", kind="topic")
    assert evening.host.submit(f"/desk/agenda/{topic}/vote").status_code == 303
    assert evening.host.submit(f"/desk/agenda/{topic}/count", {"votes_for": "21"}).status_code == 422
    assert evening.host.submit(f"/desk/agenda/{topic}/count", {"votes_for": "18"}).status_code == 303
    assert evening.decide(topic, "resolved", outcome="八月底前装好。").status_code == 303
    assert "同意 18，不同意 0，弃权 0" in evening.public


def test_what_opens_a_matter_is_told_to_the_phone_that_signed_in_first(evening: Evening, town: Town) -> None:
    """Whoever types a neighbour's name and house takes their seat, and learns nothing that opens their matters.

    The first is the first also where its answer was lost, and it sends the form again.
    """
    first, second = town.browser(), town.browser()
    page = first.get(code(town, evening.activity))
    form = {"ticket": ticket(page), "name": "王大妈", "house": "3 号", "_key": "k" * 32}
    for _ in range(2):
        first.cookies.clear()
        assert first.submit(f"/activities/{evening.id}/sign-in", form).status_code == 303
        town.clock.forward(seconds=5)
    assert sign_in(town, evening.activity, second, name="王大妈", house="3 号").status_code == 303
    item = evening.raised("三盏路灯不亮", by=first)
    assert evening.decide(item, "issue", **evening.in_order()).status_code == 303
    assert "查询码</dt>" in evening.seat(first)
    assert "三盏路灯不亮" in evening.seat(second)
    assert "查询码</dt>" not in evening.seat(second)


def test_a_vote_is_changed_by_the_phone_that_signed_in_first_alone(evening: Evening, town: Town) -> None:
    """Another that typed the same name and house may give the vote as long as nobody has, and does not learn it."""
    first, second = evening.phone(), evening.phone()
    for phone in (first, second):
        assert sign_in(town, evening.activity, phone, name="王大妈", house="3 号").status_code == 303
        town.clock.forward(seconds=5)

    def vote(phone: Browser, choice: str) -> int:
        sent = {"attendance": evening.there("王大妈"), "choice": choice}
        return int(phone.submit(f"/agenda/{item}/votes", sent).status_code)

    item = evening.raised("凉亭装文化帘", kind="topic")
    evening.host.submit(f"/desk/agenda/{item}/vote")
    assert vote(second, "against") == 303
    assert vote(second, "abstained") == 409
    assert vote(first, "for") == 303
    assert [vote(second, choice) for choice in ("for", "against")] == [409, 409]
    assert town.run(_votes(item)) == ["for"]
    assert "投了“同意”" in evening.seat(first)
    seat = evening.seat(second)
    assert "已经投过了" in seat
    assert "投了" not in seat.replace("已经投过了", "")
    assert "不同意" not in seat


def test_what_a_resident_raised_is_public_by_its_issue_alone(evening: Evening, town: Town) -> None:
    """Also once they are on no list any more: taken off it by the host, or forgotten."""
    item = evening.raised("隔壁老李家的狗天天叫", by=evening.phone("王大妈"))
    topic = evening.raised("凉亭装文化帘", kind="topic")
    for each in (item, topic):
        assert evening.host.submit(f"/desk/agenda/{each}/vote").status_code == 303
        assert evening.host.submit(f"/desk/agenda/{each}/count", {"votes_for": "1"}).status_code == 303
        assert evening.decide(each, "resolved", outcome="大家同意。", **evening.in_order()).status_code == 303
    gone = {"attendance": evening.there("王大妈")}
    assert evening.host.submit(f"/desk/activities/{evening.id}/attendance/remove", gone).status_code == 303
    assert evening.close().status_code == 303
    assert (
        evening.host.submit(f"/desk/records/thematic_meeting/{evening.id}/publish", {"version": "1"}).status_code == 303
    )
    town.run_worker()
    public = town.browser().get(f"/records/thematic_meeting/{evening.id}").text
    assert "凉亭装文化帘" in public
    assert "隔壁老李家" not in public
