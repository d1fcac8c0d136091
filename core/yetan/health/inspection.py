"""Everything `yetan check` looks at, one check after the other, in bounded memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from yetan.audit.sealing import verify
from yetan.db.comparison import compare
from yetan.health import board, deliveries, index, quick, records, uploads
from yetan.health.snapshot import snapshot
from yetan.plugins.declarations import Health
from yetan.runtime import Runtime

Tell = Callable[[Health], None]


async def inspect(city: Runtime, tell: Tell = lambda line: None) -> list[Health]:
    """Every check, in Chinese, each with what to do where it fails; `tell` is called as soon as one is done.

    May run while the city works: what waits for a worker is not called damage.
    """
    found: list[Health] = []

    async def look(*checks: Callable[[], Awaitable[Health | Sequence[Health]]]) -> None:
        for check in checks:
            result = await check()
            for line in [result] if isinstance(result, Health) else result:
                found.append(line)
                tell(line)

    async with snapshot():
        await look(
            _schema,
            records.foreign_keys,
            records.references,
            quick.units,
            records.unit_tree,
            lambda: quick.states(city),
            records.history,
            records.scopes,
            records.request_keys,
            lambda: deliveries.undelivered(city),
            quick.dead_deliveries,
            lambda: quick.late_deliveries(city),
            lambda: deliveries.switched_off(city),
            board.rows,
            board.figures,
            _audit,
        )
    # These compare the database with something that no snapshot holds still.
    await look(lambda: index.keys(city), lambda: uploads.lost(city), lambda: uploads.left(city))
    for line in (quick.calendar(city), quick.footer(city)):
        found.append(line)
        tell(line)
    return found


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
