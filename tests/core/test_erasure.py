"""Exporting and erasing a person: afterwards no table holds a name or phone, and what was counted stays (C73, C74)."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from yetan.db.statements import fetch
from yetan.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from yetan.files.models import Attachment
from yetan.files.service import add_photos
from yetan.issues import acceptance
from yetan.issues.models import Acceptance, Issue, Raiser, Rating, Remark
from yetan.issues.service import RaiserInput, add_progress, correct
from yetan.people.erasure import erase_person, export_person
from yetan.people.models import Household, Person, Post
from yetan.people.service import add_household, add_member
from yetan.plugins.checks import all_models
from yetan.publication.models import Publication, PublicIssue
from yetan.publication.service import approve
from yetan.runtime import current
from yetan.statistics.service import values
from yetan.testing import Town

NAME, PHONE, ADDRESS, USERNAME = "柳三变", "13800001234", "溪尾村 7 号", "resident"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {}


def erase(town: Town, person: Person, by: str = "") -> dict[str, int]:
    async def go() -> dict[str, int]:
        return await erase_person(await town.act(by), person.id)

    return town.do(go)


def lived_in(town: Town) -> Issue:
    """An issue that the resident had every part in, with their name and phone in everybody's words."""

    class Upload:
        size = None

        async def read(self) -> bytes:
            picture = io.BytesIO()
            Image.new("RGB", (40, 30), "orange").save(picture, "JPEG")
            return picture.getvalue()

    words = f"{NAME}（{PHONE}）说灯坏了。"
    neighbour = RaiserInput("邻居甲", "13800005678")
    raisers = [RaiserInput(person_id=town.resident.id), neighbour]
    issue = town.report(title=f"{NAME}家门口的灯", text=words, place=f"{NAME}家", raisers=raisers)

    async def go() -> None:
        resident, village = await town.act("resident"), await town.act("village")
        await add_household(await town.act("village"), town.units["village"], ADDRESS, [town.resident.id])
        await Person.filter(id=town.resident.id).update(address=ADDRESS)
        (photo,) = await add_photos(resident, "issue", issue.id, [Upload()])
        await Attachment.filter(id=photo.id).update(person_id=town.resident.id, caption=f"{NAME}拍的")
        await add_progress(village, issue.id, f"和{NAME}通了电话 {PHONE}。")
        await Issue.filter(id=issue.id).update(extra={"反映人": NAME, "电话": PHONE, "天气": "小雨"})

    town.do(go)
    town.move(issue, "list", by="clerk", measures=f"先去{NAME}家看看。")
    town.move(issue, "resolve", by="deputy", outcome=f"给{NAME}家换了灯。")

    async def verdict() -> None:
        await acceptance.give_feedback(
            await town.act("village"), issue.id, {"way": "posted", "text": f"告诉了{NAME}，{PHONE}"}
        )
        await acceptance.accept(await town.act("resident"), issue.id, True, f"我是{NAME}，满意。")
        await acceptance.rate(await town.act("resident"), issue.id, "satisfied", f"谢谢，{PHONE}")
        await Publication.filter(subject_id=issue.id).delete()
        face = {"title": f"{NAME}家的灯", "text": f"{NAME}，{PHONE}", "outcome": f"给{NAME}换了。"}
        await approve(await town.act("publisher"), issue.id, face)

    town.do(verdict)
    town.run_worker()
    return issue


async def traces(*words: str) -> list[str]:
    """Where any of the words stands in any column of any table of the database."""
    found = []
    for table, model in all_models(current().registry).items():
        for row in await fetch(f'SELECT * FROM "{table}"'):
            found += [
                f"{model.__name__}.{column}: {value}"
                for column, value in row.items()
                for word in words
                if isinstance(value, (str, bytes, dict, list)) and word in _plain(value)
            ]
    return found


