"""What residents do: raise an issue, follow their own, accept it or send it back, fill in the satisfaction slip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from yetan.access.scope import visible
from yetan.act import Act
from yetan.errors import Conflict, Invalid, NotFound, Refused, TooMany, YetanError
from yetan.events.models import Event
from yetan.files.models import Attachment
from yetan.files.service import BODY_LIMIT
from yetan.i18n import translate as _
from yetan.issues.acceptance import RATING_FIELDS, VERDICT_FIELDS, accept, rate
from yetan.issues.following import (
    FOLLOW_FIELDS,
    OPEN_FOR,
    Opened,
    act_of_raiser,
    follow,
    opened_by,
    own_options,
    slip_code,
)
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Issue, Raiser
from yetan.issues.numbers import normal_number
from yetan.issues.raising import CONTACT_FIELDS, RAISE_FIELDS, SIGNED_IN_FIELDS, raise_issue
from yetan.issues.timeline import Entry, timeline_of
from yetan.plugins.checks import SIGNED_IN
from yetan.plugins.declarations import NavigationItem, Page
from yetan.publication.listing import Position, position_in
from yetan.publication.masking import mask
from yetan.publication.models import PublicIssue
from yetan.publication.service import draft_of
from yetan.publication.views import (
    LoopFacts,
    RowView,
    days_between,
    local_day,
    photo_views,
    state_view,
    steps_of,
)
from yetan.units.models import Unit
from yetan.web.choices import choices_for
from yetan.web.forms import Field, Form
from yetan.web.request import Request, cookie_name, set_cookie
from yetan.web.steps import Questions, form_of, still_asked

#: Accepting and refusing are one form: what is written is the reason when the answer is no.
VERDICT_FORM = (
    Field(
        "accepted",
        "办得怎么样",
        "choice",
        choices=(("yes", "办好了，我同意"), ("no", "还没有办好，我不同意")),
    ),
    Field(
        "text",
        VERDICT_FIELDS[0].label,
        "long_text",
        required=False,
        max_length=VERDICT_FIELDS[0].max_length,
        hint="不同意的，请写清楚哪里还没有办好，办的人看得到。",
    ),
)
_PREFILLED = (
    Field("unit", "单位", required=False, max_length=40),
    Field("earlier", "以前的编号", required=False, max_length=20),
)
_NUMBER = Field("number", "编号", required=False, max_length=20)
_AFTER = Field("after", "从哪里接着看", "hidden", required=False, max_length=40)
PAGE_SIZE = 20


# Raising


async def raise_form(request: Request) -> Response:
    """The form, with the unit and the earlier number that a link may bring along."""
    brought = await request.values(_PREFILLED)
    unit = await Unit.get_or_none(code=str(brought["unit"] or "")[:40], active=True)
    values = {"unit": unit.id if unit else None, "earlier": brought["earlier"]}
    return request.render("public/raise.html", form=await _raise_form(request, values))


async def submit_raise(request: Request) -> Response:
    """Raise the issue and show the slip."""
    fields = _raise_fields(request.act)
    form = await _raise_form(request, await request.values(fields))
    if status := still_asked(form):
        return request.render("public/raise.html", status, form=form)
    photos: list[UploadFile] = list(form.values.get("photos") or [])  # type: ignore[call-overload]
    try:
        issue = await raise_issue(request.act, form.clean() | {"photos": None}, photos)
    except (Invalid, TooMany, Refused) as error:
        _refuse(form, error)
        form.ask_files_again()
        return _answer(request, error, "public/raise.html", form=form)
    raiser = await Raiser.filter(issue_id=issue.id).order_by("id").first()
    assert raiser is not None
    opened = Opened(issue.id, raiser.person_id, raised=True)
    response = request.redirect("raise.receipt", number=issue.number)
    _keep_open(response, opened, request)
    return response


async def receipt(request: Request) -> Response:
    """The slip: the number and the code that open the issue later.

    Only for the browser that raised it, or the raiser's account: the last digits of a phone open the issue for an hour,
    and must not give away what opens it for good.
    """
    act, issue = await _own(request)
    opened = opened_in(request)
    if act.actor.person_id != request.act.actor.person_id and (opened is None or not opened.raised):
        raise NotFound("回执只在提交的时候看得到。要看这件事，请用编号和电话后四位（或者查询码）打开。")
    assert act.actor.person_id is not None
    return request.render(
        "public/receipt.html",
        issue=issue,
        unit=await Unit.get(id=issue.unit_id),
        code=slip_code(issue.id, act.actor.person_id),
        photos=await Attachment.filter(subject_kind="issue", subject_id=issue.id).count(),
    )


def _raise_fields(act: Act) -> tuple[Field, ...]:
    return SIGNED_IN_FIELDS if act.actor.person_id is not None else RAISE_FIELDS


async def _raise_form(request: Request, values: Mapping[str, object]) -> Form:
    fields = _raise_fields(request.act)
    contact = [field.name for field in CONTACT_FIELDS]
    choices = await choices_for(request.act, fields, raising=True)
    return await form_of(request, fields, values, choices=choices, together=contact)


def _refuse(form: Form, error: YetanError) -> None:
    if isinstance(error, Invalid):
        form.refuse(error)
    else:
        form.message = error.message


def _answer(request: Request, error: YetanError, template: str, **context: Any) -> Response:
    """The form again, with what is wrong and all that was typed."""
    response = request.render(template, error.status, **context)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


# Following


def _keep_open(response: Response, opened: Opened, request: Request) -> None:
    set_cookie(response, "follow", opened.token(request.act.now), max_age=int(OPEN_FOR.total_seconds()))


def opened_in(request: Request) -> Opened | None:
    """The issue this browser opened, if it still is open."""
    return opened_by(request.cookies.get(cookie_name("follow"), ""), request.act.now)


async def _own(request: Request) -> tuple[Act, Issue]:
    """The issue of the path and the act of its raiser. Raises `NotFound` for whoever is none of its raisers."""
    own = await act_of_raiser(request.act, request.path_params["number"], opened_in(request))
    if own is None:
        raise NotFound("这件事还没有打开，或者打开已经超过一个小时。请用编号和电话后四位（或者查询码）再打开一次。")
    return own


async def follow_form(request: Request) -> Response:
    """Number and proof. Whoever has opened the issue already goes straight to it."""
    typed = await request.values((_NUMBER,))
    number = normal_number(str(typed["number"] or ""))[:20]
    if number and await act_of_raiser(request.act, number, opened_in(request)) is not None:
        return request.redirect("own_issue", number=number)
    return request.render("public/follow.html", form=await form_of(request, FOLLOW_FIELDS, {"number": number}))


async def submit_follow(request: Request) -> Response:
    """Open the issue for an hour in this browser."""
    form = await form_of(request, FOLLOW_FIELDS)
    if status := still_asked(form):
        return request.render("public/follow.html", status, form=form)
    try:
        typed = form.clean()
        opened = await follow(request.act, typed["number"], typed["proof"])
    except (Invalid, TooMany) as error:
        _refuse(form, error)
        if not isinstance(form, Questions):
            form.values["proof"] = None
        return _answer(request, error, "public/follow.html", form=form)
    issue = await Issue.get(id=opened.issue_id)
    response = request.redirect("own_issue", number=issue.number)
    _keep_open(response, opened, request)
    return response


async def own_issue(request: Request) -> Response:
    """One's own issue, published or not: the whole timeline for its parties, and what one can do."""
    act, issue = await _own(request)
    return request.render("public/own_issue.html", **await _own_context(request, act, issue))


