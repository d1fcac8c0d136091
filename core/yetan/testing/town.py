"""A small town for tests: units, one official a role, a resident, a clock that stands, and browsers signed in as any.

def test_a_lamp_is_listed(town):
    issue = town.report()
    town.move(issue, "list", by="clerk")
    assert town.reload(issue).state == "listed"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from starlette.applications import Starlette
from starlette.testclient import TestClient
from tortoise.models import Model

from yetan.access.sessions import actor_of, find_session, form_token, open_session
from yetan.act import SYSTEM, Act, Actor
from yetan.app import application, assemble
from yetan.config import City, Configuration, Role, Server, UnitKind
from yetan.events.worker import Worker
from yetan.issues.classification import load_categories
from yetan.issues.models import Category, Issue, Raiser
from yetan.issues.service import RaiserInput, report_issue, transition_issue
from yetan.people.models import Account, Person, Post
from yetan.people.service import add_account
from yetan.plugins.registry import Registry
from yetan.publication.service import approve, renew_draft
from yetan.runtime import current
from yetan.testing.rows import row_of
from yetan.units.models import Unit
from yetan.units.service import load_units
from yetan.units.table import UnitRow

T = TypeVar("T")
M = TypeVar("M", bound=Model)

#: Wednesday 6 May 2026, nine in the morning in Shanghai.
MORNING = datetime(2026, 5, 6, 1, 0, tzinfo=UTC)
HOST = "testserver"
#: What a served town's YETAN_SECRET_KEY has to be for its links to open.
SECRET = "a secret that only this town's tests know"  # noqa: S105 - a made-up town's
SAME_ORIGIN = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}

UNIT_KINDS: Mapping[str, UnitKind] = {
    "city": UnitKind("市"),
    "county": UnitKind("县"),
    "township": UnitKind("乡镇"),
    "village": UnitKind("村", raises=True),
    "community": UnitKind("社区", raises=True),
    "department": UnitKind("部门", department=True),
}

#: code, name, kind, parent
UNITS = (
    ("city", "柳湾市", "city", ""),
    ("county", "柳湾县", "county", "city"),
    ("township", "石桥镇", "township", "county"),
    ("village", "溪尾村", "village", "township"),
    ("sibling", "荷塘社区", "community", "township"),
    ("elsewhere", "云墩乡", "township", "county"),
    ("other", "樟林村", "village", "elsewhere"),
    ("department", "县城管局", "department", "county"),
)

#: account name, person's name, role, unit
OFFICIALS = (
    ("village", "陈小满", "village_official", "village"),
    ("deputy", "许秋生", "village_official", "village"),
    ("sibling", "林知夏", "village_official", "sibling"),
    ("other", "王望舒", "village_official", "other"),
    ("clerk", "周明远", "township_clerk", "township"),
    ("elsewhere", "何其芳", "township_clerk", "elsewhere"),
    ("department", "吴照明", "department_official", "department"),
    ("leader", "沈听澜", "leader", "county"),
    ("publisher", "江采薇", "publisher", "county"),
    ("supervisor", "杜若", "supervisor", "county"),
    ("auditor", "秦鉴", "auditor", "city"),
    ("administrator", "顾衡", "administrator", "city"),
)


class StandingClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> datetime:
        """Move on by a span as `timedelta` takes it, and return the new instant."""
        self.now += timedelta(**span)
        return self.now


class Browser(TestClient):
    """A browser at the town's site, whose posts come from the site's own pages. Redirects are not followed."""

    def submit(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """POST as a page of the site would, with the session's token."""
        sent = {"_token": self.token, **(data or {})} if self.token else dict(data or {})
        return self.post(path, data=sent, headers={**SAME_ORIGIN, **options.pop("headers", {})}, **options)

    #: The token the session's forms carry; "" for an anonymous browser.
    token = ""


