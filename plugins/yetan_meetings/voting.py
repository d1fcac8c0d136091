"""Voting on items one by one (逐项表决, 002-A2b): one vote for each who is present, by phone or by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from tortoise.functions import Count

from yetan.api import Act, EventType, Field, Invalid, Refused, change, clean, message_ids, today
from yetan_activities.api import Activity, Attendance, held
from yetan_meetings.agenda import UNDECIDED, chaired_item, save, take_item, tell
from yetan_meetings.configuration import settings
from yetan_meetings.models import AgendaItem, Vote

OPENED, CLOSED = "meetings.vote_opened", "meetings.vote_closed"
EVENTS: tuple[EventType, ...] = message_ids((EventType(OPENED, "开始表决"), EventType(CLOSED, "结束表决")))
CHOICES: tuple[tuple[str, str], ...] = message_ids((("for", "同意"), ("against", "不同意"), ("abstained", "弃权")))
VOTE_FIELDS = (Field("choice", message_ids("怎么投"), "choice", choices=CHOICES),)
#: Hands that were counted; whoever voted by phone keeps theirs down.
HANDS_FIELDS: tuple[Field, ...] = message_ids(
    tuple(
        Field(f"votes_{choice}", label, "number", required=False, minimum=0, maximum=100_000)
        for choice, label in (("for", "举手同意"), ("against", "举手不同意"), ("abstained", "举手弃权"))
    )
)


class Tally(Struct, frozen=True):
    """The votes on an item by choice: by phone, and by hand; of a decided item all stand as the latter."""

    phones: Mapping[str, int]
    hands: Mapping[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """How many made each choice, phones and hands together."""
        return {choice: self.phones.get(choice, 0) + hands for choice, hands in self.hands.items()}

    @property
    def lines(self) -> list[tuple[str, int]]:
        """Label and number of each choice."""
        return [(label, self.counts[choice]) for choice, label in CHOICES]


async def tallies(items: Sequence[AgendaItem]) -> dict[int, Tally]:
    """The tally of each item that is or was voted on, by its id."""
    voted = [item for item in items if item.vote_state]
    phones: dict[int, dict[str, int]] = {item.id: {} for item in voted}
    if voted:
        counted = Vote.filter(item_id__in=list(phones)).annotate(number=Count("id")).group_by("item_id", "choice")
        for row in await counted.values("item_id", "choice", "number"):
            phones[row["item_id"]][row["choice"]] = row["number"]
    return {item.id: Tally(phones[item.id], _hands(item)) for item in voted}


async def result_of(item: AgendaItem) -> dict[str, int]:
    """What the columns of an item say once it is decided: phones and hands together."""
    tally = (await tallies([item])).get(item.id)
    return {f"votes_{choice}": number for choice, number in tally.counts.items()} if tally is not None else {}


def _hands(item: AgendaItem) -> dict[str, int]:
    return {choice: getattr(item, f"votes_{choice}") for choice, _ in CHOICES}


def by_phone() -> bool:
    """Whether residents may vote on their own phones in this city."""
    return settings().phone_votes


@change(AgendaItem, action="meetings.open_vote")
async def open_vote(act: Act, item_id: int) -> AgendaItem:
    """Put an item to the vote; it is discussed now if it was not. Twice is once.

    Raises `Refused` before the evening and after it, or where the item was voted on or decided.
    """
    item = await take_item(act, item_id)
    activity = await held(item.activity_id)
    if reason := cannot_vote(act, activity):
        raise Refused(reason)
    if item.vote_state == "open":
        return item
    if item.vote_state:
        raise Refused("这一项已经表决过了，结果在下面。")
    await save(item, vote_state="open")
    await tell(act, OPENED, activity, item)
    return item


def cannot_vote(act: Act, activity: Activity) -> str:
    """Why nothing can be put to the vote now, or "". Of an evening that is only written down afterwards the hands that
    were counted then are typed in."""
    if activity.closed_at is not None:
        return message_ids("已经散会了，不能再表决。")
    if activity.opened_at is None and activity.date >= today(act):
        return message_ids("还没有开始。先宣布开始，再表决。")
    return ""


@change(Vote, action="meetings.vote")
async def cast(act: Act, item_id: int, attendance_id: int, choice: str, *, again: bool = False) -> Vote:
    """The vote of somebody present, by phone; until the vote is closed they may change their mind.

    Whoever calls knows from the seat that the phone acts for them, and whether they had signed in before on another
    (`again`): then it may be a neighbour's, who gives no vote a second time. Raises `Refused` for that, and where the
    vote is not open: a vote and the closing wait for each other, so that one that was taken is counted.
    """
    cleaned = clean(VOTE_FIELDS, {"choice": choice})
    if not by_phone():
        raise Refused("这里用举手表决，请举手。")
    item = await AgendaItem.filter(id=item_id, vote_state="open").select_for_update().get_or_none()
    if item is None:
        raise Refused("这一项的表决已经结束，这一票没有记上。有话要说，请当场告诉主持人。")
    if not await Attendance.filter(id=attendance_id, activity_id=item.activity_id, present_at__isnull=False).exists():
        raise Refused("没有您签到的记录，这一票没有记上。请先签到。")
    new = {"choice": cleaned["choice"], "at": act.now}
    vote, created = await Vote.get_or_create(new, item_id=item.id, attendance_id=attendance_id)
    if not created and again:
        raise Refused("这位已经投过了，这一票没有记上。要改的，请用最先签到的那部手机；那部用不了，请告诉主持人。")
    if not created and vote.choice != cleaned["choice"]:
        await vote.update_from_dict(new).save(update_fields=list(new))
    return vote


@change(AgendaItem, action="meetings.close_vote")
async def close_vote(act: Act, item_id: int, values: Mapping[str, Any]) -> AgendaItem:
    """End the vote, with the hands that were counted; `values` are of `HANDS_FIELDS`.

    Until the item is decided the hands may be counted again; what they were before stays in the history. Raises
    `Invalid` where more voted than are present.
    """
    activity, item = await chaired_item(act, item_id)
    if not item.vote_state:
        raise Refused("这一项还没有开始表决。")
    if item.state not in UNDECIDED:
        raise Refused("这一项已经定下来了，票数不能再改。")
    hands = {name: number or 0 for name, number in clean(HANDS_FIELDS, values).items()}
    before = _hands(item) if item.vote_state == "closed" else None
    # First the closing, so that no vote comes in behind the count.
    await save(item, vote_state="closed", **hands)
    phones = await Vote.filter(item_id=item.id).count()
    there = await number_present(activity)
    if sum(hands.values()) > max(there - phones, 0):
        raise Invalid.field(
            "votes_for",
            "到场 {there} 人，手机投了 {phones} 票，举手的加起来不能超过 {left}。请再数一次；人没有记全的，先补签到。",
            there=there,
            phones=phones,
            left=max(there - phones, 0),
        )
    await tell(act, CLOSED, activity, item, hands=_hands(item), before=before)
    return item


async def number_present(activity: Activity) -> int:
    """How many are there: as counted, or as stated where that is more."""
    counted = await Attendance.filter(activity_id=activity.id, present_at__isnull=False).count()
    return max(counted, activity.stated_residents or 0)
