"""What somebody may do with an issue at the desk, as its page and the panel beside a list draw it."""

from __future__ import annotations

from msgspec import Struct

from yetan.act import Act
from yetan.i18n import translate as _
from yetan.issues.actions import ACTIONS
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue
from yetan.issues.service import options
from yetan.publication.views import Url
from yetan.rules.sources import RuleSource, rules_in


class Offer(Struct, frozen=True):
    """Something to do, as the panel draws it: by a form of its own (`href`), or at once (`post`).

    `lesser` ones stand as links under the buttons. With a `refusal` it cannot be done now.
    """

    name: str
    label: str
    description: str
    rules: tuple[RuleSource, ...]
    kind: str
    href: str = ""
    post: str = ""
    refusal: str = ""
    lesser: bool = False


#: The way on, the other ways, the ways back.
_ORDER = ("solid", "outline", "danger")


async def offers_of(act: Act, path: Url, issue: Issue) -> tuple[list[Offer], list[Offer]]:
    """What can be done now, and what could be but for something that stands in the way."""
    found: list[Offer] = []
    for option in await options(act, issue):
        transition = option.transition
        name = f"transition.{transition.name}"
        at_once = path("desk.transition", id=issue.id, transition=transition.name)
        found.append(
            Offer(
                name=name,
                label=_(transition.label),
                description=_(transition.description),
                rules=rules_in(transition.rule),
                kind={"back": "danger", "main": "solid"}.get(transition.kind, "outline"),
                href=path("desk.issue", id=issue.id, do=name) if transition.form else "",
                post="" if transition.form else at_once,
                refusal=_(option.refusal),
            )
        )
    state = state_of(issue.state)
    for action in ACTIONS:
        if await action.is_open(act, issue, state):
            found.append(
                Offer(
                    name=action.name,
                    label=_(action.label),
                    description=_(action.description),
                    rules=rules_in(action.rule),
                    kind="outline",
                    href=path("desk.issue", id=issue.id, do=action.name),
                    refusal=_(await action.refusal(act, issue)),
                    lesser=action.lesser,
                )
            )
    found.sort(key=lambda offer: _ORDER.index(offer.kind))
    return [each for each in found if not each.refusal], [each for each in found if each.refusal]
