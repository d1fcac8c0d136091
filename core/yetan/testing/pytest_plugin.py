"""Fixtures that come with the package: a small running town, and its parts by their names.

A plugin's own tests need nothing but this in its pyproject.toml:

    [tool.pytest.ini_options]
    yetan_plugins = ["clinics"]

Imports are inside the fixtures: a pytest run that uses none of them pays nothing for the kit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from yetan.issues.models import Issue
    from yetan.testing.town import Browser, StandingClock, Town


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting `yetan_plugins`."""
    parser.addini("yetan_plugins", "the plugins that the fixture `city` has switched on, in order", type="args")


@pytest.fixture
def town_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the town enables, as `yetan.testing.Town` takes it; the setting `yetan_plugins` unless overridden.

    Override it in a module or a conftest, or for one test:

    @pytest.mark.parametrize("town_options", [{"rules": {"issue.remind_days": 5}}])
    def test_the_town_reminds_five_days_ahead(city):
        assert city.configuration.rules["issue.remind_days"] == 5
    """
    plugins = tuple(request.config.getini("yetan_plugins"))
    return {"plugins": plugins} if plugins else {}


@pytest.fixture
def town_database_url(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, town_options: dict[str, Any]) -> str:
    """An upgraded, empty database for the town's plugins: a copy of an SQLite file made once a run.

    def test_the_town_has_a_file_of_its_own(town_database_url, tmp_path):
        assert town_database_url.startswith(("sqlite://", "postgresql://"))
    """
    from yetan.testing.databases import upgraded_copy
    from yetan.testing.town import Town

    town = Town("", tmp_path, **town_options)
    return upgraded_copy(town.configuration, tmp_path_factory.getbasetemp(), tmp_path)


@pytest.fixture
def town(town_database_url: str, tmp_path: Path, town_options: dict[str, Any]) -> Iterator[Town]:
    """The same as `city`: what the core's own tests call it.

    def test_a_lamp_is_listed(town):
        issue = town.report()
        assert town.move(issue, "list", by="clerk").state == "listed"
    """
    from yetan.testing.town import Town

    with Town(town_database_url, tmp_path, **town_options).open() as running:
        yield running


@pytest.fixture
def city(town: Town) -> Town:
    """A small running city: units, an official of each role, a resident and a clock that stands (`Town`).

    def test_an_issue_belongs_to_the_village_it_was_raised_in(city):
        issue = city.report(title="井盖松动")
        assert issue.unit_id == city.units["village"]
    """
    return town


@pytest.fixture
def client(city: Town) -> Callable[[str], Browser]:
    """A browser at the city's site: `client("clerk")` is signed in as the clerk, `client()` as nobody.

    The accounts: resident, village, deputy, clerk, department, leader, publisher, supervisor, auditor, administrator;
    sibling, other and elsewhere are officials of units beside them.

    def test_the_desk_is_for_officials(client):
        assert client("clerk").get("/desk").status_code == 200
        assert client().get("/desk").headers["location"].startswith("/sign-in")
    """
    return city.browser


@pytest.fixture
def clock(city: Town) -> StandingClock:
    """The city's clock: it stands at nine in the morning of 6 May 2026 in Shanghai until it is moved.

    def test_the_deadline_passes(city, clock, make_issue):
        issue = city.move(make_issue(), "list", by="clerk")
        assert clock.forward(days=30) > issue.deadline
    """
    return city.clock


@pytest.fixture
def run_worker(city: Town) -> Callable[[], int]:
    """Deliver events to subscribers, sweep what is due and run the jobs, until nothing is left to do now.

    def test_the_official_is_told_of_a_new_issue(client, make_issue, run_worker):
        make_issue(title="井盖松动")
        run_worker()
        assert "井盖松动" in client("village").get("/desk/notices").text
    """
    return city.run_worker


@pytest.fixture
def make_issue(city: Town) -> Callable[..., Issue]:
    """An issue raised by the resident of the village; what is given overrides its fields.

    def test_the_clerk_finds_a_new_issue_on_the_desk(client, make_issue):
        issue = make_issue(title="井盖松动", place="菜场门口")
        assert "菜场门口" in client("clerk").get(f"/desk/issues/{issue.id}").text
    """
    return city.report


@pytest.fixture
def make_row(city: Town) -> Callable[..., Any]:
    """A row of any model, for what a test needs to be there: its columns are filled in, what is given overrides them.

    from yetan.api import Household

    def test_a_household_belongs_to_the_village(city, make_row):
        assert make_row(Household, address="老桥头 3 号").unit_id == city.units["village"]
    """
    return city.make_row
