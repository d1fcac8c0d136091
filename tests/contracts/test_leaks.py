"""What somebody must not see is in no answer they get: not in lists, searches, exports or counts (C46, C50).

Two issues carry a token in every text: one was never published, one was and is withdrawn. Those who hold no post at or
above their unit ask every page, for everything that pages take.
"""

from __future__ import annotations

import copy
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.contracts.site import OUTSIDERS, TOP, Answer, Visitor, noted_fields
from tests.contracts.subjects import Question, Scene, questions
from tortoise.fields.data import CharField, JSONField, TextField

from yetan.files.models import Attachment
from yetan.issues import acceptance
from yetan.issues.models import Issue, Rating
from yetan.people.models import Household, HouseholdMember, Person
from yetan.plugins.checks import all_models
from yetan.publication.service import approve, withdraw
from yetan.runtime import current
from yetan.web.forms import Field

#: Latin letters and digits: they are the same in HTML, JSON, addresses and tables.
TOKEN, NAME, PHONE = "zqxveiled7", "zqxnamed7", "13977712345"
#: A word of the same texts that can be searched for without the page repeating the token, and one that is nowhere.
WORD, NOWHERE = "暗渠", "鼹鼠"
PUBLIC_SEARCHES = ("/search", "/api/v1/search")
#: What is drawn anew each time.
_RANDOM = re.compile(r'(name="_key"[^>]* value=)"[^"]*"')


@dataclass(frozen=True, slots=True)
class Veiled:
    """The scene with the two issues in the place of all others, and what strangers got of each page before them."""

    scene: Scene
    issues: Sequence[Issue]
    before: Mapping[tuple[str, str], bytes]


@pytest.fixture(scope="module")
def veiled(scene: Scene) -> Veiled:
    scene.evenings.publish()
    scene.settle()
    before = dict(_lists(scene))
    person = scene.town.do(lambda: _person(scene))
    issues = [_issue(scene, person, number) for number in (1, 2)]
    photos = [scene.photograph(issue) for issue in issues]
    scene.town.do(lambda: _said(scene, issues, person))
    _publish_and_withdraw(scene, issues[1])
    scene.settle()
    veiled = copy.copy(scene)
    veiled.issue, veiled.photo, veiled.person = issues[0], photos[0], person
    veiled.published = veiled.withdrawn = issues[1]
    veiled.public_photo = photos[1]
    return Veiled(veiled, issues, before)


async def _person(scene: Scene) -> Person:
    """Somebody of HOME, in a household there."""
    address = f"{NAME}路 1 号"
    person = await Person.create(
        name=NAME, phone=PHONE, address=address, unit_id=scene.unit, created_at=scene.town.clock()
    )
    await HouseholdMember.create(household_id=scene.household.id, person_id=person.id)
    await Household.filter(id=scene.household.id).update(address=address)
    return person


def _issue(scene: Scene, person: Person, number: int) -> Issue:
    """An issue through all of the loop, so that there are rows of every kind about it."""
    issue = scene.report(f"{TOKEN}{WORD}", f"{TOKEN}第 {number} 处{WORD}堵了。", person.id, place=TOKEN)
    owner = scene.town.accounts["clerk"].id
    scene.town.move(issue, "list", by="township_clerk.own", owner=owner, measures=f"{TOKEN}{WORD}")
    scene.town.move(issue, "extend", by="township_clerk.own", reason=TOKEN, deadline=scene.day(20))
    scene.dun(issue)
    return scene.town.move(issue, "resolve", by="clerk", outcome=f"{TOKEN}{WORD}")


async def _said(scene: Scene, issues: Sequence[Issue], person: Person) -> None:
    """Residents are told, accept and rate; photos have captions; and there is what a ledger brings."""
    act = await scene.town.act("township_clerk.own")
    for issue in issues:
        await acceptance.give_feedback(act, issue.id, {"way": "posted", "text": TOKEN})
        verdict = {"name": NAME, "accepted": "yes", "text": TOKEN, "witness": TOKEN}
        await acceptance.record_acceptance(act, issue.id, verdict)
        await Rating.create(issue_id=issue.id, round=1, person_id=person.id, score="satisfied", text=TOKEN, at=act.now)
        number = f"{TOKEN}{issue.id}"
        await Issue.filter(id=issue.id).update(source="台账", source_number=number, extra={"备注": TOKEN})
        await Attachment.filter(subject_kind="issue", subject_id=issue.id).update(caption=TOKEN)
        await scene.evenings.spoken_of(issue, TOKEN, NAME, PHONE)


