"""Whoever sends a form again gets the first answer, and it has one effect (C54, F15, F17): asked of every form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from markupsafe import escape
from starlette.routing import Match
from tests.contracts.site import Answer, File, Site
from tests.contracts.subjects import Scene, picture, questions
from tests.contracts.test_forms import Sending, sendings

TIMES = 5
KEY, ANOTHER = "k" * 32, "a" * 32
ALREADY_SENT = "这张表单已经提交过一次，内容和这次不一样"
#: Sessions remember when they were last used, throttles count tries, and now and then it is written down how long
#: plugins took: none is an effect of a form.
NOTED = frozenset({"yetan_session", "yetan_throttle", "yetan_plugin_time"})
RECORD = "yetan_audit_record"

#: Forms that create, move, rate and book nothing, and why a repeat needs no first answer. That they have one effect is
#: asked of them all the same; each request is recorded.
UNKEYED: Mapping[str, str] = {
    "sign_in.submit": "A session of one's own each time; what counts are the tries.",
    "sign_in_link.use": "Used up by the first, whoever sends it again: that is what it is for.",
    "sign_out": "There is nobody left to answer.",
    "password.submit": "Signs out everywhere, so that the repeat comes from nobody.",
    "follow.submit": "Opens what one may see.",
    "desk.issue.contacts": "A look; each is recorded.",
    "desk.notices.read": "Marks as read what was read already.",
    "admin.categories.submit": "Brings the table up to date: again, it is.",
    "admin.deliveries.replay": "Makes due what is due already.",
    "admin.deliveries.history": "Sends what was never sent: the second time, nothing is left.",
    "admin.plugins.release": "The repeat is told that it is in use.",
    "admin.account.sign_in_link": "The link follows from the key: the same one each time.",
    "admin.person.erase": "The repeat is told that it was done.",
    "admin.import.submit": "Keeps a file to be looked at; nothing of the city is written before it is confirmed.",
    "admin.units.import.submit": "As above.",
    "admin.accounts.import.submit": "As above.",
    "desk.households.import.submit": "As above.",
    "admin.synonyms.import.submit": "As above.",
    "admin.import.confirm": "The upload itself is taken in once.",
    "admin.units.confirm": "As above.",
    "admin.accounts.import.confirm": "As above.",
    "desk.households.import.confirm": "As above.",
    "admin.synonyms.import.confirm": "As above.",
    "admin.import.discard": "The repeat is told that it is gone.",
}
#: Those of them whose repeat is answered in another way.
ANSWERED_OTHERWISE = frozenset(
    {
        "sign_in_link.use",
        "sign_out",
        "password.submit",
        "admin.person.erase",
        "admin.import.submit",
        "admin.units.import.submit",
        "admin.accounts.import.submit",
        "desk.households.import.submit",
        "admin.synonyms.import.submit",
        "admin.plugins.release",
        "admin.import.discard",
    }
)


def told(answer: Answer) -> tuple[int, str, str]:
    """What an answer tells."""
    return answer.status, answer.location, answer.text


def send(scene: Scene, sending: Sending, **values: Any) -> Answer:
    """Send the form, under a key unless `values` name another one."""
    return scene.site.ask(sending.visitor, sending.question.path, {**sending.body, "_key": KEY, **values})


def test_sending_a_form_again_has_no_further_effect_and_gets_the_first_answer(scene: Scene) -> None:
    """Whether the first answer was lost, the button pressed five times, or the page sent again from the history."""
    site = scene.site
    unkeyed: set[str] = set()
    for sending in sendings(scene):
        name = sending.question.name
        keys = len(site.rows()["yetan_request_key"])
        first = send(scene, sending)
        once = site.rows(without=NOTED)
        keyed = len(once["yetan_request_key"]) > keys
        answers = [send(scene, sending) for _ in range(TIMES - 1)]
        after = site.rows(without=NOTED)
        if not keyed:
            unkeyed.add(name)
            del once[RECORD], after[RECORD]
        assert after == once, (
            f"sending {name} again changes {[table for table in after if after[table] != once[table]]}"
        )
        if name not in ANSWERED_OTHERWISE:
            assert {told(each) for each in answers} == {told(first)}, f"sending {name} again is answered otherwise"
        assert all(each.status < 500 for each in answers)
    assert unkeyed == UNKEYED.keys()


def _others(sending: Sending) -> Iterator[dict[str, Any]]:
    """The form with something else in one of its fields."""
    for name, value in sending.body.items():
        field = sending.fields.get(name)
        if isinstance(value, File):
            yield {name: picture(colour=(10, 20, 30))}
        elif field is not None and field.kind in ("text", "long_text"):
            yield {name: f"{value}改"}
        elif field is not None and field.kind == "date":
            yield {name: (date.fromisoformat(value) + timedelta(days=1)).isoformat()}


def _written(sending: Sending, other: Mapping[str, Any]) -> list[str]:
    """What somebody wrote in the form that was changed, and would have to write again if it were lost."""
    return [
        value
        for name, value in other.items()
        if isinstance(value, str) and sending.fields[name].kind in ("text", "long_text")
    ]


def test_the_same_key_with_other_content_is_refused_and_changes_nothing(scene: Scene) -> None:
    site = scene.site
    refused: set[str] = set()
    asked: set[str] = set()
    lost: set[str] = set()
    for sending in sendings(scene):
        name = sending.question.name
        if name in UNKEYED:
            continue
        assert send(scene, sending).status < 400
        before = site.rows(without={*NOTED, RECORD})
        for other in _others(sending):
            asked.add(name)
            answer = send(scene, sending, **other)
            assert answer.status in (409, 422), f"{name} with another {[*other]} under the same key: {answer.status}"
            if ALREADY_SENT in answer.text:
                refused.add(name)
            if not all(escape(each) in answer.text for each in _written(sending, other)):
                lost.add(name)
            assert site.rows(without={*NOTED, RECORD}) == before, f"{name} with another {[*other]} has an effect"
    assert refused == asked
    assert lost == set()
    assert len(asked) > 20


def test_a_new_key_is_a_new_form(scene: Scene) -> None:
    """It has its own effect, or is refused for what it asks; never taken for the earlier one."""
    site = scene.site
    for sending in sendings(scene):
        if sending.question.name in UNKEYED:
            continue
        send(scene, sending)
        keys = {row[1] for row in site.rows()["yetan_request_key"]}
        answer = send(scene, sending, _key=ANOTHER)
        taken = {row[1] for row in site.rows()["yetan_request_key"]} - keys == {ANOTHER}
        assert answer.status < 500
        assert taken == (answer.status < 400), f"{sending.question.name}: {answer.status}"


def test_somebody_else_s_key_opens_nothing(scene: Scene) -> None:
    """The key alone does not give the first answer: it has to be the same person's."""
    for sending in sendings(scene):
        if sending.question.name in UNKEYED or sending.visitor.name == "anonymous":
            continue
        first = send(scene, sending)
        for name in ("township_clerk.own", "administrator.top", "anonymous"):
            visitor = scene.site.visitors[name]
            if visitor != sending.visitor:
                answer = scene.site.ask(visitor, sending.question.path, {**sending.body, "_key": KEY})
                assert told(answer) != told(first) or answer.status >= 400, f"{sending.question.name} by {name}"


