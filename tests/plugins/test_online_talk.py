"""随机e谈: a chat group's discussion is read as it was copied, kept on the desk, and turned into entries and issues."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.databases import database_kind as database_kind

from yetan.issues.models import Issue
from yetan.people.erasure import erase_person
from yetan.people.models import Person
from yetan.testing import Town
from yetan_meetings.chat import SaidLine, read_chat
from yetan_meetings.models import ChatLine, LedgerEntry

DAY = date(2026, 5, 9)
DATED = """刘洋 2026/5/10 20:15
三号楼门口的灯不亮，
晚上看不见台阶。

许三 2026/5/10 20:16
我家老人昨天摔了一跤，会议定在 21:00

楼栋长 2026/5/10 20:31
答复：明天报上去。
"""


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


@pytest.mark.parametrize(
    ("copied", "read"),
    [
        (
            DATED,
            [
                SaidLine("刘洋", "三号楼门口的灯不亮，\n晚上看不见台阶。", datetime(2026, 5, 10, 20, 15)),
                SaidLine("许三", "我家老人昨天摔了一跤，会议定在 21:00", datetime(2026, 5, 10, 20, 16)),
                SaidLine("楼栋长", "答复：明天报上去。", datetime(2026, 5, 10, 20, 31)),
            ],
        ),
        (
            "————— 2026-05-10 —————\n\n刘洋  23:59\n\n灯不亮\n\n许三  0:03\n\n好",
            [
                SaidLine("刘洋", "灯不亮", datetime(2026, 5, 10, 23, 59)),
                SaidLine("许三", "好", datetime(2026, 5, 11, 0, 3)),
            ],
        ),
        ("刘洋  20:15\n灯不亮", [SaidLine("刘洋", "灯不亮", datetime(2026, 5, 9, 20, 15))]),
        ("2026-05-10 下午8:15 刘洋\n灯不亮", [SaidLine("刘洋", "灯不亮", datetime(2026, 5, 10, 20, 15))]),
        ("刘洋:\n灯不亮\n\n许三:\n物业：明天修", [SaidLine("刘洋", "灯不亮"), SaidLine("许三", "物业：明天修")]),
        (
            "刘洋：灯不亮\n门口也黑\nhttps://a.example/b\n许三：好",
            [SaidLine("刘洋", "灯不亮\n门口也黑\nhttps://a.example/b"), SaidLine("许三", "好")],
        ),
        ("灯不亮\n好", [SaidLine("", "灯不亮"), SaidLine("", "好")]),
        # What looks like the head of a message and has nothing below it was said by the one before.
        (
            "刘洋 2026/5/10 20:15\n会议定在 21:00",
            [SaidLine("刘洋", "会议定在 21:00", datetime(2026, 5, 10, 20, 15))],
        ),
        ("2026-13-40 25:61 刘洋\n\n", [SaidLine("", "2026-13-40 25:61 刘洋")]),
        ("\n \n", []),
    ],
)
def test_a_discussion_is_read_in_the_way_it_was_copied(copied: str, read: list[SaidLine]) -> None:
    assert read_chat(copied, DAY) == read


def talk(town: Town) -> str:
    """An online talk of the village; the address of its discussion."""
    answer = town.browser("village").submit(
        "/desk/records/online_talk/new",
        {"unit": str(town.units["village"]), "title": "灯的事", "date": "2026-05-10", "place": "三号楼业主群"},
    )
    assert answer.status_code == 303, answer.text
    return f"/desk/activities/{answer.headers['location'].rpartition('/')[2]}/chat"


async def _lines() -> list[ChatLine]:
    return await ChatLine.all().order_by("position").select_related("entry")


def test_a_discussion_is_looked_at_before_it_is_kept_and_kept_once(town: Town) -> None:
    page, village = talk(town), town.browser("village")
    seen = village.submit(f"{page}/paste", {"text": DATED})
    assert seen.status_code == 200
    assert "一共3句。" in seen.text
    assert "晚上看不见台阶。" in seen.text
    assert town.run(_lines()) == []
    assert village.submit(f"{page}/paste", {"text": DATED, "keep": "1"}).status_code == 303
    more = DATED + "\n刘洋 2026/5/10 20:40\n谢谢"
    assert village.submit(f"{page}/paste", {"text": more, "keep": "1"}).status_code == 303
    lines = town.run(_lines())
    assert [(line.position, line.name) for line in lines] == [(1, "刘洋"), (2, "许三"), (3, "楼栋长"), (4, "刘洋")]
    assert lines[0].at == datetime(2026, 5, 10, 12, 15, tzinfo=UTC)
    assert town.browser("sibling").get(page).status_code == 404


def test_a_text_file_of_windows_is_read_and_what_is_none_leaves_the_text_as_it_was(town: Town) -> None:
    page, village = talk(town), town.browser("village")
    sent = {"text": "刘洋：灯不亮"}
    read = village.submit(f"{page}/paste", files={"file": ("群.txt", DATED.encode("gb18030"), "text/plain")})
    assert "三号楼门口的灯不亮" in read.text
    refused = village.submit(f"{page}/paste", sent, files={"file": ("a.jpg", b"\xff\xd8\x00\x00", "image/jpeg")})
    assert refused.status_code == 422
    assert sent["text"] in refused.text
    assert village.submit(f"{page}/paste", {"text": "", "keep": "1"}).status_code == 422


def test_chosen_lines_become_one_entry_and_its_issue_without_names_and_each_line_says_so(town: Town) -> None:
    page, village = talk(town), town.browser("village")
    village.submit(f"{page}/paste", {"text": DATED, "keep": "1"})
    first, second, _third = town.run(_lines())
    what = {"what": "difficulties", "title": "三号楼的灯", "need": "1", "collective": "1"}
    nothing = village.submit(page, what)
    assert nothing.status_code == 422
    assert "请先勾选要记的话。" in nothing.text
    chosen = {f"line_{first.id}": "1", f"line_{second.id}": "1", **what}
    assert village.submit(page, chosen).status_code == 303
    entry, issue, persons = town.run(_became())
    assert (entry.source, entry.who, entry.date) == ("online", "刘洋、许三", date(2026, 5, 10))
    assert "刘洋" not in issue.text
    assert [person.name for person in persons] == ["刘洋", "许三"]
    assert (issue.via, issue.origin_kind) == ("online", "online_talk")
    again = village.get(page).text
    assert again.count("已经记进台账：") == 2
    assert issue.number in again
    # What a stale page still offers is said, and nothing is written twice.
    assert village.submit(page, chosen).status_code == 409
    assert town.run(_count()) == 1

    async def forget() -> None:
        await erase_person(await town.act(), persons[0].id)

    town.do(forget)
    forgotten = village.get(page).text
    assert "刘洋" not in forgotten
    assert "许三" in forgotten


async def _became() -> tuple[LedgerEntry, Issue, list[Person]]:
    entry = await LedgerEntry.all().get().select_related("issue")
    assert entry.issue is not None
    raisers = await Person.filter(raised__issue_id=entry.issue_id).order_by("id")
    return entry, entry.issue, raisers


async def _count() -> int:
    return await LedgerEntry.all().count()
