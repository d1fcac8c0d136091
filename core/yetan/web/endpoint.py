"""Wrapping every declared page: nothing reaches a page's function that was not let through here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from yetan.access.scope import holds, may, visible
from yetan.access.secrets import same
from yetan.access.sessions import actor_of, find_session
from yetan.act import ANONYMOUS
from yetan.audit.flood import Flood
from yetan.audit.service import Occasion, occasion, record
from yetan.db.failures import database_is_lost
from yetan.errors import Forbidden, NotFound, YetanError
from yetan.i18n import use_locale
from yetan.only_asked import OnlyAsked, only_asking
from yetan.plugins.checks import SIGNED_IN
from yetan.plugins.declarations import Page
from yetan.runtime import current
from yetan.web.admission import Admission, Full, while_there
from yetan.web.caching import Asked, KeptPage, PageCache, no_body
from yetan.web.errors import answer_to, error_response
from yetan.web.origin import SAFE_METHODS, is_same_origin, referring_path
from yetan.web.request import LOOK_KEPT, BadRequest, Request, cookie_name, set_cookie, single

Site = Literal["all", "public", "desk"]

#: A longer way back is not remembered: written into an address it would be refused as too long.
NEXT_LENGTH = 2000
#: How long the rest of a form is waited for that cannot be taken anyway.
_TYPED_SECONDS = 1.0

#: Answers that refuse somebody rather than a form: they are recorded for pages that are only read, too (C79).
_REFUSALS = frozenset({401, 403, 404, 429})


class TooLarge(YetanError):  # noqa: N818 - read as "the body is too large"
    """The body is larger than the page takes."""

    status = 413


def routes_of(pages: Sequence[Page], site: Site = "all") -> list[Route]:
    """The routes of the pages that `site` serves."""
    return [
        Route(page.path, PageEndpoint(page), methods=list(page.methods), name=page.name)
        for page in pages
        if is_served(page, site)
    ]


class Routes(Router):
    """Finds the page of an address. Most are asked for by a path that only one page has, and found by that."""

    def __init__(self, routes: Sequence[Route], **options: Any) -> None:
        super().__init__(routes, **options)
        varying = [route for route in routes if route.param_convertors]
        fixed = [route for route in routes if not route.param_convertors]
        times = Counter(route.path for route in fixed)
        self._only = {
            route.path: route
            for route in fixed
            if times[route.path] == 1 and not any(each.path_regex.match(route.path) for each in varying)
        }

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what was asked."""
        route = self._only.get(scope["path"]) if scope["type"] == "http" and not scope.get("root_path") else None
        if route is None:
            await super().app(scope, receive, send)
        else:
            scope.update(router=self, endpoint=route.endpoint, path_params={})
            await route.handle(scope, receive, send)


def is_served(page: Page, site: Site) -> bool:
    """Whether `yetan serve --site` serves a page: what residents and staff both need, such as signing in, always."""
    if site == "all":
        return True
    if page.site:
        return page.site == site
    if page.personal or page.permission == SIGNED_IN:
        return True
    return page.public == (site == "public")


#: Bytes of a body without files.
MAXIMUM_WORDS = 1024 * 1024


class SignInFirst(HTTPException):
    """Nobody is signed in, where somebody has to be."""

    def __init__(self) -> None:
        super().__init__(401)


