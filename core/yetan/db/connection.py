"""Connecting to the database: SQLite (WAL, synchronous=FULL) or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tortoise import Tortoise
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext

from yetan.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Application:
    """A Tortoise app: the core's `yetan`, or one plugin's. Dotted module paths."""

    label: str
    models: str
    migrations: str


CORE_APPLICATION = Application("yetan", "yetan.models", "yetan.migrations")


def tortoise_configuration(
    url: str, applications: Iterable[Application], *, foreign_keys: bool = True
) -> dict[str, Any]:
    """Tortoise's configuration. The core comes first, and times are stored in UTC."""
    apps = {
        each.label: {"models": [each.models], "default_connection": "default", "migrations": each.migrations}
        for each in applications
    }
    return {
        "connections": {"default": _connection(url, foreign_keys=foreign_keys)},
        "apps": apps,
        "use_tz": True,
        "timezone": "UTC",
    }


def sqlite_path(url: str) -> str:
    """The file of a `sqlite://` URL."""
    return url.removeprefix("sqlite://").partition("?")[0]


def _connection(url: str, *, foreign_keys: bool) -> Any:
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return {
            "engine": "yetan.db.sqlite",
            "credentials": {
                "file_path": sqlite_path(url),
                "journal_mode": "WAL",
                "synchronous": "FULL",
                "busy_timeout": 10_000,
                "foreign_keys": "ON" if foreign_keys else "OFF",
            },
        }
    if scheme in ("postgres", "postgresql", "asyncpg"):
        parts = urlsplit(url)
        query = {"minsize": "1", "maxsize": "8", **dict(parse_qsl(parts.query))}
        return urlunsplit(("asyncpg", parts.netloc, parts.path, urlencode(query), ""))
    raise ConfigurationError([f"database.url: {scheme!r} is not supported; use sqlite:// or postgresql://"])


@asynccontextmanager
async def connected(
    url: str, applications: Iterable[Application], *, foreign_keys: bool = True
) -> AsyncIterator[TortoiseContext]:
    """The database, open while the block runs. Always closed: an open SQLite connection would hang the exit."""
    # Tortoise keeps statements by table alone, in the dialect of the database this process saw first.
    EXECUTOR_CACHE.clear()
    context = await Tortoise.init(
        config=tortoise_configuration(url, applications, foreign_keys=foreign_keys),
        _enable_global_fallback=True,
    )
    try:
        yield context
    finally:
        await Tortoise.close_connections()


def is_postgres() -> bool:
    """Whether the open database is PostgreSQL."""
    return bool(get_connection("default").capabilities.dialect == "postgres")
