"""Residents raise an issue with photos, follow it by number and proof, accept it or send it back, and rate it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.files import service as files
from yetan.files.models import Attachment
from yetan.files.storage import FileStore, StorageFull
from yetan.issues import acceptance
from yetan.issues.following import Opened, opened_by, slip_code
from yetan.issues.models import Acceptance, Issue, IssueLink, Raiser, Rating
from yetan.issues.photos import add_issue_photos
from yetan.issues.service import RaiserInput
from yetan.people.models import Person
from yetan.testing import Browser, Town

KEY = "a-key-drawn-by-the-form-0001"
NO_MATCH = "编号和后四位（或者查询码）对不上"


def jpeg(colour: str = "navy", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def matter(town: Town, **values: Any) -> dict[str, Any]:
    """What a resident types into the form."""
    return {
        "title": "菜场门口一下雨就积水",
        "text": "下水口堵了，水漫到鞋面。",
        "unit": str(town.units["village"]),
        "place": "菜场门口",
        "kind": "problem",
        "collective": "1",
        "category": str(town.category),
        "name": "",
        "phone": "",
        **values,
    }


def send(browser: Browser, data: dict[str, Any], *photos: bytes) -> Any:
    return browser.submit(
        "/raise", data, files=[("photos", (f"{n}.jpg", each, "image/jpeg")) for n, each in enumerate(photos)]
    )


def issues_of(town: Town) -> list[Issue]:
    async def go() -> list[Issue]:
        return await Issue.all().order_by("id")

    return town.do(go)


def stored(town: Town) -> list[Path]:
    return [path for path in (town.folder / "var" / "files").rglob("*") if path.is_file()]


def resolve(town: Town, issue: Issue) -> None:
    town.move(issue, "list", by="clerk")
    town.move(issue, "resolve", by="deputy")


def open_with(town: Town, number: str, proof: str, browser: Browser | None = None) -> Any:
    return (browser or town.browser()).submit("/follow", {"number": number, "proof": proof})


def slip(town: Town, issue: Issue) -> str:
    (person,) = town.raisers_of(issue)

    async def go() -> str:
        return slip_code(issue.id, person)

    return town.do(go)


# Raising


@BOTH_DATABASES
def test_anybody_raises_an_issue_and_gets_a_slip_that_opens_it(town: Town) -> None:
    browser = town.browser()
    assert "审核通过才在公开板上看得到" in browser.get("/raise?unit=village").text
    answer = send(browser, matter(town, _key=KEY), jpeg(), jpeg("white"))
    assert answer.status_code == 303, answer.text
    (issue,) = issues_of(town)
    assert answer.headers["location"] == f"/raise/{issue.number}"
    receipt = browser.get(answer.headers["location"])
    assert receipt.headers["cache-control"] == "no-store"
    assert issue.number in receipt.text
    shown = re.search(r'<b class="number">(\d{4}) (\d{4})</b>', receipt.text)
    assert shown is not None
    code = shown[1] + shown[2]
    assert code == slip(town, issue)
    assert "2 张" in receipt.text
    assert (issue.title, issue.collective, issue.via) == ("菜场门口一下雨就积水", True, "online")
    # Nobody else sees it, and it is not public before somebody approved it.
    town.run_worker()
    assert town.browser().get(f"/raise/{issue.number}").status_code == 404
    assert town.browser().get(f"/follow/{issue.number}").status_code == 404
    assert town.browser().get(f"/issues/{issue.number}").status_code == 404
    assert "积水" not in town.browser().get("/").text
    # The slip opens it elsewhere, however it is typed.
    other = town.browser()
    for typed in (code, f"{code[:4]} {code[4:]}", "".join(chr(ord(digit) + 0xFEE0) for digit in code)):
        assert open_with(town, issue.number, typed, other).headers["location"] == f"/follow/{issue.number}"
    own = other.get(f"/follow/{issue.number}").text
    assert "菜场门口一下雨就积水" in own
    photos = re.findall(r'src="(/files/[^"]+)"', own)
    assert len(photos) == 2
    assert other.get(photos[0]).headers["content-type"] == "image/jpeg"
    assert town.browser().get(photos[0]).status_code == 404


@BOTH_DATABASES
def test_a_form_sent_twice_is_one_issue_with_one_set_of_photos(town: Town) -> None:
    """C54"""
    browser = town.browser()
    first = send(browser, matter(town, _key=KEY), jpeg())
    second = send(browser, matter(town, _key=KEY), jpeg())
    assert first.headers["location"] == second.headers["location"]
    assert len(issues_of(town)) == 1
    assert len(stored(town)) == 1
    other = send(browser, matter(town, _key=KEY, title="另一件事"), jpeg())
    assert other.status_code == 409
    assert "另一件事" in other.text
    assert len(stored(town)) == 1


@BOTH_DATABASES
def test_an_issue_is_not_there_without_its_photos_nor_photos_without_the_issue(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F12"""

    def full(self: FileStore, data: bytes, suffix: str) -> str:
        if stored(town):
            raise StorageFull("the disk is full")
        return save(self, data, suffix)

    save = FileStore.save
    monkeypatch.setattr(FileStore, "save", full)
    assert send(town.browser(), matter(town), jpeg(), jpeg("white")).status_code == 507
    assert issues_of(town) == []
    assert stored(town) == []
    monkeypatch.setattr(FileStore, "save", save)

    async def broken(*_: Any, **__: Any) -> None:
        assert stored(town)
        raise RuntimeError("the database went away")

    monkeypatch.setattr("yetan.issues.raising.attach", broken)
    assert send(town.browser(), matter(town), jpeg()).status_code == 500
    assert issues_of(town) == []
    assert stored(town) == []


