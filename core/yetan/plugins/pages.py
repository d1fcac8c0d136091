"""Administration of the city as a system: whether it is well, and which plugins are on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from starlette.responses import Response

from yetan.health import checks
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.models import Issue
from yetan.people.models import Account
from yetan.plugins.declarations import Health, NavigationItem, Page, Plugin
from yetan.plugins.guarding import Figures
from yetan.plugins.models import EnabledPlugin
from yetan.plugins.quarantine import Trouble, release, trouble_of
from yetan.plugins.registry import API_VERSION
from yetan.plugins.timing import SHOWN, time_of_calls
from yetan.publication.models import PublicIssue
from yetan.runtime import current
from yetan.units.models import Unit
from yetan.web.forms import Field
from yetan.web.request import Request

VIEW, RELEASE = "system.view", "plugin.release"
_PLUGIN = Field("plugin", "插件", max_length=60)
#: Seconds the checks may take before the page goes on without them.
PATIENCE = 5.0
#: How far ahead holidays have to be known: a deadline may lie as far.
AHEAD = timedelta(days=120)

#: What the checks are called here; a check without a name keeps its own.
_LABELS: Mapping[str, str] = message_ids(
    {
        "units": "单位表",
        "states": "事项状态",
        "plugins": "插件",
        "dead deliveries": "发不出去的通知",
        "late deliveries": "等着发的通知",
        "board": "公开板",
        "figures": "统计数字",
        "search index": "搜索索引",
        "search dictionary": "搜索词典",
        "calendar": "放假安排",
        "footer": "页脚信息",
    }
)


async def overview(request: Request) -> Response:
    """Counts, checks, and what is missing from the calendar."""
    city = current()
    day = city.calendar.local_date(request.act.now)
    return request.render(
        "admin/overview.html",
        counts=[
            {"value": await Issue.all().count(), "unit": _("件"), "label": _("事项")},
            {"value": await PublicIssue.all().count(), "unit": _("件"), "label": _("已公开")},
            {"value": await Unit.filter(active=True).count(), "unit": _("个"), "label": _("单位")},
            {"value": await Account.filter(active=True).count(), "unit": _("个"), "label": _("在用的账号")},
            {"value": len(city.registry.plugins), "unit": _("个"), "label": _("插件")},
        ],
        gaps=city.calendar.gaps(day, day + AHEAD),
        checks=await _checks(),
        labels=_LABELS,
    )


async def _checks() -> list[Health] | None:
    """The checks of `yetan check`, or None where they take too long for a page."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await checks(current())
    except TimeoutError:
        return None


class Standing(Struct, frozen=True):
    """An enabled plugin: what it is, how it does, and how long its functions took in the last days."""

    plugin: Plugin
    first_enabled_at: datetime | None
    trouble: Trouble
    #: What of it was called, those that took longest first.
    figures: Mapping[str, Figures]


async def plugins(request: Request) -> Response:
    """The enabled plugins in their order with how they do, and those that once were."""
    registry = current().registry
    times = await time_of_calls()
    known = {row.name: row for row in await EnabledPlugin.all()}
    names = {plugin.name for plugin in registry.plugins}
    return request.render(
        "admin/plugins.html",
        plugins=[
            Standing(
                plugin,
                known[plugin.name].first_enabled_at if plugin.name in known else None,
                await trouble_of(plugin.name),
                times.get(plugin.name, {}),
            )
            for plugin in registry.plugins
        ],
        former=[row for row in known.values() if row.name not in names],
        api_version=API_VERSION,
        days=SHOWN,
    )


async def submit_release(request: Request) -> Response:
    """Let a plugin be called again."""
    await release(request.act, (await request.form((_PLUGIN,))).clean()["plugin"])
    return request.redirect("admin.plugins")


PAGES: tuple[Page, ...] = (
    Page("/admin", overview, "admin", permission=VIEW),
    Page("/admin/plugins", plugins, "admin.plugins", permission=VIEW),
    Page("/admin/plugins", submit_release, "admin.plugins.release", methods=("POST",), permission=RELEASE),
)
NAVIGATION: tuple[NavigationItem, ...] = (
    NavigationItem("admin", "概况", "admin", VIEW, position=1),
    NavigationItem("admin", "插件", "admin.plugins", VIEW, position=90),
    NavigationItem("desk", "管理", "admin", VIEW, position=90),
)
