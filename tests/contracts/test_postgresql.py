"""The site on PostgreSQL: every page answers there too, and a form sent several times at once has one effect.

What the pages say is looked at on SQLite.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contracts.postgresql_site import open_postgresql_site
from tests.contracts.site import Site, noted_fields
from tests.contracts.subjects import Scene, questions
from tests.contracts.test_forms import sendings
from tests.contracts.test_reading import addresses
from tests.contracts.test_repeats import KEY, TIMES, UNKEYED, told
from tests.postgresql import database

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def scene(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with (
        database(postgresql_url) as url,
        open_postgresql_site(url, tmp_path_factory.mktemp("site")) as site,
    ):
        yield Scene(site)


def test_every_page_answers(scene: Scene) -> None:
    """With something in each field it looks at, too: every statement of a page is one that PostgreSQL takes."""
    site = scene.site
    for question in questions(scene):
        if question.method != "GET" or question.ask.given is not None or question.name.endswith("[handed on]"):
            continue
        with noted_fields() as noted:
            got = next((each for each in site.readers if site.ask(each, question.path).status == 200), None)
        for address in addresses(question.path, list(noted)) if got is not None else ():
            answer = site.ask(got, address)
            assert answer.status < 500, f"{got.name} cannot read {address}: {answer.error!r}"


def test_a_form_sent_five_times_at_once_has_one_effect(scene: Scene) -> None:
    """One row of each kind, one event, one record; those who come second wait, and get the first answer (C54, F15).

    SQLite has one writer, and one process to write.
    """
    site = scene.site
    for sending in sendings(scene):
        name = sending.question.name
        if name in UNKEYED:
            continue
        body = {**sending.body, "_key": KEY}
        before = counted(site)
        answers = site.ask_at_once(sending.visitor, sending.question.path, body, TIMES)
        done = [after - was for was, after in zip(before, counted(site), strict=True)]
        # Several issues at once are a run and, for each issue, a change of its own; one was chosen.
        changes = 2 if name.startswith(("desk.bulk.submit", "desk.bulk.undo")) else 1
        assert done[:2] == [changes, changes], f"{name} was done {done} times"
        assert {each.status for each in answers} == {303}, f"{name}: {[each.status for each in answers]}"
        answers.append(site.ask(sending.visitor, sending.question.path, body))
        assert len({told(each) for each in answers}) == 1, f"{name} is answered in several ways"
        assert [after - was for was, after in zip(before, counted(site), strict=True)] == done


def counted(site: Site) -> tuple[int, ...]:
    """How many records, keys and events there are. A record stands for all that is committed with it."""
    tables = ("yetan_audit_record", "yetan_request_key", "yetan_event")
    ((*numbers,),) = site.database.execute(f"SELECT {', '.join(f'(SELECT count(*) FROM {each})' for each in tables)}")
    return tuple(numbers)
