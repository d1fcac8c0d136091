"""Bringing notices to where people look: by SMS, WeCom, e-mail. Plugins declare the ways; the inbox is always there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from yetan.access.scope import visible
from yetan.access.sessions import actor_of
from yetan.act import Act
from yetan.events.models import Event
from yetan.i18n import use_locale
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.notices.service import GIVEN
from yetan.notices.wording import text_of
from yetan.people.models import Account
from yetan.people.service import today
from yetan.plugins.declarations import Message, NoticeChannel, Subscription
from yetan.runtime import current


def subscription(channel: NoticeChannel) -> Subscription:
    """The subscriber that brings notices by a channel: one at a time, so that a failure repeats no other one."""
    return Subscription(f"channel.{channel.name}", (GIVEN,), partial(_bring, channel), mode="external", batch=1)


async def _bring(channel: NoticeChannel, events: Sequence[Event]) -> None:
    for event in events:
        if (message := await message_of(event.subject_id, channel.name)) is not None:
            await channel.send(message)


async def message_of(notice_id: int, channel: str) -> Message | None:
    """The notice in the city's language, as its reader may see it now; None where notice or account is gone."""
    notice = await Notice.get_or_none(id=notice_id)
    account = notice and await Account.get_or_none(id=notice.account_id, active=True).select_related("person")
    if notice is None or not account:
        return None
    city = current()
    use_locale(city.configuration.city.locale)
    act = city.system_act()
    reader = Act(await actor_of(account, today(act)), act.now)
    issue = None
    if notice.subject_kind == "issue":
        issue = await visible(Issue, reader).get_or_none(id=notice.subject_id)
    return Message(
        key=f"{channel}:{notice.id}",
        text=text_of(notice, issue),
        name=account.person.name,
        phone=account.person.phone,
        address=f"{city.configuration.server.base_url}/desk/notices",
    )
