"""The same form several times at the same moment has one effect, and nobody is told anything else (C54, F15)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contracts.postgresql_site import open_postgresql_site
from tests.contracts.site import Site
from tests.contracts.subjects import Scene
from tests.contracts.test_forms import sendings
from tests.contracts.test_repeats import KEY, TIMES, UNKEYED, told

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database_kind() -> str:
    """SQLite has one writer, and one process to write."""
    return "postgresql"


@pytest.fixture
def scene(empty_database_url: str, tmp_path: Path) -> Iterator[Scene]:
    with open_postgresql_site(empty_database_url, tmp_path) as site:
        yield Scene(site)


def test_a_form_sent_five_times_at_once_has_one_effect(scene: Scene) -> None:
    """One row of each kind, one event, one record; those who come second wait, and get the first answer."""
    site = scene.site
    for sending in sendings(scene):
        name = sending.question.name
        if name in UNKEYED:
            continue
        body = {**sending.body, "_key": KEY}
        before = counted(site)
        answers = site.ask_at_once(sending.visitor, sending.question.path, body, TIMES)
        done = [after - was for was, after in zip(before, counted(site), strict=True)]
        assert done[:2] == [1, 1], f"{name} was done {done} times"
        assert {each.status for each in answers} == {303}, f"{name}: {[each.status for each in answers]}"
        answers.append(site.ask(sending.visitor, sending.question.path, body))
        assert len({told(each) for each in answers}) == 1, f"{name} is answered in several ways"
        assert [after - was for was, after in zip(before, counted(site), strict=True)] == done


def counted(site: Site) -> tuple[int, ...]:
    """How many records, keys and events there are. A record stands for all that is committed with it."""
    tables = ("yetan_audit_record", "yetan_request_key", "yetan_event")
    ((*numbers,),) = site.database.execute(f"SELECT {', '.join(f'(SELECT count(*) FROM {each})' for each in tables)}")
    return tuple(numbers)
