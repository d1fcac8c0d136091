"""Two wrote into the same form: what each wrote, what stands there now, who wrote that and when; field by field.

A form that starts from what is there carries along what that was (`was-title`). So it can be told apart what somebody
changed, what somebody else did, and what both did. A box beside each field that differs (`take-title`) takes what
stands there now; nothing that was typed is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from yetan.events.models import Event
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.models import Issue
from yetan.issues.timeline import names_of
from yetan.publication.views import local_day
from yetan.runtime import current
from yetan.web.forms import BoundField, Field, Form

#: Columns that are called otherwise than the fields that ask for them.
_COLUMNS = {
    "category": "category_id",
    "owner": "owner_id",
    "supervisor": "supervisor_id",
    "unit": "responsible_unit_id",
}
_REGISTERED = ("issue.corrected",)
_HANDED_OVER = ("issue.list", "issue.transfer", "issue.report_up", "issue.reconsider")
#: By field, the events that tell of a change of its column.
_WRITERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("title", "text", "place", "kind", "collective", "category"), _REGISTERED),
    "unit": _HANDED_OVER,
    "owner": (*_HANDED_OVER, "issue.assigned", "issue.merge"),
    "supervisor": ("issue.list",),
    "measures": ("issue.list",),
    "deadline": (*_HANDED_OVER, "issue.extend", "issue.merge"),
    "outcome": ("issue.resolve", "issue.settle"),
}
_TAKE = message_ids("用现在的这个")


class Difference(Struct, frozen=True):
    """What stands in a field now, unlike what was typed: by whom, by doing what (a message id), when."""

    present: str
    who: str
    what: str
    at: datetime
    take: BoundField


def present_values(issue: Issue, fields: Sequence[Field]) -> dict[str, object]:
    """What stands in the issue now, for each of `fields` that asks for a column of it."""
    values: dict[str, object] = {}
    for field in fields:
        if field.name in _WRITERS:
            value = getattr(issue, _COLUMNS.get(field.name, field.name))
            values[field.name] = local_day(value) if isinstance(value, datetime) else value
    return values


def was_fields(fields: Sequence[Field]) -> tuple[Field, ...]:
    """What a form carries along of what it started from."""
    named = [field for field in fields if field.name in _WRITERS]
    return tuple(Field(f"was-{field.name}", "", "hidden", required=False, max_length=9000) for field in named)


def was_values(issue: Issue, fields: Sequence[Field]) -> dict[str, object]:
    """The values of `was_fields` for a form that starts from the issue as it is."""
    return {f"was-{name}": value for name, value in present_values(issue, fields).items()}


def take_fields(fields: Sequence[Field]) -> tuple[Field, ...]:
    """The boxes that take what stands there now."""
    return tuple(
        Field(f"take-{each.name}", _TAKE, "boolean", required=False) for each in fields if each.name in _WRITERS
    )


async def differences_of(
    issue: Issue, fields: Sequence[Field], form: Form, now: Form, *, since: int
) -> dict[str, Difference]:
    """By field, what others wrote there since the version `since`; `now` is the form as it would start now.

    Where somebody left a field as it was, the box is ticked: what others wrote there stays.
    """
    written = await _written_since(issue, since)
    found = {}
    for field in fields:
        by = next((event for event in written if event.type in _WRITERS.get(field.name, ())), None)
        mine, present = form[field.name].value, now[field.name].value
        was = form.values.get(f"was-{field.name}")
        untouched = was is not None and _same(field, mine, str(was))
        theirs = present != "" if was is None else not _same(field, str(was), present)
        if by is None or not theirs or _same(field, mine, present):
            continue
        (take,) = take_fields([field])
        names = await names_of({by.actor})
        found[field.name] = Difference(
            present=_in_words(now[field.name]),
            who=names.get(by.actor, _("居民")),
            what=current().registry.event_types[by.type].label,
            at=by.at,
            take=BoundField(take, "1" if untouched else "", [], ()),
        )
    return found


async def _written_since(issue: Issue, since: int) -> list[Event]:
    """The newest events that wrote a column, as many as there were changes at most; the newest first."""
    types = {each for writers in _WRITERS.values() for each in writers}
    events = Event.filter(subject_kind="issue", subject_id=issue.id, type__in=list(types))
    return await events.order_by("-id").limit(max(issue.version - since, 0))


def _same(field: Field, one: str, other: str) -> bool:
    if field.kind == "boolean":
        return _is_ticked(one) == _is_ticked(other)
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def _is_ticked(value: str) -> bool:
    return value not in ("", "0", "False", "None")


def _in_words(bound: BoundField) -> str:
    if bound.kind == "boolean":
        return _("是") if _is_ticked(bound.value) else _("不是")
    return dict(bound.choices).get(bound.value, bound.value) or _("空的")
