"""An issue's timeline for those who may see all of it: its events with their words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from tortoise.expressions import Subquery

from yetan.events.models import Event
from yetan.i18n import translate as _
from yetan.issues.models import Issue, Remark
from yetan.people.models import Account, Post
from yetan.runtime import current


class Entry(Struct, frozen=True):
    """A line of a timeline: when, what, the words, who, and how it is drawn."""

    at: datetime
    label: str
    text: str
    who: str
    kind: str


async def timeline_of(
    issue: Issue, *, audiences: Sequence[str] = ("public", "parties", "staff"), newest_first: bool = True
) -> list[Entry]:
    """The entries of an issue for those audiences; residents are not named in it."""
    events = await Event.filter(subject_kind="issue", subject_id=issue.id, audience__in=list(audiences)).order_by(
        "at", "id"
    )
    words: dict[int, list[str]] = defaultdict(list)
    for remark in await Remark.filter(issue_id=issue.id, audience__in=list(audiences)).order_by("id"):
        words[remark.event_id].append(remark.text)
    names = await names_of({event.actor for event in events})
    known = current().registry.event_types
    entries = [
        Entry(
            event.at,
            _(known[event.type].label),
            "\n".join(words[event.id]),
            names.get(event.actor) or _("居民"),
            known[event.type].kind,
        )
        for event in events
        if event.type in known and not event.type.startswith("publication.")
    ]
    return entries[::-1] if newest_first else entries


async def names_of(actors: set[str]) -> dict[str, str]:
    """The names of officials: accounts that hold or held a post. A resident's account is a resident."""
    ids = {int(actor.partition(":")[2]) for actor in actors if actor.startswith("account:")}
    posted = Subquery(Post.filter(account_id__in=ids).values("account_id"))
    accounts = await Account.filter(id__in=posted).select_related("person")
    return {"system": _("系统")} | {f"account:{account.id}": str(account.person) for account in accounts}
