"""Whether a running city is well: what `yetan check` prints and /readyz summarises."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

from yetan.calendar import KNOWN_AHEAD
from yetan.events.models import Delivery
from yetan.issues.models import Issue
from yetan.plugins.declarations import Health
from yetan.publication.models import Publication, PublicIssue
from yetan.runtime import Runtime
from yetan.search import SearchUnavailable
from yetan.statistics.models import Counter
from yetan.units.models import Unit

#: A delivery that waits longer than this says that no worker is running.
_LATE = timedelta(minutes=5)
_FOOTER = ("organiser", "operator", "site_code", "icp", "police_record", "error_report")


async def checks(city: Runtime) -> list[Health]:
    """Every check, in Chinese, each with what to do where it fails."""
    return [line async for line in _checks(city)]


async def _checks(city: Runtime) -> AsyncIterator[Health]:
    units = await Unit.all().count()
    yield Health("units", units > 0, f"{units} 个单位", "请运行 yetan import units units.csv")
    unknown = sorted(
        {str(s) for s in await Issue.all().distinct().values_list("state", flat=True)} - set(city.registry.states)
    )
    yield Health(
        "states",
        not unknown,
        f"有事项停在没有声明的状态：{'、'.join(unknown)}" if unknown else "每件事都在认得的状态里",
        "请重新启用声明这些状态的插件",
    )
    dead = await Delivery.filter(state="dead").count()
    yield Health(
        "dead deliveries",
        dead == 0,
        f"{dead} 条多次失败后放弃",
        "原因见“管理 > 通知重发”，处理后运行 yetan events replay",
    )
    late = await Delivery.filter(state="pending", due_at__lt=city.clock() - _LATE).count()
    yield Health(
        "late deliveries",
        late == 0,
        f"{late} 条等了五分钟以上",
        "请看 yetan serve 或 yetan worker 是否在运行",
    )
    yield await _board(city)
    yield await _counters()
    yield await _index(city)
    yield _calendar(city)
    empty = [name for name in _FOOTER if not getattr(city.configuration.city, name)]
    yield Health(
        "footer",
        not empty,
        f"没有填：{'、'.join(empty)}" if empty else "都填好了",
        "请在 yetan.toml 的 [city] 里填上",
    )


async def _board(city: Runtime) -> Health:
    approved = {
        int(str(i))
        for i in await Publication.filter(subject_kind="issue", state="approved").values_list("subject_id", flat=True)
    }
    shown = {int(str(i)) for i in await PublicIssue.all().values_list("issue_id", flat=True)}
    wrong = len(approved ^ shown)
    return Health(
        "board",
        wrong == 0,
        f"公开 {len(shown)} 件，对不上 {wrong} 件",
        "等积压的处理完再查一次；仍对不上就运行 yetan check --repair",
    )


async def _counters() -> Health:
    counted: Tally[tuple[Any, ...]] = Tally()
    for keys in await PublicIssue.all().values_list("counted", flat=True):
        counted.update(tuple(key) for key in keys)
    kept = {
        (row["metric"], row["unit_id"], row["category_id"], row["period"]): row["value"]
        for row in await Counter.exclude(value=0).values("metric", "unit_id", "category_id", "period", "value")
    }
    wrong = sum(1 for key in set(counted) | set(kept) if counted.get(key, 0) != kept.get(key, 0))
    return Health("figures", wrong == 0, f"{len(kept)} 个数字，对不上 {wrong} 个", "请运行 yetan check --repair")


async def _index(city: Runtime) -> Health:
    if city.search is None:
        return Health("search index", True, "没有配置搜索引擎，直接查数据库")
    wanted = await Issue.all().count() + await PublicIssue.all().count()
    try:
        held = await city.search.count()
    except SearchUnavailable as error:
        return Health("search index", False, f"读不了：{error}", "请运行 yetan search rebuild")
    return Health("search index", held >= wanted, f"索引里 {held} 条，应有 {wanted} 条", "请运行 yetan search rebuild")


def _calendar(city: Runtime) -> Health:
    today: date = city.calendar.local_date(city.clock())
    gaps = city.calendar.gaps(today, today + KNOWN_AHEAD)
    return Health(
        "calendar",
        not gaps,
        " ".join(gap.message for gap in gaps) or "今后六十天的放假安排都有数据",
        "",
    )
