"""Whether every event reaches those who have to hear of it."""

from __future__ import annotations

from yetan.db.statements import fetch
from yetan.events.models import Delivery
from yetan.health.findings import Findings
from yetan.plugins.declarations import Health
from yetan.runtime import Runtime

# A plugin's subscriber may have been off when something happened, and the index's may have come late (it has a check
# of its own); the others of the core never are.
_CORE = "core."

_KINDS = "SELECT DISTINCT type, subject_kind FROM yetan_event"
_MISSING = """FROM yetan_event event
WHERE NOT EXISTS (SELECT 1 FROM yetan_delivery delivery
    WHERE delivery.event_id = event.id AND delivery.subscriber = ?)
AND (type, subject_kind) IN (VALUES {kinds}) {which}"""


async def undelivered(city: Runtime) -> Health:
    """Each event has its delivery for each subscriber of the core: both are written in one transaction."""
    found = Findings()
    kinds = [(row["type"], row["subject_kind"]) for row in await fetch(_KINDS)]
    for subscription in city.registry.subscriptions.values():
        heard = [kind for kind in kinds if subscription.hears(*kind)]
        if not heard or not subscription.name.startswith(_CORE):
            continue
        missing = _MISSING.format(
            kinds=", ".join(["(?, ?)"] * len(heard)), which="" if subscription.historical else "AND NOT historical"
        )
        values = [subscription.name, *(value for kind in heard for value in kind)]
        rows = await fetch(f"SELECT event.id {missing} ORDER BY event.id LIMIT 5", values)
        if rows:
            found.extend(f"{subscription.name} 缺事件 {row['id']}" for row in rows)
            (counted,) = await fetch(f"SELECT count(*) AS count {missing}", values)
            found.count += counted["count"] - len(rows)
    return found.health(
        "events",
        "每个事件都有给各订阅方的投递",
        "{} 个事件没有投递（有人绕过程序写了表，或者删了投递）",
        "可以在“管理 > 通知重发”里补送；请对照备份查明原因",
    )


async def switched_off(city: Runtime) -> Health:
    """What waits for plugins that are off. It is no fault: it goes out when they are on again."""
    known = list(city.registry.subscriptions)
    count = await Delivery.filter(state="pending").exclude(subscriber__in=known).count()
    return Health("deliveries to plugins switched off", True, f"{count} 条等着停用的插件重新启用")
