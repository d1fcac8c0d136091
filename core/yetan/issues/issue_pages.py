"""An issue at the desk: everything about it, what can be done with it now, and what cannot be and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field
from starlette.responses import Response

from yetan.access.scope import may
from yetan.act import Act
from yetan.documents.service import documents_of
from yetan.errors import Conflict, Invalid, NotFound, Refused, YetanError
from yetan.files.service import BODY_LIMIT
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.actions import ACTIONS, Action
from yetan.issues.conflicts import Difference, differences_of, present_values, take_fields, was_fields, was_values
from yetan.issues.contacts import Contact, contacts_of, reveal_contacts
from yetan.issues.issue_view import facts_of, links_of, loop_of, photos_of, verdicts_of
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue
from yetan.issues.offers import offers_of
from yetan.issues.service import transition_issue
from yetan.issues.timeline import timeline_of
from yetan.plugins.declarations import Page, Transition
from yetan.publication.models import Publication
from yetan.publication.views import local_day, photo_views, state_view
from yetan.rules.sources import RuleSource, rules_in
from yetan.runtime import current
from yetan.web.choices import choices_for
from yetan.web.forms import VERSION_FIELD, Field, Form
from yetan.web.panels import panels
from yetan.web.request import Request, drawn_number

#: Which of the things to do has its form open.
DO = Field("do", "要做什么", required=False, max_length=80)
#: Pressed to have the accounts of the unit just chosen listed, instead of sending the form.
CHOOSE = Field("choose", "", "hidden", required=False, max_length=1)

PUBLICATION_LABELS: Mapping[str, str] = message_ids(
    {
        "prepared": "等审核，还没有公开",
        "approved": "已经公开",
        "withdrawn": "已经撤下",
    }
)


class Open(Struct, frozen=True):
    """The open form: what it is for, where it goes, and after a conflict what others did meanwhile.

    `changes` are timeline entries; `differences` what stands in a field now, by the field's name.
    """

    label: str
    form: Form
    action: str
    kind: str
    rules: tuple[RuleSource, ...] = ()
    description: str = ""
    choose: bool = False
    changes: Sequence[Any] = ()
    differences: Mapping[str, Difference] = field(default_factory=dict)


class Deed(Struct, frozen=True):
    """A transition or an action, as far as its form is concerned."""

    name: str
    label: str
    fields: Sequence[Field]
    action: str
    kind: str
    rule: str
    description: str


async def issue(request: Request) -> Response:
    """Everything, with the form asked for open."""
    name = (await request.form((DO,))).clean()["do"]
    opened = None
    if name:
        deed = _deed(request, request.subject, name)
        opened = _open(deed, await _form(request.act, request.subject, deed, _initial(request.subject, deed)))
    return await _render(request, request.subject, opened)


async def submit_transition(request: Request) -> Response:
    """Move the issue."""
    name = request.path_params["transition"]
    if name not in current().registry.transitions:
        raise NotFound("没有这一步，请从页面上的按钮进入。")

    async def run(values: Mapping[str, Any], version: int) -> None:
        await transition_issue(request.act, request.subject.id, name, values, version=version)

    return await _submit(request, _deed(request, request.subject, f"transition.{name}"), run)


async def submit_action(request: Request, action: Action) -> Response:
    """Do one of `ACTIONS`."""

    async def run(values: Mapping[str, Any], version: int) -> None:
        await action.run(request.act, request.subject, values, version)

    return await _submit(request, _deed(request, request.subject, action.name), run)


async def reveal(request: Request) -> Response:
    """The raisers' phones, this once; the look is recorded."""
    contacts = await reveal_contacts(request.act, request.subject.id)
    return await _render(request, request.subject, contacts=contacts)


# Forms


def _deed(request: Request, issue: Issue, name: str) -> Deed:
    """The transition or action of that name. Raises `NotFound`."""
    path = request.templating.addresses.path
    kind, _dot, rest = name.partition(".")
    transition = current().registry.transitions.get(rest) if kind == "transition" else None
    if transition is not None:
        return Deed(
            name,
            transition.label,
            transition.form,
            path("desk.transition", id=issue.id, transition=transition.name),
            _button(transition),
            transition.rule,
            transition.description,
        )
    for action in ACTIONS:
        if action.name == name:
            return Deed(
                name,
                action.label,
                action.fields(issue),
                path(f"desk.issue.{name}", id=issue.id),
                "solid",
                action.rule,
                action.description,
            )
    raise NotFound("没有这一步，请从页面上的按钮进入。")


def _button(transition: Transition) -> str:
    return "danger" if transition.kind == "back" else "solid"


def _initial(issue: Issue, deed: Deed) -> dict[str, object]:
    """What a form starts with: only a correction starts from what is there."""
    if deed.name != "correct":
        return {}
    return {**present_values(issue, deed.fields), **was_values(issue, deed.fields)}


async def _form(act: Act, issue: Issue, deed: Deed, values: Mapping[str, object]) -> Form:
    """The form, with accounts near the unit chosen in it, else near the responsible one."""
    typed = str(values.get("unit") or "")
    near = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else issue.responsible_unit_id
    choices = await choices_for(act, deed.fields, near=near)
    carried = was_fields(deed.fields) if deed.name == "correct" else ()
    fields = (*deed.fields, VERSION_FIELD, *carried)
    return Form(fields, {**values, "version": issue.version}, choices=choices)


