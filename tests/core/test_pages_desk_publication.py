"""Reviewing what is published: the draft beside the original, approving, correcting, taking down, conflicts."""

from __future__ import annotations

import io
import re
from typing import Any

from PIL import Image
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.files.models import Attachment
from yetan.files.service import add_photos
from yetan.issues.models import Issue
from yetan.issues.service import add_progress
from yetan.publication.models import Publication, PublicIssue
from yetan.publication.service import renew_draft
from yetan.testing import Town

FACE = {"title": "村口三盏路灯不亮", "text": "路灯坏了半个月。", "place": "村口", "measures": "", "outcome": ""}


def approved(town: Town, who: str, issue: Issue, **values: Any) -> Any:
    """Approve with a face, as the page drawn now would."""
    page = town.browser(who).get(f"/desk/issues/{issue.id}/publication").text
    drawn = re.search(r'name="version" value="(\d+)"', page)
    sent = {"version": drawn[1] if drawn else "1", **FACE, **values}
    return town.browser(who).submit(f"/desk/issues/{issue.id}/publication", sent)


def on_board(town: Town, issue: Issue) -> PublicIssue | None:
    async def go() -> PublicIssue | None:
        return await PublicIssue.get_or_none(issue_id=issue.id)

    return town.do(go)


def prepared(town: Town, issue: Issue) -> Publication:
    async def go() -> Publication:
        return await renew_draft(await town.act(), issue)

    return town.do(go)


def with_photo(town: Town, issue: Issue) -> Attachment:
    """A photo of the issue, and a draft that has it."""

    class Upload:
        size: int | None = None

        async def read(self) -> bytes:
            picture = io.BytesIO()
            Image.new("RGB", (40, 30), "orange").save(picture, "JPEG")
            return picture.getvalue()

    async def go() -> Attachment:
        (photo,) = await add_photos(await town.act(), "issue", issue.id, [Upload()])
        await renew_draft(await town.act(), issue)
        return photo

    return town.do(go)


def test_the_reviewer_reads_the_draft_beside_the_original_and_what_was_hidden(town: Town) -> None:
    issue = town.report(text="柳三变说灯坏了，找我打13800001234。", title="灯坏了")
    page = town.browser("village").get(f"/desk/issues/{issue.id}/publication").text
    draft, _, original = page.partition('id="field-text"')[2].partition("原文")
    assert "柳某某说灯坏了" in draft
    assert "00001234" not in draft
    assert '"moment-text"><mark>柳三变</mark>说灯坏了，找我打138<mark>00001234</mark>。</p>' in original
    assert "反映人的姓名1处" in original
    assert "手机号码1处" in original


@BOTH_DATABASES
def test_approving_publishes_the_reviewer_s_words(town: Town) -> None:
    issue = town.report()
    assert on_board(town, issue) is None
    answer = approved(town, "village", issue, title="村口路灯坏了")
    assert answer.headers["location"] == f"/desk/issues/{issue.id}/publication"
    row = on_board(town, issue)
    assert row is not None
    assert (row.title, row.text) == ("村口路灯坏了", "路灯坏了半个月。")
    assert "公开板上现在就是这一稿" in town.browser("village").get(f"/desk/issues/{issue.id}/publication").text


def test_words_on_the_timeline_are_reviewed_too(town: Town) -> None:
    issue = town.report()

    async def write() -> None:
        await add_progress(await town.act("village"), issue.id, "已经请电工老张，电话13900005678。")

    town.do(write)
    draft = prepared(town, issue)
    (remark,) = draft.draft["notes"]
    page = town.browser("clerk").get(f"/desk/issues/{issue.id}/publication").text
    assert "电话139" in page
    assert approved(town, "clerk", issue, **{f"note_{remark}": "已经请了电工。"}).status_code == 303
    row = on_board(town, issue)
    assert row is not None
    assert [entry["text"] for entry in row.timeline if entry["type"] == "issue.progress"] == ["已经请了电工。"]


