"""Taking leave of a plugin: first its rows as files, and its tables only when that is asked for (F21).

Nothing of the plugin is imported: what its tables are was recorded when it was last on.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tortoise.exceptions import OperationalError
from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.audit.service import record
from yetan.db.connection import is_postgres
from yetan.db.statements import execute, fetch
from yetan.errors import NotFound, Refused
from yetan.events.models import Delivery, Due
from yetan.files.models import Attachment
from yetan.plugins.models import EnabledPlugin, PluginFailure, PluginTime, Quarantine
from yetan.publication.models import Publication
from yetan.records.models import PublicRecord
from yetan.runtime import current
from yetan.statistics.models import Counter

_CHUNK = 1000


async def leaving(plugin: str) -> EnabledPlugin:
    """The record of a plugin that may be taken leave of.

    Raises `NotFound` where it never was on here, and `Refused` while it is on.
    """
    configuration = current().configuration
    if plugin in (*configuration.plugins, *configuration.left_out):
        raise Refused(f"插件“{plugin}”还在启用。请先从 yetan.toml 的 plugins 里去掉它，重新启动，再来卸载。")
    row = await EnabledPlugin.get_or_none(name=plugin)
    if row is None:
        raise NotFound(f"这里从来没有启用过名为“{plugin}”的插件。请用 yetan plugin list 核对名称。")
    return row


async def export_tables(act: Act, plugin: str, folder: Path) -> dict[str, int]:
    """Write each table of the plugin into a file of its own in a new `folder`, a row a line, as JSON.

    Returns how many rows each has. Only the system's user may read the files: people's data may be in them. Raises as
    `leaving` does, and `OSError` where the files cannot be written; none is overwritten.
    """
    row = await leaving(plugin)
    os.makedirs(folder, mode=0o700)
    counts: dict[str, int] = {}
    async with in_transaction():
        for table in await _there(row):
            counts[table] = 0
            descriptor = os.open(folder / f"{table}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                async for each in _rows(table):
                    file.write(json.dumps(each, ensure_ascii=False, default=_plain) + "\n")
                    counts[table] += 1
        await record(act, "plugins.export", f"plugin:{plugin}")
    return counts


async def drop_tables(act: Act, plugin: str) -> Sequence[str]:
    """Remove the tables of the plugin, what residents read of its records, its figures, what waited for it and that it
    was ever migrated. Returns the tables.

    Its states stay known, since issues may stand in them. All of it happens or nothing. Raises as `leaving` does, and
    `Refused` where another plugin's tables refer to these.
    """
    row = await leaving(plugin)
    declared = row.declared
    tables = await _there(row)
    try:
        async with in_transaction():
            await _drop(tables)
            await execute("DELETE FROM tortoise_migrations WHERE app = ?", [f"yetan_{plugin}"])
            waiting = Delivery.filter(subscriber__in=declared.get("subscriptions", []), state__in=["pending", "dead"])
            await waiting.delete()
            await Due.filter(kind__in=declared.get("due_kinds", [])).delete()
            await PublicRecord.filter(kind__in=declared.get("record_kinds", [])).delete()
            await Publication.filter(subject_kind__in=declared.get("record_kinds", [])).delete()
            # Their files go with the daily sweep.
            await Attachment.filter(subject_kind__in=declared.get("record_kinds", [])).delete()
            await Counter.filter(metric__in=declared.get("metrics", [])).delete()
            await PluginFailure.filter(plugin=plugin).delete()
            await PluginTime.filter(plugin=plugin).delete()
            await Quarantine.filter(plugin=plugin).delete()
            row.declared = {**declared, "tables": [], "tags": {}}
            await row.save(update_fields=["declared"])
            await record(act, "plugins.drop_tables", f"plugin:{plugin}")
    except OperationalError as error:
        raise Refused(
            f"插件“{plugin}”的表删不了，什么也没有改：{error}。多半是别的插件引用着它，请先卸载那一个。"
        ) from error
    return tables


async def _there(row: EnabledPlugin) -> list[str]:
    """Those tables of the plugin that there are, whatever became of them since."""
    known = await fetch(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()"
        if is_postgres()
        else "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
    names = {each["name"] for each in known}
    return [table for table in row.declared.get("tables", []) if table in names]


async def _rows(table: str) -> AsyncIterator[dict[str, Any]]:
    last: Any = None
    while True:
        after, values = ("", []) if last is None else ("WHERE id > ?", [last])
        found = await fetch(f'SELECT * FROM "{table}" {after} ORDER BY id LIMIT {_CHUNK}', values)  # noqa: S608 - a recorded name
        for each in found:
            yield each
        if len(found) < _CHUNK:
            return
        last = found[-1]["id"]


async def _drop(tables: Sequence[str]) -> None:
    if is_postgres() and tables:
        await execute(f"DROP TABLE {', '.join(_quoted(each) for each in tables)}")
        return
    if tables:
        # SQLite deletes the rows first, and would find those of a table that goes only later still referring to them.
        await execute("PRAGMA defer_foreign_keys = ON")
    for table in tables:
        await execute(f"DROP TABLE {_quoted(table)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
