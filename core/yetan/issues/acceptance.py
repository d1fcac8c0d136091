"""After the work: feeding back, residents' acceptance, and satisfaction slips (002-B13 to B16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Forbidden, Invalid, Refused
from yetan.events.models import Event
from yetan.events.service import emit
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.lifecycle import RESOLVED, state_of
from yetan.issues.models import Acceptance, Feedback, Issue, Raiser, Rating
from yetan.issues.service import RaiserInput, expect_version, get_visible, keep_words, move, save_change
from yetan.people.models import Account
from yetan.people.service import find_or_add_person
from yetan.runtime import current
from yetan.web.forms import Field, clean

#: How a personal matter may be fed back (002-B13), and a collective one (002-B14).
PERSONAL_WAYS = message_ids((("visit", "上门走访"), ("wechat", "微信"), ("phone", "电话")))
COLLECTIVE_WAYS = message_ids((("posted", "公示栏张贴"),))
SCORES = message_ids((("satisfied", "满意"), ("basically", "基本满意"), ("dissatisfied", "不满意")))

FEEDBACK_FIELDS = (
    Field("way", "怎么告诉居民的", "choice", choices=(*PERSONAL_WAYS, *COLLECTIVE_WAYS)),
    Field("text", "说了什么", "long_text", max_length=2000, remark="public"),
)
VERDICT_FIELDS = (Field("text", "想说的话", "long_text", required=False, max_length=1000, remark="parties"),)
REFUSAL_FIELDS = (Field("text", "哪里还没有办好", "long_text", max_length=1000, remark="public"),)
RATING_FIELDS = (
    Field("score", "满意不满意", "choice", choices=SCORES),
    Field("text", "想说的话", "long_text", required=False, max_length=1000, remark="parties"),
)
RECORD_FIELDS = (
    Field("name", "哪位居民", max_length=60, hint="反映人，或者到场的居民代表。"),
    Field("phone", "电话", "phone", required=False),
    Field("accepted", "居民的意见", "choice", choices=(("yes", "同意"), ("no", "不同意，要再办"))),
    Field("text", "居民的原话", "long_text", max_length=1000),
    Field("witness", "在场的人", required=False, max_length=120),
)


def ways_of(issue: Issue) -> tuple[tuple[str, str], ...]:
    """How the result of this matter may be fed back (002-B13, 002-B14)."""
    return COLLECTIVE_WAYS if issue.collective else PERSONAL_WAYS


async def feedback_missing(issue: Any, act: Act) -> str:
    """Guard: the result was fed back in the way the matter asks, in this round of handling."""
    ways = ways_of(issue)
    given = await Feedback.filter(issue_id=issue.id, round=issue.round, way__in=[way for way, _label in ways]).exists()
    if given:
        return ""
    if issue.collective:
        return _("还没有反馈：这是大家的事，办理结果要先在公示栏公示。")
    return _("还没有反馈：这是个人的事，要先上门、微信或者打电话告诉反映人。")


async def acceptance_missing(issue: Any, act: Act) -> str:
    """Guard: residents accepted the result of this round, and none of them refused it."""
    verdicts = await Acceptance.filter(issue_id=issue.id, round=issue.round).values_list("accepted", flat=True)
    if not verdicts:
        return _("还没有居民验收的记录。请反映人或居民代表看过以后表态。")
    return "" if all(verdicts) else _("有居民验收时没有同意，要先退回再办。")


async def handlers_of(issue: Issue) -> frozenset[int]:
    """The accounts that handled the matter: its owner and whoever resolved it. They neither rate nor accept (C51)."""
    accounts = {issue.owner_id, issue.resolved_by_id}
    resolved = await Event.filter(
        subject_kind="issue", subject_id=issue.id, type__in=["issue.resolve", "issue.settle"]
    ).values_list("actor", flat=True)
    accounts |= {int(str(actor).partition(":")[2]) for actor in resolved if str(actor).startswith("account:")}
    return frozenset(account for account in accounts if account is not None)


_NOT_THE_HANDLER = message_ids("办这件事的人不能自己验收、自己打分。请反映人、居民代表或另一位干部来做。")


async def _refuse_handler(act: Act, issue: Issue, person_id: int) -> None:
    handlers = await handlers_of(issue)
    own = await Account.filter(person_id=person_id, id__in=handlers).exists()
    if own or act.actor.account_id in handlers:
        raise Forbidden(_NOT_THE_HANDLER)


async def recording_refusal(act: Act, issue: Issue) -> str:
    """Why the actor cannot write down a verdict on this issue, or "": whoever handled it cannot (C51)."""
    return _NOT_THE_HANDLER if act.actor.account_id in await handlers_of(issue) else ""


async def _refuse_unresolved(issue: Issue) -> None:
    if issue.state != RESOLVED:
        label = _(state_of(issue.state).label)
        raise Refused("这件事现在是“{label}”，办结以后才能验收和测评。", label=label)


async def _require_raiser(act: Act, issue: Issue) -> int:
    person_id = act.actor.person_id
    if person_id is None or not await Raiser.filter(issue_id=issue.id, person_id=person_id).exists():
        raise Forbidden("只有反映这件事的居民可以验收和测评。请先用编号和手机后四位打开它。")
    return person_id


@change(Issue)
async def give_feedback(act: Act, issue_id: int, values: Mapping[str, Any], *, version: int | None = None) -> Issue:
    """Record that residents were told the result (002-B13, 002-B14).

    Raises `Invalid` for a way the matter does not allow.
    """
    issue = await get_visible(act, issue_id)
    await require(act, "issue.feed_back", [issue.unit_id])
    await expect_version(issue, version)
    await _refuse_unresolved(issue)
    cleaned = clean(FEEDBACK_FIELDS, values)
    allowed = ways_of(issue)
    if cleaned["way"] not in dict(allowed):
        labels = _("、").join(_(label) for _name, label in allowed)
        if issue.collective:
            raise Invalid.field("way", "这是大家的事，反馈方式应当是：{ways}。", ways=labels)
        raise Invalid.field("way", "这是个人的事，反馈方式应当是：{ways}。", ways=labels)
    await save_change(issue, {})
    await Feedback.create(
        issue_id=issue.id,
        round=issue.round,
        way=cleaned["way"],
        text=cleaned["text"],
        at=act.now,
        by_id=act.actor.account_id,
    )
    event = await emit(
        act,
        "issue.feedback",
        ("issue", issue.id),
        audience="public",
        data={"way": cleaned["way"], "round": issue.round},
    )
    await keep_words(act, issue, event, FEEDBACK_FIELDS, cleaned)
    return issue


@change(Issue)
async def accept(act: Act, issue_id: int, accepted: bool, text: str = "") -> Issue:
    """A raiser's own verdict (002-B16). Not accepting sends the issue back for another round, with the reason."""
    issue = await get_visible(act, issue_id)
    person_id = await _require_raiser(act, issue)
    cleaned = clean(VERDICT_FIELDS if accepted else REFUSAL_FIELDS, {"text": text})
    return await _verdict(act, issue, person_id, accepted, cleaned["text"])


