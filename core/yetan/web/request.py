"""What a page gets: the request with who acts, what it is about, and its declared input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from msgspec.structs import replace
from starlette import requests
from starlette.datastructures import FormData, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from yetan.access.secrets import new_token
from yetan.access.sessions import form_token
from yetan.act import ANONYMOUS, Act
from yetan.errors import YetanError
from yetan.i18n import translate, use_locale
from yetan.runtime import current
from yetan.web.bodies import DrawnPage
from yetan.web.display import Display, read_display
from yetan.web.forms import Choices, Field, Form

if TYPE_CHECKING:
    from yetan.access.models import Session
    from yetan.web.templating import Frame, Templating

#: Caps on forms, far above any of ours (F31). A text is capped by the page's body limit alone: one too long for its
#: field is then the field's to refuse, which gives it back.
MAXIMUM_FILES, MAXIMUM_FIELDS, MAXIMUM_PART = 30, 300, sys.maxsize

#: What a switch of the look is sent as along with a form, "light=night"; and for how many seconds a look is kept.
LOOK = "_look"
LOOK_KEPT = 365 * 24 * 3600

_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")
_UPLOADS = frozenset({"photos", "file"})
#: In digits.
_LONGEST_NUMBER = 9


class BadRequest(YetanError):  # noqa: N818 - read as "a bad request"
    """A request no page of ours would have sent."""

    status = 400


class Request(requests.Request):
    """One request to a page.

    `act` says who acts, when and under which key. `subject` is the row the path's `{id}` names, loaded and checked
    by the core, or None. `session` is the signed-in browser's, where the page looks at it. `looked_at` says at what
    somebody looked on a page declared `sensitive`: codes, ids and numbers, never a name. `key_drawn` says that the page
    holds a key or token that is meant for one browser alone. `only_asks` says that what was sent is answered with a
    form's next question, so that nothing was to be done yet. `look_changed` says that it was sent to be drawn again in
    another look.
    """

    #: In place of Starlette's own, which is a cookie's content.
    session: Session | None = None  # type: ignore[assignment]

    def __init__(
        self, scope: Scope, receive: Receive = requests.empty_receive, send: Send = requests.empty_send
    ) -> None:
        super().__init__(scope, receive, send)
        #: How the reader wants the pages to look.
        self.display: Display = scope.get("yetan.display") or self._read_display()
        source = scope.get("yetan.source", "")
        self.act = Act(actor=ANONYMOUS, now=current().clock(), source=source, locale=self.display.locale_name)
        self.subject: Any = None
        self.looked_at = ""
        self.key_drawn = False
        self.only_asks = False
        self.look_changed = False
        #: Whether the page that is being drawn has a form of which the switches of the look take what was typed; None
        #: while no page is drawn but a part of one.
        self.has_typed_form: bool | None = None
        #: What every template is given; see `yetan.web.templating`.
        self.frame: Frame | None = None

    @property
    def templating(self) -> Templating:
        """The city's templates, static files and addresses."""
        templating: Templating = self.app.state.templating
        return templating

    @property
    def key(self) -> str:
        """The idempotency key of the form sent, or ""."""
        return self.act.key

    @property
    def csrf_token(self) -> str:
        """What the forms of a signed-in browser must send back as `_token`; "" for anybody else."""
        return form_token(self.session) if self.session is not None else ""

    def _read_display(self) -> Display:
        cookie = self.cookies.get(cookie_name("display"), "")
        return read_display(cookie, current().configuration.city, self.templating.look.skins)

    def new_key(self) -> str:
        """An idempotency key for a form of the page: the one just sent, for sending it again, or a fresh one."""
        self.key_drawn = True
        return self.key or new_token()

    async def sent(self) -> FormData:
        """The body as form data, within the caps. A body that is not a form is an empty one."""
        _, parameters = _content_type(self.headers.get("content-type", ""))
        if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise BadRequest("请用 UTF-8 编码提交。")
        return await self._get_form(max_files=MAXIMUM_FILES, max_fields=MAXIMUM_FIELDS, max_part_size=MAXIMUM_PART)

    async def sent_key(self) -> str:
        """The idempotency key of the body. Raises `BadRequest` for one no page of ours drew."""
        key = single("_key", (await self.sent()).getlist("_key"))
        if key and (not isinstance(key, str) or not _KEY.fullmatch(key)):
            raise BadRequest("表单不完整，请刷新页面再提交。")
        return str(key or "")

    async def change_look(self) -> bool:
        """Take over the look that a switch in the form sent asks for. False where none was pressed."""
        look = single(LOOK, (await self.sent()).getlist(LOOK))
        if not isinstance(look, str) or not look:
            return False
        self.display = self.display_with(dict(parse_qsl(look[:200])))
        self.act = replace(self.act, locale=self.display.locale_name)
        use_locale(self.act.locale)
        self.look_changed = True
        return True

    def display_with(self, choices: Mapping[str, str]) -> Display:
        """The reader's display with what `choices` says, as far as the city offers it."""
        return self.display.with_choices(choices, self.templating.look.skins, current().configuration.city.locales)

    async def values(  # type: ignore[override]  # Starlette's is a mapping of the scope, which nobody asks
        self, fields: Sequence[Field]
    ) -> dict[str, object]:
        """What was sent for the declared `fields`, as typed: from the body of a POST, from the query of a GET.

        Nothing undeclared gets through (C48). A text is a str, absent ones are None; photos are a list of
        UploadFile, a file one UploadFile. Raises `BadRequest` where a single value came more than once (C49).
        """
        source = self.query_params if self.method in ("GET", "HEAD") else await self.sent()
        sent: dict[str, list[UploadFile | str]] = {}
        for name, value in source.multi_items():
            sent.setdefault(name, []).append(value)
        return {field.name: _value(field, sent.get(field.name, ())) for field in fields}

    async def form(  # type: ignore[override]  # Starlette's gives the raw body, past all declarations
        self, fields: Sequence[Field], *, choices: Mapping[str, Choices] | None = None
    ) -> Form:
        """A form of `fields` filled with what was sent; call its `clean()` for typed values."""
        return Form(fields, await self.values(fields), choices=choices)

    def render(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The page `template` with `context` and what every template may use."""
        return HTMLResponse(self.templating.render(template, self, context), status_code=status)

    def render_kept(self, template: str, content: Hashable, context: Callable[[], Mapping[str, Any]]) -> DrawnPage:
        """As `render`, for a public page: drawn once for its `content`, all that `context()` says to be compared."""
        return DrawnPage(self.templating.render_kept(template, self, content, context))

    def redirect(self, route_name: str, /, **parameters: Any) -> RedirectResponse:
        """Go to a page by GET: the answer to a POST that worked."""
        return self.redirect_to(self.templating.addresses.path(route_name, **parameters))

    def redirect_to(self, path: str) -> RedirectResponse:
        """Go to a path of this site, by GET. `path` must have come through `local_path` if anybody sent it."""
        return RedirectResponse(path, status_code=303)


def single(name: str, values: Sequence[UploadFile | str]) -> UploadFile | str | None:
    """The one value of `values`, or None. Raises `BadRequest` for several (C49)."""
    if len(values) > 1:
        raise BadRequest("“{name}”提交了不止一次，请刷新页面再填。", name=name)
    return values[0] if values else None


def drawn_number(sent: object) -> int:
    """A number that a page of ours drew into a form without asking for it: a version, a row's id.

    Raises `BadRequest` for what no page of ours drew.
    """
    if not isinstance(sent, str) or not sent.isascii() or not sent.isdigit() or len(sent) > _LONGEST_NUMBER:
        raise BadRequest("表单不完整，请刷新页面再提交。")
    return int(sent)


def cookie_name(name: str) -> str:
    """The cookie's name; over https with the prefix that ties it to this very host (C17)."""
    return f"__Host-{name}" if current().configuration.secure else f"yetan-{name}"


def set_cookie(response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
    """Set a cookie that scripts cannot read; `max_age` in seconds, None until the browser closes."""
    secure = current().configuration.secure
    response.set_cookie(
        cookie_name(name), value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="lax"
    )


def delete_cookie(response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    set_cookie(response, name, "", max_age=0)


def _value(field: Field, values: Sequence[UploadFile | str]) -> object:
    if field.kind not in _UPLOADS:
        value = single(field.name, values)
        if isinstance(value, UploadFile):
            raise BadRequest("“{label}”要填文字，不能传文件。", label=translate(field.label))
        return value
    uploads = list(_uploads(field, values))
    if field.kind == "photos":
        return uploads
    if len(uploads) > 1:
        raise BadRequest("“{label}”一次只能传一个文件。", label=translate(field.label))
    return uploads[0] if uploads else None


def _uploads(field: Field, values: Iterable[UploadFile | str]) -> Iterable[UploadFile]:
    """The files among `values`; an empty file input sends one without a name."""
    for value in values:
        if isinstance(value, UploadFile):
            if value.filename:
                yield value
        elif value:
            raise BadRequest("“{label}”要传文件，请重新选择。", label=translate(field.label))


def _content_type(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type header's media type and parameters."""
    media_type, *rest = header.split(";")
    pairs = (part.partition("=") for part in rest)
    return media_type.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
