"""Night activities for tests: a town they share, evenings planned, published and with issues."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.core.test_pages_public import accept, feed_back
from tests.postgresql import sqlite_path

from yetan.db.connection import Application
from yetan.issues.models import Issue
from yetan.issues.service import RaiserInput, report_issue
from yetan.testing import Town
from yetan_activities.models import Activity

#: Half past seven in the evening of 10 May 2026, in the city.
EVENING = datetime(2026, 5, 10, 11, 30, tzinfo=UTC)
OPTIONS: dict[str, Any] = {"plugins": ("activities", "meetings")}


@pytest.fixture(scope="module")
def town_of_evenings(
    evening_options: dict[str, Any],
    migrated_template: Callable[[str, Sequence[Application]], str],
    database_applications: tuple[Application, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Town]:
    """One town on SQLite for all tests of a module: each has evenings of its own."""
    folder = tmp_path_factory.mktemp("town")
    shutil.copy(sqlite_path(migrated_template("sqlite", database_applications)), folder / "yetan.sqlite3")
    with Town(f"sqlite://{folder}/yetan.sqlite3", folder, **evening_options).open() as running:
        yield running


@pytest.fixture
def town(town_of_evenings: Town) -> Town:
    """The town, that evening."""
    town_of_evenings.clock.now = EVENING
    return town_of_evenings


def planned(town: Town, **values: Any) -> Activity:
    """An open talk of 溪尾村, from half past seven to nine."""
    given = {
        "kind": "open_talk",
        "title": "完善公共服务设施",
        "place": "村口廊桥",
        "date": date(2026, 5, 10),
        "starts_at": "19:30",
        "ends_at": "21:00",
        "unit_id": town.units["village"],
        "opened_at": None,
        "closed_at": None,
        "funds_yuan": None,
        "stated_residents": None,
        "version": 1,
        **values,
    }
    row: Activity = town.make_row(Activity, **given)
    return row


def desk_path(activity: Activity) -> str:
    return f"/desk/records/{activity.kind}/{activity.id}"


def public_path(activity: Activity) -> str:
    return f"/records/{activity.kind}/{activity.id}"


def publish(town: Town, activity: Activity, by: str = "village") -> None:
    version = str(town.reload(activity).version)
    answer = town.browser(by).submit(desk_path(activity) + "/publish", {"version": version})
    assert answer.status_code == 303, answer.text


def raised_at(town: Town, activity: Activity, **values: Any) -> Issue:
    """An issue of the evening, with owner and deadline, before the public."""

    async def go() -> Issue:
        given = {
            "title": "活动室没有窗帘",
            "text": "下午晒得坐不住，想装一副遮光的窗帘。",
            "kind": "problem",
            "collective": True,
            "unit": activity.unit_id,
            "category": town.category,
            **values,
        }
        raisers = [RaiserInput(person_id=town.resident.id)]
        act = await town.act("village")
        return await report_issue(act, given, raisers, via="meeting", origin=(activity.kind, activity.id))

    issue = town.do(go)
    town.publish(issue)
    if issue.kind == "problem":
        town.move(issue, "list", by="clerk")
        town.run_worker()
    return issue


def strike_off(town: Town, issue: Issue) -> None:
    """What `raised_at` put on the list is done, and the resident accepts it."""
    town.move(issue, "start", by="deputy")
    town.move(issue, "resolve", by="deputy")
    feed_back(town, issue)
    accept(town, issue)
    town.move(issue, "strike_off", by="clerk")