@pytest.mark.parametrize(
    ("values", "photos", "told"),
    [
        ({"title": ""}, [], "请填写“一句话说是什么事”"),
        ({"title": "字" * 61}, [], "最多 60 个字"),
        ({"text": "下水口\x00堵了"}, [], "无法保存的控制字符"),
        ({"text": "长" * 100_000}, [], "最多 4000 个字"),
        ({"unit": "999999"}, [], "请从列出的选项里选一个"),
        ({"unit": "柳湾"}, [], "请从列出的选项里选一个"),
        ({"kind": "complaint"}, [], "请从列出的选项里选一个"),
        ({"phone": "110", "consent": "1"}, [], "不像一个电话号码"),
        ({"name": "郝多余"}, [], "要勾选同意"),
        ({"phone": "13911112222"}, [], "要勾选同意"),
        ({"earlier": "26-999"}, [], "没有编号是"),
        ({}, [b"<html>"], "不是能用的照片"),
        ({}, [jpeg(), b"\xff\xd8\xff broken"], "第 2 张"),
        ({}, [jpeg()] * 4, "最多传 3 张照片"),
        ({}, [b"\xff\xd8\xff" + b"0" * 10_500_000], "超过了 10 MB"),
    ],
)
def test_what_cannot_be_taken_is_said_and_what_was_typed_stays(
    town: Town, values: dict[str, Any], photos: list[bytes], told: str
) -> None:
    answer = send(town.browser(), matter(town, **values), *photos)
    assert answer.status_code == 422
    assert told in answer.text
    assert "菜场门口" in answer.text
    if "text" not in values:
        assert "下水口堵了，水漫到鞋面。" in answer.text
    assert issues_of(town) == []
    assert stored(town) == []


def test_words_are_taken_to_a_megabyte_and_photos_to_many(town: Town) -> None:
    """C22: words are taken apart where everybody else waits."""
    browser = town.browser()
    answer = browser.submit("/raise", matter(town, text="灯" * 120_000))
    assert answer.status_code == 413
    assert "最多 1 MB" in answer.text
    assert send(browser, matter(town), b"\xff\xd8\xff" + b"0" * 2_000_000).status_code == 422, "read, and no photo"


def test_departments_and_closed_units_are_not_offered(town: Town) -> None:
    text = town.browser().get("/raise").text
    assert "溪尾村" in text
    assert "县城管局" not in text
    answer = send(town.browser(), matter(town, unit=str(town.units["department"])))
    assert answer.status_code == 422


def test_an_earlier_number_is_linked_however_it_is_written(town: Town) -> None:
    """001-23"""
    earlier = town.report()
    assert f'value="{earlier.number}"' in town.browser().get(f"/raise?earlier={earlier.number}").text
    assert send(town.browser(), matter(town, earlier=earlier.number.replace("-", ""))).status_code == 303
    link = town.run(_only_link())
    assert (link.other_id, link.kind) == (earlier.id, "repeat")


async def _only_link() -> IssueLink:
    return await IssueLink.get()


def test_rare_characters_come_through_whole(town: Town) -> None:
    send(town.browser(), matter(town, title="𠮷祥路的灯🌙坏了", text="<script>alert(1)</script>" + "长" * 3900))
    (issue,) = issues_of(town)
    assert issue.title == "𠮷祥路的灯🌙坏了"
    assert issue.text.startswith("<script>")


