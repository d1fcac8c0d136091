"""What a person sees when something is refused or fails: a sentence on what to do next, never a traceback (C82)."""

from __future__ import annotations

import html
import logging
import math
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus

from msgspec import Struct
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as AnyRequest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yetan.db.connection import SERVING
from yetan.db.failures import database_is_away, disk_is_full
from yetan.db.waiting import waiting_at_most
from yetan.errors import TooMany, YetanError
from yetan.files.storage import StorageUnavailable
from yetan.i18n import current_locale, language_tag, message_ids, translate, use_locale

logger = logging.getLogger(__name__)

#: Status to what happened and what to do next.
_SENTENCES: Mapping[int, tuple[str, str]] = message_ids(
    {
        400: ("这个请求看不懂", "请返回上一页，刷新后再试。"),
        401: ("请先登录", "登录以后再打开这个页面。"),
        403: ("不能这样做", "您没有做这件事的权限。如果需要办理，请联系管理员。"),
        404: ("没有找到", "请核对编号或网址。"),
        405: ("不能这样打开", "请从页面上的按钮或链接进入。"),
        409: ("没有办成", "情况已经变了，请刷新页面看看。"),
        413: ("提交的内容太大", "请减少照片或缩短文字后再提交。"),
        414: ("网址太长", "请缩短要查的内容再试。"),
        422: ("有内容需要改一下", "请返回上一页修改。"),
        429: ("操作太频繁", "请过一会儿再试。"),
        500: ("出错了", "不是您的问题。请过一会儿再试；还是不行，就打电话告诉我们。"),
        507: ("存不下了", "服务器的空间满了，内容没有保存。请告诉管理员，过一会儿再试。"),
        503: ("系统正忙", "刚才没有办成，内容没有保存。请过几秒再试一次。"),
    }
)
_RETRY_SECONDS = 5

#: Answers after which the same form may simply be sent again: its key sees to one effect (C54).
_AGAIN = (500, 503, 507)
#: The names of password fields; a form with one of them is not handed back.
_SECRETS = frozenset({"password", "current", "new", "again"})


class Answer(Struct, frozen=True):
    """What to tell: status, what happened, what to do next, a reference to read out, seconds to wait or None."""

    status: int
    heading: str
    message: str
    reference: str = ""
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Never kept by anybody; says when to come again."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers


def answer_to(error: Exception, where: str) -> Answer:
    """What to tell about `error`, which happened at the route `where`. Faults of ours are logged with a reference."""
    if isinstance(error, YetanError):
        heading, _ = _SENTENCES.get(error.status, _SENTENCES[400])
        retry = math.ceil(error.retry_after) if isinstance(error, TooMany) else None
        if isinstance(error, StorageUnavailable):
            logger.error("%s: %s", where, error.remedy)
            retry = _RETRY_SECONDS
        return Answer(error.status, translate(heading), error.message, retry_after=retry)
    if isinstance(error, HTTPException):
        heading, message = _SENTENCES.get(error.status_code, _SENTENCES[400])
        return Answer(error.status_code, translate(heading), translate(message))
    status = 507 if disk_is_full(error) else 503 if database_is_away(error) else 500
    heading, message = _SENTENCES[status]
    if status != 500:
        logger.error("%s at %s: %s", "no room is left" if status == 507 else "the database cannot answer", where, error)
        return Answer(status, translate(heading), translate(message), retry_after=_RETRY_SECONDS)
    reference = secrets.token_hex(4)
    logger.error("error %s at %s", reference, where, exc_info=error)
    return Answer(500, translate(heading), translate(message), reference)


def _speak(scope: Scope) -> None:
    """Use the reader's language, also where no page did so before: nothing is at the address."""
    from yetan.web.request import Request

    with suppress(Exception):
        use_locale((scope.get("yetan.request") or Request(scope)).display.locale_name)


def error_response(scope: Scope, error: Exception) -> Response:
    """The answer to `error`: JSON under /api/, else a page; without templates if those fail, plain text at last."""
    _speak(scope)
    route = scope.get("route")
    answer = answer_to(error, getattr(route, "path", scope.get("yetan.page", "")) or "no route")
    response = _response(scope, answer)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _response(scope: Scope, answer: Answer) -> Response:
    if scope["path"].startswith("/api/"):
        code = HTTPStatus(answer.status).phrase.lower().replace(" ", "_").replace("-", "_")
        told = {"error": {"code": code, "message": answer.message}}
        return JSONResponse(told, answer.status, answer.headers)
    try:
        page = _page(scope, answer)
    except Exception:
        logger.exception("the error page itself cannot be drawn")
        page = None
    if page is None:
        try:
            page = fallback_page(answer)
        except Exception:
            plain = translate("{heading}。{message}", heading=answer.heading, message=answer.message)
            return PlainTextResponse(plain, answer.status, answer.headers)
    return HTMLResponse(page, answer.status, answer.headers)


def _page(scope: Scope, answer: Answer) -> str | bytes:
    from yetan.web.request import Request

    request = scope.get("yetan.request") or Request(scope)
    context = {
        "heading": answer.heading,
        "message": answer.message,
        "reference": answer.reference,
        "typed": _typed(scope, request) if answer.status in _AGAIN else (),
        "again": scope["path"] + (f"?{query}" if (query := scope["query_string"].decode("latin-1")) else ""),
    }
    if context["typed"] or answer.reference:
        return str(request.templating.render("error.html", request, context))
    # Anybody may ask for what is not there as often as they like: it is drawn once.
    content = (answer.heading, answer.message)
    return request.templating.render_kept("error.html", request, content, lambda: context).plain


def _typed(scope: Scope, request: AnyRequest) -> Sequence[tuple[str, str]]:
    """What was typed into a form that was not taken, with the key under which it may be sent again."""
    form = request._form
    if scope["method"] != "POST" or not isinstance(form, FormData) or "_key" not in form or _SECRETS & set(form):
        return ()
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def fallback_page(answer: Answer) -> str:
    """A page without templates, for when those are what broke, or the request cannot be trusted to have any."""
    heading, message = html.escape(answer.heading), html.escape(answer.message)
    reference = f"<p>{translate('编号')} {html.escape(answer.reference)}</p>" if answer.reference else ""
    return (
        f'<!doctype html><html lang="{language_tag(current_locale())}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title></head><body><h1>{heading}</h1><p>{message}</p>{reference}"
        f'<p><a href="/">{translate("回首页")}</a></p></body></html>'
    )


class ErrorPages:
    """Pure ASGI: turns every exception of the application into an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            with waiting_at_most(SERVING.connection):
                await self.app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                raise
            await error_response(scope, error)(scope, receive, send)
