"""Everything `yetan check` looks at, one check after the other, in bounded memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from yetan.audit.sealing import verify
from yetan.db.comparison import compare
from yetan.health import board, deliveries, index, quick, records, uploads
from yetan.health.snapshot import apart, snapshot
from yetan.log import log
from yetan.plugins.declarations import Health
from yetan.runtime import Runtime

Tell = Callable[[Health], None]


async def inspect(city: Runtime, tell: Tell = lambda line: None) -> list[Health]:
    """Every check, in Chinese, each with what to do where it fails; `tell` is called as soon as one is done.

    May run while the city works: what waits for a worker is not called damage.
    """
    found: list[Health] = []

    async def look(**checks: Callable[[], Awaitable[Health]]) -> None:
        for name, check in checks.items():
            line = await _guarded(name.replace("_", " "), check)
            found.append(line)
            tell(line)

    async with snapshot():
        await look(
            schema=_schema,
            foreign_keys=records.foreign_keys,
            references=records.references,
            units=quick.units,
            unit_tree=records.unit_tree,
            states=lambda: quick.states(city),
            plugins=lambda: quick.plugins(city),
            history=records.history,
            visibility=records.scopes,
            idempotency_keys=records.request_keys,
            events=lambda: deliveries.undelivered(city),
            dead_deliveries=quick.dead_deliveries,
            late_deliveries=lambda: quick.late_deliveries(city),
            deliveries_to_plugins_switched_off=lambda: deliveries.switched_off(city),
            board=board.rows,
            records=board.records,
            figures=board.figures,
            audit_chain=_audit,
        )
    # These compare the database with something that no snapshot holds still.
    await look(
        search_index=lambda: index.keys(city),
        search_dictionary=lambda: quick.dictionary(city),
        uploads=lambda: uploads.lost(city),
        uploads_left_behind=lambda: uploads.left(city),
        calendar=lambda: quick.calendar(city),
        footer=lambda: quick.footer(city),
    )
    return found


async def _guarded(name: str, check: Callable[[], Awaitable[Health]]) -> Health:
    """The check's line. Of a badly damaged city as much is told as can be."""
    try:
        async with apart():
            return await check()
    except Exception as error:
        log.exception("the check %s broke off", name)
        return Health(
            name,
            False,
            f"查到一半查不下去了（{type(error).__name__}）",
            "多半是上面说到的损坏引起的：先处理那些，再查一次。详细原因在日志里",
        )


async def _schema() -> Health:
    differences = await compare()
    return Health(
        "schema",
        not differences,
        "；".join(differences) or "和程序一致",
        "请运行 yetan db upgrade；仍不一致的，是有人改过表，请按说的改回去",
    )


async def _audit() -> Health:
    found = await verify()
    return Health(
        "audit chain",
        found.ok,
        found.fault or f"{found.records} 条记录，封存的 {found.sealed} 条前后相接",
        "有人改过审计记录：请留下数据库的副本，报告负责安全的人，不要自行修补",
    )
