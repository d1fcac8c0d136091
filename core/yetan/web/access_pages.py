"""Signing in and out, one-time links, one's own password, and how the pages look."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace
from starlette.responses import Response

from yetan.access.passwords import MAXIMUM_LENGTH
from yetan.access.sessions import (
    LINK_GONE,
    actor_of,
    change_password,
    check_sign_in,
    close_session,
    link_is_open,
    open_session,
    use_link,
)
from yetan.errors import Invalid, NotFound
from yetan.i18n import message_ids
from yetan.people.models import Account
from yetan.plugins.checks import SIGNED_IN
from yetan.plugins.declarations import Page
from yetan.runtime import current
from yetan.web.endpoint import NEXT_LENGTH
from yetan.web.forms import Field, Form
from yetan.web.origin import local_path, referring_path
from yetan.web.request import LOOK, LOOK_KEPT, Request, delete_cookie, set_cookie
from yetan.web.steps import form_of, still_asked

#: Where to go afterwards; only ever used through `local_path`.
NEXT = Field("next", "", kind="hidden", required=False, max_length=NEXT_LENGTH)
USERNAME = Field("username", "用户名", max_length=60, autocomplete="username")
PASSWORD = Field("password", "密码", kind="password", max_length=MAXIMUM_LENGTH, autocomplete="current-password")
SIGN_IN_FIELDS = (USERNAME, PASSWORD, NEXT)

PASSWORD_FIELDS = (
    replace(
        PASSWORD,
        name="current",
        label=message_ids("现在的密码"),
        required=False,
        hint=message_ids("还没有设过密码的，不用填。"),
    ),
    Field(
        "new",
        "新密码",
        kind="password",
        max_length=MAXIMUM_LENGTH,
        autocomplete="new-password",
        hint="至少 8 个字符，越长越好，可以用一句自己记得住的话。",
    ),
    Field("again", "再写一遍新密码", kind="password", max_length=MAXIMUM_LENGTH, autocomplete="new-password"),
)
#: What may be chosen; `Display` passes over what nobody offers.
DISPLAY_FIELDS = tuple(
    Field(name, name, required=False) for name in ("elder", "light", "skin", "size", "locale", "next", LOOK)
)


async def sign_in(request: Request) -> Response:
    """The form."""
    return request.render("access/sign_in.html", form=await form_of(request, SIGN_IN_FIELDS))


async def submit_sign_in(request: Request) -> Response:
    """Sign in with a password, and go where one wanted to go."""
    form = await form_of(request, SIGN_IN_FIELDS)
    if status := still_asked(form):
        return request.render("access/sign_in.html", status, form=form)
    try:
        typed = form.clean()
        account = await check_sign_in(request.act, typed["username"], typed["password"])
    except Invalid as error:
        form.refuse(error)
        return request.render("access/sign_in.html", status=error.status, form=form)
    return await _signed_in(request, account, typed["next"])


async def sign_in_link(request: Request) -> Response:
    """One button. Looking uses nothing up, so that a link preview in a messenger does not burn the link."""
    if not await link_is_open(request.path_params["token"], request.act.now):
        raise NotFound(LINK_GONE)
    return request.render("access/sign_in_link.html", token=request.path_params["token"])


async def use_sign_in_link(request: Request) -> Response:
    """Sign in by the link, which is thereby used up."""
    account = await use_link(request.path_params["token"], request.act.now)
    return await _signed_in(request, account, "")


async def sign_out(request: Request) -> Response:
    """End the session, here and in the database."""
    assert request.session is not None
    await close_session(request.session)
    response = request.redirect("board")
    delete_cookie(response, "session")
    return response


async def display(request: Request) -> Response:
    """Keep how the pages shall look, and go back."""
    chosen = await request.values(DISPLAY_FIELDS)
    choices = {name: str(value) for name, value in chosen.items() if value}
    back = local_path(choices.get("next", "")) or referring_path(request.headers)
    if look := choices.get(LOOK):
        # Pressed in a form that narrows a page: what was typed there goes back to it.
        choices = dict(parse_qsl(look))
        typed = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != LOOK])
        back = local_path(f"{back.partition('?')[0]}?{typed}"[:NEXT_LENGTH])
    response = request.redirect_to(back or request.templating.addresses.path("board"))
    set_cookie(response, "display", request.display_with(choices).cookie(), max_age=LOOK_KEPT)
    return response


async def password(request: Request) -> Response:
    """The form for one's own password."""
    return request.render("access/password.html", form=Form(PASSWORD_FIELDS))


async def submit_password(request: Request) -> Response:
    """Change one's own password. Every other browser is signed out, and this one gets a new session."""
    assert request.session is not None
    form = await request.form(PASSWORD_FIELDS)
    try:
        typed = form.clean()
        if typed["new"] != typed["again"]:
            raise Invalid.field("again", "两遍写的不一样，请重新写。")
        await change_password(request.act, request.session.account, typed["current"], typed["new"])
    except Invalid as error:
        form.refuse(error)
        return request.render("access/password.html", status=error.status, form=form)
    return await _signed_in(request, request.session.account, "")


async def _signed_in(request: Request, account: Account, wanted: str) -> Response:
    """Open a session under a new id and go on: to where one was going, else to the desk or the board."""
    token = await open_session(account, request.act.now, replaced=request.session)
    actor = await actor_of(account, current().calendar.local_date(request.act.now))
    request.act = replace(request.act, actor=actor)
    start = request.templating.addresses.path("desk" if actor.is_staff else "board")
    response = request.redirect_to(local_path(wanted, start))
    set_cookie(response, "session", token)
    return response


PAGES = (
    Page("/sign-in", sign_in, "sign_in", public=True, personal=True),
    Page("/sign-in", submit_sign_in, "sign_in.submit", methods=("POST",), public=True, personal=True),
    Page("/sign-in/{token}", sign_in_link, "sign_in_link", public=True, personal=True),
    Page("/sign-in/{token}", use_sign_in_link, "sign_in_link.use", methods=("POST",), public=True, personal=True),
    Page("/sign-out", sign_out, "sign_out", methods=("POST",), permission=SIGNED_IN),
    Page("/display", display, "display", public=True, personal=True),
    Page("/me/password", password, "password", permission=SIGNED_IN),
    Page("/me/password", submit_password, "password.submit", methods=("POST",), permission=SIGNED_IN),
)
