"""Connecting to the database: SQLite (WAL, synchronous=FULL) or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct
from tortoise import Tortoise
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext

from yetan.db import commits
from yetan.errors import ConfigurationError


class Application(Struct, frozen=True):
    """A Tortoise app: the core's `yetan`, or one plugin's. Dotted module paths."""

    label: str
    models: str
    migrations: str


CORE_APPLICATION = Application("yetan", "yetan.models", "yetan.migrations")


class Patience(Struct, frozen=True):
    """How long, in seconds, the database may keep somebody waiting; 0 is without an end (F08)."""

    #: For a connection: for one of the pool to be free, or for the server to take a new one.
    connection: float
    #: For a row or table that another transaction holds.
    lock: float
    #: For a statement, locks included.
    statement: float
    #: For the next statement of a transaction, which keeps its locks meanwhile.
    idle: float


#: Somebody is looking at the page: an answer, be it a refusal, comes within five seconds even where a connection and
#: then a lock had to be waited for. Whatever is done in bulk beside the site goes in chunks far below these. A
#: subscriber may take a minute in its transaction; one that is silent for longer than that has hung.
SERVING = Patience(connection=2.5, lock=2, statement=4, idle=90)
#: A command of the operator: an upgrade, an import, a rebuild, an export. A statement may take as long as it needs;
#: only what would wait for others for good is given up.
UNHURRIED = Patience(connection=60, lock=60, statement=0, idle=0)


def tortoise_configuration(
    url: str, applications: Iterable[Application], *, foreign_keys: bool = True, patience: Patience = UNHURRIED
) -> dict[str, Any]:
    """Tortoise's configuration. The core comes first, and times are stored in UTC."""
    apps = {
        each.label: {"models": [each.models], "default_connection": "default", "migrations": each.migrations}
        for each in applications
    }
    return {
        "connections": {"default": _connection(url, foreign_keys=foreign_keys, patience=patience)},
        "apps": apps,
        "use_tz": True,
        "timezone": "UTC",
    }


def sqlite_path(url: str) -> str:
    """The file of a `sqlite://` URL."""
    return url.removeprefix("sqlite://").partition("?")[0]


def _connection(url: str, *, foreign_keys: bool, patience: Patience) -> Any:
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return {
            "engine": "yetan.db.sqlite",
            "credentials": {
                "file_path": sqlite_path(url),
                "journal_mode": "WAL",
                "synchronous": "FULL",
                "busy_timeout": _milliseconds(patience.statement or patience.lock),
                "foreign_keys": "ON" if foreign_keys else "OFF",
            },
        }
    if scheme in ("postgres", "postgresql", "asyncpg"):
        parts = urlsplit(url)
        query = {"minsize": "1", "maxsize": "10", **dict(parse_qsl(parts.query))}
        expanded = expand_db_url(urlunsplit(("asyncpg", parts.netloc, parts.path, urlencode(query), "")))
        return {"engine": "yetan.db.postgresql", "credentials": _limits(patience) | expanded["credentials"]}
    raise ConfigurationError([f"database.url: {scheme!r} is not supported; use sqlite:// or postgresql://"])


#: A statement of ours reads a page's worth: helpers of its own, or compiling it, cost more than they save, and let one
#: dear address take every core.
_ONE_CORE = {"max_parallel_workers_per_gather": "0", "jit": "off"}


def _limits(patience: Patience) -> dict[str, Any]:
    """What asyncpg is told of `patience`: the server gives up first; the client, should the server not answer."""
    limits = {
        "lock_timeout": patience.lock,
        "statement_timeout": patience.statement,
        "idle_in_transaction_session_timeout": patience.idle,
    }
    return {
        "timeout": patience.connection,
        "command_timeout": patience.statement + 0.5 if patience.statement else None,
        "application_name": "yetan",
        "server_settings": _ONE_CORE | {name: str(_milliseconds(seconds)) for name, seconds in limits.items()},
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


@asynccontextmanager
async def connected(
    url: str, applications: Iterable[Application], *, foreign_keys: bool = True, patience: Patience = UNHURRIED
) -> AsyncIterator[TortoiseContext]:
    """The database, open while the block runs. Always closed: an open SQLite connection would hang the exit."""
    # Tortoise keeps statements by table alone, in the dialect of the database this process saw first.
    EXECUTOR_CACHE.clear()
    context = await Tortoise.init(
        config=tortoise_configuration(url, applications, foreign_keys=foreign_keys, patience=patience),
        _enable_global_fallback=True,
    )
    try:
        yield context
    finally:
        await Tortoise.close_connections()


def is_postgres() -> bool:
    """Whether the open database is PostgreSQL."""
    return bool(client().capabilities.dialect == "postgres")


def client() -> Any:
    """The open database's client: that of the caller's transaction, if there is one. Tortoise looks longer for it."""
    return commits.client_within() or get_connection("default")


@lru_cache(maxsize=512)
def numbered(statement: str) -> str:
    """`statement` with its ? as PostgreSQL wants them: $1, $2 ... No ? may stand in a literal."""
    parts = statement.split("?")
    return parts[0] + "".join(f"${index}{part}" for index, part in enumerate(parts[1:], start=1))
