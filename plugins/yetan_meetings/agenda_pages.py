"""The agenda on the host's pages: beforehand, during the evening, as the record; and in public what was resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from starlette.responses import Response
from tortoise.expressions import Subquery

from yetan.api import (
    VERSION_FIELD,
    Act,
    Conflict,
    DocumentKind,
    Field,
    Form,
    Invalid,
    Issue,
    NotFound,
    Page,
    Panel,
    PublicRecord,
    RecordKind,
    Refused,
    Request,
    Unit,
    Visibility,
    YetanError,
    drawn_number,
    mask,
    may,
    message_ids,
    state_of,
    submit,
    today,
    translate,
    visible,
)
from yetan_activities.api import Activity, kind_of
from yetan_meetings.agenda import (
    HOST_FIELDS,
    KINDS,
    STATES,
    TOPIC,
    UNDECIDED,
    alter_item,
    called,
    chaired,
    items_of,
    raise_item,
    raiser_choices,
    take_item,
)
from yetan_meetings.decisions import (
    CORRECTION,
    DECISIONS,
    ITEM_PATH,
    correct_item,
    decide,
    decisions_for,
    fields_of,
    form_of,
    may_be_corrected,
)
from yetan_meetings.models import AgendaItem
from yetan_meetings.voting import HANDS_FIELDS, Tally, cannot_vote, close_vote, number_present, open_vote, tallies

#: Which decision has its form open, and the button that lists the accounts of the unit chosen in it.
_DECISION = Field(
    "decision", message_ids("怎么定"), "choice", required=False, choices=tuple((each, each) for each in DECISIONS)
)
_CHOOSE = Field("choose", "", "hidden", required=False, max_length=1)


class ItemView(Struct, frozen=True):
    """An item as pages draw it; its words as they were said."""

    id: int
    position: int
    title: str
    text: str
    kind: str
    state: str
    state_label: str
    raised_by: str
    outcome: str
    corrected: str
    vote_state: str
    tally: Tally | None
    issue: Issue | None
    issue_state: str

    @property
    def undecided(self) -> bool:
        """Whether it still has to be decided."""
        return self.state in UNDECIDED


async def views_of(items: Sequence[AgendaItem], *, named: bool) -> list[ItemView]:
    """Items that were read with `items_of`, ready to be drawn; `named`: for those who may know who raised them."""
    counted = await tallies(items)
    kinds = dict(KINDS)
    return [
        ItemView(
            id=item.id,
            position=item.position,
            title=item.title,
            text=item.text,
            kind=translate(kinds[item.kind]),
            state=item.state,
            state_label=translate(STATES[item.state]),
            raised_by=called(item.raised_by) if named and item.raised_by is not None else "",
            outcome=item.outcome,
            corrected=item.corrected,
            vote_state=item.vote_state,
            tally=counted.get(item.id),
            issue=item.issue,
            issue_state=translate(state_of(item.issue.state).label) if item.issue is not None else "",
        )
        for item in items
    ]


# The agenda


async def agenda(request: Request) -> Response:
    """All items, and the form for a further one."""
    return await _draw_agenda(request, _with_agenda(request))


async def submit_item(request: Request) -> Response:
    """Put something on the agenda."""
    activity = await chaired(request.act, request.subject.id)
    choices = await raiser_choices(activity.id)
    not_done = await submit(
        request, HOST_FIELDS, lambda values: raise_item(request.act, activity.id, values), choices=choices
    )
    if not_done is not None:
        return await _draw_agenda(request, activity, not_done.form, not_done.status)
    return _back(request, activity)


def _with_agenda(request: Request) -> Activity:
    activity: Activity = request.subject
    if not kind_of(activity).agenda:
        raise NotFound
    return activity


async def _draw_agenda(request: Request, activity: Activity, form: Form | None = None, status: int = 200) -> Response:
    return request.render(
        "meetings/agenda.html", status, activity=activity, **await _agenda_context(request.act, activity, form)
    )


async def _agenda_context(act: Act, activity: Activity, form: Form | None = None) -> dict[str, Any]:
    """What the list of items is drawn from; `form` is the one for a further item, None where none may be added."""
    keeps = await may(act, f"{activity.kind}.keep", [activity.unit_id])
    runs = keeps and activity.closed_at is None
    if form is None and runs:
        started = {"kind": TOPIC if activity.opened_at is None else "problem"}
        form = Form(HOST_FIELDS, started, choices=await raiser_choices(activity.id))
    return {"items": await views_of(await items_of(activity.id), named=keeps), "form": form, "runs": runs}


def _back(request: Request, activity: Activity) -> Response:
    """To the host's page during the evening, else to the agenda."""
    path = request.templating.addresses.path
    return request.redirect_to(
        f"{path('activities.evening', id=activity.id)}#agenda"
        if activity.is_open
        else path("meetings.agenda", id=activity.id)
    )


