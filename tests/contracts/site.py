"""The town with everything enabled, its visitors, and what they ask: what the contract tests look at.

Pages are asked in the town's own event loop, without a network or a browser between: thousands of requests take
seconds. Whatever a request changes can be put back, so that every question meets the same town.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch
from urllib.parse import urlencode

import aiosqlite
from argon2 import PasswordHasher

from yetan.access import passwords
from yetan.access.roles import role_labels
from yetan.app import assemble
from yetan.config import Configuration
from yetan.db.connection import Application, sqlite_path
from yetan.db.statements import fetch
from yetan.db.upgrade import upgrade
from yetan.people.models import Person, Post
from yetan.people.service import add_account
from yetan.plugins.declarations import Page
from yetan.runtime import current
from yetan.testing import Town
from yetan.testing.town import HOST, SAME_ORIGIN, UNIT_KINDS
from yetan.web.forms import Field
from yetan.web.request import Request

#: The subjects of all pages belong to this unit of the town.
HOME = "township"
#: Where a post is held, as seen from there. A post in the parent is above the subject, one in the child below it.
RELATIONS: Mapping[str, str] = {
    "own": HOME,
    "parent": "county",
    "sibling": "elsewhere",
    "child": "village",
    "other": "other",
}
#: The city itself, above everything: where some things can be done only.
TOP = "top"
#: Who holds no post now: a resident who raised the subject, one who did not, an official whose post has ended,
#: whoever opened the subject by its slip without signing in, and whoever passes by.
OUTSIDERS = ("raiser", "resident", "former", "follower", "anonymous")

_BOUNDARY = "----what-stands-between-the-parts"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at the site, with their browser's cookies and the token of their forms ("" without an account)."""

    name: str
    role: str = ""
    relation: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file in a form."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `error` is what a page that answered 500 had raised."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: BaseException | None = None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers.get("location", "")


class Database(Protocol):
    """The town's database, past the application: to be read, copied and put back as a whole."""

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, in order."""

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""

    def columns(self, table: str) -> list[str]:
        """The columns of a table, in the order of its rows."""

    def copy(self) -> DatabaseCopy:
        """All of it as it stands."""


class DatabaseCopy(Protocol):
    """A database at one moment."""

    def put_back(self) -> None:
        """Make the database what it was."""

    def close(self) -> None:
        """Let go of the copy."""


class SqliteDatabase:
    """An SQLite file, by a connection of the tests' own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        tables = self.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        names = [name for (name,) in tables if not name.startswith("sqlite_")]
        return {name: self.execute(f'SELECT * FROM "{name}" ORDER BY 1') for name in names}

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.execute(f'PRAGMA table_info("{table}")')]

    def copy(self) -> DatabaseCopy:
        return _SqliteCopy(self._connection)


class _SqliteCopy:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows = sqlite3.connect(":memory:", check_same_thread=False)
        connection.backup(self._rows)

    def put_back(self) -> None:
        self._rows.backup(self._connection)

    def close(self) -> None:
        self._rows.close()


class Copy:
    """The town's database and uploads at one moment, put back as often as needed."""

    def __init__(self, database: Database, uploads: Path) -> None:
        self._rows, self._uploads = database.copy(), uploads
        self._files = {path: path.read_bytes() for path in _files(uploads)}

    def put_back(self) -> None:
        """Make the town what it was."""
        self._rows.put_back()
        for path in _files(self._uploads):
            if path not in self._files:
                path.unlink()
        for path, content in self._files.items():
            if not path.exists() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def close(self) -> None:
        """Let go of the memory."""
        self._rows.close()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class OpenTown(Town):
    """A town where residents raise issues at the township too, so that forms offer HOME."""

    @property
    def configuration(self) -> Configuration:
        """What the town's yetan.toml would say."""
        kinds = {**UNIT_KINDS, "township": replace(UNIT_KINDS["township"], raises=True)}
        return replace(super().configuration, unit_kinds=kinds)