def _plain(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode().decode("unicode_escape", "ignore") if "\\u" in text else text


def test_after_erasing_no_table_holds_name_phone_address_or_account_name(town: Town) -> None:
    issue = lived_in(town)
    held = town.run(traces(NAME, PHONE, ADDRESS))
    assert {each.partition(":")[0] for each in held} >= {
        "Person.name", "Issue.text", "Issue.extra", "Remark.text", "Feedback.text", "Acceptance.text", "Rating.text",
        "Publication.approved", "PublicIssue.title", "Household.address",
    }  # fmt: skip
    town.clock.forward(days=1)
    erase(town, town.resident)
    assert town.run(traces(NAME, PHONE, ADDRESS)) == []
    assert [each for each in town.run(traces(USERNAME)) if not each.startswith("Issue")] == []
    town.run_worker()
    assert town.run(traces(NAME, PHONE, ADDRESS)) == [], "what follows brings nothing back"
    assert town.reload(issue).extra["天气"] == "小雨"


def test_the_board_forgets_at_once_and_goes_on_showing_the_matter(town: Town) -> None:
    issue = lived_in(town)
    erase(town, town.resident)

    async def shown() -> PublicIssue:
        return await PublicIssue.get(issue_id=issue.id)

    row = town.do(shown)
    assert row.title == "柳某某家的灯"
    assert row.raisers == 2


def test_a_persons_own_published_words_are_taken_back(town: Town) -> None:
    issue = town.report()

    async def speak() -> int:
        act = await town.act("resident")
        remark = await Remark.create(
            issue_id=issue.id, event_id=1, kind="text", text="晚上我不敢走那条路。", audience="public",
            at=act.now, person_id=town.resident.id,
        )  # fmt: skip
        await approve(await town.act("publisher"), issue.id)
        return remark.id

    remark = str(town.do(speak))

    async def notes() -> list[str]:
        row = await Publication.get(subject_id=issue.id)
        return [face["notes"][remark] for face in (row.draft, row.draft["source"], row.approved)]

    assert town.do(notes) == ["晚上我不敢走那条路。"] * 3
    erase(town, town.resident)
    assert town.do(notes) == ["", "", ""]


def test_what_was_counted_stays(town: Town) -> None:
    issue = lived_in(town)

    async def counts() -> Any:
        models = (Issue, Raiser, Acceptance, Rating, Remark, PublicIssue)
        figures = await values(town.units["city"])
        return [await model.all().count() for model in models], figures

    before = town.do(counts)
    touched = erase(town, town.resident)
    assert town.do(counts) == before
    assert touched["yetan_person"] == 1
    assert touched["yetan_issue"] == 1
    verdict = town.run(_get(Acceptance))
    assert (verdict.accepted, verdict.text, verdict.person_id) == (True, "", town.resident.id)
    assert town.reload(issue).state == "resolved"


def test_the_neighbours_words_and_rows_stay_theirs(town: Town) -> None:
    issue = lived_in(town)
    erase(town, town.resident)

    async def neighbour() -> Person:
        return await Person.get(name="邻居甲")

    assert town.do(neighbour).phone == "13800005678"
    assert len(town.raisers_of(issue)) == 2


def test_photos_go_from_the_disk_too(town: Town) -> None:
    lived_in(town)
    stored = [path for path in (town.folder / "var" / "files").rglob("*") if path.is_file()]
    assert stored
    erase(town, town.resident)
    assert not any(path.exists() for path in stored)
    assert town.run(_count(Attachment)) == 0


def test_the_household_goes_with_the_last_who_lived_there(town: Town) -> None:
    async def settle() -> None:
        act = await town.act("village")
        household = await add_household(act, town.units["village"], ADDRESS, [town.resident.id])
        await add_member(act, household.id, {"name": "柳小", "phone": ""})

    town.do(settle)
    erase(town, town.resident)
    assert town.run(_count(Household)) == 1

    async def other() -> Person:
        return await Person.get(name="柳小")

    erase(town, town.do(other))
    assert town.run(_count(Household)) == 0


def test_the_account_is_shut_and_its_name_is_free_again(town: Town) -> None:
    browser = town.browser("resident")
    erase(town, town.resident)
    assert browser.get("/me/password").status_code in (303, 401, 403)
    account = town.reload(town.accounts["resident"])
    assert (account.active, account.password_hash, account.username) == (False, "", f"erased-{account.id}")


def test_a_form_drawn_before_does_not_bring_the_words_back(town: Town) -> None:
    issue = town.report(text=f"我是{NAME}，灯坏了。")
    erase(town, town.resident)

    async def late() -> None:
        given = {"title": "灯", "text": f"我是{NAME}，灯坏了。", "kind": "problem", "category": None}
        await correct(await town.act("village"), issue.id, given, version=issue.version)

    with pytest.raises(Conflict):
        town.do(late)


def test_whoever_is_in_office_hands_over_first(town: Town) -> None:
    person = town.run(_person_of(town, "village"))
    with pytest.raises(Refused, match="还在任"):
        erase(town, person)

    async def leave() -> None:
        await Post.filter(account_id=town.accounts["village"].id).update(until=date(2026, 5, 5))

    town.do(leave)
    erase(town, person)
    assert town.reload(person).name == ""


def test_only_who_may_and_nobody_themself_and_nobody_twice(town: Town) -> None:
    with pytest.raises(Forbidden):
        erase(town, town.resident, by="clerk")
    with pytest.raises(Forbidden, match="自己"):
        erase(town, town.run(_person_of(town, "administrator")), by="administrator")
    erase(town, town.resident, by="administrator")
    with pytest.raises(Refused, match="已经删除过"):
        erase(town, town.resident)

    async def nobody() -> None:
        await erase_person(await town.act(), 999_999)

    with pytest.raises(NotFound):
        town.do(nobody)


def test_an_erased_person_is_found_by_nobodys_name_again(town: Town) -> None:
    erase(town, town.resident)
    again = town.report(raisers=[RaiserInput(NAME, PHONE)])
    assert town.raisers_of(again) != [town.resident.id]
    with pytest.raises(Invalid, match="没有这位居民"):
        town.report(raisers=[RaiserInput(person_id=town.resident.id)], text="另一件事，完全不同的内容。")


def test_an_export_holds_everything_about_the_person_and_no_secret(town: Town) -> None:
    """C73."""
    issue = lived_in(town)

    async def export(by: str) -> dict[str, list[dict[str, Any]]]:
        return await export_person(await town.act(by), town.resident.id)

    found = town.run(export("administrator"))
    assert found["yetan_person"][0]["phone"] == PHONE
    assert found["yetan_issue"][0]["number"] == issue.number
    assert found["yetan_rating"][0]["text"] == f"谢谢，{PHONE}"
    assert found["yetan_account"][0]["username"] == USERNAME
    assert "password_hash" not in str(found)
    assert "token_hash" not in str(found)
    assert "邻居甲" not in str(found)
    with pytest.raises(Forbidden):
        town.run(export("village"))
    erase(town, town.resident)
    with pytest.raises(Refused):
        town.run(export("administrator"))


def test_files_of_others_stay(town: Town, tmp_path: Path) -> None:
    lived_in(town)

    async def to_others() -> None:
        await Attachment.all().update(person_id=None)

    town.do(to_others)
    erase(town, town.resident)
    assert any(path.is_file() for path in (town.folder / "var" / "files").rglob("*"))


async def _get(model: Any) -> Any:
    return await model.get()


async def _count(model: Any) -> int:
    return int(await model.all().count())


async def _person_of(town: Town, who: str) -> Person:
    return await Person.get(id=town.accounts[who].person_id)
