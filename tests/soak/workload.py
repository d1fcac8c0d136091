"""What people do in a city, drawn at random: each request is a call of the service their page would make."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from PIL import Image
from tests.soak.journal import Journal, Request

from yetan.access.scope import may
from yetan.act import Act
from yetan.audit.sealing import seal
from yetan.audit.service import record
from yetan.errors import YetanError
from yetan.events.worker import Worker
from yetan.issues.acceptance import SCORES, accept, rate, ways_of
from yetan.issues.actions import ACTIONS
from yetan.issues.importing import carry_out, plan_import
from yetan.issues.ledger import ledger_columns, parse_ledger
from yetan.issues.lifecycle import RESOLVED
from yetan.issues.models import Acceptance, Issue, IssueLink, Raiser, Rating
from yetan.issues.raising import raise_issue
from yetan.issues.service import RaiserInput, options, report_issue, transition_issue
from yetan.publication import service as publication
from yetan.publication.models import Publication
from yetan.publication.projection import rebuild as rebuild_board
from yetan.runtime import current
from yetan.searching.feed import rebuild as rebuild_index
from yetan.spreadsheets import Table, TableRow
from yetan.testing import Town
from yetan.units.models import Unit
from yetan.web.forms import Field

Values = dict[str, Any]
Answer = Mapping[str, Any]

#: Who works at the desk, and whose account answers for a matter at which unit.
_OFFICIALS = ("village", "deputy", "clerk", "department", "leader", "sibling")
_OWNERS = {"village": "deputy", "sibling": "sibling", "township": "clerk", "department": "department"}
_HEADINGS = ("编号", "标题", "内容", "留言时间", "答复意见", "答复时间")
_RUNNING = ("open", "awaiting")


@dataclass(frozen=True)
class Drawn:
    """A request before it has a key: who, with which values, and which events it will leave behind."""

    by: str
    values: Values
    events: Sequence[str] = ()
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One kind of request. `draw` finds something to ask for in the city as it is, `send` asks it of the service.

    What is not `acknowledged` belongs to the city itself, such as its worker: nobody waits for an answer.
    """

    draw: Callable[[Town, Random, str], Awaitable[Drawn | None]]
    send: Callable[[Town, Act, Values], Awaitable[Any]]
    weight: int = 1
    acknowledged: bool = True


class Photo:
    """A picture as a browser sends it, of a colour told by a number."""

    def __init__(self, number: int) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (16, 16), (number * 37 % 256, number * 11 % 256, 90)).save(picture, "JPEG")
        self._data = picture.getvalue()
        self.size: int | None = len(self._data)

    async def read(self) -> bytes:
        """All of it."""
        return self._data


async def play(
    town: Town,
    journal: Journal,
    rng: Random,
    life: int,
    plan: Sequence[str],
    about_to: Callable[[str], None] = lambda step: None,
) -> None:
    """Ask for one thing after the other, as `plan` names them ("" for anything), and keep what was answered.

    `about_to` is told each step before its service is called.
    """
    for number, name in enumerate(plan):
        town.clock.forward(minutes=3)
        key = f"{life}-{number}"
        step = name or rng.choices(list(STEPS), [each.weight for each in STEPS.values()])[0]
        drawn = await STEPS[step].draw(town, rng, key)
        journal.clock(town.clock())
        if drawn is None:
            continue
        request = Request(key, step, drawn.by, drawn.values, drawn.events, drawn.beside)
        if STEPS[step].acknowledged:
            journal.sends(request)
            about_to(step)
            await send(town, journal, request)
        else:
            await STEPS[step].send(town, await town.act(request.by), dict(request.values))


async def send(town: Town, journal: Journal, request: Request) -> None:
    """Send a request, or send it again, under its key."""
    try:
        made = await STEPS[request.step].send(town, await town.act(request.by, request.key), dict(request.values))
    except YetanError as error:
        journal.refused(request, f"{error.message} {getattr(error, 'fields', '')}")
        return
    journal.answered(request, _answer(made))


