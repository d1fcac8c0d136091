"""Four processes at one PostgreSQL database, wanting the same thing at the same moment.

Everybody does each race `rounds` times, meeting before each. What they were answered is judged afterwards, beside
what stands in the database. No answer is a 500, whatever the race.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tests.soak.city import NewTown, append, at_work, registry_of
from tests.soak.processes import in_fork, run_together
from tests.soak.verification import settle, verify_at_length, verify_city

from yetan.access.models import Throttle
from yetan.access.sessions import ACCOUNT_TRIES, check_sign_in, issue_link, use_link
from yetan.act import ANONYMOUS, Act
from yetan.audit.models import AuditRecord
from yetan.db.change import change
from yetan.errors import Invalid, NotFound, TooMany
from yetan.events.jobs import run_due_jobs
from yetan.events.models import Event, JobRun
from yetan.issues.models import Issue, Rating
from yetan.issues.service import RaiserInput, report_issue, transition_issue
from yetan.people.models import Account
from yetan.plugins.declarations import Job
from yetan.plugins.registry import Registry
from yetan.testing import Browser, Town

SEATS = 4
_TRIES = 25
#: Seconds to wait for the others.
_PATIENCE = 300
_HOURS = (0, 1, 2, 26, 27)
_NAMES = ("陈小满", "周明远")

Note = dict[str, Any]


@dataclass
class Races:
    """What came of a run."""

    figures: dict[str, Any] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seat:
    """One of the processes: its number, the town, where it meets the others, and what it was prepared."""

    number: int
    town: Town
    everybody: Callable[[], object]
    pair: Callable[[], object]
    prepared: Mapping[str, Any]
    rounds: int

    def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Await something in this process's town."""
        return self.town.do(work)


