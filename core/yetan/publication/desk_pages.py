"""Reviewing what is published: approve, correct, take down, prepare anew."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from yetan.access.scope import may
from yetan.errors import Conflict, Invalid, Refused, YetanError
from yetan.i18n import translate as _
from yetan.issues.models import Issue
from yetan.people.models import Account
from yetan.plugins.declarations import Page
from yetan.publication.review import Original, Review, review_of
from yetan.publication.service import FACE_FIELDS, WITHDRAW_FIELDS, approve, prepare, withdraw
from yetan.publication.views import marked, photo_views
from yetan.web.forms import VERSION_FIELD, BoundField, Form
from yetan.web.request import Request, drawn_number

_FACE = frozenset(field.name for field in FACE_FIELDS)


class Line(Struct, frozen=True):
    """A field of the draft with its original; `now` is what the draft says since, after a conflict, or None."""

    field: BoundField
    original: Any
    hidden: tuple[str, ...]
    now: str | None


async def review(request: Request) -> Response:
    """The draft next to the original."""
    return await _draw(request, await review_of(request.subject))


async def submit_approve(request: Request) -> Response:
    """Publish the draft with the reviewer's wording, photos as ticked."""
    reviewed = await review_of(request.subject)
    form = _form(reviewed, await request.values((*reviewed.fields, VERSION_FIELD)))
    version = drawn_number(form.values["version"])
    try:
        typed = form.clean()
        await approve(
            request.act,
            request.subject.id,
            {name: value for name, value in typed.items() if name in _FACE},
            version=version,
            notes=reviewed.notes(typed),
            photos=reviewed.chosen_photos(typed),
        )
    except Invalid as error:
        form.refuse(error)
        return await _draw(request, reviewed, form=form, error=error)
    except (Conflict, Refused) as error:
        form.message = error.message
        form.values["version"] = reviewed.version
        return await _draw(request, reviewed, form=form, error=error)
    return request.redirect("desk.publication", id=request.subject.id)


async def submit_withdraw(request: Request) -> Response:
    """Take it off every public surface at once."""
    form = await request.form(WITHDRAW_FIELDS)
    try:
        await withdraw(request.act, request.subject.id, form.clean()["reason"])
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            form.refuse(error)
        form.message = error.message
        return await _draw(request, await review_of(request.subject), withdrawal=form, error=error)
    return request.redirect("desk.publication", id=request.subject.id)


async def submit_prepare(request: Request) -> Response:
    """Bring the draft up to what the issue says now."""
    await prepare(request.act, request.subject.id)
    return request.redirect("desk.publication", id=request.subject.id)


def _form(reviewed: Review, values: dict[str, object]) -> Form:
    return Form((*reviewed.fields, VERSION_FIELD), values)


async def _draw(
    request: Request,
    reviewed: Review,
    *,
    form: Form | None = None,
    withdrawal: Form | None = None,
    error: YetanError | None = None,
) -> Response:
    issue, act, publication = request.subject, request.act, reviewed.publication
    form = form or _form(reviewed, {**reviewed.values, "version": reviewed.version})
    conflict = isinstance(error, Conflict)
    lines = [_line(reviewed, form, name, conflict) for name in reviewed.originals]
    rows = [
        {"name": p.stored_name, "caption": p.caption, "stage": p.stage, "width": p.width, "height": p.height}
        for p in reviewed.photos
    ]
    pictures = photo_views(request.templating.addresses.path, "photo", rows)
    return request.render(
        "desk/publication.html",
        error.status if error is not None else 200,
        issue=issue,
        publication=publication,
        people=await _people(reviewed),
        form=form,
        lines=lines,
        photos=[(picture, form[f"photo_{photo.id}"]) for picture, photo in zip(pictures, reviewed.photos, strict=True)],
        withdrawal=withdrawal or Form(WITHDRAW_FIELDS),
        may_approve=await may(act, "publication.approve", [issue.unit_id]),
        may_prepare=await may(act, "publication.prepare", [issue.unit_id]),
        may_withdraw=publication is not None
        and publication.state == "approved"
        and await may(act, "publication.withdraw", [issue.unit_id]),
    )


def _line(reviewed: Review, form: Form, name: str, conflict: bool) -> Line:
    original: Original = reviewed.originals[name]
    field = form[name]
    now = str(reviewed.values[name])
    differs = conflict and field.value.replace("\r\n", "\n").strip() != now.strip()
    return Line(field, marked(original.runs), original.hidden, now if differs else None)


async def _people(reviewed: Review) -> dict[str, str]:
    """Who prepared, approved and took down, by name."""
    publication = reviewed.publication
    if publication is None:
        return {}
    ids = {
        "prepared": publication.prepared_by_id,
        "approved": publication.approved_by_id,
        "withdrawn": publication.withdrawn_by_id,
    }
    accounts = Account.filter(id__in=[each for each in ids.values() if each is not None])
    names = {row.id: row.person.name for row in await accounts.select_related("person")}
    return {what: names.get(account or 0, _("系统")) for what, account in ids.items()}


PAGES: tuple[Page, ...] = (
    Page(
        "/desk/issues/{id:int}/publication",
        review,
        "desk.publication",
        permission="issue.view",
        model=Issue,
        sensitive=True,
    ),
    Page(
        "/desk/issues/{id:int}/publication",
        submit_approve,
        "desk.publication.approve",
        methods=("POST",),
        permission="publication.approve",
        model=Issue,
    ),
    Page(
        "/desk/issues/{id:int}/publication/withdraw",
        submit_withdraw,
        "desk.publication.withdraw",
        methods=("POST",),
        permission="publication.withdraw",
        model=Issue,
    ),
    Page(
        "/desk/issues/{id:int}/publication/prepare",
        submit_prepare,
        "desk.publication.prepare",
        methods=("POST",),
        permission="publication.prepare",
        model=Issue,
    ),
)
