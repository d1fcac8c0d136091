"""An issue at the desk: what is drawn for whom, every form through its page, conflicts, contacts, papers."""

from __future__ import annotations

import html
import io
import re
from datetime import timedelta
from typing import Any

from PIL import Image
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.audit.models import AuditRecord
from yetan.events.models import Event
from yetan.files.models import Attachment
from yetan.issues.models import Acceptance, Feedback, Issue, IssueLink, Raiser
from yetan.issues.service import RaiserInput
from yetan.testing import Town


def offered(page: str) -> list[str]:
    """What the panel offers, in order: buttons, then links."""
    panel = page.partition('class="panel"')[2].partition("公开和打印")[0].partition("现在不能做")[0]
    found = re.findall(r'button-(?:solid|outline|danger)"[^>]*>([^<]+)<|<li><a href="[^"]*#do">([^<]+)</a>', panel)
    return [button or link for button, link in found]


def refused(page: str) -> list[str]:
    """What the panel says cannot be done now."""
    return re.findall(r'button-none">([^<]+)<', page)


def events_of(town: Town, issue: Issue) -> list[str]:
    async def go() -> list[str]:
        query = Event.filter(subject_kind="issue", subject_id=issue.id).order_by("id")
        return [str(each) for each in await query.values_list("type", flat=True)]

    return town.do(go)


def do(town: Town, who: str, issue: Issue, what: str, **values: Any) -> Any:
    """Send a form of the issue's page, as drawn now."""
    version = town.reload(issue).version
    return town.browser(who).submit(f"/desk/issues/{issue.id}/{what}", {"version": str(version), **values})


def resolved(town: Town, **values: Any) -> Issue:
    """An issue that 许秋生 of the village handled."""
    issue = town.report(**values)
    town.move(issue, "list", by="clerk")
    town.move(issue, "start", by="deputy")
    return town.move(issue, "resolve", by="deputy")


