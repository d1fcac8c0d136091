"""Every deed, every refusal and every look at what is personal leaves one audit record: asked of every page (C79)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.contracts.site import TOP, Answer, Site, Visitor, noted_fields
from tests.contracts.subjects import Question, Scene, questions
from tests.contracts.test_forms import sendings

from yetan.audit import flood
from yetan.issues.models import Issue, Raiser
from yetan.people.models import HouseholdMember, Person

#: Each of them is refused something everywhere, for another reason.
_STRANGERS = ("anonymous", "resident", "former", "village_official.sibling", f"administrator.{TOP}")
#: In the answers of whoever may see them; nowhere else on the site.
NAME, PHONE, ADDRESS = "鹿野千", "13977766555", "鹿野巷 9 号"

Told = tuple[str, str, str, str]


def _told(site: Site) -> list[Told]:
    """Actor, action, subject and outcome of every record, in order."""
    rows = site.database.execute("SELECT actor, action, subject, outcome FROM yetan_audit_record ORDER BY id")
    return [(actor, action, subject, outcome) for actor, action, subject, outcome in rows]


def _asked(site: Site, visitor: Visitor, path: str, body: Any = None) -> tuple[Answer, list[Told]]:
    """The answer, and the records it left."""
    before = len(_told(site))
    answer = site.ask(visitor, path, body)
    return answer, _told(site)[before:]


def _actor(site: Site, visitor: Visitor) -> str:
    account = site.town.accounts.get(visitor.name)
    return f"account:{account.id}" if account is not None else "anonymous"


def test_every_form_that_is_taken_leaves_one_record_of_what_was_done_and_by_whom(scene: Scene) -> None:
    """A change is called what it is, not by the page it came from: a command or a job may do the same.

    Of several issues at once there is one for the press of the button, and one for each: there is one here.
    """
    called: dict[str, str] = {}
    for sending in sendings(scene):
        site, question = scene.site, sending.question
        answer, records = _asked(site, sending.visitor, question.path, sending.body)
        assert len(records) == 1 + question.page.name.startswith("desk.bulk."), f"{question.name} leaves {records}"
        actor, action, subject, outcome = records[0]
        called[question.name] = action
        if answer.status < 400:
            assert outcome == ("looked" if question.page.sensitive else "done"), f"{question.name} leaves {records}"
            assert subject or question.page.model is None, f"{question.name} does not record what it was done to"
        if question.name != "sign_in_link.use":  # Whoever the link belongs to.
            assert actor == _actor(site, sending.visitor), f"{question.name} is recorded as done by {actor}"
    assert {
        "desk.transition[list]": "issue.list",
        "desk.transition[strike_off]": "issue.strike_off",
        "raise.submit": "issues.raise",
        "desk.register.submit": "issues.register",
        "admin.account.post.submit": "people.appoint",
        "admin.unit.merge.submit": "units.merge_units",
        "supervision.dun": "yetan_supervision.dun",
        "sign_in.submit": "sign_in.submit",
    }.items() <= called.items()


def test_every_refusal_leaves_one_record(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pages that are read as of forms; somebody who is let through and looks at nothing personal leaves none."""
    monkeypatch.setattr(flood, "FROM_ONE_ADDRESS", 10**6)
    site = scene.site
    before = site.copy()
    refused: set[str] = set()
    for question in questions(scene):
        if question.name.endswith("[handed on]"):
            continue
        body = None if question.method == "GET" else {}
        for visitor in (site.visitors[name] for name in _STRANGERS):
            answer, records = _asked(site, visitor, question.path, body)
            is_refusal = answer.status in (401, 403, 404, 429) or answer.location.startswith("/sign-in")
            expected = 1 if is_refusal or body is not None or question.page.sensitive else 0
            assert len(records) == expected, f"{question.name} for {visitor.name}: {answer.status} leaves {records}"
            if is_refusal and body is None:
                ((actor, action, _, outcome),) = records
                status = 401 if answer.location else answer.status
                assert (actor, action, outcome) == (
                    _actor(site, visitor) if not question.page.public or question.page.personal else "anonymous",
                    question.page.name,
                    f"refused {status}",
                )
                refused.add(question.page.name)
            if body is not None:
                before.put_back()
    before.close()
    guarded = {page.name for page in site.pages if not page.public and "GET" in page.methods}
    assert refused >= guarded, f"nobody was refused {sorted(guarded - refused)}"


def _resident(scene: Scene) -> None:
    """Somebody of HOME without an account, who raised the issue and lives in the household."""

    async def go() -> None:
        now = scene.town.clock()
        person = await Person.create(name=NAME, phone=PHONE, address=ADDRESS, unit_id=scene.unit, created_at=now)
        await Raiser.create(issue_id=scene.issue.id, person_id=person.id, at=now)
        await HouseholdMember.create(household_id=scene.household.id, person_id=person.id)
        await Issue.filter(id=scene.issue.id).update(text=f"{NAME}家门口的灯不亮，电话{PHONE}。")
        scene.person = person

    scene.town.do(go)


def _addresses(question: Question, fields: Sequence[str]) -> list[str]:
    """The page with what would find somebody in each of its fields."""
    return [f"{question.path.partition('?')[0]}?{urlencode({name: PHONE})}" for name in fields]


def test_every_look_at_a_resident_s_name_or_contact_leaves_one_record(scene: Scene) -> None:
    """A page that shows them and is not declared `sensitive` fails here, of core and plugin alike."""
    site = scene.site
    before = site.copy()
    _resident(scene)
    with_resident = site.copy()
    showing: set[str] = set()
    for question in questions(scene):
        if question.method != "GET" or question.name.endswith("[handed on]"):
            continue
        if question.ask.given is not None:
            question.ask.given(scene)
        with noted_fields() as noted:
            readers = [each for each in site.readers if site.ask(each, question.path).status == 200]
        searched = [(visitor, address) for visitor in readers[:2] for address in _addresses(question, list(noted))]
        for visitor, address in [*((visitor, question.path) for visitor in readers), *searched]:
            answer, records = _asked(site, visitor, address)
            if NAME in answer.text or ADDRESS in answer.text:
                showing.add(question.page.name)
                assert question.page.sensitive, f"{question.page.name} shows a resident and is not sensitive=True"
                ((actor, action, _, outcome),) = records
                assert (actor, action, outcome) == (_actor(site, visitor), question.page.name, "looked")
        if question.ask.given is not None:
            with_resident.put_back()
    before.put_back()
    before.close()
    with_resident.close()
    assert showing >= {"desk.issue", "desk.publication", "desk.document", "desk.household", "admin.persons"}
    assert showing >= {"admin.person", "admin.person.export"}


def test_no_record_holds_anybody_s_words_name_or_phone(scene: Scene) -> None:
    site = scene.site
    before = site.copy()
    _resident(scene)
    for question in questions(scene):
        if question.method == "GET" and question.ask.given is None:
            with noted_fields() as noted:
                site.ask(site.visitors["township_clerk.own"], question.path)
            for name in noted:
                address = f"{question.path.partition('?')[0]}?{urlencode({name: PHONE + NAME})}"
                for who in ("township_clerk.own", f"administrator.{TOP}", "anonymous"):
                    site.ask(site.visitors[who], address)
    for sending in sendings(scene):
        words = {name: value for name, value in sending.body.items() if isinstance(value, str)}
        body = {**sending.body, **{name: f"{value}{NAME}" for name, value in words.items()}}
        site.ask(sending.visitor, sending.question.path, body)
        for record in _told(site):
            assert not any(secret in told for told in record for secret in (NAME, PHONE)), record
    before.put_back()
    before.close()
