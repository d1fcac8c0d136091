"""A city of a handful of pages, for testing what stands between a browser and a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from yetan.access.passwords import hash_password
from yetan.act import Act
from yetan.app import application
from yetan.audit.models import AuditRecord
from yetan.config import City, Configuration, Server, UnitKind
from yetan.people.models import Account, Person, Post
from yetan.plugins.declarations import NavigationItem, Page, Panel, Permission, Plugin, Visibility
from yetan.plugins.registry import Registry
from yetan.units.models import Unit, UnitAncestor
from yetan.web.access_pages import PAGES as ACCESS_PAGES
from yetan.web.forms import Field
from yetan.web.health import PAGES as HEALTH_PAGES
from yetan.web.request import Request

MORNING = datetime(2026, 5, 6, 1, 0, tzinfo=UTC)
PASSWORD = "柳湾的路灯亮了"
HOST = "testserver"
ABOUT = City(name="柳湾镇", hotline="0598-12345")
SERVER = Server(base_url=f"http://{HOST}")
SAME_ORIGIN = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}

T = TypeVar("T")


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


WORD = Field("word", "一句话")
PHOTOS = Field("photos", "照片", kind="photos", required=False)


async def say(request: Request) -> Response:
    """A page with nothing in it."""
    return PlainTextResponse(request.act.actor.label)


async def board(request: Request) -> Response:
    return request.render("error.html", heading="公开板", message="灯亮着")


async def look(request: Request) -> Response:
    return PlainTextResponse(f"{request.subject.name} {request.act.actor.label}")


async def echo(request: Request) -> Response:
    values = await request.values((WORD, PHOTOS))
    photos: Any = values["photos"]
    return PlainTextResponse(f"{values['word']}|{len(photos)}|{request.key}")


async def fail(request: Request) -> Response:
    raise RuntimeError("the password is 12345")


def visible_units(act: Act) -> Any:
    """Units whose code does not start with X."""
    return Unit.exclude(code__startswith="X")


async def units_of(unit: Unit) -> Mapping[str, int]:
    return {"unit": unit.id}


PERMISSIONS = {
    "unit.look": Permission("unit.look", "查看单位", frozenset({"village_official"})),
    "unit.mend": Permission("unit.mend", "修单位", frozenset({"township_clerk"})),
}

PAGES = (
    Page("/", board, "board", public=True),
    Page("/raise", say, "raise", public=True),
    Page("/follow", say, "follow", public=True, personal=True),
    Page("/card.png", say, "card", public=True),
    Page("/search", echo, "search", public=True),
    Page("/send", echo, "send", methods=("POST",), public=True, body_limit=4096),
    Page("/fail", fail, "fail", public=True),
    Page("/fail", fail, "fail.submit", methods=("POST",), public=True),
    Page("/api/v1/fail", fail, "api.fail", public=True),
    Page("/api/v1/mine", say, "api.mine", permission="signed_in"),
    Page("/desk", say, "desk", permission="signed_in"),
    Page("/desk/notices", say, "desk.notices", permission="signed_in"),
    Page("/desk/send", echo, "desk.send", methods=("POST",), permission="signed_in"),
    Page("/desk/mend", say, "desk.mend", permission="unit.mend"),
    Page("/desk/units/{id:int}", look, "desk.unit", permission="unit.look", model=Unit),
    Page("/desk/units/{id:int}", echo, "desk.unit.mend", methods=("POST",), permission="unit.mend", model=Unit),
)


@dataclass
class TinyCity:
    """The city of these tests; `pages`, `panels` and the rest may be added to before `client()`."""

    database_url: str
    folder: Path
    clock: Clock = field(default_factory=Clock)
    pages: Sequence[Page] = (*PAGES, *ACCESS_PAGES, *HEALTH_PAGES)
    navigation: Sequence[NavigationItem] = ()
    panels: Sequence[Panel] = ()
    plugins: Sequence[Plugin] = ()
    server: Server = SERVER
    about: City = ABOUT

    @property
    def configuration(self) -> Configuration:
        return Configuration(
            city=self.about,
            folder=self.folder,
            data_dir=self.folder / "var",
            database_url=self.database_url,
            secret_key="a secret that only this test knows..",
            unit_kinds={"village": UnitKind("村")},
            server=self.server,
        )

    @property
    def registry(self) -> Registry:
        return Registry(
            plugins=tuple(self.plugins),
            configurations={},
            permissions=PERMISSIONS,
            pages=tuple(self.pages),
            navigation=tuple(self.navigation),
            panels=tuple(self.panels),
            visibility={Unit: Visibility(Unit, visible_units, units_of)},
        )

    def app(self, site: Any = "all") -> Starlette:
        return application(self.configuration, self.registry, self.clock, worker=False, site=site)

    @contextmanager
    def client(self, **options: Any) -> Iterator[Browser]:
        """A browser at the running city. Redirects are not followed."""
        scheme = "https" if self.configuration.secure else "http"
        with Browser(self.app(), base_url=f"{scheme}://{HOST}", follow_redirects=False, **options) as browser:
            yield browser


class Browser(TestClient):
    """A client whose requests come from the site's own pages, as a browser says it."""

    def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work()` in the running city."""
        assert self.portal is not None
        return self.portal.call(work)

    def submit(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """POST from a page of the site itself."""
        return self.post(path, data=data, headers={**SAME_ORIGIN, **options.pop("headers", {})}, **options)

    def sign_in(self, username: str = "lin", password: str = PASSWORD, **more: str) -> Any:
        return self.submit("/sign-in", {"username": username, "password": password, **more})

    def carry(self, session: str) -> None:
        """Have the cookie of another session."""
        self.cookies.set("yetan-session", session, domain=f"{HOST}.local", path="/")

    def token(self) -> str:
        """The `_token` of the signed-in browser's forms."""
        page = self.get("/me/password").text
        return page.partition('name="_token" value="')[2].partition('"')[0]

    def audited(self) -> list[tuple[str, str, str, str, str]]:
        """Every audit record, in order: actor, action, subject, outcome, source."""

        async def read() -> list[tuple[str, str, str, str, str]]:
            rows = await AuditRecord.all().order_by("id")
            return [(row.actor, row.action, row.subject, row.outcome, row.source) for row in rows]

        return self.do(read)


async def add_unit(code: str, parent: Unit | None = None) -> Unit:
    """A village, with its ancestor rows."""
    unit = await Unit.create(code=code, name=f"{code}村", kind="village", parent=parent)
    above = await UnitAncestor.filter(unit_id=parent.id) if parent is not None else []
    await UnitAncestor.create(unit_id=unit.id, ancestor_id=unit.id, depth=0)
    for row in above:
        await UnitAncestor.create(unit_id=unit.id, ancestor_id=row.ancestor_id, depth=row.depth + 1)
    return unit


async def add_account(
    username: str = "lin", role: str = "", unit: Unit | None = None, password: str = PASSWORD
) -> Account:
    """An account with a password, and a post if a role is given."""
    person = await Person.create(name=f"{username}某", created_at=MORNING)
    account = await Account.create(
        person=person, username=username, created_at=MORNING, password_hash=await hash_password(password)
    )
    if role and unit is not None:
        await Post.create(account=account, role=role, unit=unit, since=date(2026, 1, 1))
    return account
