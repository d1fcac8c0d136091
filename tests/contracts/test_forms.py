"""What a form does not ask for cannot be sent with it (C48), nothing comes twice (C49), nor from elsewhere (C15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.contracts.site import TOP, Site, Visitor, noted_fields
from tests.contracts.subjects import NEVER, Question, Scene, questions

from yetan.plugins.checks import all_models, column_names
from yetan.runtime import current
from yetan.web.forms import Field
from yetan.web.request import MAXIMUM_FIELDS

#: Who may do things, the likeliest first.
_DOERS = (
    "township_clerk.own",
    f"administrator.{TOP}",
    "administrator.own",
    "village_official.own",
    "raiser",
    "anonymous",
)
#: A request leaves a record of itself, and now and then it is written down how long plugins took.
_NOTED = frozenset({"yetan_audit_record", "yetan_plugin_time"})
Rows = Mapping[str, Sequence[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Sending:
    """A form that somebody sends with success, and the fields its page looks at."""

    question: Question
    visitor: Visitor
    body: Mapping[str, Any]
    fields: Mapping[str, Field]


def sendings(scene: Scene) -> Iterator[Sending]:
    """Every form, with what has to have happened before. Between two of them the site is put back."""
    site = scene.site
    before = site.copy()
    for question in questions(scene):
        if question.method == "GET" or question.name.endswith("[handed on]"):
            continue
        if question.ask.given is not None:
            question.ask.given(scene)
        body = question.ask.body(scene)
        if question.name not in scene.senders:
            given = site.copy()
            with noted_fields() as noted:
                visitor = _doer(site, question, body, given.put_back)
            given.close()
            scene.senders[question.name] = (visitor, dict(noted))
        visitor, fields = scene.senders[question.name]
        yield Sending(question, visitor, body, fields)
        before.put_back()
    before.close()


def _doer(site: Site, question: Question, body: Mapping[str, Any], put_back: Any) -> Visitor:
    for name in (*_DOERS, *site.visitors):
        visitor = site.visitors[name]
        answer = site.ask(visitor, question.path, body)
        put_back()
        status = 401 if answer.location.partition("?")[0] == "/sign-in" else answer.status
        if status < 400 or (question.name in NEVER and status == 422):
            return visitor
    raise AssertionError(f"nobody succeeds with {question.name}")


def test_undeclared_fields_change_nothing(scene: Scene) -> None:
    """Every column of every table, sent along with every form, leaves the rows as the form alone would."""
    models = all_models(current().registry).values()
    columns = {name for model in models for name in (*column_names(model), *model._meta.fields_db_projection)}
    for sending in sendings(scene):
        extra = dict.fromkeys(sorted(columns - sending.fields.keys()), "7")
        assert len(extra) + len(sending.body) < MAXIMUM_FIELDS, (
            "More columns than a form may have fields; send them in parts."
        )
        site, path, visitor = scene.site, sending.question.path, sending.visitor
        given = site.copy()
        results: list[tuple[int, Rows]] = []
        for body in (sending.body, sending.body, {**extra, **sending.body}):
            answer = site.ask(visitor, path, body)
            results.append((answer.status, site.rows(without=_NOTED)))
            given.put_back()
        given.close()
        (status, once), (_, again), (status_with, with_extra) = results
        assert status_with == status, f"{sending.question.name} answers {status_with} to undeclared fields"
        assert _but(_random(once, again), with_extra) == _but(_random(once, again), once), (
            f"{sending.question.name} takes undeclared fields"
        )


def _random(rows: Rows, again: Rows) -> set[tuple[str, int, int]]:
    """The places of values that differ though the same was done: tokens, salts, names of files."""
    return {
        (table, number, place)
        for table in rows
        for number, (row, other) in enumerate(zip(rows[table], again[table], strict=True))
        for place, (value, changed) in enumerate(zip(row, other, strict=True))
        if value != changed
    }


def _but(places: set[tuple[str, int, int]], rows: Rows) -> dict[str, list[list[Any]]]:
    return {
        table: [
            [None if (table, number, place) in places else value for place, value in enumerate(row)]
            for number, row in enumerate(each)
        ]
        for table, each in rows.items()
    }


def test_no_field_of_a_form_comes_twice(scene: Scene) -> None:
    for sending in sendings(scene):
        site, path, visitor = scene.site, sending.question.path, sending.visitor
        before = site.rows(without=_NOTED)
        names = [name for name, field in sending.fields.items() if field.kind != "photos"]
        for name in [*names, "_key", *(["_token"] if visitor.token else [])]:
            value = visitor.token if name == "_token" else sending.body.get(name, "1")
            answer = site.ask(visitor, path, {**sending.body, name: [value, value]})
            assert answer.status == 400 or (name == "_token" and answer.status == 403), (
                f"{sending.question.name} takes {name} twice and answers {answer.status}"
            )
        assert site.rows(without=_NOTED) == before


def test_no_field_of_an_address_comes_twice(scene: Scene) -> None:
    site = scene.site
    for question in questions(scene):
        if question.method != "GET" or question.ask.given is not None:
            continue
        for visitor in (site.visitors[name] for name in _DOERS):
            with noted_fields() as noted:
                site.ask(visitor, question.path)
            if noted:
                break
        for name in noted:
            twice = f"{question.path.partition('?')[0]}?{urlencode([(name, '1'), (name, '2')])}"
            assert site.ask(visitor, twice).status == 400, f"{twice} is read as {visitor.name}"


def test_a_form_counts_only_from_our_own_pages(scene: Scene) -> None:
    """Without the session's token, or from another site, nothing is done."""
    for sending in sendings(scene):
        site, path, visitor = scene.site, sending.question.path, sending.visitor
        before = site.rows(without=_NOTED)
        elsewhere = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        assert site.ask(visitor, path, sending.body, headers=elsewhere).status == 403, f"{path} from elsewhere"
        if visitor.token:
            for token in ("", "another"):
                answer = site.ask(visitor, path, {**sending.body, "_token": token})
                assert answer.status == 403, f"{path} without the session's token"
        assert site.rows(without=_NOTED) == before


def test_changing_the_look_in_a_form_sends_nothing(scene: Scene) -> None:
    """The switches of the look send the form they are drawn for: it comes back as it was, and nothing was done."""
    kept = set()
    for sending in sendings(scene):
        site, name = scene.site, sending.question.name
        before = site.rows(without=_NOTED)
        answer = site.ask(sending.visitor, sending.question.path, {**sending.body, "_look": "light=night"})
        if 'form="typed" name="_look"' in answer.text:
            kept.add(name)
            assert answer.status == 200, f"{name} refuses what was not sent"
            assert site.rows(without=_NOTED) == before, f"{name} does what it was only asked to draw"
    assert kept >= {"raise.submit", "desk.transition[list]", "desk.bulk.submit[assign]", "desk.publication.approve"}
