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


async def undelivered(city: Runtime) -> Health:
    """Each event has its delivery for each subscriber of the core: both are written in one transaction."""
    found = Findings()
    told = [
        (row["type"], row["subject_kind"]) for row in await fetch("SELECT DISTINCT type, subject_kind FROM yetan_event")
    ]
    for subscription in city.registry.subscriptions.values():
        heard = [each for each in told if subscription.hears(*each)]
        if not subscription.name.startswith(_CORE) or subscription.mode == "external" or not heard:
            continue
        missing = (
            "FROM yetan_event event WHERE NOT EXISTS (SELECT 1 FROM yetan_delivery delivery "  # noqa: S608 - constants
            "WHERE delivery.event_id = event.id AND delivery.subscriber = ?) "
            f"AND (event.type, event.subject_kind) IN (VALUES {', '.join(['(?, ?)'] * len(heard))})"
        )
        missing += "" if subscription.historical else " AND NOT historical"
        values = [subscription.name, *(part for each in heard for part in each)]
        (counted,) = await fetch(f"SELECT count(*) AS count {missing}", values)
        if counted["count"]:
            found.extend(
                f"{subscription.name} 缺事件 {row['id']}"
                for row in await fetch(f"SELECT event.id {missing} ORDER BY event.id LIMIT 5", values)
            )
            found.count += counted["count"] - min(counted["count"], 5)
    return found.health(
        "events",
        "每个事件都有给各订阅方的投递",
        "{} 个事件没有投递（有人绕过程序写了表，或者删了投递）",
        "公开板和索引用 yetan check --repair 补；其余请对照备份查明原因",
    )


async def switched_off(city: Runtime) -> Health:
    """What waits for plugins that are off. It is no fault: it goes out when they are on again."""
    known = list(city.registry.subscriptions)
    count = await Delivery.filter(state="pending").exclude(subscriber__in=known).count()
    return Health("deliveries to plugins switched off", True, f"{count} 条等着停用的插件重新启用")