async def _own_context(request: Request, act: Act, issue: Issue) -> dict[str, Any]:
    # Several residents may have raised it, or be joined to it later: numbers and names stay masked among them too.
    face = await draft_of(issue)
    units = {unit.id: unit.name for unit in await Unit.filter(id__in=[issue.unit_id, issue.responsible_unit_id])}
    state = state_of(issue.state)
    entries = await timeline_of(issue, audiences=("public", "parties"))
    facts = LoopFacts(
        issue.raised_at,
        issue.listed_at,
        issue.resolved_at,
        issue.struck_off_at,
        units[issue.unit_id],
        units[issue.responsible_unit_id],
        issue.round,
    )
    photos = await Attachment.filter(subject_kind="issue", subject_id=issue.id).order_by("id").values()
    url = request.templating.addresses.path
    now = act.now
    return {
        "issue": issue,
        "face": face,
        "state": state_view(state, issue.deadline, issue.round, now),
        "steps": steps_of(state, await _loop_events(issue), facts),
        "unit_name": units[issue.unit_id],
        "responsible_unit_name": units[issue.responsible_unit_id],
        "raised": local_day(issue.raised_at),
        "deadline": local_day(issue.deadline),
        "resolved": local_day(issue.resolved_at),
        "days_left": days_between(now, issue.deadline) if issue.deadline else None,
        "timeline": [Entry(e.at, _(e.label), mask(e.text).text, e.who, e.kind) for e in entries],
        "photos": photo_views(url, "photo", [{**photo, "name": photo["stored_name"]} for photo in photos]),
        "options": await own_options(act, issue),
        "published": await PublicIssue.filter(issue_id=issue.id).exists(),
    }


async def _loop_events(issue: Issue) -> list[dict[str, str]]:
    """The issue's events as the projection writes them, oldest first."""
    rows = Event.filter(subject_kind="issue", subject_id=issue.id).order_by("at", "id")
    return [{"type": row["type"], "at": row["at"].isoformat()} for row in await rows.values("type", "at")]


