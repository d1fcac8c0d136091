"""Taking and replacing a PostgreSQL database, by PostgreSQL's own programs.

pg_dump knows every type, trigger, sequence and extension of every version, is what an IT department trusts and can
use without Yetan; a dump of our own would have to prove all that. The price is that the programs must be installed
where the command runs, in the server's version or a newer one; where they are not, the refusal says what to install.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tortoise.connection import get_connection

from yetan.backup.database import FORGOTTEN, MIGRATIONS, PLUGINS, UPLOADS, Dump, count_of
from yetan.backup.manifest import BackupRefused
from yetan.db.connection import CORE_APPLICATION, connected
from yetan.db.statements import fetch

# What stands beside the city's schema is not the city's: of a search backend, say, which makes its index anew.
_OTHER_SCHEMAS = """
SELECT nspname FROM pg_namespace
WHERE nspname NOT IN (current_schema(), 'information_schema') AND nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_extension WHERE extnamespace = pg_namespace.oid)"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
#: Parameters of a database URL that libpq takes from the environment.
_ENVIRONMENT = {"host": "PGHOST", "port": "PGPORT", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}

# Everything in the schema but what belongs to an extension. In the transaction that fills it again.
_CLEAR = """
SET LOCAL lock_timeout = '30s';
DO $$ DECLARE each record; BEGIN
FOR each IN
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END
        || ' IF EXISTS ' || format('%I.%I', nspname, relname) AS named
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    UNION ALL
    SELECT 'ROUTINE IF EXISTS ' || pg_proc.oid::regprocedure
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = current_schema()
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
LOOP EXECUTE 'DROP ' || each.named || ' CASCADE'; END LOOP; END $$;
"""


async def take(url: str, target: Path) -> Dump:
    """Dump the database as it is at one instant, while others write."""
    async with (
        connected(url, [CORE_APPLICATION]),
        get_connection("default").acquire_connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        program = _programs(await _server_version(connection)) / "pg_dump"
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        tables = [row["tablename"] for row in await connection.fetch(_TABLES)]
        if "tortoise_migrations" not in tables:
            raise BackupRefused("数据库里还没有夜谈的表，没有什么可以备份。请先运行 yetan db upgrade。")
        options = ("--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-comments")
        others = [f'--exclude-schema="{row["nspname"]}"' for row in await connection.fetch(_OTHER_SCHEMAS)]
        await _run([program, *options, *others, f"--snapshot={snapshot}", f"--file={target}"], url, "备份数据库")
        return Dump(
            server=f"PostgreSQL {await connection.fetchval('SHOW server_version')}",
            uploads=[row["stored_name"] for row in await connection.fetch(UPLOADS)],
            plugins={row["name"]: row["version"] for row in await connection.fetch(PLUGINS)},
            migrations=[f"{row['app']}.{row['name']}" for row in await connection.fetch(MIGRATIONS)],
            counts={table: await connection.fetchval(count_of(table)) for table in tables},
        )


async def is_empty(url: str) -> bool:
    """Whether there is nothing to lose. Refuses while somebody else is connected."""
    async with connected(url, [CORE_APPLICATION]):
        others = await fetch(
            "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        if others[0]["count"]:
            raise BackupRefused(
                f"数据库还有 {others[0]['count']} 个连接在用。请先停掉 yetan serve、yetan worker 和别的连接，再恢复。"
                "什么都没有改动。"
            )
        return not await fetch(_TABLES)


async def replace(url: str, dump: Path, counts: Mapping[str, int], staging: Path) -> None:
    """Fill the database from a dump in one transaction, in place of whatever is there; its sessions end.

    Interrupted or refused at any point, also where rows are missing afterwards, everything stays as it was.
    """
    async with connected(url, [CORE_APPLICATION]), get_connection("default").acquire_connection() as connection:
        programs = _programs(await _server_version(connection))
    before, data, after = (staging / f"{name}.sql" for name in ("before", "data", "after"))
    # As a file, not through a pipe: of a pipe that breaks half-way, psql would commit the half.
    options = ("--no-owner", "--no-privileges", "--no-comments")
    await _run([programs / "pg_restore", *options, f"--file={data}", dump], url, "读备份里的数据库")
    before.write_text(_CLEAR, encoding="utf-8")
    after.write_text(_after(counts), encoding="utf-8")
    once = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--single-transaction", "--set=ON_ERROR_STOP=1")
    files = [argument for path in (before, data, after) for argument in ("-f", path)]
    await _run([programs / "psql", *once, *files], url, "写入数据库")


def _after(counts: Mapping[str, int]) -> str:
    """Count what was restored, and end the sessions. The data's script leaves an empty search path."""
    checks = "".join(
        f"IF ({count_of(table)}) <> {count} THEN RAISE EXCEPTION 'rows of {table} are missing'; END IF;\n"
        for table, count in counts.items()
    )
    ended = "".join(f'DELETE FROM "{model._meta.db_table}";\n' for model in FORGOTTEN)  # noqa: S608 - our own tables
    return f"SET LOCAL search_path TO DEFAULT;\nDO $$ BEGIN\n{checks}END $$;\n{ended}"


async def _server_version(connection: Any) -> int:
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000


def _programs(server: int) -> Path:
    """The folder of client programs for a server of that major version: its own if there are, else newer ones."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    folders += [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    found: dict[int, Path] = {}
    for folder in folders:
        if all(os.access(folder / name, os.X_OK) for name in ("pg_dump", "pg_restore", "psql")):
            found.setdefault(_version(folder / "pg_dump"), folder)
    fitting = sorted(version for version in found if version >= server)
    if not fitting:
        have = f"这里只有 {max(found)} 版的" if found else "这里没有"
        raise BackupRefused(
            f"备份和恢复要用 PostgreSQL {server} 的客户端程序 pg_dump、pg_restore 和 psql，{have}。"
            f"请安装 postgresql-client-{server}（Debian）或 postgresql{server}（openEuler、麒麟），再运行一次。"
        )
    return found[fitting[0]]


def _version(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - ours
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


async def _run(command: Sequence[str | Path], url: str, what: str) -> None:
    """Run a client program on the database of `url`, whose password no list of processes shows."""
    process = await asyncio.create_subprocess_exec(
        *command, env=_environment(url), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        # One line tells what is wrong; the ones after it may quote rows.
        lines = said.decode("utf-8", "replace").splitlines()
        reason = next((line for line in lines if "error:" in line.lower()), lines[0] if lines else "没有说明原因")
        raise BackupRefused(f"{what}没有成功：{reason}。什么都没有改动。")


def _environment(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    told = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port) if parts.port else None,
        "PGUSER": unquote(parts.username) if parts.username else None,
        "PGPASSWORD": unquote(parts.password) if parts.password else None,
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
    asked = {_ENVIRONMENT[name]: value for name, value in parse_qsl(parts.query) if name in _ENVIRONMENT}
    given = {name: value for name, value in {**told, **asked}.items() if value}
    return {**os.environ, **given, "PGAPPNAME": "yetan backup", "PGCLIENTENCODING": "UTF8", "LC_MESSAGES": "C"}