@change(Issue)
async def record_acceptance(act: Act, issue_id: int, values: Mapping[str, Any], *, version: int | None = None) -> Issue:
    """An official, not the handler, writes down a verdict given on paper or by word of mouth."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.record_acceptance", [issue.unit_id])
    await expect_version(issue, version)
    cleaned = clean(RECORD_FIELDS, values)
    raiser = RaiserInput(cleaned["name"], cleaned["phone"])
    known = await Raiser.filter(issue_id=issue.id, person__name=raiser.name).select_related("person")
    if len(known) == 1 and raiser.phone in ("", known[0].person.phone):
        person = known[0].person
    else:
        person = await find_or_add_person(act, raiser.name, raiser.phone, issue.unit_id, None)
    return await _verdict(
        act,
        issue,
        person.id,
        cleaned["accepted"] == "yes",
        cleaned["text"],
        recorded_by=act.actor.account_id,
        witness=cleaned["witness"],
    )


async def _verdict(
    act: Act,
    issue: Issue,
    person_id: int,
    accepted: bool,
    text: str,
    *,
    recorded_by: int | None = None,
    witness: str = "",
) -> Issue:
    await _refuse_unresolved(issue)
    await _refuse_handler(act, issue, person_id)
    await save_change(issue, {})
    try:
        async with in_transaction():
            await Acceptance.create(
                issue_id=issue.id,
                round=issue.round,
                person_id=person_id,
                accepted=accepted,
                text=text,
                at=act.now,
                recorded_by_id=recorded_by,
                witness=witness,
            )
    except IntegrityError:
        raise Refused("这位居民这一轮已经表过态了，一轮只算一次。") from None
    kind = "issue.accepted" if accepted else "issue.refused"
    event = await emit(
        act,
        kind,
        ("issue", issue.id),
        audience="public",
        data={"round": issue.round, "recorded": recorded_by is not None},
    )
    await keep_words(act, issue, event, VERDICT_FIELDS, {"text": text}, person_id=person_id)
    if not accepted:
        await move(act, issue, current().registry.transitions["return"], {"reason": text})
    return issue


@change(Issue)
async def rate(act: Act, issue_id: int, score: str, text: str = "") -> Issue:
    """A raiser's satisfaction slip (002-B15): one per person and round, decided by the database (C63)."""
    issue = await get_visible(act, issue_id)
    person_id = await _require_raiser(act, issue)
    if issue.resolved_at is None:
        await _refuse_unresolved(issue)
    await _refuse_handler(act, issue, person_id)
    cleaned = clean(RATING_FIELDS, {"score": score, "text": text})
    try:
        async with in_transaction():
            await Rating.create(
                issue_id=issue.id,
                round=issue.round,
                person_id=person_id,
                score=cleaned["score"],
                text=cleaned["text"],
                at=act.now,
            )
    except IntegrityError:
        raise Refused("您这一轮已经填过测评了，一轮只算一次。") from None
    await emit(
        act,
        "issue.rated",
        ("issue", issue.id),
        audience="public",
        data={"score": cleaned["score"], "round": issue.round},
    )
    return issue
