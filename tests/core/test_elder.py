"""In elder mode a form asks one question a page, loses nothing of what was said, and says it all before it is sent."""

from __future__ import annotations

import html
import re
from typing import Any

from tests.databases import ONE_DATABASE
from tests.databases import database_kind as database_kind

from yetan.audit.models import AuditRecord
from yetan.issues.following import slip_code
from yetan.issues.models import Acceptance, Issue, Rating
from yetan.testing import Browser, Town

pytestmark = ONE_DATABASE

_INPUT = re.compile(r'<input[^>]* name="([^"]+)"[^>]*>')
_VALUE = re.compile(r' value="([^"]*)"')


class Elder:
    """Somebody in elder mode at one form, without script."""

    def __init__(self, browser: Browser, path: str) -> None:
        self.browser = browser
        browser.get("/display?elder=1")
        self.path = path.partition("?")[0]
        self.see(browser.get(path))

    def see(self, answer: Any) -> None:
        self.answer = answer
        self.page = answer.text.partition("<main")[2].partition("</main>")[0]

    @property
    def carried(self) -> dict[str, str]:
        """The hidden boxes of the page."""
        hidden = [each for each in _INPUT.finditer(self.page) if 'type="hidden"' in each[0]]
        return {each[1]: html.unescape(found[1]) for each in hidden if (found := _VALUE.search(each[0]))}

    @property
    def asked(self) -> list[str]:
        """What the page asks for."""
        boxes = re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', self.page)
        return [name for name in dict.fromkeys(boxes) if name not in self.carried]

    def say(self, files: Any = None, **answers: str) -> None:
        self.see(self.browser.submit(self.path, self.carried | answers, files=files))

    def press(self, page: str, **answers: str) -> None:
        """Press "back" or "change", which lead to a page."""
        assert f'name="_to" value="{page}"' in self.page
        self.say(_to=page, **answers)


def test_an_issue_is_raised_one_question_a_page(town: Town) -> None:
    assert town.browser().get("/raise").text.count("<textarea") == 1
    elder = Elder(town.browser(), "/raise?unit=village")
    seen = [elder.asked]
    long = '下水口堵了。\n水漫到<鞋面> & "裤脚"。'
    for said in (
        {"title": "菜场门口积水"},
        {"text": long},
        {"unit": str(town.units["village"])},
        {"place": ""},
        {"kind": "problem"},
        {},
        {},
        {},
        {"name": "郝多余", "phone": "13911112222", "consent": "1"},
    ):
        elder.say(**said)
        assert elder.answer.status_code == 200
        assert elder.answer.headers["cache-control"] == "no-store"
        seen.append(elder.asked)
    assert seen == [
        ["title"], ["text"], ["unit"], ["place"], ["kind"], ["collective"], ["category"], ["earlier"],
        ["name", "phone", "consent"], ["photos"],
    ]  # fmt: skip
    assert "您说的是下面这些，对吗？" in elder.page
    for told in ("菜场门口积水", html.escape(long, quote=False).replace('"', "&#34;"), "溪尾村", "问题", "没有写"):
        assert told in elder.page
    assert 'enctype="multipart/form-data"' in elder.page
    elder.say()
    assert elder.answer.status_code == 303
    issue = town.run(Issue.get())
    assert (issue.title, issue.text) == ("菜场门口积水", long)
    # Questions are no deeds: the issue alone is recorded.
    assert town.run(_recorded("raise.submit")) == 0


async def _recorded(action: str) -> int:
    return await AuditRecord.filter(action=action).count()


def test_nothing_said_is_lost_on_the_way_back_nor_at_steps_nobody_drew(town: Town) -> None:
    elder = Elder(town.browser(), "/raise")
    elder.say(title="")
    assert elder.answer.status_code == 422
    assert "请填写“一句话说是什么事”" in elder.page
    elder.say(title="积水")
    elder.press("0", text="写了一半")
    assert elder.asked == ["title"]
    assert 'value="积水"' in elder.page
    assert elder.carried["text"] == "写了一半"
    for step in ("99", "-1", "x", "", "1.5", "٣"):
        elder.say(title="积水", _step=step)
        assert elder.answer.status_code == 200
        assert elder.asked == ["title"], "begun anew, and nothing sent"
        assert elder.carried["text"] == "写了一半"
    elder.say(title="积水", _step="9")
    assert elder.answer.status_code == 422, "sent too early"
    assert elder.asked == ["unit"], "the first that is wrong is asked"
    elder.say(unit=str(town.units["village"]))
    assert elder.asked == ["photos"], "who comes back to change an answer sees all that was said again"
    elder.say()
    assert elder.asked == ["kind"]
    elder.say(kind="suggestion")
    elder.press("1")
    elder.say(text="全写好了")
    assert "全写好了" in elder.page
    # The form is the same whoever reads on in which mode.
    elder.browser.get("/display?elder=0")
    elder.say()
    assert elder.answer.status_code == 303
    assert town.run(Issue.get()).kind == "suggestion"


def test_photos_are_asked_last_and_said_to_be_lost_where_they_are(town: Town) -> None:
    elder = Elder(town.browser(), "/raise")
    values = {"title": "积水", "text": "水很深", "unit": str(town.units["village"]), "kind": "problem"}
    picture = [("photos", ("1.jpg", b"no picture", "image/jpeg"))]
    elder.say(**values, _step="8")
    assert elder.asked == ["photos"]
    elder.say(files=picture)
    assert elder.answer.status_code == 422
    assert elder.asked == ["photos"]
    assert "不是能用的照片" in elder.page
    elder.say(files=picture, _to="0")
    assert elder.asked == ["title"]
    assert "照片要重新选一次" in elder.page


def test_a_resident_follows_accepts_and_rates_one_question_a_page(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.move(issue, "resolve", by="deputy")
    elder = Elder(town.browser(), f"/follow?number={issue.number}")
    assert elder.asked == ["number"]
    elder.say(number=issue.number)
    elder.say(proof="0000")
    assert "0000" in elder.page
    elder.say()
    assert elder.answer.status_code == 422
    assert "对不上" in elder.page
    elder.press("1")
    elder.say(proof=slip_code(issue.id, town.raisers_of(issue)[0]))
    elder.say()
    own = elder.answer.headers["location"]

    verdict = Elder(elder.browser, f"{own}/verdict")
    assert verdict.asked == ["accepted"]
    assert "照明所" not in verdict.carried
    verdict.say(accepted="no")
    verdict.say()
    verdict.say()
    assert verdict.answer.status_code == 422, "who refuses says why"
    assert verdict.asked == ["text"]
    verdict.press("0")
    verdict.say(accepted="yes")
    assert "办好了，我同意" in verdict.page
    verdict.say()
    assert verdict.answer.headers["location"] == own
    assert town.run(Acceptance.get()).accepted

    rating = Elder(elder.browser, f"{own}/rating")
    rating.say(score="basically")
    rating.say(text="就是慢了点")
    rating.say()
    given = town.run(Rating.get())
    assert (given.score, given.text) == ("basically", "就是慢了点")


def test_a_password_is_asked_last_and_carried_nowhere(town: Town) -> None:
    elder = Elder(town.browser(), "/sign-in?next=/me/issues")
    assert elder.asked == ["username"]
    elder.say(username="nobody")
    assert elder.asked == ["password"]
    assert elder.carried["next"] == "/me/issues"
    elder.say(password="sesame open")
    assert elder.answer.status_code == 422
    assert "sesame" not in elder.page
    assert elder.carried["username"] == "nobody"