def _publish_and_withdraw(scene: Scene, issue: Issue) -> None:
    """It was public with all its words, for everybody to see and to find, until it was withdrawn."""
    anonymous = scene.site.visitors["anonymous"]
    scene.town.do(lambda: _approved(scene, issue))
    scene.settle()
    for address in (f"/issues/{issue.number}", f"/api/v1/issues/{issue.number}", *map(_searched, PUBLIC_SEARCHES)):
        assert TOKEN in told(scene.site.ask(anonymous, address)), f"{address} does not show what is public"
    scene.town.do(lambda: _withdrawn(scene, issue))


async def _approved(scene: Scene, issue: Issue) -> None:
    await approve(await scene.town.act("publisher.own"), issue.id)


async def _withdrawn(scene: Scene, issue: Issue) -> None:
    await withdraw(await scene.town.act("publisher.own"), issue.id, f"{TOKEN}：居民要求撤下。")


def strangers(scene: Scene) -> list[Visitor]:
    """Who must not see what is HOME's: officials of the units beside and below it, and whoever holds no post."""
    visitors = scene.site.visitors.values()
    return [each for each in visitors if each.relation in ("sibling", "child") or each.name in OUTSIDERS]


def administrators(scene: Scene) -> list[Visitor]:
    """Who manages HOME and its people, and has no part in its issues."""
    return [scene.site.visitors[f"administrator.{relation}"] for relation in ("own", "parent", TOP)]


#: What administrators hand to a person who asks what is held about them (C73): that person's own words among it.
_OWN_WORDS = "admin.person.export"


def told(answer: Answer, secrets: Sequence[str] = (TOKEN, NAME, PHONE)) -> list[str]:
    """The secrets an answer gives away."""
    said = _content(answer).decode("utf-8", "replace") + str(answer.headers)
    return [secret for secret in secrets if secret in said]


def _content(answer: Answer) -> bytes:
    """The body, unpacked if it is a spreadsheet."""
    if not answer.body.startswith(b"PK"):
        return answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist() if not name.startswith("docProps/"))


def _readable(scene: Scene, *, of_unit: bool) -> list[Question]:
    return [each for each in questions(scene) if each.method == "GET" and each.of_unit == of_unit]


def _asking(scene: Scene, question: Question, visitors: Sequence[Visitor]) -> Sequence[Visitor]:
    """Those of `visitors` whose answers may differ: a public page that is not personal does not look who asks."""
    looks = question.page.personal or not question.page.public
    return visitors if looks else [scene.site.visitors["anonymous"]]


def _lists(scene: Scene) -> Iterator[tuple[tuple[str, str], bytes]]:
    """What each stranger gets of each page that is about no unit's rows."""
    for question in _readable(scene, of_unit=False):
        for visitor in _asking(scene, question, strangers(scene)):
            answer = _content(scene.site.ask(visitor, question.path))
            yield (question.name, visitor.name), _RANDOM.sub(r'\1""', answer.decode("utf-8", "replace")).encode()


def test_every_text_about_an_issue_carries_the_token(veiled: Veiled) -> None:
    """A new column for somebody's words, in core or plugin, has to be filled above, or nobody would miss it below."""
    ids = {issue.id for issue in veiled.issues}
    lacking = []
    for table, model in all_models(current().registry).items():
        tags = model.privacy.tags()
        columns = [
            name
            for name, column in model._meta.fields_map.items()
            if tags.get(name) in ("personal", "sensitive") and isinstance(column, (CharField, TextField, JSONField))
        ]
        by = next((each for each in ("issue_id", "subject_id") if each in model._meta.fields_db_projection), "")
        if model is Issue:
            by = "id"
        if not by or not columns:
            continue
        places = veiled.scene.site.columns(table)
        rows = [row for row in veiled.scene.site.rows()[table] if row[places.index(by)] in ids]
        lacking += [
            f"{table}.{column}"
            for column in columns
            if not any(TOKEN in str(row[places.index(column)]) for row in rows)
        ]
    assert lacking == []


def test_whoever_may_see_them_does(veiled: Veiled) -> None:
    """Else the other tests would pass on pages that show nothing."""
    clerk = veiled.scene.site.visitors["township_clerk.own"]
    shown = {
        question.name
        for of_unit in (True, False)
        for question in _readable(veiled.scene, of_unit=of_unit)
        if TOKEN in told(veiled.scene.site.ask(clerk, question.path))
    }
    searches = (_searched("/desk/search"), _searched("/desk/export"), "/desk/export?queue=awaiting")
    assert all(TOKEN in told(veiled.scene.site.ask(clerk, path)) for path in searches)
    assert shown >= {
        "desk.issue",
        "desk.publication",
        "desk.document[ledger_entry]",
        "desk.document[dunning_notice]",
        "desk.queue[awaiting]",
        "supervision.notices",
    }