def test_contact_is_kept_only_with_consent(town: Town) -> None:
    """C71"""
    answer = send(town.browser(), matter(town, name="郝多余", phone="139 1111 2222", consent="1"))
    assert answer.status_code == 303
    (issue,) = issues_of(town)
    person = town.run(Person.get(id=town.raisers_of(issue)[0]))
    assert (person.name, person.phone) == ("郝多余", "13911112222")
    assert person.consented_at == town.clock()
    # Who has not agreed is asked to in their own language.
    reader = town.browser()
    reader.get("/display", params={"locale": "en"})
    asked = send(reader, matter(town, name="Mei"))
    assert asked.status_code == 422
    assert "tick your agreement" in asked.text
    assert "要勾选同意" not in asked.text


def test_whoever_is_signed_in_raises_as_themselves(town: Town) -> None:
    browser = town.browser("resident")
    form = browser.get("/raise").text
    assert "以“柳三变”的名义提交" in form
    assert 'name="phone"' not in form
    data = {name: value for name, value in matter(town).items() if name not in ("name", "phone")}
    assert send(browser, data).status_code == 303
    (issue,) = issues_of(town)
    assert town.raisers_of(issue) == [town.resident.id]
    assert issue.title in browser.get("/me/issues").text
    assert issue.title not in town.browser("clerk").get("/me/issues").text
    assert town.browser().get("/me/issues").status_code == 303