def _answer(made: Any) -> Answer:
    if isinstance(made, Issue):
        return {"issue": made.id, "number": made.number, "state": made.state, "version": made.version}
    if isinstance(made, Publication):
        return {"issue": made.subject_id, "publication": made.state, "version": made.version}
    return dict(made)


# Raising


async def _draw_raise(town: Town, rng: Random, key: str) -> Drawn:
    return Drawn("resident", {**_matter(town, key), "photos": rng.choice((0, 1, 2))}, ["issue.reported"])


async def _raise(town: Town, act: Act, values: Values) -> Issue:
    photos = [Photo(number) for number in range(values.pop("photos"))]
    return await raise_issue(act, values, photos)


async def _draw_register(town: Town, rng: Random, key: str) -> Drawn:
    where = rng.choice(("village", "sibling"))
    values = {**_matter(town, key), "unit": town.units[where], "collective": rng.random() < 0.5}
    return Drawn(where, {**values, **_resident(key)}, ["issue.reported"])


async def _register(town: Town, act: Act, values: Values) -> Issue:
    raiser = RaiserInput(values.pop("name"), values.pop("phone"))
    return await report_issue(act, values, [raiser], via="visit")


def _matter(town: Town, key: str) -> Values:
    return {
        "title": f"第 {key} 件：路灯不亮",
        "text": f"村口第 {key} 盏路灯坏了半个月，晚上老人不敢走。",
        "unit": town.units["village"],
        "place": "村口",
        "kind": "problem",
        "collective": True,
        "category": town.category,
    }


def _resident(key: str) -> Values:
    life, _, number = key.partition("-")
    return {"name": f"居民{key}", "phone": f"138{int(life):04}{int(number):04}"}


# At the desk


async def _draw_transition(town: Town, rng: Random, key: str) -> Drawn | None:
    for issue in await _some(rng, _states(*_RUNNING) if rng.random() < 0.8 else _states("closed", "closed_good")):
        for by in rng.sample(_OFFICIALS, len(_OFFICIALS)):
            act = await town.act(by)
            # An issue goes on more often than back or aside.
            there = [each.transition for each in await options(act, issue) if not each.refusal]
            weights = [6 if each.kind == "main" else 1 for each in there]
            if not there:
                continue
            transition = rng.choices(there, weights)[0]
            filled = await _filled(town, rng, key, issue, transition.form)
            if filled is not None:
                values = {"issue": issue.id, "version": issue.version, "transition": transition.name, "form": filled}
                return Drawn(by, values, [f"issue.{transition.name}"], await _beside(issue, filled.get("into", "")))
    return None


async def _beside(issue: Issue, into: str) -> Mapping[str, Sequence[str]]:
    """What merging `issue` leaves on the other: its raisers join those who are there."""
    if not into:
        return {}
    known = await Raiser.filter(issue__number=into).values_list("person_id", flat=True)
    joining = await Raiser.filter(issue_id=issue.id).exclude(person_id__in=[int(str(each)) for each in known]).count()
    return {into: ["issue.raiser_added"] * joining}


async def _transition(town: Town, act: Act, values: Values) -> Issue:
    return await transition_issue(act, values["issue"], values["transition"], values["form"], version=values["version"])


async def _draw_action(town: Town, rng: Random, key: str) -> Drawn | None:
    for issue in await _some(rng, _states(*_RUNNING)):
        for by in rng.sample(_OFFICIALS, len(_OFFICIALS)):
            act, state = await town.act(by), current().registry.states[issue.state]
            there = [
                each
                for each in ACTIONS
                if await each.is_open(act, issue, state)
                and await may(act, each.permission, each.units(issue))
                and not await each.refusal(act, issue)
            ]
            if not there:
                continue
            action = rng.choice(there)
            filled = await _filled(town, rng, key, issue, action.fields(issue))
            if filled is not None:
                values = {"issue": issue.id, "version": issue.version, "action": action.name, "form": filled}
                return Drawn(by, values, _events_of(action.name, filled))
    return None