def race(new_town: NewTown, rounds: int) -> Races:
    """Run every race `rounds` times for each pair of processes."""
    told, town, began = Races(), new_town(), time.monotonic()
    registry = registry_of(town)
    again = f"again: python -m tests.soak races --rounds {rounds}"
    if in_fork(lambda: asyncio.run(_prepare(town, registry, rounds))):
        told.losses.append(f"preparing fails; {again}")
        return told
    fork = multiprocessing.get_context("fork")
    everybody, pairs = fork.Barrier(SEATS), [fork.Barrier(2) for _ in range(SEATS // 2)]
    if any(run_together(lambda seat: _sit(town, registry, seat, everybody, pairs[seat // 2], rounds), SEATS)):
        told.losses.append(f"a process fails; {again}")
    elif in_fork(lambda: asyncio.run(_judge(town, registry, rounds))):
        told.losses.append(f"the judges find fault; {again}")
    else:
        told.figures = {"rounds": rounds, **json.loads((town.folder / "figures").read_text())}
    told.figures["seconds"] = round(time.monotonic() - began, 1)
    return told


async def _prepare(town: Town, registry: Registry, rounds: int) -> None:
    """The issues, links and so on that will be fought over."""
    async with at_work(town, registry):
        clerk, resident = await town.act("village"), RaiserInput(person_id=town.resident.id)

        async def issue(number: int) -> Issue:
            values = {"title": f"第 {number} 盏灯", "text": f"第 {number} 盏灯不亮。", "unit": town.units["village"]}
            return await report_issue(clerk, {**values, "kind": "problem", "collective": True}, [resident], via="visit")

        contested = [(await issue(number)).id for number in range(rounds * SEATS // 2)]
        resolved = []
        for number in range(rounds):
            done = await transition_issue(clerk, (await issue(number)).id, "settle", {"outcome": "换好了。"})
            resolved.append((done.id, done.number))
        account = await Account.get(username="village")
        links = [await issue_link(account, town.clock()) for _ in range(2 * rounds)]
        crossed = [(await issue(number)).id for number in range(SEATS)]
        prepared = {"contested": contested, "resolved": resolved, "links": links, "crossed": crossed}
        (town.folder / "prepared").write_text(json.dumps(prepared))


def _sit(town: Town, registry: Registry, number: int, everybody: Any, pair: Any, rounds: int) -> None:
    """One process: all races, one after the other."""
    prepared = json.loads((town.folder / "prepared").read_text())
    with town.open(registry):
        seat = Seat(number, town, lambda: everybody.wait(_PATIENCE), lambda: pair.wait(_PATIENCE), prepared, rounds)
        for name, run in RACES.items():
            everybody.wait(_PATIENCE)
            notes = run(seat)
            append(town.folder / f"notes-{name}-{number}", "".join(json.dumps(note) + "\n" for note in notes))
    asyncio.run(_run_jobs(town, registry, lambda: everybody.wait(_PATIENCE)))


# What each process does


def _officials(seat: Seat) -> list[Note]:
    """Two officials have the same page before them; one takes the matter on, the other turns it down."""
    side = seat.number % 2
    browser = seat.town.browser(("village", "clerk")[side])
    share = len(seat.prepared["contested"]) // (SEATS // 2)
    first = seat.number // 2 * share
    notes = []
    for issue in seat.prepared["contested"][first : first + share]:
        page = browser.get(f"/desk/issues/{issue}?do=transition.list").text
        version = re.findall(r'name="version" value="(\d+)"', page)[0]
        words = f"第 {issue} 件，{_NAMES[side]}写了很久的话"
        seat.pair()
        answer = _decide(seat, browser, issue, side, version, words)
        notes.append(
            {
                "issue": issue,
                "side": side,
                "status": answer.status_code,
                "name": _NAMES[1 - side] in answer.text,
                "words": words in answer.text,
            }
        )
    return notes


def _decide(seat: Seat, browser: Browser, issue: int, side: int, version: str, words: str) -> Any:
    deadline = (seat.town.clock().date() + timedelta(days=9)).isoformat()
    owner = str(seat.town.accounts["deputy"].id)
    typed: tuple[str, dict[str, str]] = (
        ("list", {"measures": words, "owner": owner, "deadline": deadline}),
        ("decline", {"reason": words, "instead": "县供电公司"}),
    )[side]
    return browser.submit(f"/desk/issues/{issue}/transitions/{typed[0]}", {**typed[1], "version": version})


def _ratings(seat: Seat) -> list[Note]:
    """One resident sends the slip from several devices at once."""
    browser = seat.town.browser("resident")
    notes = []
    for issue, number in seat.prepared["resolved"]:
        typed = {"score": "satisfied", "text": f"第 {seat.number} 台", "_key": f"rating-{issue}-{seat.number:020}"}
        seat.everybody()
        notes.append({"issue": issue, "status": browser.submit(f"/follow/{number}/rating", typed).status_code})
    return notes


def _double_clicks(seat: Seat) -> list[Note]:
    """The same form arrives several times at once, under its one key."""
    browser = seat.town.browser("village")
    notes = []
    for round_number, (issue, _) in enumerate(seat.prepared["resolved"]):
        typed = {"text": "灯头到了。", "version": "", "_key": f"progress-{issue:020}"}
        typed["version"] = re.findall(
            r'name="version" value="(\d+)"', browser.get(f"/desk/issues/{issue}?do=progress").text
        )[0]
        seat.everybody()
        status = browser.submit(f"/desk/issues/{issue}/progress", typed).status_code
        notes.append({"issue": issue, "status": status, "round": round_number})
    return notes


def _links(seat: Seat) -> list[Note]:
    """One sign-in link, opened everywhere at once: by people, then by a program with a hundred arms."""
    notes = []
    pressed, tried = seat.prepared["links"][: seat.rounds], seat.prepared["links"][seat.rounds :]
    for number, token in enumerate(pressed):
        browser = seat.town.browser()
        seat.everybody()
        notes.append({"link": number, "status": browser.submit(f"/sign-in/{token}").status_code})
    for number, token in enumerate(tried, start=len(pressed)):

        async def many(token: str = token) -> list[Any]:
            tries = (use_link(token, seat.town.clock()) for _ in range(_TRIES))
            return await asyncio.gather(*tries, return_exceptions=True)

        seat.everybody()
        for each in seat.do(many):
            status = 303 if isinstance(each, Account) else 404 if isinstance(each, NotFound) else 500
            notes.append({"link": number, "status": status})
    return notes


def _guesses(seat: Seat) -> list[Note]:
    """A password is guessed a hundred times at once, from as many addresses."""

    async def one(number: int) -> str:
        act = Act(ANONYMOUS, seat.town.clock(), source=f"10.0.{seat.number}.{number}")
        try:
            await check_sign_in(act, "clerk", "一看就是猜的")
        except (Invalid, TooMany) as error:
            return type(error).__name__
        return "let in"

    async def many() -> list[str]:
        return list(await asyncio.gather(*(one(number) for number in range(_TRIES))))

    seat.everybody()
    return [{"answer": answer} for answer in seat.do(many)]


def _numbers(seat: Seat) -> list[Note]:
    """Many register at once."""
    notes = []
    for number in range(min(5 * seat.rounds, 50)):

        async def register(number: int = number) -> Issue:
            text = f"{seat.number} 号窗口第 {number} 件"
            values = {"title": text, "text": text, "unit": seat.town.units["village"], "kind": "problem"}
            return await report_issue(await seat.town.act("village"), values, via="visit")

        made = seat.do(register)
        notes.append({"id": made.id, "number": made.number})
    return notes


def _crossed(seat: Seat) -> list[Note]:
    """Two changes take the same two rows in opposite order: the database takes one back, and it is made again."""
    first = seat.number // 2 * 2
    pair = seat.prepared["crossed"][first : first + 2]
    one, other = pair if seat.number % 2 else reversed(pair)
    for _ in range(min(seat.rounds, 3)):
        seat.pair()
        seat.do(lambda: touch_both(Act(ANONYMOUS, seat.town.clock()), one, other))
    return []


@change(Issue)
async def touch_both(act: Act, one: int, other: int) -> Issue:
    """Change two issues, one after the other."""
    for each in (one, other):
        await Issue.filter(id=each).update(place=str(act.now))
        await asyncio.sleep(0.2)
    return await Issue.get(id=one)


RACES: Mapping[str, Callable[[Seat], list[Note]]] = {
    "officials": _officials,
    "ratings": _ratings,
    "double_clicks": _double_clicks,
    "links": _links,
    "guesses": _guesses,
    "numbers": _numbers,
    "crossed": _crossed,
}


async def _run_jobs(town: Town, registry: Registry, everybody: Callable[[], object]) -> None:
    """Schedulers of several processes wake at the same moment, and sleep through a day."""

    async def job(act: Act) -> None:
        append(town.folder / "jobs", f"{act.now.isoformat()}\n")

    began = town.clock.now
    async with at_work(town, replace(registry, jobs={"soak.hourly": Job("soak.hourly", "hour", job)})):
        for hour in _HOURS:
            town.clock.now = began + timedelta(hours=hour)
            await asyncio.to_thread(everybody)
            await asyncio.gather(run_due_jobs(), run_due_jobs())


# The judges


async def _judge(town: Town, registry: Registry, rounds: int) -> None:
    notes = {name: [note for seat in range(SEATS) for note in _notes(town.folder, name, seat)] for name in RACES}
    found: list[str] = []
    async with at_work(town, registry):
        for name, judge in _JUDGES.items():
            found += [f"{name}: {fault}" for fault in await judge(notes[name], rounds)]
        found += await _judge_jobs(town)
        found += [f"{name}: {note}" for name in RACES for note in notes[name] if note.get("status", 200) >= 500]
        town.clock.forward(days=2)
        await settle(town)
        found += [*await verify_city(town), *await verify_at_length(town)]
    kept = sum(note["words"] for note in notes["officials"] if note["status"] == 409)
    figures = {
        "official_races": len(notes["officials"]) // 2,
        "winners": sum(note["status"] == 303 for note in notes["officials"]),
        "texts_kept": kept,
        "rating_races": len(notes["ratings"]) // SEATS,
        "double_clicks": len(notes["double_clicks"]) // SEATS,
        "sign_in_link_tries": len(notes["links"]),
        "guesses_counted": len(notes["guesses"]),
        "numbers_given_out": len(notes["numbers"]),
        "answers_of_500": 0,
    }
    (town.folder / "figures").write_text(json.dumps(figures))
    assert not found, "\n".join(["LOST:", *found])


def _notes(folder: Path, name: str, seat: int) -> list[Note]:
    return [json.loads(line) for line in (folder / f"notes-{name}-{seat}").read_text().splitlines()]


async def _judge_officials(notes: Sequence[Note], rounds: int) -> list[str]:
    """One winner each; the other was told who was quicker and kept the text; one deed is on record (C61)."""
    faults = []
    by_issue = _by(notes, "issue")
    if len(by_issue) != rounds * SEATS // 2:
        faults.append(f"{len(by_issue)} races instead of {rounds * SEATS // 2}")
    for issue, sides in by_issue.items():
        done = await Event.filter(subject_kind="issue", subject_id=issue, type__in=["issue.list", "issue.decline"])
        recorded = await AuditRecord.filter(subject=f"Issue:{issue}", action__in=[each.type for each in done])
        fair = sorted(each["status"] for each in sides) == [303, 409] and len(done) == 1
        if not fair or [each.outcome for each in recorded] != ["done"]:
            faults.append(f"issue {issue}: {sides}, events {len(done)}, recorded {len(recorded)}")
        for loser in sides:
            if loser["status"] == 409 and not (loser["name"] and loser["words"]):
                faults.append(f"issue {issue}: the loser was not told by whom, or lost the text: {loser}")
    return faults


async def _judge_ratings(notes: Sequence[Note], rounds: int) -> list[str]:
    """One slip a person (C63)."""
    return [
        f"issue {issue}: {answers}"
        for issue, answers in _by(notes, "issue").items()
        if sorted(each["status"] for each in answers) != [303, 409, 409, 409]
        or await Rating.filter(issue_id=issue).count() != 1
    ]


async def _judge_double_clicks(notes: Sequence[Note], rounds: int) -> list[str]:
    """All are told it is done, and it was done once (C54)."""
    return [
        f"issue {issue}: {answers}"
        for issue, answers in _by(notes, "issue").items()
        if {each["status"] for each in answers} != {303}
        or await Event.filter(subject_kind="issue", subject_id=issue, type="issue.progress").count() != 1
    ]


async def _judge_links(notes: Sequence[Note], rounds: int) -> list[str]:
    """A link lets one in (C32)."""
    counted = {link: Tally(each["status"] for each in answers) for link, answers in _by(notes, "link").items()}
    return [f"link {link}: {answers}" for link, answers in counted.items() if answers[303] != 1 or len(answers) > 2]


async def _judge_guesses(notes: Sequence[Note], rounds: int) -> list[str]:
    """A hundred tries count as a hundred; as many as are allowed were looked at (C38)."""
    answers = Tally(note["answer"] for note in notes)
    counted = [each.count for each in await Throttle.filter(name="sign_in.account")]
    wanted = Tally({"Invalid": ACCOUNT_TRIES, "TooMany": SEATS * _TRIES - ACCOUNT_TRIES})
    return [] if answers == wanted and counted == [SEATS * _TRIES] else [f"{answers}, counted {counted}"]


async def _judge_numbers(notes: Sequence[Note], rounds: int) -> list[str]:
    """Every number once, in the order of registration."""
    given = [int(note["number"].partition("-")[2]) for note in sorted(notes, key=lambda note: int(note["id"]))]
    return [] if len(set(given)) == len(given) and given == sorted(given) else [f"{given}"]


async def _judge_jobs(town: Town) -> list[str]:
    """A job ran once for each hour that came, and not for those slept through (F43)."""
    ran = Tally((town.folder / "jobs").read_text().split())
    rows = await JobRun.filter(job="soak.hourly").count()
    fair = len(ran) == rows == len(_HOURS) and set(ran.values()) == {1}
    return [] if fair else [f"jobs: {dict(ran)}, {rows} rows"]


def _by(notes: Sequence[Note], name: str) -> Mapping[int, list[Note]]:
    found: dict[int, list[Note]] = defaultdict(list)
    for note in notes:
        found[note[name]].append(note)
    return found


_JUDGES = {
    "officials": _judge_officials,
    "ratings": _judge_ratings,
    "double_clicks": _judge_double_clicks,
    "links": _judge_links,
    "guesses": _judge_guesses,
    "numbers": _judge_numbers,
}