# One item


async def item(request: Request) -> Response:
    """One item: what was said, the vote, and the ways to decide it."""
    chosen = (await request.form((_DECISION,))).clean()["decision"]
    return await _draw_item(request, request.subject, decision=chosen)


async def submit_alter(request: Request) -> Response:
    """Write it otherwise."""
    row: AgendaItem = request.subject
    await chaired(request.act, row.activity_id)

    async def go(values: dict[str, Any]) -> None:
        await alter_item(request.act, row.id, values, drawn_number(values.pop("version")))

    not_done = await submit(request, (*HOST_FIELDS, VERSION_FIELD), go, choices=await raiser_choices(row.activity_id))
    if not_done is not None:
        return await _draw_item(request, row, not_done.status, altering=not_done.form)
    return request.redirect("meetings.item", id=row.id)


async def submit_take(request: Request) -> Response:
    """Discuss it now."""
    return await _press(request, take_item)


async def submit_vote(request: Request) -> Response:
    """Put it to the vote."""
    return await _press(request, open_vote)


async def _press(request: Request, service: Any) -> Response:
    """Do what is one button, and show the item; also where it was refused, with the reason."""
    row: AgendaItem = request.subject
    try:
        await service(request.act, row.id)
    except (Refused, Conflict) as error:
        return await _draw_item(request, row, error.status, message=error.message)
    return request.redirect("meetings.item", id=row.id)


async def submit_count(request: Request) -> Response:
    """End the vote, with the hands that were counted."""
    row: AgendaItem = request.subject
    not_done = await submit(request, HANDS_FIELDS, lambda values: close_vote(request.act, row.id, values))
    if not_done is not None:
        return await _draw_item(request, row, not_done.status, counting=not_done.form)
    return request.redirect("meetings.item", id=row.id)


async def submit_decision(request: Request) -> Response:
    """Decide it, and go on with the evening; or list the accounts of the unit just chosen."""
    row: AgendaItem = request.subject
    name = request.path_params["decision"]
    if name not in DECISIONS:
        raise NotFound
    values = await request.values((*fields_of(row, DECISIONS[name]), VERSION_FIELD, _CHOOSE))
    version, choose = drawn_number(values.pop("version")), values.pop("choose")
    if choose:
        return await _draw_item(request, row, decision=name, values=values)
    try:
        await decide(request.act, row.id, name, values, version)
    except (Invalid, Refused, Conflict) as error:
        return await _draw_item(request, row, error.status, decision=name, values=values, error=error)
    return _back(request, await Activity.get(id=row.activity_id))


async def submit_correction(request: Request) -> Response:
    """Correct its words."""
    row: AgendaItem = request.subject

    async def go(values: dict[str, Any]) -> None:
        await correct_item(request.act, row.id, values, drawn_number(values.pop("version")))

    not_done = await submit(request, (CORRECTION, VERSION_FIELD), go)
    if not_done is not None:
        return await _draw_item(request, row, not_done.status, correcting=not_done.form)
    return request.redirect("meetings.item", id=row.id)


