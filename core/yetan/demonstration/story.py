"""Playing a demo city's history: every step through its service, by the account that may do it, at its own time."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from msgspec import Struct
from tortoise.transactions import in_transaction

from yetan.access.sessions import actor_of
from yetan.act import SYSTEM, Act, Actor
from yetan.demonstration.tales import Scene
from yetan.errors import YetanError
from yetan.events import due
from yetan.events.worker import Worker
from yetan.issues import acceptance
from yetan.issues.categories import CATEGORY_COLUMNS, parse_categories
from yetan.issues.classification import load_categories
from yetan.issues.models import Category, Issue
from yetan.issues.service import RaiserInput, add_progress, report_issue, transition_issue
from yetan.people.models import Account, Link, Person, Post
from yetan.people.service import add_account, add_household
from yetan.publication.service import approve, renew_draft
from yetan.runtime import Runtime
from yetan.spreadsheets import read_table
from yetan.units.models import Unit
from yetan.units.service import load_units
from yetan.units.table import UNIT_COLUMNS, parse_units

#: The city stands this long before its first matter is raised.
_FOUNDED_DAYS_AGO = 400
#: Days after which the worker brings what happened to its subscribers; each time costs as much as many steps.
_FOLLOWED_EVERY = 3


class StoryClock:
    """A clock that stands where the story is, and runs once it is told to."""

    def __init__(self, real: Callable[[], datetime]) -> None:
        self.real = real
        self.stands: datetime | None = None

    def __call__(self) -> datetime:
        """The story's instant, or the real one when the story is over."""
        return self.stands or self.real()


class Step(Struct, frozen=True):
    """One thing that happens: when, to which matter, and how it stands in the file."""

    at: datetime
    order: int
    issue: str
    what: Mapping[str, Any]


class StoryError(Exception):
    """A step could not be played; the message names it and what the service said."""