class PageEndpoint:
    """The ASGI application of one page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._flood = Flood()
        self._narrowed_by = frozenset(name.encode() for name in page.narrowed_by)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["yetan.page"] = self.page.path
        asked: Asked | None = scope.get("yetan.asked")
        response: Response | KeptPage | None
        if asked is None or not self.page.public or self.page.personal:
            response = await self._drawn(scope, Request(scope, limited(receive, self._longest_body(scope)), send))
        elif (refusal := self._refused_at_once(scope, asked)) is not None:
            response = refusal
        elif self.page.is_kept:
            # A public page for all who ask for the same.
            cache: PageCache = scope["app"].state.cache
            shared = cache.shared(asked, lambda: self._let_in(scope, asked.narrowed(scope)))
            response = await while_there(receive, shared, partial(cache.leave, asked))
        else:
            response = await while_there(receive, self._let_in(scope, scope))
        if asked is not None and isinstance(response, KeptPage):
            await response.answer(asked, send)
        elif isinstance(response, Response):
            await response(scope, receive, send)

    async def _let_in(self, scope: Scope, seen: Scope) -> Response:
        """Draw a public page from what is `seen` of the request's scope, as soon as there is room for it."""
        admission: Admission = scope["app"].state.admission
        asked: Asked = scope["yetan.asked"]
        try:
            async with admission.to(self.room_of(scope)):
                return await self._drawn(scope, Request(seen, no_body))
        except Full:
            return admission.refusal(scope["path"], asked.display.locale_name)

    def _refused_at_once(self, scope: Scope, asked: Asked) -> Response | None:
        """The refusal where nobody more may wait, before anything is made for the request; None where there is room.

        What is being drawn for somebody else needs no room of its own.
        """
        state = scope["app"].state
        if not state.admission.is_full(self.room_of(scope)) or state.cache.is_drawing(asked):
            return None
        refusal: Response = state.admission.refusal(scope["path"], asked.display.locale_name)
        return refusal

    def room_of(self, scope: Scope) -> str:
        """Whose room the page takes as it is asked for."""
        query: bytes = scope["query_string"]
        if query and self._narrowed_by:
            for each in query.split(b"&"):
                name, _, value = each.partition(b"=")
                if value and (unquote_to_bytes(name) if b"%" in name else name) in self._narrowed_by:
                    return "narrowed"
        return self.page.budget

    async def _drawn(self, scope: Scope, request: Request) -> Response:
        scope["yetan.request"] = request
        use_locale(request.act.locale)
        unsafe = request.method not in SAFE_METHODS
        try:
            with occasion() as deed:
                return await self._recorded(request, unsafe, deed)
        finally:
            await request.close()

    async def _recorded(self, request: Request, unsafe: bool, deed: Occasion) -> Response:
        """The answer, once there is a record of what was done, looked at or refused: exactly one (C79)."""
        try:
            response = await self._answer(request, unsafe)
            status = response.status_code
        except SignInFirst as error:
            status = error.status_code
            response = _to_sign_in(request, unsafe, error)
        except (YetanError, HTTPException) as error:
            response = error_response(request.scope, error)
            status = response.status_code
        except Exception as error:
            if unsafe:
                await self._keep_typed(request)
                if not (deed.recorded or database_is_lost(error)):
                    await self._record(request, 500)
            raise
        if not deed.recorded:
            if (unsafe and not request.only_asks) or status in _REFUSALS:
                await self._record(request, status)
            elif self.page.sensitive and status < 400:
                # Nobody sees what cannot be recorded as seen.
                await record(request.act, self.page.name, self._subject(request), "looked")
        return response

    async def _answer(self, request: Request, unsafe: bool) -> Response:
        page = self.page
        if unsafe and not is_same_origin(request.headers):
            raise Forbidden("这个请求不是从本站页面发出的，没有办理。请从本站页面重新提交。")
        await self._check_length(request)
        if not page.public or page.personal:
            await self._recognise(request)
        if not page.public:
            if not request.act.actor.signed_in:
                raise SignInFirst
            if not holds(request.act.actor, page.permission):
                raise Forbidden("您的岗位没有打开这个页面的权限。如果需要办理，请联系管理员核对您的岗位。")
        if unsafe:
            await self._check_body(request)
        if page.model is not None and "id" in request.path_params:
            await self._load(request)
        if unsafe and await request.change_look():
            response = await self._drawn_again(request)
        else:
            response = await page.endpoint(request)
        self._set_caching(request, response, unsafe)
        return response

    async def _drawn_again(self, request: Request) -> Response:
        """The form as it was typed, in the look its reader has just chosen; where the page has no form, itself anew."""
        try:
            with only_asking() as asking:
                response = await self.page.endpoint(request)
        except OnlyAsked:
            response = request.redirect_to(
                referring_path(request.headers) or request.templating.addresses.path("board")
            )
        request.only_asks = request.only_asks or asking.told
        set_cookie(response, "display", request.display.cookie(), max_age=LOOK_KEPT)
        return response

    async def _check_length(self, request: Request) -> None:
        declared = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or len(declared) > 15:
            raise BadRequest("请返回上一页，刷新后再试。")
        longest = self._longest_body(request.scope)
        if int(declared) > longest:
            raise _too_large(longest)

    def _longest_body(self, scope: Scope) -> int:
        """How many bytes a body may have: all the page takes as files, and no more than a form of words otherwise.

        Words are taken apart in the event loop: of thirty megabytes of them nobody else would hear for seconds.
        """
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        with_files = kind.lower().startswith(b"multipart/")
        return self.page.body_limit if with_files else min(self.page.body_limit, MAXIMUM_WORDS)

    async def _recognise(self, request: Request) -> None:
        """Who is signed in, from the session's cookie."""
        token = request.cookies.get(cookie_name("session"), "")
        request.session = await find_session(token, request.act.now) if token else None
        if request.session is not None:
            today = current().calendar.local_date(request.act.now)
            request.act = replace(request.act, actor=await actor_of(request.session.account, today))

    async def _check_body(self, request: Request) -> None:
        """The session's token where there is a session, and the key under which a repeat is recognised."""
        if request.session is not None:
            token = single("_token", (await request.sent()).getlist("_token"))
            if not isinstance(token, str) or not same(token, request.csrf_token):
                raise Forbidden("页面放得太久，或者您重新登录过，没有办理。请刷新页面再提交。")
        request.act = request.act.keyed(await request.sent_key())

    async def _load(self, request: Request) -> None:
        """The row the path names: not found unless visible, refused unless the permission reaches its units."""
        model = self.page.model
        assert model is not None
        row = await visible(model, request.act).get_or_none(id=request.path_params["id"])
        if row is None:
            raise NotFound
        if not self.page.public:
            units = await current().registry.visibility[model].units(row)
            if not await may(request.act, self.page.permission, units.values()):
                raise Forbidden("您的岗位管不到这里。如果需要办理，请联系管理员核对您的岗位。")
        request.subject = row

    def _set_caching(self, request: Request, response: Response, unsafe: bool) -> None:
        """Personal answers are kept by nobody; public ones may be, if asked again each time (C21)."""
        if unsafe or not self.page.public or self.page.personal:
            response.headers["Cache-Control"] = "no-store"
            return
        if "set-cookie" in response.headers:
            raise RuntimeError(f"Page {self.page.name!r} is public and sets a cookie; declare it personal=True.")
        if request.key_drawn:
            # Two who were given the same key would be taken for one who repeats himself.
            response.headers["Cache-Control"] = "no-store"
        response.headers.setdefault("Cache-Control", "no-cache")
        response.headers.add_vary_header("Cookie")

    async def _keep_typed(self, request: Request) -> None:
        """Read the form now if nobody has: the answer hands back what was typed."""
        with suppress(Exception):
            async with asyncio.timeout(_TYPED_SECONDS):
                await request.sent()

    async def _record(self, request: Request, status: int) -> None:
        """Note who tried what, on what, from where, and what came of it; never what was typed."""
        done = "looked" if self.page.sensitive else "done"
        outcome = done if status < 400 else "failed" if status >= 500 else f"refused {status}"
        if 400 <= status < 500 and request.act.actor == ANONYMOUS:
            more = self._flood.takes(request.act.source, request.act.now)
            if more is None:
                return
            outcome += more
        try:
            await record(request.act, self.page.name, self._subject(request), outcome)
        except Exception as error:
            # The change itself has been made or refused; saying otherwise now would make people repeat it.
            answer_to(error, f"the audit record of {self.page.name}")

    def _subject(self, request: Request) -> str:
        """What a record of this request is about."""
        if request.looked_at or self.page.model is None:
            return request.looked_at
        return f"{self.page.model.__name__}:{request.path_params.get('id')}"


def limited(receive: Receive, limit: int) -> Receive:
    """`receive`, refusing a body of more than `limit` bytes while it comes in, whatever its headers say (C22)."""
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return receive_within_limit


def _too_large(limit: int) -> TooLarge:
    size = f"{limit // (1024 * 1024)} MB" if limit >= 1024 * 1024 else f"{limit // 1024} KB"
    return TooLarge("提交的内容太大，最多 {size}。请减少照片或缩短文字后再提交。", size=size)


def _to_sign_in(request: Request, unsafe: bool, error: SignInFirst) -> Response:
    """Sign in first, then come back here; API clients are told so instead."""
    if request.url.path.startswith("/api/"):
        return error_response(request.scope, error)
    query = request.url.query
    here = request.url.path + (f"?{query}" if query else "")
    back = referring_path(request.headers) if unsafe else here
    path = request.templating.addresses.path("sign_in", next=back if len(back) <= NEXT_LENGTH else "")
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})
