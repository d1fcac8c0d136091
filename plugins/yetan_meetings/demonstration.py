"""What the night talks tell in a demo: evenings with all that belongs to them, as demo/meetings.toml has them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from yetan.api import (
    ANONYMOUS,
    Act,
    Person,
    Scene,
    Stage,
    Tale,
    alter_record,
    current,
    keep_record,
    publish_record,
    transition_issue,
)
from yetan_activities.api import (
    Activity,
    Attendance,
    close_activity,
    decide_reflection,
    open_activity,
    reflect,
    sign_in,
)
from yetan_meetings.agenda import raise_item, take_item
from yetan_meetings.decisions import decide
from yetan_meetings.forms import OPEN_TALK
from yetan_meetings.interviews import write_visit
from yetan_meetings.invitations import invite
from yetan_meetings.messages import sort_message, type_slip
from yetan_meetings.models import AgendaItem, ChatLine, LedgerEntry
from yetan_meetings.online_talk import keep_chat, take_lines
from yetan_meetings.reception import add_point, add_shifts
from yetan_meetings.reports import drafted, receive_report, write_report
from yetan_meetings.topics import decide_comment, schedule_topic, show_topic, write_comment, write_topic
from yetan_meetings.township import WORK_PLAN, confirm
from yetan_meetings.voting import cast, close_vote, open_vote

Told = Mapping[str, Any]
#: The columns of an activity that the file may name, besides its date.
_PLANNED = ("title", "place", "venue", "channel", "host_name", "programme", "starts_at", "ends_at")
_AFTERWARDS = ("stated_residents", "summary", "funds_yuan", "funds_note")


def scenes(stage: Stage) -> Sequence[Scene]:
    """Everything the file tells; nothing in a city whose demo has none."""
    file = stage.folder / "meetings.toml"
    if not file.is_file():
        return ()
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    return [
        *(scene for each in told.get("evening", []) for scene in _Evening(stage, each).scenes()),
        *(_talk(stage, each) for each in told.get("talk", [])),
        *(_plan(stage, each) for each in told.get("plan", [])),
        *(_entry(stage, each) for each in told.get("entry", [])),
        *(scene for each in told.get("point", []) for scene in _Point(stage, each).scenes()),
        *(scene for each in told.get("topic", []) for scene in _topic(stage, each)),
    ]


TALES = (Tale("meetings.evenings", scenes),)


def _local(stage: Stage) -> date:
    return current().calendar.local_date(stage.now)


def _days_ago(stage: Stage, told: Told) -> int:
    """How many days ago something is: said so, or as the latest such day of the year, or by month and day."""
    today = _local(stage)
    if "on" in told:
        on = date.fromisoformat(f"{today.year}-{told['on']}")
        return (today - (on if on <= today else on.replace(year=on.year - 1))).days
    if "months_ago" in told:
        first = today.replace(day=1)
        for _month in range(told["months_ago"]):
            first = (first - timedelta(days=1)).replace(day=1)
        return (today - first.replace(day=told["day"])).days
    return int(told["days_ago"])


def _in_public() -> Act:
    """An act of somebody without an account, at the story's instant."""
    return Act(ANONYMOUS, current().clock())


async def _publish(act: Act, kind: str, record_id: int) -> None:
    row = await current().registry.record_kinds[kind].model.get(id=record_id)
    await publish_record(act, kind, record_id, row.version)


