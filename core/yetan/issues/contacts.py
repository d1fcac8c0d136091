"""Who raised an issue, and how much of it is shown to whom."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from yetan.access.scope import may, require
from yetan.act import Act
from yetan.issues.models import Issue, Raiser
from yetan.issues.service import get_visible
from yetan.people.models import Person


class Contact(Struct, frozen=True):
    """A raiser as shown: the name or what is left of it, and the phone likewise; "" where none was left."""

    name: str
    phone: str


async def contacts_of(act: Act, issue: Issue) -> list[Contact]:
    """The raisers for reading along: phones covered, and names cut to the surname without `issue.contacts`."""
    named = await may(act, "issue.contacts", [issue.unit_id, issue.responsible_unit_id])
    return [Contact(str(each) if named else surname(each), covered(each.phone)) for each in await _raisers(issue)]


async def reveal_contacts(act: Act, issue_id: int) -> list[Contact]:
    """The raisers with their phones, for a page declared `sensitive`. Raises `NotFound` or `Forbidden`."""
    issue = await get_visible(act, issue_id)
    await require(act, "issue.contacts", [issue.unit_id, issue.responsible_unit_id])
    return [Contact(str(each), each.phone) for each in await _raisers(issue)]


def surname(person: Person) -> str:
    """The name with all but its first sign hidden; "未留姓名" as it is."""
    return person.name[0] + "某" * (len(person.name) - 1) if person.name else str(person)


def covered(phone: str) -> str:
    """The phone with its middle hidden: 138****5678."""
    if len(phone) < 8:
        return "*" * len(phone)
    return phone[:3] + "*" * (len(phone) - 7) + phone[-4:]


async def _raisers(issue: Issue) -> Sequence[Person]:
    rows = await Raiser.filter(issue_id=issue.id).select_related("person").order_by("id")
    return [row.person for row in rows]