def _events_of(action: str, filled: Values) -> list[str]:
    if action == "acceptance":
        return _verdict_events(filled["accepted"] == "yes")
    told = {"assign": "assigned", "raiser": "raiser_added", "photo": "photo_added", "correct": "corrected"}
    return [f"issue.{told.get(action, 'linked' if action == 'link' else action)}"]


def _verdict_events(accepted: bool) -> list[str]:
    return ["issue.accepted"] if accepted else ["issue.refused", "issue.return"]


async def _action(town: Town, act: Act, values: Values) -> Issue:
    action = next(each for each in ACTIONS if each.name == values["action"])
    form = dict(values["form"])
    if "photos" in form:
        form["photos"] = [Photo(number) for number in range(form["photos"])]
    return await action.run(act, await Issue.get(id=values["issue"]), form, values["version"])


async def _filled(town: Town, rng: Random, key: str, issue: Issue, fields: Sequence[Field]) -> Values | None:
    """What somebody types into a form; None where there is nothing to choose."""
    required = {field.name for field in fields if field.required}
    linking = "number" in required
    linked = await IssueLink.filter(issue_id=issue.id).values_list("other_id", flat=True) if linking else []
    others = Issue.filter(state__in=_states(*_RUNNING), unit_id=issue.unit_id)
    others = others.exclude(id__in=[issue.id, *(int(str(each)) for each in linked)])
    numbers = list(await others.order_by("id").values_list("number", flat=True))
    units = [unit for unit in ("department", "township") if town.units[unit] != issue.responsible_unit_id]
    responsible = next(code for code, unit in town.units.items() if unit == issue.responsible_unit_id)
    after = max(town.clock(), issue.deadline or town.clock()).date()
    bank: Values = {
        "unit": town.units[rng.choice(units)] if "unit" in required else None,
        "owner": town.accounts[_OWNERS.get(responsible, "leader")].id,
        "supervisor": None,
        "deadline": (after + timedelta(days=rng.randint(2, 9))).isoformat(),
        "into": rng.choice(numbers) if numbers else None,
        "number": rng.choice(numbers) if numbers else None,
        "kind": "repeat" if linking else "problem",
        "way": rng.choice(ways_of(issue))[0],
        "accepted": rng.choice(("yes", "yes", "yes", "no")),
        "photos": rng.randint(1, 2),
        "stage": "after",
        "collective": issue.collective,
        "category": town.category,
        **_resident(key),
    }
    filled = {field.name: bank.get(field.name, f"{field.label} {key}") for field in fields}
    return None if any(filled[name] is None for name in required) else filled


# Residents


async def _draw_verdict(town: Town, rng: Random, key: str) -> Drawn | None:
    issue = await _resolved_of_resident(town, rng, Acceptance)
    if issue is None:
        return None
    accepted = rng.random() < 0.8
    return Drawn("resident", {"issue": issue.id, "accepted": accepted}, _verdict_events(accepted))


async def _verdict(town: Town, act: Act, values: Values) -> Issue:
    return await accept(act, values["issue"], values["accepted"], "看过了。")


async def _draw_rating(town: Town, rng: Random, key: str) -> Drawn | None:
    issue = await _resolved_of_resident(town, rng, Rating)
    if issue is None:
        return None
    return Drawn("resident", {"issue": issue.id, "score": rng.choice(SCORES)[0]}, ["issue.rated"])


async def _rating(town: Town, act: Act, values: Values) -> Issue:
    return await rate(act, values["issue"], values["score"])


async def _resolved_of_resident(town: Town, rng: Random, said: type[Acceptance] | type[Rating]) -> Issue | None:
    raised = await Raiser.filter(person_id=town.resident.id).values_list("issue_id", flat=True)
    for issue in await _some(rng, [RESOLVED]):
        if issue.id in raised and not await said.filter(
            issue_id=issue.id, round=issue.round, person_id=town.resident.id
        ):
            return issue
    return None


# The board