def _open(deed: Deed, form: Form, **more: Any) -> Open:
    kinds = {field.kind for field in deed.fields}
    return Open(
        label=_(deed.label),
        form=form,
        action=deed.action,
        kind=deed.kind,
        rules=rules_in(deed.rule),
        description=_(deed.description),
        choose={"unit", "account"} <= kinds,
        **more,
    )


async def _submit(request: Request, deed: Deed, run: Callable[[Mapping[str, Any], int], Awaitable[None]]) -> Response:
    """Do it and show the issue; or draw the form again with what was typed and what is in the way."""
    taken, was = take_fields(deed.fields), was_fields(deed.fields)
    values = await request.values((*deed.fields, *taken, *was, VERSION_FIELD, CHOOSE))
    version = drawn_number(values.pop("version"))
    choose = values.pop("choose")
    take = {each.name: values.pop(each.name) for each in taken}
    now = present_values(request.subject, deed.fields)
    values |= {name: value for name, value in now.items() if take[f"take-{name}"]}
    form = await _form(request.act, request.subject, deed, values)
    # The version stays the one that was read, until what others did since has been shown.
    form.values["version"] = version
    if choose:
        return await _render(request, request.subject, _open(deed, form))
    own = {each.name for each in deed.fields}
    try:
        await run({name: value for name, value in form.clean().items() if name in own}, version)
    except Invalid as error:
        form.refuse(error)
        return await _redraw(request, deed, form, error)
    except (Conflict, Refused) as error:
        fresh = await Issue.get(id=request.subject.id)
        form.message = error.message
        form.values["version"] = fresh.version
        changes = (await timeline_of(fresh))[: min(max(fresh.version - version, 0), 5)]
        drawn_now = await _form(request.act, fresh, deed, present_values(fresh, deed.fields))
        differences = await differences_of(fresh, deed.fields, form, drawn_now, since=version)
        form.values |= was_values(fresh, deed.fields)
        request.subject = fresh
        return await _redraw(request, deed, form, error, changes=changes, differences=differences)
    return request.redirect("desk.issue", id=request.subject.id)


async def _redraw(request: Request, deed: Deed, form: Form, error: YetanError, **more: Any) -> Response:
    form.ask_files_again()
    return await _render(request, request.subject, _open(deed, form, **more), status=error.status)


# The page


async def _render(
    request: Request,
    issue: Issue,
    opened: Open | None = None,
    *,
    contacts: Sequence[Contact] | None = None,
    status: int = 200,
) -> Response:
    await issue.fetch_related("unit", "responsible_unit", "category", "owner__person", "supervisor__person")
    act, path = request.act, request.templating.addresses.path
    state = state_of(issue.state)
    entries = await timeline_of(issue)
    named = await may(act, "issue.contacts", [issue.unit_id, issue.responsible_unit_id])
    open_offers, refused = await offers_of(act, path, issue)
    publication = await Publication.get_or_none(subject_kind="issue", subject_id=issue.id)
    return request.render(
        "desk/issue.html",
        status,
        issue=issue,
        state=state_view(state, issue.deadline, issue.round, act.now),
        running=state.category == "open",
        resolved_on=local_day(issue.resolved_at),
        raised_on=local_day(issue.raised_at),
        deadline_on=local_day(issue.deadline),
        steps=await loop_of(issue),
        facts=facts_of(issue),
        contacts=contacts if contacts is not None else await contacts_of(act, issue),
        may_reveal=named and contacts is None,
        photos=photo_views(path, "photo", await photos_of(issue)),
        links=await links_of(act, path, issue),
        verdicts=await verdicts_of(issue, named),
        timeline=entries,
        offers=open_offers,
        refused=refused,
        opened=opened,
        publication=_(PUBLICATION_LABELS[publication.state]) if publication else _("没有公开"),
        pending=publication is not None and publication.pending and publication.state != "withdrawn",
        papers=[
            (_(kind.title), path("desk.document", id=issue.id, document=kind.name))
            for kind in await documents_of(act, issue)
        ],
        panels=await panels(request, "desk.issue", issue),
    )


def _submit_page(action: Action) -> Page:
    return Page(
        f"/desk/issues/{{id:int}}/{action.name}",
        partial(submit_action, action=action),
        f"desk.issue.{action.name}",
        methods=("POST",),
        permission=action.permission,
        model=Issue,
        body_limit=BODY_LIMIT if action.name == "photo" else 1024 * 1024,
    )


PAGES: tuple[Page, ...] = (
    Page("/desk/issues/{id:int}", issue, "desk.issue", permission="issue.view", model=Issue, sensitive=True),
    Page(
        "/desk/issues/{id:int}/transitions/{transition}",
        submit_transition,
        "desk.transition",
        methods=("POST",),
        permission="issue.view",
        model=Issue,
    ),
    Page(
        "/desk/issues/{id:int}/contacts",
        reveal,
        "desk.issue.contacts",
        methods=("POST",),
        permission="issue.contacts",
        model=Issue,
        sensitive=True,
    ),
    *map(_submit_page, ACTIONS),
)
