"""Two at once in a meeting: whoever is quicker, each race ends in one result that all its rows agree on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import date
from typing import Any

import pytest

from yetan.errors import Conflict, Invalid, Refused, YetanError
from yetan.events.models import Event
from yetan.issues.models import Issue
from yetan.testing import Town
from yetan_activities.evening import close_activity, open_activity
from yetan_activities.models import Activity, Attendance
from yetan_activities.signing_in import sign_in
from yetan_meetings.agenda import raise_item, speak
from yetan_meetings.decisions import decide
from yetan_meetings.models import AgendaItem, Vote
from yetan_meetings.voting import cast, close_vote, open_vote, tallies

#: On SQLite there is one writer at a time.
pytestmark = [pytest.mark.postgresql, pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)]
#: How often each race is run: whose statement comes first differs from one time to the next.
ROUNDS = 6


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings")}


async def evening(town: Town) -> Activity:
    """A meeting that is going on."""
    act = await town.act("village")
    row = await Activity.create(
        unit_id=town.units["village"],
        created_at=act.now,
        updated_at=act.now,
        kind="open_talk",
        title="凉亭里说说话",
        date=date(2026, 5, 6),
        place="凉亭",
    )
    return await open_activity(act, row.id)


async def signed_in(town: Town, activity: Activity, name: str) -> Attendance:
    return await sign_in(await town.act(), activity.id, {"name": name}, way="code")


async def item_of(town: Town, activity: Activity, **values: Any) -> AgendaItem:
    given = {"title": "三盏路灯不亮", "kind": "problem", **values}
    return await raise_item(await town.act("village"), activity.id, given)


async def at_once(*works: Coroutine[Any, Any, Any]) -> Sequence[Any]:
    """What each is answered; a refusal counts as an answer, anything else is raised."""
    answers = await asyncio.gather(*works, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, YetanError):
            raise answer
    return answers


def test_votes_of_one_person_at_once_are_one(town: Town) -> None:
    async def go() -> None:
        activity = await evening(town)
        aunt = await signed_in(town, activity, "王大妈")
        for _round in range(ROUNDS):
            item = await open_vote(await town.act("village"), (await item_of(town, activity)).id)
            keys = ["one".ljust(16, str(item.id)), "other".ljust(16, str(item.id))]
            acts = [await town.act(key=key) for key in (*keys, keys[0])]
            choices = ("for", "against", "for")
            await at_once(*(cast(act, item.id, aunt.id, choice) for act, choice in zip(acts, choices, strict=True)))
            assert await Vote.filter(item_id=item.id).count() == 1
            await close_vote(await town.act("village"), item.id, {})

    town.do(go)


def test_a_vote_beside_the_closing_is_counted_or_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The closing waits for a vote that is being taken, and counts it; behind the closing none is taken."""

    async def go() -> None:
        activity = await evening(town)
        first, second = [await signed_in(town, activity, name) for name in ("王大妈", "老刘")]
        item = await open_vote(await town.act("village"), (await item_of(town, activity)).id)
        taken, real = asyncio.Event(), Vote.get_or_create

        async def slowly(*args: Any, **given: Any) -> Any:
            taken.set()
            await asyncio.sleep(0.3)
            return await real(*args, **given)

        async def close() -> AgendaItem:
            await taken.wait()
            return await close_vote(await town.act("village"), item.id, {"votes_for": 2})

        monkeypatch.setattr(Vote, "get_or_create", slowly)
        vote, closed = await at_once(cast(await town.act(), item.id, first.id, "for"), close())
        assert isinstance(vote, Vote)
        assert isinstance(closed, Invalid)
        await close_vote(await town.act("village"), item.id, {"votes_for": 1})
        (late,) = await at_once(cast(await town.act(), item.id, second.id, "for"))
        assert isinstance(late, Refused)
        item = await AgendaItem.get(id=item.id)
        assert (await tallies([item]))[item.id].lines[0] == ("同意", 2)

    town.do(go)


def test_two_hosts_who_decide_one_item_make_one_issue(town: Town) -> None:
    async def go() -> None:
        activity = await evening(town)
        category = {"category": town.category}
        for _round in range(ROUNDS):
            item = await item_of(town, activity)
            ways = (
                ("village", "settled", {"outcome": "换好了。", **category}),
                ("deputy", "dropped", {"outcome": "说过了。"}),
                ("clerk", "settled", {"outcome": "修好了。", **category}),
            )
            deciding = [decide(await town.act(who), item.id, way, said, item.version) for who, way, said in ways]
            answers = await at_once(*deciding)
            (done,) = [each for each in answers if isinstance(each, AgendaItem)]
            assert all(isinstance(each, (AgendaItem, Conflict, Refused)) for each in answers)
            item = await AgendaItem.get(id=item.id)
            assert (item.state, item.outcome, item.issue_id) == (done.state, done.outcome, done.issue_id)
        made = await Issue.filter(origin_id=activity.id, origin_kind="open_talk").count()
        assert made == await AgendaItem.filter(issue_id__isnull=False).count()

    town.do(go)


def test_what_is_raised_beside_the_closing_is_on_the_agenda_or_refused(town: Town) -> None:
    """Never is there a closed meeting with something left open, and two who close are one closing."""

    async def go() -> None:
        for _round in range(ROUNDS):
            activity = await evening(town)
            aunt = await signed_in(town, activity, "王大妈")
            said = {"title": "三盏路灯不亮", "kind": "problem"}
            raised, *closed = await at_once(
                speak(await town.act(), aunt, said),
                close_activity(await town.act("village"), activity.id),
                close_activity(await town.act("clerk"), activity.id),
            )
            activity = await Activity.get(id=activity.id)
            closings = await Event.filter(type="activities.closed", subject_id=activity.id).count()
            if isinstance(raised, AgendaItem):
                assert activity.closed_at is None
                assert all(isinstance(each, Refused) for each in closed)
            else:
                assert isinstance(raised, Refused)
                assert activity.closed_at is not None
            assert closings == (0 if activity.closed_at is None else 1)

    town.do(go)


def test_matters_raised_at_once_each_have_their_place(town: Town) -> None:
    async def go() -> None:
        activity = await evening(town)
        people = [await signed_in(town, activity, name) for name in ("王大妈", "老刘", "刘婶", "小许")]
        said = [{"title": f"第{number}件", "kind": "problem"} for number in range(len(people))]
        acts = [await town.act() for _ in people]
        await asyncio.gather(*(speak(act, who, what) for act, who, what in zip(acts, people, said, strict=True)))
        assert [item.position for item in await AgendaItem.all().order_by("position")] == [1, 2, 3, 4]

    town.do(go)