async def _draw_publication(town: Town, rng: Random, key: str) -> Drawn | None:
    for issue in await _some(rng, list(current().registry.states)):
        known = await Publication.get_or_none(subject_kind="issue", subject_id=issue.id)
        shown = known is not None and known.state == "approved"
        by = rng.choice(("clerk", "publisher"))
        if shown and rng.random() < 0.15:
            return Drawn(by, {"issue": issue.id, "what": "withdraw"}, ["publication.withdrawn"])
        if known is None or known.pending or not shown:
            event = "publication.corrected" if shown else "publication.approved"
            return Drawn(by, {"issue": issue.id, "what": "approve"}, [event])
    return None


async def _publish(town: Town, act: Act, values: Values) -> Publication:
    if values["what"] == "withdraw":
        return await publication.withdraw(act, values["issue"], "写错了人。")
    return await publication.approve(act, values["issue"])


# Ledgers


async def _draw_import(town: Town, rng: Random, key: str) -> Drawn:
    return Drawn("clerk", {"source": f"ledger {key}", "rows": rng.randint(2, 6), "publish": rng.random() < 0.6})


async def _import(town: Town, act: Act, values: Values) -> Answer:
    """A ledger has no key: its name and the numbers in it say what is here already."""
    rows = [
        TableRow(
            number,
            (
                f"{number}",
                f"{values['source']} 第 {number} 行",
                f"{values['source']} 第 {number} 行：路灯不亮。",
                "2026-03-01 08:00:00",
                "换了灯头。" if number % 2 else "",
                "2026-03-09 10:00:00" if number % 2 else "",
            ),
        )
        for number in range(2, 2 + values["rows"])
    ]
    table = Table("", 1, _HEADINGS, tuple(rows))
    ledger = parse_ledger(table, ledger_columns(), current().configuration.city.zone, now=act.now)
    plan = await plan_import(ledger, table, await Unit.get(code="village"), values["source"])
    if plan.rows:
        await carry_out(act, plan, publish=values["publish"], progress=lambda *_: None)
    answered = sum(1 for row in ledger.rows if row.reply)
    return {
        "source": values["source"],
        "rows": values["rows"],
        "events": values["rows"] * (1 + values["publish"]) + answered,
        "published": values["rows"] * values["publish"],
    }


# The city itself


async def _draw_nothing(town: Town, rng: Random, key: str) -> Drawn:
    return Drawn("", {})


async def _work(town: Town, act: Act, values: Values) -> None:
    await Worker(jitter=lambda: 0).run_once()


async def _rebuild_index(town: Town, act: Act, values: Values) -> None:
    await rebuild_index()


async def _seal(town: Town, act: Act, values: Values) -> None:
    await record(act, "soak")
    await seal()


async def _rebuild_board(town: Town, act: Act, values: Values) -> None:
    await rebuild_board()


STEPS: Mapping[str, Step] = {
    "raise": Step(_draw_raise, _raise, 3),
    "register": Step(_draw_register, _register, 2),
    "transition": Step(_draw_transition, _transition, 10),
    "action": Step(_draw_action, _action, 6),
    "verdict": Step(_draw_verdict, _verdict, 3),
    "rating": Step(_draw_rating, _rating, 2),
    "publish": Step(_draw_publication, _publish, 4),
    "import": Step(_draw_import, _import, 1),
    "work": Step(_draw_nothing, _work, 4, acknowledged=False),
    "rebuild_index": Step(_draw_nothing, _rebuild_index, 1, acknowledged=False),
    "seal": Step(_draw_nothing, _seal, 1, acknowledged=False),
    "rebuild_board": Step(_draw_nothing, _rebuild_board, 1, acknowledged=False),
}


def _states(*categories: str) -> list[str]:
    return [state.name for state in current().registry.states.values() if state.category in categories]


async def _some(rng: Random, states: Sequence[str]) -> list[Issue]:
    """A few issues in these states, shuffled."""
    found = await Issue.filter(state__in=states).order_by("-id").limit(24)
    return rng.sample(found, min(len(found), 5))