def test_one_address_raises_only_so_many_in_an_hour(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yetan.issues.raising.RAISES", 2)
    for _ in range(2):
        assert send(town.browser(), matter(town)).status_code == 303
    answer = send(town.browser(), matter(town))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "下水口堵了" in answer.text
    assert len(issues_of(town)) == 2
    town.clock.forward(hours=1)
    assert send(town.browser(), matter(town)).status_code == 303


def test_another_site_cannot_send_the_form(town: Town) -> None:
    browser = town.browser()
    for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/raise", data=matter(town), headers=headers).status_code == 403
    assert issues_of(town) == []


# Following


@BOTH_DATABASES
def test_a_number_takes_five_tries_a_day_and_all_failures_say_the_same(town: Town) -> None:
    issue = town.report()
    other = town.report(raisers=[RaiserInput("郝多余", "13911112222")])
    told = set()
    for number, proof in (
        (issue.number, "0000"),
        (issue.number, "12345678"),
        ("26-999", "1234"),
        (issue.number, "234"),
    ):
        answer = open_with(town, number, proof)
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers
        told |= set(re.findall(r"编号和后四位[^<]+", answer.text.partition("<main")[2].partition("<form")[0]))
    assert len(told) == 1
    for _ in range(2):
        assert open_with(town, issue.number, "9999").status_code == 422
    shut = open_with(town, issue.number, "1234")
    assert shut.status_code == 429
    assert int(shut.headers["retry-after"]) > 0
    for _ in range(4):
        assert open_with(town, "26-999", "1234").status_code == 422
    assert open_with(town, "26-999", "1234").status_code == 429  # as if it were there
    assert open_with(town, other.number, "2222").status_code == 303
    town.clock.forward(days=1)
    assert open_with(town, issue.number, "1234").status_code == 303


def test_whoever_knows_the_proof_is_not_shut_out_by_coming_often(town: Town) -> None:
    issue = town.report()
    for _ in range(12):
        assert open_with(town, issue.number, "1234").status_code == 303


def test_one_address_cannot_try_every_number(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yetan.issues.following.ADDRESS_TRIES", 6)
    for number in range(6):
        assert open_with(town, f"26-{number}", "1234").status_code == 422
    assert open_with(town, "26-7", "1234").status_code == 429


def test_two_phones_that_end_alike_open_nothing_but_the_slips_do(town: Town) -> None:
    issue = town.report(raisers=[RaiserInput("郝多余", "13911112222"), RaiserInput("郝有余", "13833332222")])
    assert open_with(town, issue.number, "2222").status_code == 422
    codes = [town.run(_code(issue.id, person)) for person in town.raisers_of(issue)]
    assert len(set(codes)) == 2
    for code in codes:
        assert open_with(town, issue.number, code).status_code == 303


async def _code(issue_id: int, person_id: int) -> str:
    return slip_code(issue_id, person_id)


def test_an_opened_issue_shuts_after_an_hour_and_opens_no_other(town: Town) -> None:
    issue, other = town.report(), town.report()
    browser = town.browser()
    open_with(town, issue.number, "1234", browser)
    assert browser.get(f"/follow/{issue.number}").status_code == 200
    assert browser.get(f"/follow/{other.number}").status_code == 404
    assert browser.get("/follow", params={"number": issue.number}).headers["location"] == f"/follow/{issue.number}"
    town.clock.forward(minutes=61)
    assert browser.get(f"/follow/{issue.number}").status_code == 404


def test_the_slip_is_for_whoever_raised_it_alone(town: Town) -> None:
    """The last digits of a phone open an issue for an hour; the slip's code opens it for good."""
    issue = town.report()
    browser = town.browser()
    open_with(town, issue.number, "1234", browser)
    assert browser.get(f"/raise/{issue.number}").status_code == 404
    assert slip(town, issue)[:4] in town.browser("resident").get(f"/raise/{issue.number}").text


def test_a_token_cannot_be_made_up(town: Town) -> None:
    issue = town.report()

    async def go() -> None:
        now = town.clock()
        opened = Opened(issue.id, town.resident.id)
        token = opened.token(now)
        assert opened_by(token, now) == opened
        issue_id, person, until, raised, signature = token.split(".")
        for forged in (
            "", "....", token[:-1], f"{int(issue_id) + 1}.{person}.{until}.{raised}.{signature}",
            f"{issue_id}.{int(person) + 1}.{until}.{raised}.{signature}",
            f"{issue_id}.{person}.{int(until) + 1}.{raised}.{signature}", f"{issue_id}.{person}.{until}.1.{signature}",
            f"{issue_id}.{person}.{until}.{raised}.", "１.１.9999999999.0." + signature,
        ):  # fmt: skip
            assert opened_by(forged, now) is None, forged

    town.do(go)


def test_an_erased_raiser_opens_nothing(town: Town) -> None:
    issue = town.report()
    browser = town.browser()
    open_with(town, issue.number, "1234", browser)
    code = slip(town, issue)

    async def erase() -> None:
        await Person.filter(id=town.resident.id).update(erased_at=town.clock())

    town.do(erase)
    assert browser.get(f"/follow/{issue.number}").status_code == 404
    assert open_with(town, issue.number, code).status_code == 422


def test_raisers_see_the_parties_words_and_none_of_the_staffs(town: Town) -> None:
    issue = town.report(text="请打13800001234找柳三变")
    town.move(issue, "report_up", by="village", opinion="只有工作人员看得到")
    town.move(issue, "list", by="clerk", owner=town.accounts["clerk"].id)
    browser = town.browser()
    open_with(town, issue.number, "1234", browser)
    text = browser.get(f"/follow/{issue.number}").text
    assert "照明所三天内更换灯头" in text
    assert "只有工作人员看得到" not in text
    # Others may be joined to the matter later, so numbers stay masked among its raisers.
    assert "13800001234" not in text


# Accepting and rating


@BOTH_DATABASES
def test_a_raiser_without_account_accepts_and_rates(town: Town) -> None:
    issue = town.report()
    browser = town.browser()
    open_with(town, issue.number, "1234", browser)
    path = f"/follow/{issue.number}"
    assert "验收：同意，或者不同意" not in browser.get(path).text
    assert browser.submit(f"{path}/verdict", {"accepted": "yes"}).status_code == 409
    resolve(town, issue)
    assert "验收：同意，或者不同意" in browser.get(path).text
    assert browser.get(f"{path}/verdict").status_code == 200
    nothing = browser.submit(f"{path}/verdict", {"accepted": "", "text": "我写的话"})
    assert nothing.status_code == 422
    assert "我写的话" in nothing.text
    done = browser.submit(f"{path}/verdict", {"accepted": "yes", "text": "亮了", "_key": KEY})
    assert done.headers["location"] == path
    assert browser.submit(f"{path}/verdict", {"accepted": "yes", "text": "亮了", "_key": KEY}).status_code == 303
    assert browser.submit(f"{path}/verdict", {"accepted": "no", "text": "又坏了"}).status_code == 409
    assert "您已经验收同意" in browser.get(path).text
    assert browser.submit(f"{path}/rating", {"score": "superb"}).status_code == 422
    assert browser.submit(f"{path}/rating", {"score": "satisfied", "text": "快"}).status_code == 303
    assert browser.submit(f"{path}/rating", {"score": "dissatisfied"}).status_code == 409
    assert "填测评" not in browser.get(path).text

    async def kept() -> tuple[list[tuple[int, bool]], list[tuple[int, str]]]:
        verdicts = await Acceptance.filter(issue_id=issue.id)
        slips = await Rating.filter(issue_id=issue.id)
        return [(each.person_id, each.accepted) for each in verdicts], [(each.person_id, each.score) for each in slips]

    assert town.do(kept) == ([(town.resident.id, True)], [(town.resident.id, "satisfied")])


def test_refusing_needs_a_reason_and_sends_the_issue_back(town: Town) -> None:
    """002-B16"""
    issue = town.report()
    resolve(town, issue)
    browser = town.browser()
    open_with(town, issue.number, slip(town, issue), browser)
    path = f"/follow/{issue.number}"
    assert browser.submit(f"{path}/verdict", {"accepted": "no"}).status_code == 422
    assert browser.submit(f"{path}/verdict", {"accepted": "no", "text": "5号灯还闪"}).status_code == 303
    again = town.reload(issue)
    assert (again.state, again.round) == ("returned", 2)
    text = browser.get(path).text
    assert "5号灯还闪" in text
    assert "第 2 次办理" in text


def test_the_handler_cannot_accept_with_a_residents_slip(town: Town) -> None:
    """C51"""
    issue = town.report()
    resolve(town, issue)
    handler = town.browser("deputy")
    open_with(town, issue.number, slip(town, issue), handler)
    path = f"/follow/{issue.number}"
    assert "验收：同意，或者不同意" not in handler.get(path).text
    assert handler.submit(f"{path}/verdict", {"accepted": "yes"}).status_code == 403
    assert handler.submit(f"{path}/rating", {"score": "satisfied"}).status_code == 403
    assert town.reload(issue).state == "resolved"


def test_nobody_but_a_raiser_may_speak(town: Town) -> None:
    issue = town.report()
    resolve(town, issue)
    for who in ("", "clerk", "village", "administrator"):
        browser = town.browser(who)
        for part, data in (("verdict", {"accepted": "yes"}), ("rating", {"score": "satisfied"})):
            assert browser.submit(f"/follow/{issue.number}/{part}", data).status_code == 404, (who, part)
    assert town.run(Acceptance.all().count()) == 0


def test_a_conflict_shows_what_happened_beside_what_was_typed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    issue = town.report()
    resolve(town, issue)
    browser = town.browser()
    open_with(town, issue.number, "1234", browser)

    async def slower(*arguments: Any, **named: Any) -> Any:
        await Issue.filter(id=issue.id).update(version=99)
        return await save(*arguments, **named)

    save = acceptance.save_change
    monkeypatch.setattr(acceptance, "save_change", slower)
    answer = browser.submit(f"/follow/{issue.number}/verdict", {"accepted": "yes", "text": "写了很久"})
    assert answer.status_code == 409
    assert "写了很久" in answer.text
    assert "最近的经过" in answer.text


# Photos added later


def test_photos_are_added_by_those_who_handle_the_issue(town: Town) -> None:
    issue = town.report()

    class Sent:
        size = None

        def __init__(self, data: bytes) -> None:
            self.data = data

        async def read(self) -> bytes:
            return self.data

    async def add(who: str, *photos: bytes) -> Any:
        try:
            return await add_issue_photos(await town.act(who), issue.id, [Sent(each) for each in photos], "after")
        except Exception as error:
            return type(error).__name__

    assert town.run(add("other", jpeg())) == "NotFound"
    assert town.run(add("leader", jpeg())) == "Forbidden"
    assert town.run(add("village")) == "Invalid"
    assert town.run(add("village", jpeg(), b"no picture")) == "Invalid"
    assert stored(town) == []
    town.run(add("village", jpeg(), jpeg("white")))
    rows = town.run(_attachments())
    assert [(row.subject_id, row.stage, row.public) for row in rows] == [(issue.id, "after", False)] * 2
    assert len(stored(town)) == 2


async def _attachments() -> list[Attachment]:
    return await Attachment.all().order_by("id")


def test_files_that_no_row_names_are_removed(town: Town) -> None:
    async def go() -> None:
        prepared = await files.prepare_photos([])
        assert prepared == []
        async with files.stored_photos([files.PreparedImage(b"picture", "image/jpeg", 1, 1)]):
            assert len(stored(town)) == 1

    town.do(go)
    assert stored(town) == []
    assert town.run(Raiser.all().count()) == 0


def test_files_stay_while_it_cannot_be_asked_whether_a_row_names_them(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a commit was lost with the connection: the sweep decides later."""

    def lost(*args: Any, **given: Any) -> Any:
        raise ConnectionError("gone")

    async def go() -> None:
        async with files.stored_photos([files.PreparedImage(b"picture", "image/jpeg", 1, 1)]):
            monkeypatch.setattr(Attachment, "filter", lost)
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        town.do(go)
    assert len(stored(town)) == 1
