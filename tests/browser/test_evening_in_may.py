"""The evening of 10 May (003-04): host, clerk, leader and a dozen residents, each with their own browser, at once.

Eleven matters are raised, all owned and dated before the meeting closes, struck off within a week; the public page
says exactly that. What goes wrong on such an evening ends in one correct result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import TimeoutError as TookTooLong

from yetan.access.secrets import new_token
from yetan.act import Act, Actor
from yetan.events.models import Event
from yetan.issues.acceptance import accept, give_feedback
from yetan.issues.models import Issue, Raiser
from yetan.testing import Town
from yetan.testing.town import HOST, StandingClock
from yetan_activities.models import Activity, Attendance
from yetan_activities.signing_in import code_of
from yetan_meetings.models import AgendaItem, Vote

from .conftest import open_chromium, serving, upgraded_town

pytestmark = pytest.mark.browser

#: Ten minutes before the meeting, in Shanghai half past seven.
EVENING = datetime(2026, 5, 10, 11, 20, tzinfo=UTC)
THEME = "创新社区治理，养老服务提质增效"
#: Who comes, and what each raises; the last two share a phone.
MATTERS = {
    "蔡大妈": "老年活动室缺一道隔帘",
    "苏老伯": "三号楼消防栓没有水",
    "廖阿婆": "菜场前面的路面坑坑洼洼",
    "温师傅": "巷口的沟盖板断了",
    "施大姐": "两盏路灯不亮",
    "邱大爷": "楼道里堆满了纸箱",
    "傅阿姨": "健身器材少了一颗螺丝",
    "卓师傅": "垃圾桶摆在窗户底下",
    "丁老师": "晒衣架占了人行道",
    "严大叔": "凉亭漏雨",
    "韩伯伯": "下水道堵了又堵",
}
COUPLE = ("韩伯伯", "韩婶")


class Visitor:
    """Somebody with a browser of their own: a phone, or a screen in the office."""

    def __init__(self, chromium: Any, town: Town, site: str, account: str = "", width: int = 360) -> None:
        self.town, self.site = town, site
        self.context = chromium.new_context(viewport={"width": width, "height": 760})
        self.context.set_default_timeout(15_000)
        if account:
            cookie, _ = town.run(town.sign_in(account))
            self.context.add_cookies([{"name": "yetan-session", "value": cookie, "url": site}])
        self.page = self.context.new_page()

    def go(self, path: str) -> Any:
        """Open a page of the site; nothing of it runs off the screen."""
        answer = self.page.goto(self.site + path)
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        return answer

    def press(self, name: str, **options: Any) -> None:
        """Press a button of the page, and wait for what it leads to."""
        with self.page.expect_navigation():
            self.start(name, **options)

    def start(self, name: str, **options: Any) -> None:
        """Press a button of the page, and wait for nothing."""
        self.page.locator("main").get_by_role("button", name=name, exact=True).first.click(**options)

    def arrive(self, end: str) -> None:
        """Wait for a page whose address ends so."""
        try:
            self.page.wait_for_url(re.compile(f"{end}(#|$)"))
        except TookTooLong:
            pytest.fail(f"{self.page.url} and not {end}: {self.said}")

    @property
    def said(self) -> str:
        """What the page says."""
        return str(self.page.locator("main").inner_text())


class Evening:
    """The meeting, and what the tests ask of the database about it."""

    def __init__(self, town: Town, host: Visitor, kind: str = "open_talk") -> None:
        self.town, self.host, self.kind = town, host, kind
        host.go(f"/desk/records/{kind}/new")
        host.page.select_option("[name=unit]", str(town.units["village"]))
        host.page.fill("[name=title]", THEME)
        host.page.fill("[name=date]", town.clock().astimezone(town.configuration.city.zone).date().isoformat())
        host.page.fill("[name=starts_at]", "19:30")
        host.page.fill("[name=place]", "荆溪社区凉亭")
        host.press("登记")
        self.record = host.page.url.removeprefix(host.site)
        self.id = int(self.record.rpartition("/")[2])

    def code(self, ago: timedelta = timedelta(0)) -> str:
        """Where the code on the wall leads, or led some time ago."""

        async def go() -> str:
            return code_of(await Activity.get(id=self.id), self.town.clock() - ago)

        return f"/s/{self.town.do(go)}"

    def open(self) -> None:
        self.host.go(f"/desk/activities/{self.id}/evening")
        self.host.press("宣布开始")

    def sign_in(self, phone: Visitor, name: str, *, path: str = "") -> None:
        phone.go(path or self.code())
        phone.page.fill("[name=name]", name)
        phone.press("签到")
        assert "签到好了" in phone.said, phone.said

    def seat(self, phone: Visitor) -> None:
        phone.go(f"/activities/{self.id}/seat")

    def items(self) -> list[AgendaItem]:
        async def go() -> list[AgendaItem]:
            return await AgendaItem.filter(activity_id=self.id).order_by("position")

        return self.town.do(go)

    def item(self, title: str) -> AgendaItem:
        return next(item for item in self.items() if item.title == title)

    def issues(self) -> list[Issue]:
        async def go() -> list[Issue]:
            return await Issue.filter(origin_kind=self.kind, origin_id=self.id).order_by("id")

        return self.town.do(go)

    def votes(self, item: AgendaItem) -> dict[str, str]:
        """Who voted how."""

        async def go() -> dict[str, str]:
            votes = await Vote.filter(item_id=item.id).select_related("attendance")
            assert len(votes) == len({vote.attendance_id for vote in votes})
            return {vote.attendance.name: vote.choice for vote in votes}

        return self.town.do(go)

    def events(self, kind: str) -> int:
        async def go() -> int:
            return await Event.filter(type=kind, subject_kind=self.kind, subject_id=self.id).count()

        return self.town.do(go)

    def present(self) -> int:
        async def go() -> int:
            return await Attendance.filter(activity_id=self.id, present_at__isnull=False).count()

        return self.town.do(go)

    def decide(self, visitor: Visitor, item: AgendaItem, *, start: bool = False) -> None:
        """Make it an issue of the village's own, with somebody, measures and a deadline."""
        visitor.go(f"/desk/agenda/{item.id}?decision=issue")
        visitor.page.select_option("[name=owner]", str(self.town.accounts["deputy"].id))
        visitor.page.fill("[name=measures]", f"三天内去看{item.title}，能修的马上修。")
        visitor.page.fill("[name=deadline]", "2026-05-16")
        visitor.page.select_option("[name=category]", str(self.town.category))
        visitor.page.get_by_label("大家的事").check()
        (visitor.start if start else visitor.press)("立项交办")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town on that evening; its clock stands until the tests move it."""
    options = {"plugins": ("lantern", "activities", "meetings"), "theme": "lantern"}
    with upgraded_town(tmp_path_factory.mktemp("town"), StandingClock(EVENING), **options) as running:
        yield running


@pytest.fixture(scope="module")
def site(town: Town) -> Iterator[str]:
    with serving(town) as port:
        yield f"http://{HOST}:{port}"


@pytest.fixture(scope="module")
def chromium(site: str) -> Iterator[Any]:
    with open_chromium(f"--host-resolver-rules=MAP {HOST} 127.0.0.1", "--no-proxy-server") as browser:
        yield browser


def test_eleven_matters_of_one_evening_are_struck_off_within_a_week(chromium: Any, town: Town, site: str) -> None:
    host = Visitor(chromium, town, site, "village")
    clerk = Visitor(chromium, town, site, "clerk", width=1280)
    leader = Visitor(chromium, town, site, "leader")
    evening = Evening(town, host)

    # Nobody signs in before it is open; the code of yesterday is none.
    early = Visitor(chromium, town, site)
    early.go(evening.code())
    assert "还没有开始" in early.said
    evening.open()
    early.go(evening.code(timedelta(days=1)))
    assert "这个码过时了" in early.said
    assert evening.present() == 0

    # A dozen residents on eleven phones, all forms sent before the first answer is waited for.
    phones = {name: Visitor(chromium, town, site) for name in MATTERS}
    for name, phone in phones.items():
        phone.go(evening.code())
        phone.page.fill("[name=name]", name)
    for phone in phones.values():
        phone.start("签到", no_wait_after=True)
    for phone in phones.values():
        phone.arrive("/seat")
    phones[COUPLE[0]].page.get_by_role("link", name="再签一位").click()
    evening.sign_in(phones[COUPLE[0]], COUPLE[1], path=f"/activities/{evening.id}/sign-in")
    leader.go(evening.code())
    leader.press("以 沈听澜 的名义签到")
    assert evening.present() == len(MATTERS) + 2

    # Each raises a matter from their seat, at once.
    for name, phone in phones.items():
        phone.page.fill("[name=title]", MATTERS[name])
        phone.page.get_by_label("问题诉求").check()
        if name == COUPLE[0]:
            phone.page.locator("main").get_by_label(COUPLE[0]).check()
    for phone in phones.values():
        phone.start("交给主持人", no_wait_after=True)
    for name, phone in phones.items():
        phone.page.get_by_role("heading", name=MATTERS[name]).wait_for()
    assert sorted(item.title for item in evening.items()) == sorted(MATTERS.values())

    _vote(evening, host, phones)

    # While anything is open, nobody closes; each that is, is named.
    host.go(f"/desk/activities/{evening.id}/evening")
    host.press("结束这一场")
    assert MATTERS["苏老伯"] in host.said
    assert evening.events("activities.closed") == 0

    # Host and clerk decide in turn, two at a time; of the one that both take, one issue is made.
    items = evening.items()
    for first, second in zip(items[1::2], items[2::2], strict=True):
        evening.decide(host, first, start=True)
        evening.decide(clerk, second, start=True)
        for visitor in (host, clerk):
            visitor.arrive("/evening")
    evening.decide(host, items[0], start=True)
    host.arrive("/evening")
    clerk.go(f"/desk/agenda/{items[0].id}?decision=issue")
    assert "已" in clerk.said

    # Both close at once, and again.
    for visitor in (host, clerk):
        visitor.go(f"/desk/activities/{evening.id}/evening")
    for visitor in (host, clerk):
        visitor.start("结束这一场", no_wait_after=True)
    for visitor in (host, clerk):
        visitor.page.get_by_text("结束了").first.wait_for()
    assert evening.events("activities.closed") == 1

    issues = evening.issues()
    assert len(issues) == len(MATTERS)
    for issue in issues:
        assert issue.state == "listed"
        assert issue.owner_id == town.accounts["deputy"].id
        assert issue.deadline is not None
        assert issue.measures
    late = Visitor(chromium, town, site)
    late.go(evening.code())
    assert "已经结束" in late.said

    _publish(evening)
    _strike_off(town, issues)
    town.run_worker()
    reader = Visitor(chromium, town, site)
    reader.go(f"/records/{evening.kind}/{evening.id}")
    assert "提出的11件问题，6天里居民全部验收销号。" in re.sub(r"\s", "", reader.said)
    assert "沈听澜" in reader.said
    assert not any(name in reader.said for name in (*MATTERS, *COUPLE))
    for title in MATTERS.values():
        assert title in reader.said


def _vote(evening: Evening, host: Visitor, phones: dict[str, Visitor]) -> None:
    """The first matter is put to the vote: the couple votes from one phone, a connection is cut in mid-vote."""
    item = evening.items()[0]
    host.go(f"/desk/agenda/{item.id}")
    host.press("开始表决")
    couple, cut, late = phones[COUPLE[0]], phones["蔡大妈"], phones["苏老伯"]
    for phone in phones.values():
        evening.seat(phone)
    for number, choice in enumerate(("同意", "不同意")):
        with couple.page.expect_navigation():
            couple.page.get_by_role("button", name=choice, exact=True).nth(number).click()
    # The server takes the vote and its answer is lost: the phone keeps it, sends it again, and it is one vote.
    answers: list[int] = []

    def lose(route: Any) -> None:
        if answers:
            route.continue_()
            return
        # Whoever fetches for the browser does not know the site by the name that the browser has for it.
        sent, here = route.request, route.request.url.replace(HOST, "127.0.0.1")
        headers = {**sent.all_headers(), "host": urlsplit(sent.url).netloc}
        answers.append(route.fetch(url=here, headers=headers, max_redirects=0).status)
        route.abort()

    cut.page.route("**/votes", lose)
    with cut.page.expect_response(lambda answer: answer.url.endswith("/votes"), timeout=60_000) as again:
        cut.start("同意", no_wait_after=True)
    assert (answers, again.value.status) == ([303], 303)
    evening.seat(cut)
    assert "投了“同意”" in cut.said
    for name, phone in phones.items():
        if name not in ("蔡大妈", "苏老伯", COUPLE[0]):
            phone.start("同意", no_wait_after=True)
    for name, phone in phones.items():
        if name not in ("蔡大妈", "苏老伯", COUPLE[0]):
            phone.page.get_by_text("投了“同意”").wait_for()
    expected = {name: "for" for name in MATTERS if name != "苏老伯"} | {COUPLE[1]: "against"}
    assert evening.votes(item) == expected
    host.go(f"/desk/agenda/{item.id}")
    host.press("结束表决")
    assert "同意 10，不同意 1，弃权 0" in host.said
    # Who comes too late is told so, and nothing changes.
    late.press("同意")
    assert "这一票没有记上" in late.said
    assert evening.votes(item) == expected


def _publish(evening: Evening) -> None:
    """The host writes what came of it and puts it before the public, with its issues."""
    host = evening.host
    host.go(evening.record)
    host.page.fill("[name=summary]", "大家说了十一件事，件件有人、有时限。")
    host.press("保存")
    host.press("公开现在的内容")
    for issue in evening.issues():
        evening.town.publish(issue)


def _strike_off(town: Town, issues: Sequence[Issue]) -> None:
    """Within six days each is done, fed back, accepted by who raised it, and struck off."""
    for day, some in enumerate((issues[:3], issues[3:6], issues[6:8], issues[8:10], issues[10:])):
        town.clock.forward(days=1)
        for issue in some:
            town.move(issue, "start", by="deputy")
            town.move(issue, "resolve", by="deputy", outcome=f"第{day + 1}天修好了。")
            town.run(_accepted(town, issue))
    town.clock.forward(days=1, hours=2)
    for issue in issues:
        town.move(issue, "strike_off", by="clerk")


async def _accepted(town: Town, issue: Issue) -> None:
    await give_feedback(await town.act("village"), issue.id, {"way": "posted", "text": "已经修好，贴在公开栏。"})
    raiser = await Raiser.get(issue_id=issue.id)
    await accept(Act(Actor(person_id=raiser.person_id), town.clock(), key=new_token()), issue.id, True)