class _Evening:
    """One evening: announced, opened, signed in to, its agenda taken, closed, written up, and what follows."""

    def __init__(self, stage: Stage, told: Told) -> None:
        self.stage = stage
        self.told = told
        self.kind: str = told["kind"]
        self.days_ago = _days_ago(stage, told)
        self.unit = stage.units[told["unit"]]
        self.id = 0
        self.there: dict[str, Attendance] = {}
        self.items: dict[str, int] = {}

    def scenes(self) -> Iterator[Scene]:
        """What happens, with its times."""
        told = self.told
        yield Scene(self._at("09:30", -int(told.get("announced", 4))), self._announce)
        yield Scene(self._at(told["starts_at"]), self._open)
        for item in told.get("item", []):
            yield Scene(self._at(item.get("at", told["starts_at"])), partial(self._take, item))
        yield Scene(self._at(told.get("closes", "21:30")), self._close)
        yield Scene(self._at("09:10", 1), self._write_up)
        if "report" in told:
            yield Scene(self._at("10:30", 1), self._report)
        for said in told.get("said", []):
            yield Scene(self._at("20:30", said.get("day", 1)), partial(self._said, said))
        for item in told.get("item", []):
            yield from self.stage.steps(self._name(item), self.days_ago, self._course(item))

    def _at(self, time: str, day: int = 0) -> Any:
        return self.stage.instant(self.days_ago - day, time)

    def _name(self, item: Told) -> str:
        return f"{self.told['id']}-{item['id']}"

    async def _host(self) -> Act:
        return await self.stage.act(self.told["by"])

    async def _announce(self) -> None:
        act = await self._host()
        day = _local(self.stage) - timedelta(days=self.days_ago)
        planned = {name: self.told[name] for name in _PLANNED if name in self.told}
        self.id = (await keep_record(act, self.kind, {"unit": self.unit, "date": day, **planned})).id
        await _publish(act, self.kind, self.id)
        for guest in self.told.get("invited", []):
            given = {"role": guest["role"], "name": guest.get("name", ""), "account": self._account(guest)}
            await invite(act, self.id, given)
        for item in self.told.get("item", []):
            if item.get("beforehand"):
                await self._raise(act, item)

    def _account(self, who: Told) -> int | None:
        return self.stage.accounts[who["account"]].id if "account" in who else None

    async def _open(self) -> None:
        act = await self._host()
        await open_activity(act, self.id)
        for name in self.told.get("residents", []):
            called, _space, house = name.partition(" ")
            self.there[called] = await sign_in(_in_public(), self.id, {"name": called, "house": house}, way="code")
            self.stage.persons[called] = await Person.get(id=self.there[called].person_id)
        for guest in (*self.told.get("invited", []), *self.told.get("guests", [])):
            given = {"name": guest.get("name", ""), "role": guest["role"], "account": self._account(guest)}
            await sign_in(act, self.id, given, way="host")

    async def _raise(self, act: Act, item: Told) -> None:
        by = str(self.there[item["by"]].id) if "by" in item else ""
        said = {"title": item["title"], "text": item.get("text", ""), "kind": item["kind"], "raised_by": by}
        self.items[item["id"]] = (await raise_item(act, self.id, said)).id

    async def _take(self, item: Told) -> None:
        act = await self._host()
        if item["id"] not in self.items:
            await self._raise(act, item)
        number = self.items[item["id"]]
        await take_item(act, number)
        if "votes" in item:
            await open_vote(act, number)
            for name, choice in zip(self.there, item.get("phones", ()), strict=False):
                await cast(_in_public(), number, self.there[name].id, choice)
            await close_vote(act, number, item["votes"])
        version = (await AgendaItem.get(id=number)).version
        taken = await decide(act, number, item["decision"], self._values(item), version)
        if taken.issue_id is not None:
            self.stage.issues[self._name(item)] = taken.issue_id

    def _values(self, item: Told) -> dict[str, Any]:
        """What a decision's form is filled in with."""
        values = {name: item[name] for name in ("outcome", "measures", "place", "collective") if name in item}
        if "category" in item:
            values["category"] = self.stage.categories[item["category"]]
        for name in ("owner", "supervisor"):
            if name in item:
                values[name] = self.stage.accounts[item[name]].id
        if "responsible" in item:
            values["unit"] = self.stage.units[item["responsible"]]
        if "deadline_day" in item:
            values["deadline"] = _local(self.stage) - timedelta(days=self.days_ago - item["deadline_day"])
        return values

    def _course(self, item: Told) -> list[dict[str, Any]]:
        """What happens to an item's issue afterwards, by the days that the file names."""
        if item["decision"] not in ("issue", "settled", "noted"):
            return []
        steps: list[dict[str, Any]] = []
        review = {"do": "publish", "by": self.told.get("reviewer", "county-publisher")}
        steps.append({**review, "day": 1, "at": "11:00"})
        if item["decision"] == "issue":
            steps.append({"do": "start", "day": 1, "at": "14:00", "by": item["owner"]})
        if "resolved" in item:
            done = {"do": "resolve", "by": item["owner"], "outcome": item["result"]}
            steps.append({**done, "day": item["resolved"], "at": "16:00"})
        if "accepted" in item:
            told = {"do": "feed_back", "by": self.told["by"], "text": item.get("told", "把结果告诉了提的人。")}
            way = "posted" if item.get("collective") else "visit"
            steps.append({**told, "way": way, "day": item.get("resolved", 1), "at": "17:00"})
            accept = {"do": "accept", "person": item["by"], "text": item.get("says", "办好了。")}
            steps.append({**accept, "day": item["accepted"], "at": "19:40"})
            rate = {"do": "rate", "person": item["by"], "score": item.get("score", "satisfied")}
            steps.append({**rate, "day": item["accepted"], "at": "19:45"})
            strike = {"do": "strike_off", "by": self.told["clerk"]}
            steps.append({**strike, "day": item["accepted"] + 1, "at": "10:00"})
            steps.append({**review, "day": item["accepted"] + 1, "at": "15:00"})
        elif "resolved" in item:
            steps.append({**review, "day": item["resolved"] + 1, "at": "11:00"})
        return steps

    async def _close(self) -> None:
        act = await self._host()
        await self._write_down(act)
        await close_activity(act, self.id)

    async def _write_down(self, act: Act) -> None:
        """What the other forms leave: visits to households, a copied discussion."""
        for visit in self.told.get("visit", []):
            await self._list(act, await write_visit(act, self.id, visit), visit)
        if "chat" in self.told:
            await keep_chat(act, self.id, self.told["chat"])
            lines = await ChatLine.filter(activity_id=self.id).order_by("position")
            for taken in self.told.get("taken", []):
                chosen = [lines[number - 1].id for number in taken["lines"]]
                await self._list(act, await take_lines(act, self.id, chosen, taken), taken)

    async def _list(self, act: Act, entry: LedgerEntry, told: Told) -> None:
        """Give the issue that was made of an entry its owner, measures and deadline, so that the evening may close."""
        if "listed" in told and entry.issue_id is not None:
            await transition_issue(act, entry.issue_id, "list", self._values(told["listed"]))

    async def _write_up(self) -> None:
        act = await self._host()
        row = await Activity.get(id=self.id)
        form = [field.name for field in current().registry.record_kinds[self.kind].form]
        values = {name: getattr(row, name) for name in form}
        values |= {name: self.told[name] for name in _AFTERWARDS if name in self.told}
        await alter_record(act, self.kind, self.id, values, row.version)
        await _publish(act, self.kind, self.id)

    async def _report(self) -> None:
        act = await self._host()
        written = await drafted(await Activity.get(id=self.id))
        report = await write_report(act, self.id, {**written, **self.told["report"]}, 0, send=True)
        if "receipt" in self.told:
            clerk = await self.stage.act(self.told["clerk"])
            await receive_report(clerk, report.id, {"note": self.told["receipt"]})

    async def _said(self, said: Told) -> None:
        row = await reflect(_in_public(), self.id, {"text": said["text"], "name": said.get("name", "")})
        if said.get("shown", True):
            await decide_reflection(await self._host(), self.id, row.id, "shown")