class Story:
    """A demo folder being played into an empty city, and the `Stage` of what plugins tell."""

    def __init__(self, city: Runtime, folder: Path, clock: StoryClock) -> None:
        self.city = city
        self.folder = folder
        self.clock = clock
        self.accounts: dict[str, Account] = {}
        self.actors: dict[str, Actor] = {}
        self.persons: dict[str, Person] = {}
        self.units: dict[str, int] = {}
        self.categories: dict[str, int] = {}
        self.issues: dict[str, int] = {}
        self.now = clock.real()
        self.followed: date | None = None

    async def play(self, progress: Callable[[str, int, int], None]) -> int:
        """Load the city and play every matter in the order of time. Returns how many matters there are.

        What falls due does so on its day, and what follows from events follows within three. The index alone is left
        for `yetan.searching.feed.rebuild`. All is one transaction: a story that is interrupted was never begun.
        """
        self.now = self.clock.real()
        search, self.city.search = self.city.search, None
        try:
            async with in_transaction():
                return await self._play(progress)
        finally:
            self.city.search = search

    async def _play(self, progress: Callable[[str, int, int], None]) -> int:
        self.clock.stands = self.now - timedelta(days=_FOUNDED_DAYS_AGO)
        await self._found()
        steps = [step for matter in self._matters() for step in self._steps(matter)]
        steps.sort(key=lambda step: (step.at, step.order))
        scenes = [Scene(step.at, partial(self._take, step)) for step in steps]
        for tale in self.city.registry.tales.values():
            scenes += [Scene(scene.at, partial(self._tell, tale.name, scene)) for scene in tale.scenes(self)]
        scenes = sorted((scene for scene in scenes if scene.at <= self.now), key=attrgetter("at"))
        day: date | None = None
        for done, scene in enumerate(scenes, start=1):
            self.clock.stands = scene.at
            if day != scene.at.date():
                day = scene.at.date()
                await self._pass_night(day)
            await scene.play()
            if done % 50 == 0 or done == len(scenes):
                progress("演示数据", done, len(scenes))
        self.clock.stands = None
        await Worker().run_once()
        return len(self.issues)

    def instant(self, days_ago: int, at: str) -> datetime:
        """See `Stage`."""
        zone = self.city.configuration.city.zone
        day = self.now.astimezone(zone).date() - timedelta(days=days_ago)
        return datetime.combine(day, time.fromisoformat(at), zone).astimezone(UTC)

    async def act(self, account: str = "") -> Act:
        """See `Stage`."""
        return Act(await self._official(account) if account else SYSTEM, self.clock())

    def steps(self, issue: str, days_ago: int, steps: Sequence[Mapping[str, Any]]) -> list[Scene]:
        """See `Stage`."""
        return [Scene(step.at, partial(self._take, step)) for step in self._following(issue, days_ago, steps)]

    async def _tell(self, tale: str, scene: Scene) -> None:
        try:
            await scene.play()
        except (YetanError, KeyError) as error:
            details = getattr(error, "fields", "")
            raise StoryError(f"{tale}: on {scene.at:%F %R}: {error!r} {error} {details}") from error

    async def _pass_night(self, day: date) -> None:
        await due.sweep(Act(SYSTEM, self.clock()))
        if self.followed is None or (day - self.followed).days >= _FOLLOWED_EVERY:
            self.followed = day
            await Worker().run_once()

    async def _found(self) -> None:
        configuration = self.city.configuration
        act = Act(SYSTEM, self.clock())
        units = read_table(configuration.folder / configuration.city.units, filename="units.csv", columns=UNIT_COLUMNS)
        await load_units(act, parse_units(units).units)
        self.units = {unit.code: unit.id for unit in await Unit.all()}
        path = configuration.folder / configuration.city.categories
        categories = read_table(path, filename=path.name, columns=CATEGORY_COLUMNS)
        await load_categories(parse_categories(categories))
        self.categories = {category.path: category.id for category in await Category.all()}
        people = _read(self.folder / "people.toml")
        for each in people["person"]:
            self.persons[each["id"]] = await Person.create(
                name=each["name"],
                phone=each.get("phone", ""),
                unit_id=self.units[each["unit"]],
                address=each.get("address", ""),
                created_at=act.now,
                consented_at=act.now,
                consent_version="demo",
            )
        for each in people["account"]:
            self.accounts[each["id"]] = await add_account(act, self.persons[each["person"]], each["id"])
        for each in people["post"]:
            await Post.create(
                account_id=self.accounts[each["account"]].id,
                role=each["role"],
                unit_id=self.units[each["unit"]],
                title=each.get("title", ""),
                rank=each.get("rank", ""),
                since=each["since"],
            )
        households = {
            each["id"]: await add_household(
                act,
                self.units[each["unit"]],
                each["address"],
                [self.persons[person].id for person in each["persons"]],
            )
            for each in people.get("household", [])
        }
        for each in people.get("link", []):
            await Link.create(
                account_id=self.accounts[each["account"]].id,
                kind=each["kind"],
                since=each["since"],
                unit_id=self.units[each["unit"]] if "unit" in each else None,
                household_id=households[each["household"]].id if "household" in each else None,
            )

    def _matters(self) -> list[Mapping[str, Any]]:
        return [matter for path in sorted((self.folder / "issues").glob("*.toml")) for matter in _read(path)["issue"]]

    def _steps(self, matter: Mapping[str, Any]) -> Sequence[Step]:
        """The matter's steps with their instants; the first is the raising itself."""
        days_ago = matter["raised"]["days_ago"]
        raised = self.instant(days_ago, matter["raised"]["at"])
        steps = [
            Step(raised, 0, matter["id"], {"do": "report", **matter}),
            *self._following(matter["id"], days_ago, matter.get("steps", [])),
        ]
        if matter.get("publish"):
            by = matter.get("published_by") or matter.get("by")
            first = max(self.instant(days_ago - matter.get("publish_day", 1), "17:30"), raised)
            # What came later was reviewed as well, but for the last: it waits for a reviewer.
            later = [
                step for step in steps[1:-1] if first < step.at <= self.now and step.what["do"] not in ("rate", "start")
            ]
            reviewed = [first, *[step.at for step in later[-1:]]]
            steps += [Step(at, 100, matter["id"], {"do": "publish", "by": by}) for at in reviewed]
        return steps

    def _following(self, issue: str, days_ago: int, steps: Sequence[Mapping[str, Any]]) -> list[Step]:
        """Steps as a file writes them, with their instants."""
        found = []
        for order, each in enumerate(steps, start=1):
            values = dict(each)
            if "deadline_day" in values:
                due = self.instant(days_ago - values.pop("deadline_day"), "12:00")
                values["deadline"] = due.astimezone(self.city.configuration.city.zone).date()
            found.append(Step(self.instant(days_ago - each["day"], each["at"]), order, issue, values))
        return found

    async def _take(self, step: Step) -> None:
        try:
            await self._do(step)
        except (YetanError, KeyError) as error:
            details = getattr(error, "fields", "")
            raise StoryError(f"{step.issue}: {step.what['do']} on {step.at:%F}: {error} {details}") from error

    async def _do(self, step: Step) -> None:
        what = step.what
        act = Act(await self._actor(what), step.at)
        issue_id = self.issues.get(step.issue, 0)
        match what["do"]:
            case "report":
                self.issues[step.issue] = (await self._report(act, what)).id
            case "publish":
                await self._publish(act, issue_id)
            case "progress":
                await add_progress(act, issue_id, what["text"])
            case "feed_back":
                await acceptance.give_feedback(act, issue_id, {"way": what["way"], "text": what["text"]})
            case "accept" if "person" in what:
                await acceptance.accept(act, issue_id, True, what.get("text", ""))
            case "accept":
                await self._record(act, issue_id, what)
            case "refuse":
                await acceptance.accept(act, issue_id, False, what["reason"])
            case "rate":
                await acceptance.rate(act, issue_id, what["score"], what.get("text", ""))
            case name:
                await transition_issue(act, issue_id, name, await self._form(what))

    async def _actor(self, what: Mapping[str, Any]) -> Actor:
        if "person" in what:
            person = self.persons[what["person"]]
            return Actor(name=person.name, person_id=person.id)
        if what.get("by"):
            return await self._official(what["by"])
        return Actor(person_id=self.persons[what["raisers"][0]].id if what.get("raisers") else None)

    async def _official(self, name: str) -> Actor:
        """The actor behind an account's name: posts do not change in the story."""
        if name not in self.actors:
            day = self.clock().astimezone(self.city.configuration.city.zone).date()
            self.actors[name] = await actor_of(self.accounts[name], day)
        return self.actors[name]

    async def _report(self, act: Act, matter: Mapping[str, Any]) -> Issue:
        values = {
            "title": matter["title"],
            "text": matter["text"],
            "place": matter.get("place", ""),
            "kind": matter["kind"],
            "collective": matter["collective"],
            "unit": self.units[matter["unit"]],
            "category": self.categories[matter["category"]],
        }
        raisers = [RaiserInput(person_id=self.persons[person].id) for person in matter["raisers"]]
        return await report_issue(act, values, raisers, via=matter["via"])

    async def _publish(self, act: Act, issue_id: int) -> None:
        """A reviewer approves what waits: the draft first catches up with what happened."""
        await renew_draft(Act(SYSTEM, act.now), await Issue.get(id=issue_id))
        await approve(act, issue_id)

    async def _record(self, act: Act, issue_id: int, what: Mapping[str, Any]) -> None:
        raisers = await Person.filter(raised__issue_id=issue_id).order_by("id").limit(1)
        name = raisers[0].name if raisers else what.get("name", "居民代表")
        values = {"name": name, "accepted": "yes", "text": what["text"]}
        await acceptance.record_acceptance(act, issue_id, values)

    async def _form(self, what: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a transition's form, with the file's names turned into ids."""
        values = {key: value for key, value in what.items() if key not in ("do", "day", "at", "by", "person")}
        if "unit" in values:
            values["unit"] = self.units[values["unit"]]
        for key in ("owner", "supervisor"):
            if key in values:
                values[key] = self.accounts[values[key]].id
        if "into" in values:
            values["into"] = (await Issue.get(id=self.issues[values["into"]])).number
        return values


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