async def _draw_item(
    request: Request,
    row: AgendaItem,
    status: int = 200,
    *,
    decision: str = "",
    values: Mapping[str, object] | None = None,
    error: YetanError | None = None,
    message: str = "",
    altering: Form | None = None,
    counting: Form | None = None,
    correcting: Form | None = None,
) -> Response:
    """The item as it stands now, with whichever form is open."""
    act = request.act
    row = await AgendaItem.get(id=row.id).select_related("activity", "raised_by", "issue")
    activity = row.activity
    runs = await may(act, f"{activity.kind}.keep", [activity.unit_id])
    (view,) = await views_of([row], named=runs)
    undecided = runs and view.undecided
    chosen = DECISIONS.get(decision) if undecided and row.kind in DECISIONS[decision or "issue"].kinds else None
    gone = None
    if chosen is None and error is not None:
        gone = Form(fields_of(row, DECISIONS[decision]), values, message=error.message)
    typed = {
        "title": row.title,
        "text": row.text,
        "kind": row.kind,
        "raised_by": row.raised_by_id,
        "version": row.version,
    }
    hands = {each.name: getattr(row, each.name) for each in HANDS_FIELDS} if row.vote_state == "closed" else {}
    return request.render(
        "meetings/item.html",
        status,
        item=view,
        activity=activity,
        runs=runs,
        under_way=activity.is_open,
        may_vote=undecided and not row.vote_state and not cannot_vote(act, activity),
        present=await number_present(activity),
        message=message,
        gone=gone,
        decisions=decisions_for(row) if undecided and row.vote_state != "open" else [],
        decision=chosen,
        deciding=await _deciding_form(act, row, chosen.name, values, error) if chosen is not None else None,
        must_vote=kind_of(activity).votes and row.vote_state != "closed",
        counting=counting or (Form(HANDS_FIELDS, hands) if undecided and row.vote_state else None),
        altering=altering
        or (
            Form((*HOST_FIELDS, VERSION_FIELD), typed, choices=await raiser_choices(activity.id))
            if undecided and not row.vote_state
            else None
        ),
        correcting=correcting
        or (Form((CORRECTION, VERSION_FIELD), {"version": row.version}) if runs and may_be_corrected(row) else None),
    )


async def _deciding_form(
    act: Act, row: AgendaItem, decision: str, values: Mapping[str, object] | None, error: YetanError | None
) -> Form:
    """The form of a decision. What a resident raised is begun as theirs alone, anything else as everybody's."""
    started: Mapping[str, object] = {"collective": None if row.raised_by_id else "1"} if values is None else values
    form = await form_of(act, row.activity, row, DECISIONS[decision], {**started, "version": row.version})
    form.fields = (*form.fields, VERSION_FIELD)
    if isinstance(error, Invalid):
        form.refuse(error)
    elif error is not None:
        form.message = error.message
    return form


# Panels


async def agenda_panel(act: Act, activity: Activity) -> Mapping[str, Any] | None:
    """On the host's page and on the record: the items and what became of them, and the form for a further one."""
    return await _agenda_context(act, activity) if kind_of(activity).agenda else None


async def public_panel(act: Act, row: PublicRecord) -> Mapping[str, Any] | None:
    """On the public page: the topics of a meeting to come, and what was resolved of them, as the host wrote it, masked.

    Whatever else was raised is shown by its issue alone, once somebody has approved that.
    """
    activity = await Activity.get_or_none(id=row.record_id)
    if activity is None or not kind_of(activity).agenda:
        return None
    coming = activity.closed_at is None and (activity.is_open or activity.date >= today(act))
    topics = [item for item in await items_of(activity.id) if item.kind == TOPIC]
    shown = [item for item in topics if coming or item.state == "resolved"]
    if not shown:
        return None
    counted = await tallies(shown)
    said = [(mask(each.title).text, "" if coming else mask(each.outcome).text, counted.get(each.id)) for each in shown]
    return {"coming": coming, "items": said}


