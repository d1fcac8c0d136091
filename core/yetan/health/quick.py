"""The checks that a page has the time for: counts and configuration, no comparison of contents."""

from __future__ import annotations

from datetime import date

from yetan.calendar import KNOWN_AHEAD
from yetan.events.models import Delivery
from yetan.issues.models import Issue
from yetan.plugins.declarations import Health
from yetan.plugins.models import Quarantine
from yetan.publication.models import Publication, PublicIssue
from yetan.runtime import Runtime
from yetan.search import SearchUnavailable
from yetan.searching.vocabulary import rebuild_due
from yetan.units.models import Unit
from yetan.web.health import LATE_AFTER

_FOOTER = ("organiser", "operator", "site_code", "icp", "police_record", "editor", "error_report")


async def checks(city: Runtime) -> list[Health]:
    """Every quick check, in Chinese, each with what to do where it fails."""
    return [
        await units(),
        await states(city),
        await plugins(city),
        await dead_deliveries(),
        await late_deliveries(city),
        await _board(),
        await _index(city),
        await dictionary(city),
        await calendar(city),
        await footer(city),
    ]


async def units() -> Health:
    """There are units at all."""
    count = await Unit.all().count()
    return Health("units", count > 0, f"{count} 个单位", "请运行 yetan import units units.csv")


async def states(city: Runtime) -> Health:
    """Every issue is in a state that core or a plugin declares, or declared while it was on (F21)."""
    unknown = sorted(
        {str(s) for s in await Issue.all().distinct().values_list("state", flat=True)}
        - {*city.registry.states, *city.former_states}
    )
    return Health(
        "states",
        not unknown,
        f"有事项停在没有声明的状态：{'、'.join(unknown)}" if unknown else "每件事都在认得的状态里",
        "请重新启用声明这些状态的插件",
    )


async def plugins(city: Runtime) -> Health:
    """No enabled plugin is in quarantine. It harms no data: it is advisory."""
    titles = {each.name: f"{each.title}（{each.name}）" for each in city.registry.plugins}
    held = [titles[row.plugin] for row in await Quarantine.filter(released_at=None) if row.plugin in titles]
    return Health(
        "plugins",
        not held,
        f"停用了：{'、'.join(held)}" if held else f"{len(titles)} 个插件都能用",
        "请到“管理 > 插件”看它错在哪里，装上改好的版本再恢复：yetan plugin release 名称",
        advisory=True,
    )


async def dead_deliveries() -> Health:
    """No delivery was given up."""
    dead = await Delivery.filter(state="dead").count()
    return Health(
        "dead deliveries",
        dead == 0,
        f"{dead} 条多次失败后放弃",
        "原因见“管理 > 通知重发”，处理后运行 yetan events replay",
    )


async def late_deliveries(city: Runtime) -> Health:
    """No delivery to a subscriber that is switched on has waited for long: a worker is at work."""
    known = list(city.registry.subscriptions)
    waiting = Delivery.filter(state="pending", due_at__lt=city.clock() - LATE_AFTER)
    late = await waiting.filter(subscriber__in=known).count()
    return Health(
        "late deliveries",
        late == 0,
        f"{late} 条等了五分钟以上",
        "请看 yetan serve 或 yetan worker 是否在运行",
    )


async def _board() -> Health:
    approved = await Publication.filter(subject_kind="issue", state="approved").count()
    shown = await PublicIssue.all().count()
    return Health(
        "board",
        shown == approved,
        f"公开 {shown} 件，批准公开的有 {approved} 件",
        "等积压的处理完再查一次；仍对不上就运行 yetan check --repair",
    )


async def _index(city: Runtime) -> Health:
    if city.search is None:
        return Health("search index", True, "没有配置搜索引擎，直接查数据库")
    wanted = await Issue.all().count() + await PublicIssue.all().count()
    try:
        held = await city.search.count()
    except SearchUnavailable as error:
        return Health("search index", False, f"读不了：{error}", "请运行 yetan search rebuild")
    return Health("search index", held >= wanted, f"索引里 {held} 条，应有 {wanted} 条", "请运行 yetan search rebuild")


async def dictionary(city: Runtime) -> Health:
    """The index is made with the names the town has now, and cut as the program cuts. An old one serves on."""
    try:
        # One that holds nothing yet is made with the names there are when the first thing comes.
        due = await rebuild_due() if city.search is not None and await city.search.count() else ""
    except SearchUnavailable as error:
        due = f"索引读不了：{error}"
    return Health(
        "search dictionary",
        not due,
        due or "索引用的是现在的词典",
        "请运行 yetan search rebuild，做完以前旧索引照常用",
        advisory=True,
    )


async def calendar(city: Runtime) -> Health:
    """The holidays of the next weeks are known."""
    today: date = city.calendar.local_date(city.clock())
    gaps = city.calendar.gaps(today, today + KNOWN_AHEAD)
    return Health(
        "calendar",
        not gaps,
        " ".join(gap.message for gap in gaps) or "今后六十天的放假安排都有数据",
        "请按 docs/operations.md 的 Calendar 一节补一份放假表",
        advisory=True,
    )


async def footer(city: Runtime) -> Health:
    """What a government site's footer must carry is filled in."""
    empty = [name for name in _FOOTER if not getattr(city.configuration.city, name)]
    return Health(
        "footer",
        not empty,
        f"没有填：{'、'.join(empty)}" if empty else "都填好了",
        "请在 yetan.toml 的 [city] 里填上",
        advisory=True,
    )