async def verdict_form(request: Request) -> Response:
    """Accept the result or send it back."""
    act, issue = await _own(request)
    return await _voice(request, act, issue, "public/verdict.html", await form_of(request, VERDICT_FORM))


async def submit_verdict(request: Request) -> Response:
    """Keep the verdict; not accepting sends the issue back for another round (002-B16)."""
    act, issue = await _own(request)
    form = await form_of(request, VERDICT_FORM)
    if still_asked(form):
        return await _voice(request, act, issue, "public/verdict.html", form)
    try:
        typed = form.clean()
        await accept(act, issue.id, typed["accepted"] == "yes", typed["text"])
    except (Invalid, Refused, Conflict) as error:
        return await _voice(request, act, issue, "public/verdict.html", form, error)
    return request.redirect("own_issue", number=issue.number)


async def rating_form(request: Request) -> Response:
    """The satisfaction slip (002-B15)."""
    act, issue = await _own(request)
    return await _voice(request, act, issue, "public/rating.html", await form_of(request, RATING_FIELDS))


async def submit_rating(request: Request) -> Response:
    """Keep the slip; one for each person and round."""
    act, issue = await _own(request)
    form = await form_of(request, RATING_FIELDS)
    if still_asked(form):
        return await _voice(request, act, issue, "public/rating.html", form)
    try:
        typed = form.clean()
        await rate(act, issue.id, typed["score"], typed["text"])
    except (Invalid, Refused, Conflict) as error:
        return await _voice(request, act, issue, "public/rating.html", form, error)
    return request.redirect("own_issue", number=issue.number)


async def _voice(
    request: Request, act: Act, issue: Issue, template: str, form: Form, error: YetanError | None = None
) -> Response:
    """A form about the result beside what it is about; after a conflict, beside what changed."""
    if error is not None:
        _refuse(form, error)
        issue = await Issue.get(id=issue.id)
    context = await _own_context(request, act, issue) | {"form": form}
    return request.render(template, error.status if error is not None else still_asked(form) or 200, **context)


# One's own issues, signed in


async def my_issues(request: Request) -> Response:
    """The issues of whoever is signed in, newest first."""
    act = request.act
    typed = await request.values((_AFTER,))
    query = visible(Issue, act).filter(raisers__person_id=act.actor.person_id)
    if after := position_in(str(typed["after"] or "")):
        query = query.filter(raised_at__lte=after.raised_at).exclude(raised_at=after.raised_at, id__gte=after.issue_id)
    rows = await query.order_by("-raised_at", "-id").limit(PAGE_SIZE + 1)
    page = rows[:PAGE_SIZE]
    units = {unit.id: unit.name for unit in await Unit.filter(id__in=[row.unit_id for row in page])}
    url = request.templating.addresses.path
    items = []
    for row in page:
        state = state_of(row.state)
        items.append(
            RowView(
                row.number,
                row.title,
                url("own_issue", number=row.number),
                state_view(state, row.deadline, row.round, act.now),
                unit_name=units[row.unit_id],
                raised_at=local_day(row.raised_at),
                deadline=local_day(row.deadline) if state.category in ("open", "awaiting") else None,
            )
        )
    last = page[-1] if len(rows) > PAGE_SIZE else None
    more = url("my_issues", after=Position(last.raised_at, last.id)) if last else None
    return request.render("public/my_issues.html", items=items, more=more)


PAGES: tuple[Page, ...] = (
    Page("/raise", raise_form, "raise", public=True, personal=True, site="public"),
    Page(
        "/raise",
        submit_raise,
        "raise.submit",
        methods=("POST",),
        public=True,
        personal=True,
        site="public",
        body_limit=BODY_LIMIT,
    ),
    Page("/raise/{number}", receipt, "raise.receipt", public=True, personal=True, site="public"),
    Page("/follow", follow_form, "follow", public=True, personal=True, site="public"),
    Page("/follow", submit_follow, "follow.submit", methods=("POST",), public=True, personal=True, site="public"),
    Page("/follow/{number}", own_issue, "own_issue", public=True, personal=True, site="public"),
    Page("/follow/{number}/verdict", verdict_form, "own_issue.verdict", public=True, personal=True, site="public"),
    Page(
        "/follow/{number}/verdict",
        submit_verdict,
        "own_issue.verdict.submit",
        methods=("POST",),
        public=True,
        personal=True,
        site="public",
    ),
    Page("/follow/{number}/rating", rating_form, "own_issue.rating", public=True, personal=True, site="public"),
    Page(
        "/follow/{number}/rating",
        submit_rating,
        "own_issue.rating.submit",
        methods=("POST",),
        public=True,
        personal=True,
        site="public",
    ),
    Page("/me/issues", my_issues, "my_issues", permission=SIGNED_IN, site="public"),
)
NAVIGATION: tuple[NavigationItem, ...] = (NavigationItem("public", "我反映的事", "follow", position=50),)