@dataclass
class Town:
    """The town. Use it as a context manager, or through the fixture `town`."""

    database_url: str
    folder: Path
    plugins: tuple[str, ...] = ()
    search: str = ""
    theme: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    plugin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clock: StandingClock = field(default_factory=StandingClock)
    units: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    resident: Person = field(init=False)
    category: int = 0
    app: Starlette = field(init=False)
    _client: Browser = field(init=False)

    @property
    def configuration(self) -> Configuration:
        """What the town's yetan.toml would say."""
        return Configuration(
            city=City(name="柳湾市", hotline="0598-12345"),
            folder=self.folder,
            data_dir=self.folder / "var",
            database_url=self.database_url,
            secret_key=SECRET,
            unit_kinds=UNIT_KINDS,
            server=Server(base_url=f"http://{HOST}"),
            plugins=self.plugins,
            search=self.search,
            theme=self.theme,
            rules=self.rules,
            roles=self.roles,
            plugin=self.plugin,
        )

    @contextmanager
    def open(self, registry: Registry | None = None) -> Iterator[Town]:
        """The running town, with its units, officials and one resident; `registry` stands for its plugins' own."""
        registry = registry or self._assembled()
        self.app = application(self.configuration, registry, self.clock, worker=False, site="all")
        with Browser(self.app, base_url=f"http://{HOST}", follow_redirects=False) as client:
            self._client = client
            self.do(self.arrive)
            yield self

    def _assembled(self) -> Registry:
        """What the core and the town's plugins declare; that of the core alone never changes, and is made once."""
        own = (self.plugins, self.search, self.theme, self.rules, self.roles, self.plugin)
        return assemble(self.configuration) if any(own) else copy(_of_the_core())

    async def arrive(self) -> None:
        """Learn who and what is in the open database, having founded the town there if it is empty."""
        if not await Unit.exists():
            await self._found()
        self.units = {unit.code: unit.id for unit in await Unit.all()}
        self.category = (await Category.get(path="城乡建设/市政设施/路灯")).id
        self.accounts = {account.username: account for account in await Account.all().select_related("person")}
        self.resident = self.accounts["resident"].person

    async def _found(self) -> None:
        act = Act(SYSTEM, self.clock())
        rows = [
            UnitRow(row=number, code=code, name=name, kind=kind, parent_code=parent)
            for number, (code, name, kind, parent) in enumerate(UNITS, start=2)
        ]
        await load_units(act, rows)
        units = {unit.code: unit.id for unit in await Unit.all()}
        await load_categories([("城乡建设",), ("城乡建设", "市政设施"), ("城乡建设", "市政设施", "路灯")])
        for username, name, role, unit in OFFICIALS:
            person = await Person.create(name=name, unit_id=units[unit], created_at=act.now)
            account = await add_account(act, person, username)
            await Post.create(account_id=account.id, role=role, unit_id=units[unit], since=date(2020, 1, 1))
        resident = await Person.create(name="柳三变", phone="13800001234", unit_id=units["village"], created_at=act.now)
        await add_account(act, resident, "resident")

    def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work()` in the running town's event loop."""
        assert self._client.portal is not None
        return self._client.portal.call(work)

    def run(self, work: Awaitable[T]) -> T:
        """Await a coroutine, or a query, in the running town's event loop."""

        async def go() -> T:
            return await work

        return self.do(go)

    def run_worker(self) -> int:
        """Deliver, sweep and run jobs until nothing is due now."""
        return self.run(Worker().run_once())

    async def actor(self, who: str) -> Actor:
        """The actor behind an account's name; "resident" acts for themself."""
        return await actor_of(self.accounts[who], current().calendar.local_date(self.clock()))

    async def act(self, who: str = "", key: str = "") -> Act:
        """An act of `who` now; of the system when "" """
        return Act(await self.actor(who) if who else SYSTEM, self.clock(), key=key)

    def report(
        self, *, by: str = "resident", via: str = "online", raisers: Sequence[RaiserInput] | None = None, **values: Any
    ) -> Issue:
        """An issue raised by the resident, about three lamps in 溪尾村; `values` override its fields."""
        return self.run(self.raised(by=by, via=via, raisers=raisers, **values))

    async def raised(
        self, *, by: str = "resident", via: str = "online", raisers: Sequence[RaiserInput] | None = None, **values: Any
    ) -> Issue:
        """As `report`, for what runs in the town's event loop."""
        given = {
            "title": "村口三盏路灯不亮",
            "text": "村口到老桥的三盏路灯坏了半个月，晚上老人不敢走。",
            "place": "村口到老桥",
            "kind": "problem",
            "collective": True,
            "unit": self.units["village"],
            "category": self.category,
            **values,
        }
        who = raisers if raisers is not None else [RaiserInput(person_id=self.resident.id)]
        return await report_issue(await self.act(by), given, who, via=via)

    def publish(self, issue: Issue) -> None:
        """Put an issue before the public as it stands, and let everybody hear of it."""

        async def go() -> None:
            act = await self.act()
            await renew_draft(act, await Issue.get(id=issue.id))
            await approve(act, issue.id)

        self.do(go)
        self.run_worker()

    def make_row(self, model: type[M], **given: Any) -> M:
        """A new row of any model, its columns filled in; `given` are values by name. See `yetan.testing.rows`."""
        return cast(M, self.run(row_of(self, model, **given)))

    def move(self, issue: Issue, transition: str, *, by: str, **values: Any) -> Issue:
        """Take an issue through a transition; what its form requires and `values` do not give is filled in."""
        given = {
            "reason": "原因说明",
            "outcome": "换了三个灯头，连亮两晚。",
            "measures": "照明所三天内更换灯头。",
            "owner": self.accounts["deputy"].id,
            "deadline": self.clock().date() + timedelta(days=10),
            "opinion": "建议由县城管局处理。",
            "instead": "县供电公司",
            **values,
        }

        async def go() -> Issue:
            return await transition_issue(await self.act(by), issue.id, transition, given)

        return self.do(go)

    def reload(self, row: M) -> M:
        """The row as it stands in the database now."""
        model = type(row)
        return self.run(_get(model, row.pk))

    def raisers_of(self, issue: Issue) -> list[int]:
        """The persons who raised an issue."""

        async def go() -> list[int]:
            return [row.person_id for row in await Raiser.filter(issue_id=issue.id).order_by("id")]

        return self.do(go)

    def browser(self, who: str = "") -> Browser:
        """A browser signed in as an account, or nobody's."""
        browser = Browser(self.app, base_url=f"http://{HOST}", follow_redirects=False)
        browser.portal = self._client.portal
        if who:
            cookie, browser.token = self.run(self.sign_in(who))
            browser.cookies.set("yetan-session", cookie)
        return browser

    async def sign_in(self, who: str) -> tuple[str, str]:
        """Open a session of an account; the cookie of its browser, and the token of its forms."""
        now = self.clock()
        cookie = await open_session(self.accounts[who], now)
        session = await find_session(cookie, now)
        return cookie, form_token(session) if session is not None else ""


@cache
def _of_the_core() -> Registry:
    return assemble(Town("", Path()).configuration)


async def _get(model: type[M], key: Any) -> M:
    return await model.get(pk=key)