def panels_of(record_kinds: Mapping[str, RecordKind]) -> Iterator[Panel]:
    """The parts on the pages of every kind of activity; those without an agenda leave them out."""
    for kind in record_kinds.values():
        for page, template, load in (
            (f"evening.{kind.name}", "meetings/evening_agenda.html", agenda_panel),
            (f"desk.{kind.name}", "meetings/record_agenda.html", agenda_panel),
            (kind.name, "meetings/resolutions.html", public_panel),
        ):
            if kind.model is Activity and page in kind.panel_pages:
                yield Panel(f"meetings.agenda.{page}", page, template, load, position=10)


# The paper


async def resolutions_paper(act: Act, activity: Activity) -> Mapping[str, Any]:
    """What was resolved, each with its vote and with who carries it out by when, to be signed."""
    items = [each for each in await items_of(activity.id) if each.state == "resolved"]
    issues = Issue.filter(id__in=[each.issue_id for each in items if each.issue_id])
    to_do = {issue.id: issue for issue in await issues.select_related("owner__person", "responsible_unit")}
    counted = await tallies(items)
    return {
        "activity": activity,
        "unit": await Unit.get(id=activity.unit_id),
        "present": await number_present(activity),
        "items": [(each.title, each.outcome, counted.get(each.id), to_do.get(each.issue_id or 0)) for each in items],
    }


async def has_resolutions(act: Act, activity: Activity) -> bool:
    """Whether anything was resolved."""
    return await AgendaItem.filter(activity_id=activity.id, state="resolved").exists()


async def _units(row: AgendaItem) -> Mapping[str, int]:
    return {"responsible": (await Activity.get(id=row.activity_id)).unit_id}


VISIBILITY = Visibility(
    AgendaItem,
    lambda act: AgendaItem.filter(activity_id__in=Subquery(visible(Activity, act).values("id"))),
    _units,
)
DOCUMENTS = (
    DocumentKind(
        "resolutions",
        message_ids("议定事项"),
        Activity,
        "activities.view",
        "meetings/resolutions_paper.html",
        resolutions_paper,
        available=has_resolutions,
    ),
)
_AGENDA, _ITEM = "/desk/activities/{id:int}/agenda", ITEM_PATH.format(id="{id:int}")
#: Who may run the meeting is asked by the services: it is a right of the activity's own kind.
_ANYBODY = "signed_in"
PAGES = (
    Page(_AGENDA, agenda, "meetings.agenda", permission=_ANYBODY, model=Activity, sensitive=True),
    Page(_AGENDA, submit_item, "meetings.agenda.raise", ("POST",), permission=_ANYBODY, model=Activity),
    Page(_ITEM, item, "meetings.item", permission=_ANYBODY, model=AgendaItem, sensitive=True),
    Page(f"{_ITEM}/alter", submit_alter, "meetings.item.alter", ("POST",), permission=_ANYBODY, model=AgendaItem),
    Page(f"{_ITEM}/take", submit_take, "meetings.item.take", ("POST",), permission=_ANYBODY, model=AgendaItem),
    Page(f"{_ITEM}/vote", submit_vote, "meetings.item.vote", ("POST",), permission=_ANYBODY, model=AgendaItem),
    Page(f"{_ITEM}/count", submit_count, "meetings.item.count", ("POST",), permission=_ANYBODY, model=AgendaItem),
    Page(
        f"{_ITEM}/decide/{{decision}}",
        submit_decision,
        "meetings.item.decide",
        ("POST",),
        permission=_ANYBODY,
        model=AgendaItem,
    ),
    Page(
        f"{_ITEM}/correct", submit_correction, "meetings.item.correct", ("POST",), permission=_ANYBODY, model=AgendaItem
    ),
)
