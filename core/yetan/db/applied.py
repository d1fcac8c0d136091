"""Which migrations the open database has, and which it lacks: told by their names, without reading what they do.

Every start asks for that. What upgrades reads the migrations themselves, and takes as much memory as a tenth of a
serving process.
"""

from __future__ import annotations

import pkgutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from urllib.parse import urlsplit

from tortoise.exceptions import DBConnectionError, OperationalError

from yetan.config import Configuration
from yetan.db.connection import Application, is_postgres, sqlite_path
from yetan.db.failures import from_server
from yetan.db.statements import fetch
from yetan.errors import ConfigurationError


async def applied() -> set[tuple[str, str]]:
    """What is recorded as applied, each by its app's label and its name.

    Asked for first: Tortoise's reading takes any error for an empty database.
    """
    table = (
        "SELECT to_regclass('tortoise_migrations')::text AS name"
        if is_postgres()
        else "SELECT max(name) AS name FROM sqlite_master WHERE name = 'tortoise_migrations'"
    )
    if (await fetch(table))[0]["name"] is None:
        return set()
    rows = await fetch("SELECT app, name FROM tortoise_migrations")
    return {(row["app"], row["name"]) for row in rows}


async def pending(configuration: Configuration, applications: Sequence[Application]) -> list[str]:
    """The migrations that the open database lacks, as in "yetan.0001_initial", those of the core first.

    For start-up: with any of them pending the site must not be served. Raises `ConfigurationError` when the
    database cannot be reached.
    """
    with reachable(configuration):
        there = await applied()
        return [
            f"{application.label}.{name}"
            for application in applications
            for name in _names(application)
            if (application.label, name) not in there
        ]


def _names(application: Application) -> Iterator[str]:
    """The modules that Tortoise takes for migrations of an app, in their order."""
    for module in pkgutil.iter_modules(import_module(application.migrations).__path__):
        if not module.ispkg and module.name[0] not in "_~":
            yield module.name


@contextmanager
def reachable(configuration: Configuration) -> Iterator[None]:
    """Say what keeps the database from being used, as a `ConfigurationError`, instead of a traceback."""
    try:
        yield
    except Exception as error:
        refused = isinstance(error, (OSError, sqlite3.Error, DBConnectionError, OperationalError))
        if not refused and not from_server(error, "PostgresError", "InterfaceError"):
            raise
        parts = urlsplit(configuration.database_url)
        if configuration.is_sqlite:
            where = sqlite_path(configuration.database_url)
            remedy = "请核对磁盘是否还有空间、当前用户能不能在这个文件夹里写；如果有程序占着数据库，请先停下它"
        else:
            where = f"{parts.hostname}:{parts.port or 5432} 上的 {parts.path.lstrip('/')}"
            remedy = "请核对服务器在运行、还有空间，用户和密码没有写错"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError([f"database.url：{where} 用不了：{reason}。{remedy}。"]) from error