def test_pages_about_them_tell_strangers_nothing(veiled: Veiled) -> None:
    site = veiled.scene.site
    for question in _readable(veiled.scene, of_unit=True):
        if "[handed on]" in question.name:
            continue
        for visitor in _asking(veiled.scene, question, strangers(veiled.scene)):
            assert not told(site.ask(visitor, question.path)), f"{visitor.name} reads {question.path}"
        if question.name == _OWN_WORDS:
            continue
        for visitor in _asking(veiled.scene, question, administrators(veiled.scene)):
            assert not told(site.ask(visitor, question.path), [TOKEN]), f"{visitor.name} reads {question.path}"


def test_lists_and_counts_are_for_strangers_as_if_they_were_not_there(veiled: Veiled) -> None:
    """Byte for byte, so that not even a number gives them away."""
    changed = [where for where, content in _lists(veiled.scene) if content != veiled.before[where]]
    assert changed == []


def test_nothing_that_pages_take_brings_them_out(veiled: Veiled) -> None:
    """Searching for their words, naming their numbers, narrowing to their unit."""
    _ask_for_them(veiled, _readable(veiled.scene, of_unit=False))


def test_searches_without_the_index_do_not_either(veiled: Veiled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they go to the database."""
    monkeypatch.setattr(current(), "search", None)
    found = veiled.scene.site.ask(veiled.scene.site.visitors["township_clerk.own"], _searched("/desk/search"))
    assert TOKEN in told(found)
    searches = [each for each in _readable(veiled.scene, of_unit=False) if "search" in each.name]
    assert len(searches) >= 3
    _ask_for_them(veiled, searches)


def _searched(path: str) -> str:
    return f"{path}?{urlencode({'q': WORD})}"


def _ask_for_them(veiled: Veiled, asked: Sequence[Question]) -> None:
    site = veiled.scene.site
    for question in asked:
        everybody = _asking(veiled.scene, question, [*strangers(veiled.scene), *administrators(veiled.scene)])
        # Who is not let in gets no further by asking for something.
        visitors = [each for each in everybody if site.ask(each, question.path).status not in (303, 401, 403, 404)]
        for address in _addresses(veiled, question):
            for visitor in visitors:
                answer = site.ask(visitor, address)
                secrets = (TOKEN,) if visitor in administrators(veiled.scene) else (TOKEN, NAME, PHONE)
                assert not told(answer, secrets), f"{visitor.name} reads {address}"
                if quote(WORD) in address:
                    nothing = site.ask(visitor, address.replace(quote(WORD), quote(NOWHERE)))
                    assert _without(WORD, answer) == _without(NOWHERE, nothing), f"{visitor.name} is told by {address}"


def _without(word: str, answer: Answer) -> str:
    """What a page says beside the word it was asked for."""
    said = _RANDOM.sub(r'\1""', _content(answer).decode("utf-8", "replace"))
    return said.replace(word, "").replace(quote(word), "")


def _addresses(veiled: Veiled, question: Question) -> Iterator[str]:
    """The page, asked for the issues in each field it looks at."""
    path = question.path.partition("?")[0]
    for field in _fields_of(veiled.scene, question):
        for value in _values(veiled, field):
            yield f"{path}?{urlencode({field.name: value})}"


def _fields_of(scene: Scene, question: Question) -> Sequence[Field]:
    """What the page looks at, learned by asking it as everybody."""
    with noted_fields() as noted:
        for visitor in scene.site.visitors.values():
            scene.site.ask(visitor, question.path)
            if noted:
                break
    return list(noted.values())


def _values(veiled: Veiled, field: Field) -> Sequence[Any]:
    """What might bring the issues out, by the kind of field."""
    issue = veiled.issues[0]
    match field.kind:
        case "unit":
            return [veiled.scene.unit]
        case "category":
            return [issue.category_id]
        case "number" | "hidden":
            return [issue.id, issue.id + 1]
        case "account":
            return [issue.owner_id]
        case "choice":
            return [issue.state]
        case "date":
            return [veiled.scene.day()]
        case _:
            return [WORD, PHONE[-4:], issue.number]
