"""Quarantine: a plugin that fails again and again is not called any more, in any process, until somebody releases it.

What failed is written down by whichever process met it; together they decide. Every process looks at what the database
says of quarantines every two seconds, so that a decision, or a release, holds everywhere soon.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from tortoise.exceptions import IntegrityError
from tortoise.functions import Max
from tortoise.transactions import in_transaction

from yetan.access.roles import roles_holding
from yetan.act import Act
from yetan.audit.service import record
from yetan.db.statements import fetch
from yetan.errors import NotFound
from yetan.events.service import emit
from yetan.notices.service import notify
from yetan.people.service import accounts_in
from yetan.plugins.declarations import EventType, NoticeKind
from yetan.plugins.guarding import Failure
from yetan.plugins.models import PluginFailure, Quarantine
from yetan.plugins.timing import written
from yetan.runtime import current
from yetan.units.models import Unit

logger = logging.getLogger(__name__)

#: So many failures within so long put a plugin into quarantine.
FAILURES, WINDOW = 10, timedelta(minutes=10)
#: How long failures are kept to be looked at.
KEPT = timedelta(days=30)
#: Seconds between looks at what other processes decided.
LOOK = 2.0
#: A database slower than this, in seconds, is why calls took too long, and not their plugins.
_SLOW = 0.5

QUARANTINED, RELEASED = "plugin.quarantined", "plugin.released"
EVENT_TYPES = (EventType(QUARANTINED, "插件停用"), EventType(RELEASED, "插件恢复"))
NOTICE_KIND = NoticeKind(QUARANTINED, "插件“{plugin}”接连出错，已经停用，其他功能照常。请到“管理 > 插件”看看。")


class Trouble(Struct, frozen=True):
    """What is known of a plugin's failures: the quarantine it is in, if it is, and the latest failures."""

    quarantine: Quarantine | None
    failures: Sequence[PluginFailure]


async def trouble_of(plugin: str, latest: int = 5) -> Trouble:
    """The quarantine and the latest failures of a plugin, newest first."""
    failures = PluginFailure.filter(plugin=plugin).order_by("-at", "-id").limit(latest)
    return Trouble(await Quarantine.get_or_none(plugin=plugin, released_at=None), await failures)


async def last_failures() -> dict[str, datetime]:
    """By plugin, when it last failed."""
    found = PluginFailure.all().annotate(last=Max("at")).group_by("plugin")
    return dict(await found.values_list("plugin", "last"))


async def look() -> None:
    """Bring what this process knows of quarantines up to what the database says."""
    names = {row.plugin for row in await Quarantine.filter(released_at=None)}
    for conduct in current().registry.conducts.values():
        conduct.paused = conduct.plugin in names


async def write_down() -> None:
    """Write down what failed in this process since the last time, and decide on quarantine."""
    city = current()
    for conduct in city.registry.conducts.values():
        met = list(conduct.failures)
        slow = bool(met) and await _database_is_slow()
        failures = [each for each in met if not (conduct.paused or (slow and each.late))]
        now = city.clock()
        if failures:
            await PluginFailure.bulk_create(
                [
                    PluginFailure(plugin=conduct.plugin, call=each.call[:120], error=each.error, late=each.late, at=now)
                    for each in failures
                ]
            )
        del conduct.failures[: len(met)]
        if failures and await _counted(conduct.plugin, now) >= FAILURES:
            await put(city.system_act(), conduct.plugin, failures[-1])


async def _counted(plugin: str, now: datetime) -> int:
    """The failures that count: of the last minutes, and since the plugin was last released."""
    since = now - WINDOW
    earlier = await Quarantine.get_or_none(plugin=plugin)
    if earlier is not None and earlier.released_at is not None:
        since = max(since, earlier.released_at)
    return await PluginFailure.filter(plugin=plugin, at__gt=since).count()


async def _database_is_slow() -> bool:
    begun = time.monotonic()
    await fetch("SELECT 1")
    return time.monotonic() - begun > _SLOW


async def put(act: Act, plugin: str, failure: Failure) -> bool:
    """Put a plugin into quarantine and tell the administrators; False where it is in it already."""
    values: dict[str, Any] = {"since": act.now, "call": failure.call[:120], "error": failure.error, "released_at": None}
    async with in_transaction():
        if not await Quarantine.filter(plugin=plugin, released_at__isnull=False).update(**values):
            try:
                async with in_transaction():
                    await Quarantine.create(plugin=plugin, **values)
            except IntegrityError:
                return False
        row = await Quarantine.get(plugin=plugin)
        event = await emit(act, QUARANTINED, ("plugin", row.id), data={"plugin": plugin, "call": failure.call})
        await notify(event, QUARANTINED, await _administrators(act), plugin=_title(plugin))
        await record(act, "plugins.quarantine", f"plugin:{plugin}")
    logger.error("plugin %s is in quarantine after %s: %s", plugin, failure.call, failure.error)
    await look()
    return True


async def release(act: Act, plugin: str) -> None:
    """Let a plugin be called again. Raises `NotFound` where it is not in quarantine."""
    async with in_transaction():
        if not await Quarantine.filter(plugin=plugin, released_at=None).update(released_at=act.now):
            raise NotFound("插件“{name}”没有停用，不需要恢复。请核对名称。", name=plugin)
        row = await Quarantine.get(plugin=plugin)
        await emit(act, RELEASED, ("plugin", row.id), data={"plugin": plugin})
        await record(act, "plugins.release", f"plugin:{plugin}")
    await look()


def _title(plugin: str) -> str:
    titles = {each.name: each.title for each in current().registry.plugins}
    return titles.get(plugin, plugin)


async def _administrators(act: Act) -> list[int]:
    cities = [unit.id for unit in await Unit.filter(parent_id=None)]
    today = current().calendar.local_date(act.now)
    roles = sorted(roles_holding("system.view"))
    return [account.id for account in await accounts_in(cities, today, roles=roles)]


@asynccontextmanager
async def watching() -> AsyncIterator[None]:
    """While the block runs, failures are written down as they come, and what other processes decide is learnt.

    What calls take is written down with them, now and then.
    """
    noticed = asyncio.Event()
    for conduct in current().registry.conducts.values():
        conduct.noticed = noticed.set
    # Failures are met in requests and deliveries: none of their transactions and patience goes along.
    task = asyncio.create_task(_watch(noticed), name="quarantine", context=contextvars.Context())
    try:
        async with written():
            yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _watch(noticed: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await noticed.wait()
        noticed.clear()
        try:
            await write_down()
            await look()
        except Exception as error:
            logger.warning("failures of plugins cannot be written down just now: %s", error)
            await asyncio.sleep(LOOK)


async def forget_failures(now: datetime) -> None:
    """Remove the failures written down longer ago than `KEPT`."""
    await PluginFailure.filter(at__lt=now - KEPT).delete()