def _talk(stage: Stage, told: Told) -> Scene:
    """An open talk that was written down the morning after; one whose day is still to come, the day before the demo."""
    days_ago = _days_ago(stage, told)
    over = days_ago > 0

    async def play() -> None:
        act = await stage.act(told["by"])
        day = _local(stage) - timedelta(days=days_ago)
        known = (*_PLANNED, *_AFTERWARDS) if over else _PLANNED
        values = {name: told[name] for name in known if name in told}
        row = await keep_record(act, OPEN_TALK, {"unit": stage.units[told["unit"]], "date": day, **values})
        await _publish(act, OPEN_TALK, row.id)

    return Scene(stage.instant(days_ago - 1 if over else 1, "08:40"), play)


def _plan(stage: Stage, told: Told) -> Scene:
    """A township's plan for this year, and what it confirms by hand."""

    async def play() -> None:
        act = await stage.act(told["by"])
        unit, year = stage.units[told["unit"]], _local(stage).year
        values = {"unit": unit, "title": told["title"].format(year=year), "text": told["text"], "year": year}
        row = await keep_record(act, WORK_PLAN, {**values, "date": date(year, 1, 8)})
        if told.get("published", True):
            await _publish(act, WORK_PLAN, row.id)
        for which, note in told.get("confirmed", {}).items():
            await confirm(act, unit, year, int(which), {"note": note})

    return Scene(stage.instant(_days_ago(stage, told), "10:00"), play)


