"""Following one's own issue without an account: its number and the phone's last four digits, or the slip's code.

Whoever opens it so acts as that raiser, on that issue alone and for an hour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from yetan.access.secrets import keyed_hash, same
from yetan.access.throttle import attempt, forgive
from yetan.act import Act, Actor
from yetan.errors import Invalid, TooMany
from yetan.i18n import message_ids
from yetan.issues.acceptance import handlers_of
from yetan.issues.lifecycle import RESOLVED
from yetan.issues.models import Acceptance, Issue, Raiser, Rating
from yetan.issues.numbers import normal_number
from yetan.people.models import Account
from yetan.web.forms import Field, clean

FOLLOW_FIELDS = (
    Field("number", "编号", "issue_number", max_length=20, hint="例如 26-1183，没有横杠也行。"),
    Field(
        "proof",
        "电话后四位，或者回执上的查询码",
        "text",
        max_length=20,
        hint="反映时留的电话的后四位；没有留电话的，写回执上的 8 位查询码。",
    ),
)

#: Tries at one number in a day, right or wrong.
NUMBER_TRIES, NUMBER_SECONDS = 5, 24 * 3600
#: Tries from one address in an hour, at whatever numbers; a whole village may share one.
ADDRESS_TRIES, ADDRESS_SECONDS = 60, 3600
#: How long the issue stays open in the browser.
OPEN_FOR = timedelta(hours=1)
#: By how much clocks of several machines may differ.
_SLACK = timedelta(minutes=5)
_CODE_DIGITS = 8
#: One sentence for every cause, so that nobody learns which numbers and phones there are.
_NO_MATCH = message_ids("编号和后四位（或者查询码）对不上。请看看回执再填；还是不行，可以打电话问。")


def slip_code(issue_id: int, person_id: int) -> str:
    """The 8 digits on a raiser's slip. Computed from the deployment's secret and stored nowhere."""
    digest = keyed_hash("slip", f"{issue_id}:{person_id}")
    return f"{int(digest, 16) % 10**_CODE_DIGITS:0{_CODE_DIGITS}d}"


class Opened(Struct, frozen=True):
    """An issue opened by one of its raisers. `raised` says that this very browser raised it, and may see its slip."""

    issue_id: int
    person_id: int
    raised: bool = False

    def token(self, now: datetime) -> str:
        """What the browser keeps: signed, and worthless after `OPEN_FOR`."""
        until = int((now + OPEN_FOR).timestamp())
        plain = f"{self.issue_id}.{self.person_id}.{until}.{int(self.raised)}"
        return f"{plain}.{keyed_hash('follow', plain)}"


def opened_by(token: str, now: datetime) -> Opened | None:
    """What a browser's token opens now, or None."""
    plain, _, signature = token.rpartition(".")
    found = re.fullmatch(r"(\d{1,9})\.(\d{1,9})\.(\d{1,12})\.([01])", plain, re.ASCII)
    if found is None or not same(signature, keyed_hash("follow", plain)):
        return None
    if not now < datetime.fromtimestamp(int(found[3]), UTC) <= now + OPEN_FOR + _SLACK:
        return None
    return Opened(int(found[1]), int(found[2]), found[4] == "1")


async def follow(act: Act, typed_number: str, typed_proof: str) -> Opened:
    """Open an issue by its number and a raiser's proof.

    Raises `Invalid` with one sentence for every cause, and `TooMany` after five tries at a number in a day, whether
    there is such a number or not.
    """
    typed = clean(FOLLOW_FIELDS, {"number": typed_number, "proof": typed_proof})
    number = normal_number(typed["number"])
    proof = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", typed["proof"]))
    await _count("follow.address", act.source, ADDRESS_TRIES, ADDRESS_SECONDS, act.now)
    await _count("follow.number", number, NUMBER_TRIES, NUMBER_SECONDS, act.now)
    raiser = _proven(await _raisers_of(number), proof)
    if raiser is None:
        raise Invalid(_NO_MATCH)
    await forgive("follow.number", number, window_seconds=NUMBER_SECONDS, now=act.now)
    return Opened(raiser.issue_id, raiser.person_id)


async def _count(name: str, subject: str, limit: int, seconds: int, now: datetime) -> None:
    try:
        await attempt(name, subject, limit=limit, window_seconds=seconds, now=now)
    except TooMany as error:
        hours = -(-error.retry_after // 3600)
        raise TooMany(
            "试的次数太多了，为了不让别人猜到，请过 {count} 小时再试；着急的话可以打电话问。",
            error.retry_after,
            count=hours,
        ) from None


async def _raisers_of(number: str) -> Sequence[Raiser]:
    return await Raiser.filter(issue__number=number, person__erased_at=None).select_related("person").order_by("id")


def _proven(raisers: Sequence[Raiser], proof: str) -> Raiser | None:
    """Whose code it is, or whose phone ends so. Two phones that end alike prove nobody: their slips still do."""
    if len(proof) == _CODE_DIGITS:
        return next((each for each in raisers if same(proof, slip_code(each.issue_id, each.person_id))), None)
    ending = [each for each in raisers if len(proof) == 4 and each.person.phone.endswith(proof)]
    return ending[0] if len({each.person.phone for each in ending}) == 1 else None


async def act_of_raiser(act: Act, number: str, opened: Opened | None) -> tuple[Act, Issue] | None:
    """The issue and the act of its raiser: of the account signed in, or of whoever opened it. None if neither is one.

    An official who opens an issue with somebody's proof stays that official in the records, and refused where the
    handler is (C51).
    """
    issue = await Issue.get_or_none(number=normal_number(number))
    if issue is None:
        return None
    people = [act.actor.person_id]
    if opened is not None and opened.issue_id == issue.id:
        people.append(opened.person_id)
    for person_id in people:
        if person_id is None:
            continue
        if await Raiser.filter(issue_id=issue.id, person_id=person_id, person__erased_at=None).exists():
            actor = Actor(name=act.actor.name, account_id=act.actor.account_id, person_id=person_id)
            return replace(act, actor=actor), issue
    return None


class OwnOptions(Struct, frozen=True):
    """What a raiser can do with an issue now, and what they said in this round of handling."""

    verdict_open: bool
    rating_open: bool
    accepted: bool | None


async def own_options(act: Act, issue: Issue) -> OwnOptions:
    """What the raiser who acts can still say about the present round (002-B15, 002-B16)."""
    person_id = act.actor.person_id
    verdict = await Acceptance.get_or_none(issue_id=issue.id, round=issue.round, person_id=person_id)
    rated = await Rating.filter(issue_id=issue.id, round=issue.round, person_id=person_id).exists()
    handlers = await handlers_of(issue)
    handled = act.actor.account_id in handlers or await Account.filter(person_id=person_id, id__in=handlers).exists()
    return OwnOptions(
        verdict_open=issue.state == RESOLVED and verdict is None and not handled,
        rating_open=issue.resolved_at is not None and not rated and not handled,
        accepted=verdict.accepted if verdict else None,
    )