class Site:
    """The running town with an official of every role in every relation to HOME, and the residents beside them."""

    def __init__(self, town: Town, database: Database) -> None:
        self.town = town
        self.database = database
        self.visitors: dict[str, Visitor] = {}

    @property
    def pages(self) -> Sequence[Page]:
        """Every declared page, of the core and of all plugins.

        Of kinds of record that differ in their names alone, whoever may do what, one has all its pages here; of the
        others those of one record, which have panels of their own.
        """
        registry = current().registry
        first: dict[tuple[Any, ...], str] = {}
        left_out: set[str] = set()
        for kind in registry.record_kinds.values():
            same = (kind.model, kind.keepers, kind.readers, kind.publishers, kind.public, kind.photos, kind.template)
            if first.setdefault(same, kind.name) != kind.name:
                own = (f"desk.{kind.name}", f"records.{kind.name}")
                left_out |= {page.name for page in registry.pages if page.name.startswith(own)}
                left_out -= {f"{name}.record" for name in own}
        return [page for page in registry.pages if page.name not in left_out]

    @property
    def readers(self) -> list[Visitor]:
        """Somebody of every role in HOME, those who look after the whole city, and those without a post."""
        whole_city = ("administrator.top", "auditor.top")
        return [each for each in self.visitors.values() if each.relation in ("", "own") or each.name in whole_city]

    def found(self) -> None:
        """Add the officials and sign everybody in."""
        self.town.do(self._appoint)
        for role in role_labels():
            for relation in (*RELATIONS, TOP):
                self._sign_in(f"{role}.{relation}", role, relation)
        for name in OUTSIDERS:
            self._sign_in(name) if name in self.town.accounts else self._add(Visitor(name))

    async def _appoint(self) -> None:
        units = self.town.units
        for role in role_labels():
            for relation, unit in {**RELATIONS, TOP: "city"}.items():
                await self._account(f"{role}.{relation}", unit)
                await self._post(f"{role}.{relation}", role, units[unit])
        for name in OUTSIDERS[:3]:
            self.town.accounts.pop(name, None)
            await self._account(name, HOME)
        for role in role_labels():
            await self._post("former", role, units[HOME], until=date(2026, 5, 5))

    async def _account(self, name: str, unit: str) -> None:
        act = await self.town.act()
        person = await Person.create(name=f"试{name}", unit_id=self.town.units[unit], created_at=act.now)
        self.town.accounts[name] = await add_account(act, person, f"visitor.{name}")

    async def _post(self, name: str, role: str, unit: int, until: date | None = None) -> None:
        account = self.town.accounts[name]
        await Post.create(account_id=account.id, role=role, unit_id=unit, since=date(2020, 1, 1), until=until)

    def _sign_in(self, name: str, role: str = "", relation: str = "") -> None:
        cookie, token = self.town.run(self.town.sign_in(name))
        self._add(Visitor(name, role, relation, {"yetan-session": cookie}, token))

    def _add(self, visitor: Visitor) -> None:
        self.visitors[visitor.name] = visitor

    # Asking

    def ask(
        self,
        visitor: Visitor,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET `path` as `visitor`; with a `body`, POST it as one of the site's own forms would be.

        Values that are lists are sent once for each element, a `File` as an upload.
        """
        return self.town.do(self._asking(visitor, path, body, headers))

    def ask_at_once(self, visitor: Visitor, path: str, body: Mapping[str, Any], times: int) -> list[Answer]:
        """POST the same form several times at the same moment."""

        async def go() -> list[Answer]:
            return await asyncio.gather(*(self._asking(visitor, path, body, None)() for _ in range(times)))

        return self.town.do(go)

    def _asking(
        self, visitor: Visitor, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None
    ) -> Callable[[], Coroutine[Any, Any, Answer]]:
        method = "GET" if body is None else "POST"
        sent = {"Host": HOST, **(SAME_ORIGIN if body is not None else {}), **(headers or {})}
        if visitor.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        content = b""
        if body is not None:
            token = {"_token": visitor.token} if visitor.token else {}
            sent["Content-Type"], content = _encoded({**token, **body})
            sent["Content-Length"] = str(len(content))
        return lambda: _asked(self.town.app, method, path, sent, content)

    # Looking at the database

    def copy(self) -> Copy:
        """Database and uploads as they stand."""
        return Copy(self.database, self.town.configuration.data_dir / "imports")

    def rows(self, *, without: Collection[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, but those of the tables `without`."""
        return {name: rows for name, rows in self.database.rows().items() if name not in without}

    def columns(self, table: str) -> list[str]:
        """The columns of a table, in the order of its rows."""
        return self.database.columns(table)


@contextmanager
def noted_fields() -> Iterator[dict[str, Field]]:
    """The fields that pages look at while the block runs, by name."""
    noted: dict[str, Field] = {}
    values = Request.values

    async def noting(self: Request, fields: Sequence[Field]) -> dict[str, object]:
        noted.update({each.name: each for each in fields})
        return await values(self, fields)

    with patch.object(Request, "values", noting):
        yield noted


def own_plugins() -> tuple[str, ...]:
    """The plugins and themes that come with the package; of the search engines, of which a city has one, Whoosh."""
    found = entry_points(group="yetan.plugins")
    own = {each.name for each in found if each.dist is not None and each.dist.name == "yetan"}
    return tuple(sorted(own - {"postgresql_search", "tantivy"}))


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """A site in `folder`, on its file town.sqlite3 if there is one, with every plugin of the package enabled."""
    url = f"sqlite://{folder}/town.sqlite3"
    town = upgraded_town(url, folder)
    with in_a_hurry(), town.open(), closing(sqlite3.connect(sqlite_path(url), check_same_thread=False)) as connection:
        # What a power cut would do to this database does not matter.
        connection.execute("PRAGMA synchronous = OFF")
        town.run(fetch("PRAGMA synchronous = OFF"))
        site = Site(town, SqliteDatabase(connection))
        site.found()
        yield site


def upgraded_town(url: str, folder: Path) -> OpenTown:
    """A town with every plugin of the package enabled, not open yet, on a database that has all their tables."""
    town = _town(url, folder)
    asyncio.run(upgrade(town.configuration, assemble(town.configuration).applications, lambda line: None))
    return town


def every_application(folder: Path) -> Sequence[Application]:
    """What has tables in that town."""
    return assemble(_town(f"sqlite://{folder}/town.sqlite3", folder).configuration).applications


def _town(url: str, folder: Path) -> OpenTown:
    return OpenTown(url, folder, plugins=own_plugins(), search="whoosh", theme="lantern")


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Statements run where they are asked for, not in a thread: waking it takes longer than they do. Cheap hashes."""

    async def at_once(self: aiosqlite.Connection, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    connect = partial(aiosqlite.connect, check_same_thread=False)
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with (
        patch.object(aiosqlite.Connection, "_execute", at_once),
        patch.object(aiosqlite, "connect", connect),
        patch.object(passwords, "hasher", lambda: cheap),
    ):
        yield


async def _asked(app: Any, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Answer:
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": target,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.7", 40000),
        "server": (HOST, 80),
    }
    messages: list[Any] = [{"type": "http.request", "body": content, "more_body": False}]
    status, answered, body = 0, {}, bytearray()
    gone: Callable[[], Any] = asyncio.Event().wait

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, answered
        if message["type"] == "http.response.start":
            status = message["status"]
            answered = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            body.extend(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except Exception as error:
        return Answer(500, answered, bytes(body), error)
    return Answer(status, answered, bytes(body))


def _encoded(values: Mapping[str, Any]) -> tuple[str, bytes]:
    """The content type and body of a form."""
    pairs = [(name, each) for name, value in values.items() for each in (value if isinstance(value, list) else [value])]
    if not any(isinstance(value, File) for _, value in pairs):
        return "application/x-www-form-urlencoded", urlencode(pairs).encode()
    parts = b""
    for name, value in pairs:
        upload = value if isinstance(value, File) else None
        filename = f'; filename="{upload.name}"' if upload else ""
        content = upload.content if upload else str(value).encode()
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        parts += head.encode() + content + b"\r\n"
    return f"multipart/form-data; boundary={_BOUNDARY}", parts + f"--{_BOUNDARY}--\r\n".encode()