def test_photos_are_public_only_when_ticked_and_can_be_let_in_later(town: Town) -> None:
    """C27"""
    issue = town.report()
    photo = with_photo(town, issue)
    approved(town, "village", issue)
    assert not town.reload(photo).public
    approved(town, "village", issue, **{f"photo_{photo.id}": "1"})
    assert town.reload(photo).public
    row = on_board(town, issue)
    assert row is not None
    assert [each["name"] for each in row.photos] == [photo.stored_name]


def test_a_draft_that_changed_meanwhile_is_shown_beside_the_typed_text(town: Town) -> None:
    issue = town.report()
    prepared(town, issue)
    browser = town.browser("village")
    page = browser.get(f"/desk/issues/{issue.id}/publication").text
    drawn = re.search(r'name="version" value="(\d+)"', page)
    assert drawn is not None
    approved(town, "clerk", issue, title="同事改过的标题")
    late = {"version": drawn[1], **FACE, "title": "我写的标题"}
    answer = browser.submit(f"/desk/issues/{issue.id}/publication", late)
    assert answer.status_code == 409
    assert 'value="我写的标题"' in answer.text
    assert "同事改过的标题" in answer.text.partition("最新的稿子里是")[2]
    again = re.search(r'name="version" value="(\d+)"', answer.text)
    assert again is not None
    assert browser.submit(f"/desk/issues/{issue.id}/publication", {**late, "version": again[1]}).status_code == 303
    row = on_board(town, issue)
    assert row is not None
    assert row.title == "我写的标题"


def test_an_empty_title_is_refused_and_the_rest_is_kept(town: Town) -> None:
    issue = town.report()
    answer = approved(town, "village", issue, title="", text="改了很久的正文")
    assert answer.status_code == 422
    assert "改了很久的正文" in answer.text
    assert on_board(town, issue) is None


def test_taking_down_needs_a_reason_and_is_at_once(town: Town) -> None:
    """C50"""
    issue = town.report()
    approved(town, "village", issue)
    path = f"/desk/issues/{issue.id}/publication/withdraw"
    assert town.browser("village").submit(path, {"reason": ""}).status_code == 422
    assert on_board(town, issue) is not None
    assert town.browser("village").submit(path, {"reason": "写到了别人家的事"}).status_code == 303
    assert on_board(town, issue) is None
    assert town.browser("village").submit(path, {"reason": "再撤"}).status_code == 409
    assert "写到了别人家的事" in town.browser("clerk").get(f"/desk/issues/{issue.id}/publication").text


def test_preparing_anew_takes_up_what_the_issue_says_now(town: Town) -> None:
    issue = town.report()
    prepared(town, issue)

    async def change() -> None:
        await Issue.filter(id=issue.id).update(outcome="换了三个灯头。")

    town.do(change)
    assert "换了三个灯头" not in _draft(town, issue)
    assert town.browser("village").submit(f"/desk/issues/{issue.id}/publication/prepare").status_code == 303
    assert "换了三个灯头" in _draft(town, issue)


def _draft(town: Town, issue: Issue) -> str:
    page = town.browser("village").get(f"/desk/issues/{issue.id}/publication").text
    drawn: str = page.partition('id="field-outcome"')[2].partition("</textarea>")[0]
    return drawn


def test_who_may_not_approve_reads_and_who_is_elsewhere_does_not_even_know(town: Town) -> None:
    issue = town.report()
    page = town.browser("supervisor").get(f"/desk/issues/{issue.id}/publication")
    assert page.status_code == 200
    assert "批准公开" not in page.text
    for who, status in (("supervisor", 403), ("sibling", 404), ("resident", 403)):
        for what in ("", "/withdraw", "/prepare"):
            sent = {"version": "1", **FACE, "reason": "灯"}
            answer = town.browser(who).submit(f"/desk/issues/{issue.id}/publication{what}", sent)
            assert answer.status_code == status, (who, what)
    assert on_board(town, issue) is None
