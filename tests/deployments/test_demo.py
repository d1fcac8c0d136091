"""The demo city: what `yetan demo` makes of the folder of a deployment, and that the city is well afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from tortoise.backends.base.executor import EXECUTOR_CACHE

from yetan.act import system_clock
from yetan.app import running
from yetan.config import Configuration, load_configuration
from yetan.demonstration.story import Step, Story, StoryClock
from yetan.events.models import Delivery, Due, Event
from yetan.health import checks
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.publication.models import Publication, PublicIssue
from yetan.runtime import Runtime
from yetan.spreadsheets import read_table
from yetan.units.models import Unit
from yetan.units.table import UNIT_COLUMNS, parse_units

T = TypeVar("T")
DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
SANMING = DEPLOYMENTS / "sanming" / "yetan.toml"


def demo(folder: Path) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "yetan", "demo", "--no-serve", "--config", str(SANMING)],
        env={**os.environ, "YETAN_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "data"


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """The story, played once for all tests here."""
    return demo(folder)


def ask(folder: Path, work: Callable[[Runtime], Awaitable[T]]) -> T:
    """What `work` finds in the demo city."""
    # Tortoise keeps statements by table alone, in the dialect of the database it saw first.
    EXECUTOR_CACHE.clear()

    async def go() -> T:
        async with running(load_configuration(SANMING, {"YETAN_DATA_DIR": str(folder)})) as city:
            return await work(city)

    return asyncio.run(go())


def test_at_least_eighty_issues_and_three_in_every_state(printed: str, folder: Path) -> None:
    async def look(city: Runtime) -> tuple[set[str], Tally[str]]:
        return set(city.registry.states), Tally(issue.state for issue in await Issue.all())

    states, issues = ask(folder, look)
    assert sum(issues.values()) >= 80
    assert {state: issues[state] for state in states if issues[state] < 3} == {}


def test_the_city_is_well_but_for_what_only_a_real_town_has(printed: str, folder: Path) -> None:
    """Its footer lacks the numbers authorities give; holidays of a year not yet announced are said to be missing."""

    async def look(city: Runtime) -> dict[str, str]:
        return {each.name: each.message for each in await checks(city) if not each.ok}

    wrong = ask(folder, look)
    assert wrong.pop("footer") == "没有填：site_code、icp、police_record"
    assert set(wrong) <= {"calendar"}


def test_everything_that_happened_was_delivered_at_its_time(printed: str, folder: Path) -> None:
    async def look(city: Runtime) -> tuple[int, int, int, int]:
        now = system_clock()
        return (
            await Delivery.exclude(state="done").count(),
            await Event.filter(at__gt=now).count() + await Notice.filter(at__gt=now).count(),
            await Due.filter(at__lte=now).count(),
            await Notice.all().count(),
        )

    undelivered, in_the_future, left_undone, notices = ask(folder, look)
    assert (undelivered, in_the_future, left_undone) == (0, 0, 0)
    assert notices > 100


def test_dunning_notices_were_issued_on_their_day(printed: str, folder: Path) -> None:
    async def look(city: Runtime) -> list[tuple[int, int]]:
        from yetan_supervision.models import DunningNotice

        day = city.calendar.local_date
        return [((day(row.deadline) - day(row.issued_at)).days, row.days_left) for row in await DunningNotice.all()]

    notices = ask(folder, look)
    assert len(notices) >= 3
    assert all(days == left <= 7 for days, left in notices)


def test_the_board_shows_approved_words_and_some_drafts_wait(printed: str, folder: Path) -> None:
    async def look(city: Runtime) -> tuple[int, int, list[PublicIssue]]:
        waiting = Publication.filter(pending=True)
        return (
            await waiting.filter(state="prepared").count(),
            await waiting.filter(state="approved").count(),
            (await PublicIssue.all()),
        )

    new, renewed, shown = ask(folder, look)
    assert new >= 3
    assert renewed >= 3
    assert len(shown) >= 60
    text = str([dict(row) for row in shown])
    assert re.search(r"1[3-9]\d{9}", text) is None


def test_the_evening_of_the_tenth_of_may_raised_eleven_problems_that_were_struck_off_in_a_week(
    printed: str, folder: Path
) -> None:
    """003-04, as the plugins tell it: all owned and dated before the closing, and accepted one by one."""

    async def look(city: Runtime) -> tuple[str, list[Issue]]:
        from yetan_activities.api import Activity

        evening = await Activity.filter(opened_at__isnull=False).order_by("date").first()
        assert evening is not None
        assert evening.closed_at is not None
        problems = Issue.filter(origin_kind=evening.kind, origin_id=evening.id, kind="problem")
        return f"{evening.date:%m-%d}", await problems

    day, problems = ask(folder, look)
    assert day == "05-10"
    assert len(problems) == 11
    for issue in problems:
        assert issue.struck_off_at is not None
        assert issue.struck_off_at - issue.raised_at <= timedelta(days=7)


def test_every_kind_of_unit_is_known_and_used(printed: str, folder: Path) -> None:
    async def look(city: Runtime) -> tuple[set[str], set[str]]:
        return set(city.configuration.unit_kinds), {unit.kind for unit in await Unit.all()}

    known, used = ask(folder, look)
    assert used <= known
    assert {"city", "county", "township", "subdistrict", "village", "community", "department"} <= used


def test_an_address_and_a_link_for_one_of_each_kind_of_user_are_printed(printed: str) -> None:
    links = re.findall(r"^  (\S+)（([^（）]+)）  http://127\.0\.0\.1:8000/sign-in/\S+$", printed, re.MULTILINE)
    assert [label for label, _ in links] == ["居民", "村（社区）干部", "乡镇（街道）专人", "管理员", "审计员"]
    assert len({name for _, name in links}) == 5


def test_playing_it_again_adds_nothing_but_new_links(printed: str, folder: Path) -> None:
    async def count(city: Runtime) -> tuple[int, int, int]:
        return await Issue.all().count(), await Event.all().count(), await Unit.all().count()

    before = ask(folder, count)
    again = demo(folder)
    assert ask(folder, count) == before
    assert set(re.findall("/sign-in/(.+)", again)).isdisjoint(re.findall("/sign-in/(.+)", printed))


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_story_that_is_interrupted_was_never_begun(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EXECUTOR_CACHE.clear()
    configuration: Configuration = replace(
        load_configuration(SANMING, {"YETAN_DATA_DIR": str(tmp_path)}, require_secret=False),
        database_url=database_url,
        plugins=(),
        plugin={},
        theme="",
        search="",
        rules={"issue.longest_days": 120},
    )
    taken: list[Step] = []
    take = Story._take

    async def interrupted(self: Story, step: Step) -> None:
        await take(self, step)
        taken.append(step)
        if len(taken) == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(Story, "_take", interrupted)

    async def go() -> tuple[int, int]:
        clock = StoryClock(system_clock)
        async with running(configuration, clock) as city:
            try:
                await Story(city, SANMING.parent / "demo", clock).play(lambda *told: None)
            except KeyboardInterrupt:
                return await Unit.all().count(), await Issue.all().count()
        raise AssertionError("the story was not interrupted")

    assert asyncio.run(go()) == (0, 0)


@pytest.mark.parametrize("file", sorted(DEPLOYMENTS.glob("*/yetan.toml")), ids=lambda file: file.parent.name)
def test_the_units_of_each_deployment_can_be_loaded(file: Path) -> None:
    configuration = load_configuration(file, {}, require_secret=False)
    path = file.parent / configuration.city.units
    table = read_table(path, filename=path.name, columns=UNIT_COLUMNS)
    parsed = parse_units(table, kinds={kind: kind for kind in configuration.unit_kinds})
    assert parsed.problems == ()
    assert len([unit for unit in parsed.units if not unit.parent_code]) == 1