def _entry(stage: Stage, told: Told) -> Scene:
    """An entry of the ledger that somebody wrote at the desk."""
    days_ago = _days_ago(stage, told)

    async def play() -> None:
        values = {name: value for name, value in told.items() if name not in ("by", "days_ago", "unit")}
        day = _local(stage) - timedelta(days=days_ago)
        values |= {"unit": stage.units[told["unit"]], "date": day}
        await keep_record(await stage.act(told["by"]), "condition", values)

    return Scene(stage.instant(days_ago, "17:20"), play)


class _Point:
    """A service point with its roster and what was put into its box."""

    def __init__(self, stage: Stage, told: Told) -> None:
        self.stage = stage
        self.told = told
        self.point: Any = None

    def scenes(self) -> Iterator[Scene]:
        """What happens, with its times."""
        yield Scene(self.stage.instant(self.told["days_ago"], "09:00"), self._open)
        for slip in self.told.get("slip", []):
            yield Scene(self.stage.instant(slip["days_ago"], "18:30"), partial(self._slip, slip))

    async def _open(self) -> None:
        act = await self.stage.act(self.told["by"])
        about = {name: self.told[name] for name in ("name", "place", "hours")}
        self.point = await add_point(act, {"unit": self.stage.units[self.told["unit"]], **about})
        today = _local(self.stage)
        span = {"since": today - timedelta(days=self.told["days_ago"]), "until": today + timedelta(days=30)}
        for shift in self.told.get("shift", []):
            who = {"account": self.stage.accounts[shift["account"]].id} if "account" in shift else {}
            await add_shifts(act, self.point.id, {**shift, **who, **span})

    async def _slip(self, slip: Told) -> None:
        act = await self.stage.act(self.told["by"])
        message = await type_slip(act, self.point, {"slip": slip["text"], "who": slip.get("who", ""), "phone": ""})
        if "sorted" in slip:
            await sort_message(act, message.id, slip["sorted"])


def _topic(stage: Stage, told: Told) -> Iterator[Scene]:
    """A resident's topic, and what became of it."""
    days_ago = told["days_ago"]
    made: list[int] = []

    async def propose() -> None:
        values = {"title": told["title"], "text": told.get("text", ""), "name": told.get("name", "")}
        made.append((await write_topic(_in_public(), stage.units[told["unit"]], values)).id)

    async def moderate() -> None:
        act = await stage.act(told["by"])
        await show_topic(act, made[0])
        for text in told.get("comments", []):
            said = await write_comment(_in_public(), made[0], {"text": text, "name": ""})
            await decide_comment(act, said.id, "shown")
        if "scheduled" in told:
            unit = stage.units[told["unit"]]
            meeting = await Activity.filter(unit_id=unit, title=told["scheduled"]).order_by("-date").first()
            if meeting is not None:
                await schedule_topic(act, made[0], {"activity": str(meeting.id)})

    yield Scene(stage.instant(days_ago, "20:10"), propose)
    if told.get("shown", True):
        yield Scene(stage.instant(days_ago - 1, "09:50"), moderate)