_FORM = re.compile(r"<form[^>]*method=.?post.*?</form>", re.DOTALL | re.IGNORECASE)
_ACTION = re.compile(r'<form[^>]*action="([^"]*)"')


def _forms(scene: Scene) -> Iterator[tuple[str, str]]:
    """Every form that some page draws for somebody: the page it is sent to, and its source."""
    site = scene.site
    before = site.copy()
    for question in questions(scene):
        if question.method != "GET" or question.name.endswith("[handed on]"):
            continue
        if question.ask.given is not None:
            question.ask.given(scene)
        for visitor in site.readers:
            for form in _FORM.findall(site.ask(visitor, question.path).text):
                found = _ACTION.search(form)
                yield _page_at(site, (found[1] if found else question.path).partition("?")[0]), form
        if question.ask.given is not None:
            before.put_back()
    before.close()


def _page_at(site: Site, path: str) -> str:
    """The name of the page that takes a form sent to `path`."""
    scope = {"type": "http", "path": path, "method": "POST", "root_path": ""}
    return next(route.name for route in site.town.app.routes if route.matches(scope)[0] is Match.FULL)


def test_every_form_that_is_drawn_carries_a_key(scene: Scene) -> None:
    keyless = {name.partition("[")[0] for name in UNKEYED}
    drawn: set[str] = set()
    for name, form in _forms(scene):
        drawn.add(name)
        assert 'name="_key"' in form or name in keyless, f"the form of {name} is drawn without a key"
    assert len(drawn) > 25