def test_the_page_says_everything_about_an_issue(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    page = town.browser("village").get(f"/desk/issues/{issue.id}")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    for words in (
        "村口三盏路灯不亮",
        "村口到老桥的三盏路灯坏了半个月",
        "照明所三天内更换灯头。",
        "许秋生",
        "城乡建设/市政设施/路灯",
        "柳三变",
        "立项",
    ):
        assert words in page.text, words


def test_forms_are_drawn_only_for_what_the_actor_may_do(town: Town) -> None:
    issue = town.report()
    seen = {
        who: offered(town.browser(who).get(f"/desk/issues/{issue.id}").text) for who in ("village", "clerk", "auditor")
    }
    assert seen["village"][:3] == ["立项", "当场解决", "转办"]
    assert "写进展" in seen["clerk"]
    assert seen["auditor"] == []
    assert "反馈" not in seen["village"], "nothing has been resolved yet"
    assert town.browser("sibling").get(f"/desk/issues/{issue.id}").status_code == 404


def test_posting_what_was_not_drawn_is_refused_by_the_service(town: Town) -> None:
    issue = resolved(town)
    for who, what, status in (
        ("auditor", "progress", 403),
        ("auditor", "transitions/return", 403),
        ("deputy", "transitions/strike_off", 403),
        ("department", "progress", 404),
        ("sibling", "feedback", 404),
        ("village", "transitions/nothing", 404),
    ):
        assert do(town, who, issue, what, text="灯", reason="灯").status_code == status, (who, what)
    assert town.reload(issue).state == "resolved"


@BOTH_DATABASES
def test_an_issue_goes_through_the_loop_by_the_desk_s_forms(town: Town) -> None:
    issue = town.report()
    values = {
        "owner": str(town.accounts["deputy"].id),
        "measures": "照明所三天内更换灯头。",
        "deadline": (town.clock().date() + timedelta(days=7)).isoformat(),
    }
    assert do(town, "clerk", issue, "transitions/list", **values).headers["location"] == f"/desk/issues/{issue.id}"
    assert do(town, "deputy", issue, "transitions/start").status_code == 303
    assert do(town, "deputy", issue, "progress", text="灯头已经到货。").status_code == 303
    assert do(town, "deputy", issue, "transitions/resolve", outcome="换了三个灯头。").status_code == 303
    assert do(town, "village", issue, "feedback", way="posted", text="贴在村口了。").status_code == 303
    verdict = {"name": "柳三变", "accepted": "yes", "text": "亮了，谢谢。", "witness": "陈小满"}
    assert do(town, "village", issue, "acceptance", **verdict).status_code == 303
    assert do(town, "clerk", issue, "transitions/strike_off").status_code == 303
    assert town.reload(issue).state == "struck_off"
    page = town.browser("village").get(f"/desk/issues/{issue.id}").text
    for words in ("灯头已经到货。", "验收：柳三变同意", "亮了，谢谢。", "灯亮了"):
        assert words in page, words

    async def accepting() -> int:
        return (await Acceptance.get(issue_id=issue.id)).person_id

    assert town.do(accepting) == town.resident.id


def test_whoever_handled_it_sees_why_they_cannot_accept_it(town: Town) -> None:
    """C51"""
    issue = resolved(town)
    page = town.browser("deputy").get(f"/desk/issues/{issue.id}").text
    assert "记录居民验收" in refused(page)
    assert "办这件事的人不能自己验收" in page
    assert "记录居民验收" in offered(town.browser("village").get(f"/desk/issues/{issue.id}").text)
    verdict = {"name": "柳三变", "accepted": "yes", "text": "好"}
    assert do(town, "deputy", issue, "acceptance", **verdict).status_code == 403


def test_what_stands_in_the_way_is_said(town: Town) -> None:
    """002-B16"""
    issue = resolved(town)
    page = town.browser("clerk").get(f"/desk/issues/{issue.id}").text
    assert refused(page) == ["销号"]
    assert "这是大家的事，办理结果要先在公示栏公示" in page
    answer = do(town, "clerk", issue, "transitions/strike_off")
    assert answer.status_code == 409
    assert "这是大家的事，办理结果要先在公示栏公示" in answer.text


def test_feedback_offers_only_the_ways_the_matter_allows(town: Town) -> None:
    """002-B13, 002-B14"""
    ours, own = resolved(town), resolved(town, collective=False, title="我家的水表")
    path = "/desk/issues/{}?do=feedback"
    assert 'value="posted"' in town.browser("village").get(path.format(ours.id)).text
    personal = town.browser("village").get(path.format(own.id)).text
    assert 'value="visit"' in personal
    assert 'value="posted"' not in personal
    assert do(town, "village", own, "feedback", way="posted", text="贴了").status_code == 422

    async def given() -> int:
        return await Feedback.filter(issue_id=own.id).count()

    assert town.do(given) == 0


def test_what_is_wrong_comes_back_with_what_was_typed(town: Town) -> None:
    issue = town.report()
    answer = do(town, "clerk", issue, "transitions/list", measures="请照明所来修", deadline="昨天")
    assert answer.status_code == 422
    assert "请照明所来修" in answer.text
    assert 'value="昨天"' in answer.text
    assert "请填写“责任人”" in answer.text
    assert town.reload(issue).state == "reported"


def test_the_second_of_two_sees_what_changed_and_keeps_the_text(town: Town) -> None:
    """C61: the page, not only the service."""
    issue = town.report()
    town.move(issue, "list", by="clerk")
    seen = town.reload(issue).version
    assert do(town, "deputy", issue, "progress", text="灯头在路上。").status_code == 303
    late = {"version": str(seen), "reason": "不归我们管，写了很久的原因。", "unit": str(town.units["department"])}
    answer = town.browser("clerk").submit(f"/desk/issues/{issue.id}/transitions/transfer", late)
    assert answer.status_code == 409
    assert "不归我们管，写了很久的原因。" in answer.text
    assert "许秋生刚刚做了“进展”" in answer.text
    changes = answer.text.partition("您写的时候，有人做了这些")[2].partition("</ol>")[0]
    assert "灯头在路上。" in changes
    assert "立项" not in changes, "only what happened since"
    assert town.reload(issue).state == "listed"
    version = re.findall(r'name="version" value="(\d+)"', answer.text)
    assert set(version) == {str(town.reload(issue).version)}
    again = town.browser("clerk").submit(
        f"/desk/issues/{issue.id}/transitions/transfer", {**late, "version": version[0]}
    )
    assert again.status_code == 303
    assert town.reload(issue).state == "transferred"


def test_every_form_about_the_handling_notices_that_it_was_drawn_before(town: Town) -> None:
    issue = resolved(town)
    seen = str(town.reload(issue).version)
    assert do(town, "village", issue, "progress", text="再看两晚。").status_code == 303
    for what, values in (
        ("progress", {"text": "又写"}),
        ("feedback", {"way": "posted", "text": "又写"}),
        ("acceptance", {"name": "柳三变", "accepted": "yes", "text": "又写"}),
        ("correct", {"title": "又写", "text": "灯", "kind": "problem"}),
        ("transitions/return", {"reason": "又写"}),
    ):
        answer = town.browser("village").submit(f"/desk/issues/{issue.id}/{what}", {**values, "version": seen})
        assert answer.status_code == 409, what
        assert "又写" in answer.text, what


def form_of(page: str) -> dict[str, str]:
    """What the open form would send as it is drawn: hidden fields, texts, chosen options and ticked boxes."""
    drawn = page.partition('id="do"')[2].partition("</form>")[0]
    boxes = re.findall(r'<input[^>]*type="(?:hidden|text)"[^>]*>', drawn)
    sent = {_attribute(box, "name"): html.unescape(_attribute(box, "value")) for box in boxes}
    sent |= {_attribute(box, "name"): "1" for box in re.findall(r'<input[^>]*type="checkbox"[^>]* checked>', drawn)}
    sent |= dict(re.findall(r'<input type="radio"[^>]* name="([^"]*)" value="([^"]*)" checked>', drawn))
    for name, text in re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>\n(.*?)</textarea>', drawn, re.DOTALL):
        sent[name] = html.unescape(text)
    for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', drawn, re.DOTALL):
        sent[name] = "".join(re.findall(r'value="([^"]*)" selected', options))
    return {name: value for name, value in sent.items() if name not in ("_token", "_key")}


def _attribute(element: str, name: str) -> str:
    return element.partition(f' {name}="')[2].partition('"')[0]


def compared(page: str) -> dict[str, str]:
    """Field by field, what stands there now beside what was typed."""
    return {
        part.partition('name="take-')[2].partition('"')[0]: part.partition('moment-text">')[2].partition("</p>")[0]
        for part in page.split('class="pair compared"')[1:]
    }


def test_a_correction_in_conflict_is_settled_field_by_field(town: Town) -> None:
    """One changed the title and the place, the other the title and the text: the place stays theirs by itself."""
    issue = town.report()
    page = f"/desk/issues/{issue.id}?do=correct"
    theirs, mine = (form_of(town.browser(who).get(page).text) for who in ("village", "deputy"))
    sent = {**theirs, "title": "桥头两盏路灯不亮", "place": "桥头"}
    assert town.browser("village").submit(f"/desk/issues/{issue.id}/correct", sent).status_code == 303
    sent = {**mine, "title": "桥头四盏路灯不亮", "text": "四盏路灯坏了一个月。"}
    answer = town.browser("deputy").submit(f"/desk/issues/{issue.id}/correct", sent)
    assert answer.status_code == 409
    assert compared(answer.text) == {"title": "桥头两盏路灯不亮", "place": "桥头"}
    assert "陈小满 <time" in answer.text.partition('class="pair compared"')[2]
    again = form_of(answer.text)
    assert again["title"] == "桥头四盏路灯不亮", "what was typed is kept"
    assert "take-title" not in again
    assert again["take-place"] == "1", "what somebody left alone stays as the other wrote it"
    assert town.browser("deputy").submit(f"/desk/issues/{issue.id}/correct", again).status_code == 303
    stands = town.reload(issue)
    assert (stands.title, stands.text, stands.place) == ("桥头四盏路灯不亮", "四盏路灯坏了一个月。", "桥头")


def test_what_the_other_wrote_is_taken_for_a_field_that_is_ticked(town: Town) -> None:
    issue = town.report()
    mine = form_of(town.browser("deputy").get(f"/desk/issues/{issue.id}?do=correct").text)
    theirs = {**mine, "title": "桥头两盏路灯不亮"}
    assert town.browser("village").submit(f"/desk/issues/{issue.id}/correct", theirs).status_code == 303
    sent = {**mine, "title": "桥头四盏路灯不亮"}
    again = form_of(town.browser("deputy").submit(f"/desk/issues/{issue.id}/correct", sent).text)
    sent = {**again, "take-title": "1", "text": "坏了一个月。"}
    assert town.browser("deputy").submit(f"/desk/issues/{issue.id}/correct", sent).status_code == 303
    stands = town.reload(issue)
    assert (stands.title, stands.text) == ("桥头两盏路灯不亮", "坏了一个月。")


def test_an_owner_somebody_else_has_just_chosen_stands_beside_one_s_own_choice(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    seen = str(town.reload(issue).version)
    assert do(town, "clerk", issue, "assign", owner=str(town.accounts["village"].id)).status_code == 303
    late = {"owner": str(town.accounts["clerk"].id), "version": seen}
    answer = town.browser("deputy").submit(f"/desk/issues/{issue.id}/assign", late)
    assert answer.status_code == 409
    assert "陈小满" in compared(answer.text)["owner"]
    assert town.browser("deputy").submit(f"/desk/issues/{issue.id}/assign", form_of(answer.text)).status_code == 303
    assert town.reload(issue).owner_id == town.accounts["clerk"].id


def test_a_form_without_its_version_is_no_form_of_ours(town: Town) -> None:
    issue = town.report()
    for version in ("", "x", "9" * 12):
        answer = town.browser("village").submit(f"/desk/issues/{issue.id}/progress", {"text": "灯", "version": version})
        assert answer.status_code == 400, version


@BOTH_DATABASES
def test_a_form_sent_twice_acts_once(town: Town) -> None:
    """C54"""
    issue = town.report()
    sent = {"text": "灯头已经到货。", "version": str(issue.version), "_key": "k" * 20}
    browser = town.browser("village")
    for _time in range(2):
        assert browser.submit(f"/desk/issues/{issue.id}/progress", sent).status_code == 303
    assert events_of(town, issue).count("issue.progress") == 1


def test_the_accounts_offered_follow_the_unit_chosen(town: Town) -> None:
    issue = town.report()
    near = town.browser("clerk").get(f"/desk/issues/{issue.id}?do=transition.list").text
    assert "许秋生" in near
    assert "吴照明" not in near
    chosen = do(
        town, "clerk", issue, "transitions/list", unit=str(town.units["department"]), measures="写到一半", choose="1"
    )
    assert chosen.status_code == 200
    assert "吴照明" in chosen.text
    assert "写到一半" in chosen.text
    seen = str(town.reload(issue).version)
    assert do(town, "village", issue, "progress", text="已经去看过。").status_code == 303
    late = {"version": seen, "unit": str(town.units["department"]), "choose": "1"}
    listed = town.browser("clerk").submit(f"/desk/issues/{issue.id}/transitions/list", late)
    form = listed.text.partition('id="do"')[2].partition("</form>")[0]
    assert f'name="version" value="{seen}"' in form, "what others did meanwhile has not been seen yet"
    assert town.reload(issue).state == "reported"


def test_owners_are_changed_within_reach_only(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    assert do(town, "clerk", issue, "assign", owner=str(town.accounts["other"].id)).status_code == 422
    assert do(town, "clerk", issue, "assign", owner=str(town.accounts["village"].id)).status_code == 303
    assert town.reload(issue).owner_id == town.accounts["village"].id


@BOTH_DATABASES
def test_another_resident_a_photo_and_a_link_are_added(town: Town) -> None:
    issue, other = town.report(), town.report(title="桥栏杆断了", text="断了一根。")
    assert do(town, "village", issue, "raiser", name="林鹿鸣", phone="13900005678").status_code == 303
    assert len(town.raisers_of(issue)) == 2
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "orange").save(picture, "JPEG")
    answer = town.browser("village").submit(
        f"/desk/issues/{issue.id}/photo",
        {"version": str(issue.version), "stage": "after"},
        files=[("photos", ("a.jpg", picture.getvalue(), "image/jpeg"))],
    )
    assert answer.status_code == 303
    assert do(town, "village", issue, "link", number=other.number.replace("-", " "), kind="repeat").status_code == 303
    assert do(town, "village", issue, "link", number=issue.number, kind="repeat").status_code == 422

    async def look() -> tuple[Attachment, IssueLink]:
        return await Attachment.get(subject_id=issue.id), await IssueLink.get(issue_id=issue.id)

    photo, link = town.do(look)
    assert (photo.stage, photo.public, link.other_id) == ("after", False, other.id)
    page = town.browser("village").get(f"/desk/issues/{issue.id}").text
    assert f'src="/files/{photo.stored_name}"' in page
    assert f"以前反映过 {other.number}" in page
    assert f"后来又反映 {issue.number}" in town.browser("village").get(f"/desk/issues/{other.id}").text


def test_what_is_linked_but_out_of_reach_is_a_number_only(town: Town) -> None:
    far = town.report(title="樟林村的事", unit=town.units["other"], text="同样的话。")
    issue = town.report(text="同样的话。", title="樟林村的事")
    page = town.browser("village").get(f"/desk/issues/{issue.id}").text
    assert f"文字相同 {far.number}（不归您管）" in page
    assert f'href="/desk/issues/{far.id}"' not in page


def test_contacts_are_covered_until_somebody_looks_and_the_look_is_recorded(town: Town) -> None:
    issue = town.report()
    page = town.browser("village").get(f"/desk/issues/{issue.id}").text
    assert "柳三变" in page
    assert "138****1234" in page
    assert "13800001234" not in page
    shown = town.browser("village").submit(f"/desk/issues/{issue.id}/contacts")
    assert shown.status_code == 200
    assert "13800001234" in shown.text

    async def audited() -> list[tuple[str, str]]:
        rows = AuditRecord.filter(outcome="looked", action="desk.issue.contacts").order_by("id")
        return [(row.actor, row.subject) for row in await rows]

    assert town.do(audited) == [(f"account:{town.accounts['village'].id}", f"Issue:{issue.id}")]


def test_without_the_right_names_are_cut_to_the_surname(town: Town) -> None:
    issue = town.report()
    page = town.browser("auditor").get(f"/desk/issues/{issue.id}").text
    assert "柳某某" in page
    assert "柳三变" not in page
    assert "显示电话" not in page
    assert town.browser("auditor").submit(f"/desk/issues/{issue.id}/contacts").status_code == 403


def test_the_ledger_entry_is_printed_with_contacts_and_recorded(town: Town) -> None:
    issue = resolved(town)
    answer = town.browser("village").get(f"/desk/issues/{issue.id}/print/ledger_entry")
    assert answer.status_code == 200
    for words in ("民情台账", issue.number, "柳三变 13800001234", "换了三个灯头，连亮两晚。", "许秋生"):
        assert words in answer.text, words
    assert town.browser("village").get(f"/desk/issues/{issue.id}/print/nothing").status_code == 404
    assert town.browser("auditor").get(f"/desk/issues/{issue.id}/print/ledger_entry").status_code == 403

    async def looks() -> int:
        return await AuditRecord.filter(action="desk.document", outcome="looked").count()

    assert town.do(looks) == 1


# Registering


def registered(town: Town, **values: Any) -> Any:
    sent = {
        "via": "meeting",
        "title": "水渠堵了",
        "text": "村后的水渠堵了一个月。",
        "unit": str(town.units["village"]),
        "kind": "problem",
        "collective": "1",
        "room": "2",
        **values,
    }
    return town.browser("village").submit("/desk/register", sent)


def test_an_official_registers_for_several_residents(town: Town) -> None:
    answer = registered(
        town,
        name_1="柳三变",
        phone_1="13800001234",
        name_2="林鹿鸣",
        phone_2="139 0000 5678",
        room="5",
        name_5="何满子",
    )
    assert answer.status_code == 303, answer.text

    async def look() -> tuple[Issue, list[str]]:
        issue = await Issue.get(title="水渠堵了")
        rows = await Raiser.filter(issue_id=issue.id).select_related("person").order_by("id")
        return issue, [f"{row.person.name} {row.person.phone}".strip() for row in rows]

    issue, people = town.do(look)
    assert answer.headers["location"] == f"/desk/issues/{issue.id}"
    assert people == ["柳三变 13800001234", "林鹿鸣 13900005678", "何满子"]
    assert issue.via == "meeting"
    assert town.resident.id in town.raisers_of(issue), "somebody known by name and phone is found again"


def test_room_for_more_residents_is_made_without_registering(town: Town) -> None:
    answer = registered(town, name_1="柳三变", more="1")
    assert answer.status_code == 200
    assert 'name="name_5"' in answer.text
    assert 'value="柳三变"' in answer.text
    assert "村后的水渠堵了一个月。" in answer.text

    async def count() -> int:
        return await Issue.all().count()

    assert town.do(count) == 0


def test_a_wrong_phone_keeps_the_form(town: Town) -> None:
    answer = registered(town, name_2="林鹿鸣", phone_2="12345")
    assert answer.status_code == 422
    assert 'value="12345"' in answer.text
    assert "不像一个电话号码" in answer.text
    assert "村后的水渠堵了一个月。" in answer.text


def test_one_registers_for_one_s_own_villages_only(town: Town) -> None:
    page = town.browser("clerk").get("/desk/register").text
    assert "溪尾村" in page
    assert "荷塘社区" in page
    assert "樟林村" not in page
    assert registered(town, unit=str(town.units["other"])).status_code == 422
    assert "不能登记" in town.browser("department").get("/desk/register").text
    assert town.browser("leader").get("/desk/register").status_code == 403


def test_registering_with_somebody_s_bad_photo_registers_nothing(town: Town) -> None:
    """F12"""
    sent = {
        "via": "visit",
        "title": "水渠堵了",
        "text": "堵了。",
        "unit": str(town.units["village"]),
        "kind": "problem",
    }
    answer = town.browser("village").submit(
        "/desk/register", sent, files=[("photos", ("a.jpg", b"not a picture", "image/jpeg"))]
    )
    assert answer.status_code == 422
    assert "照片" in answer.text

    async def count() -> int:
        return await Issue.all().count()

    assert town.do(count) == 0


def test_a_raiser_without_a_phone_has_none_to_reveal(town: Town) -> None:
    issue = town.report(raisers=[RaiserInput(name="何满子")])
    page = town.browser("village").get(f"/desk/issues/{issue.id}").text
    assert "何满子" in page
    assert "显示电话" not in page
