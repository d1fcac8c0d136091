"""What administrators and operators see of plugins: how they do, /metrics, safe mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yetan.config import Configuration, Server
from yetan.errors import ConfigurationError
from yetan.plugins import quarantine, timing
from yetan.plugins.guarding import Failure
from yetan.plugins.models import PluginFailure, PluginTime
from yetan.runtime import current
from yetan.testing import Town
from yetan.testing.town import Browser

PLUGIN = "supervision"


@pytest.fixture(scope="module")
def database_kind() -> str:
    """The pages ask the database nothing that differs."""
    return "sqlite"


@pytest.fixture(scope="session")
def database_applications() -> Any:
    """The core's app and the plugin's."""
    from yetan.plugins.record import installed_applications

    return installed_applications(f"yetan_{PLUGIN}")


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": (PLUGIN,)}


def put(town: Town) -> None:
    async def go() -> None:
        await PluginFailure.create(plugin=PLUGIN, call="panel x", error="RuntimeError: no clapper", at=town.clock())
        assert await quarantine.put(
            await town.act(), PLUGIN, Failure("panel x", "RuntimeError: no clapper", late=False)
        )

    town.do(go)


def test_administrators_see_how_a_plugin_does_and_release_it(town: Town) -> None:
    issue = town.report()
    town.browser("clerk").get(f"/desk/issues/{issue.id}")
    administrator = town.browser("administrator")
    page = administrator.get("/admin/plugins").text
    assert "panel supervision.notices" in page
    assert "停用" not in page

    put(town)
    page = administrator.get("/admin/plugins").text
    assert "“督办”停用了" in page
    assert "RuntimeError: no clapper" in page
    refused = town.browser("clerk").get("/desk/supervision")
    assert (refused.status_code, "暂时停用了" in refused.text) == (503, True)
    assert "督办（supervision）" in administrator.get("/admin").text
    assert town.browser("leader").submit("/admin/plugins", {"plugin": PLUGIN}).status_code == 403

    assert administrator.submit("/admin/plugins", {"plugin": PLUGIN}).status_code == 303
    assert town.browser("clerk").get("/desk/supervision").status_code == 200
    assert "“督办”停用了" not in administrator.get("/admin/plugins").text
    assert administrator.submit("/admin/plugins", {"plugin": PLUGIN}).status_code == 404


def test_what_calls_take_is_known_of_all_processes_and_of_the_last_days(town: Town) -> None:
    call = "panel supervision.notices"

    async def work(seconds: float, held: float) -> None:
        """What a process does that ends then."""
        conduct = current().registry.conducts[PLUGIN]
        conduct.called(call, seconds)
        conduct.held(call, held)
        await timing.write()
        conduct.called(call, 0.5)

    async def told() -> tuple[int, float, float, float]:
        figures = (await timing.time_of_calls())[PLUGIN][call]
        return figures.calls, round(figures.seconds, 3), round(figures.slowest, 3), round(figures.longest, 3)

    town.do(lambda: work(2.0, 0.2))
    town.do(lambda: work(1.0, 0.1))
    assert town.do(told) == (4, 4.0, 2.0, 0.2), "one of them is not written yet"
    page = town.browser("administrator").get("/admin/plugins").text
    assert "最近 7 天，所有进程合计" in page
    assert all(f">{figure}<" in page for figure in ("4.000", "2.000", "0.200"))

    town.clock.forward(days=timing.SHOWN)
    assert town.do(told) == (1, 0.5, 0.5, 0.0)
    town.clock.forward(days=timing.KEPT.days)
    town.do(lambda: timing.forget_times(town.clock()))
    assert town.do(PluginTime.all().count) == 0


def test_metrics_tell_the_same_to_those_who_may_read_them(town: Town) -> None:
    issue = town.report()
    town.browser("clerk").get(f"/desk/issues/{issue.id}")
    put(town)

    def asked(address: str, **headers: str) -> Any:
        browser = Browser(town.app, base_url="http://testserver", client=(address, 40000))
        browser.portal = town._client.portal
        return browser.get("/metrics", headers=headers)

    told = asked("127.0.0.1")
    assert told.headers["content-type"].startswith("text/plain")
    assert 'yetan_plugin_calls_total{call="panel supervision.notices",plugin="supervision"} 1.0' in told.text
    assert 'yetan_plugin_longest_seconds{call="panel supervision.notices",plugin="supervision"} 0.' in told.text
    assert 'yetan_plugin_info{plugin="supervision",version="' in told.text
    assert 'yetan_plugin_quarantined{plugin="supervision"} 1.0' in told.text
    last = told.text.partition('yetan_plugin_last_failure_timestamp_seconds{plugin="supervision"} ')[2]
    assert float(last.partition("\n")[0]) == town.clock().timestamp()
    assert 'yetan_deliveries{state="pending"}' in told.text
    assert asked("192.0.2.7").status_code == 404
    assert asked("127.0.0.1", **{"X-Forwarded-For": "192.0.2.7"}).status_code == 404


def test_who_may_read_metrics_is_checked_at_the_start(town: Town) -> None:
    from yetan.app import build_app

    given = replace(town.configuration, server=Server(metrics_readers=("everybody",)))
    with pytest.raises(ConfigurationError, match=r"server\.metrics_readers"):
        build_app(given)


class SafeTown(Town):
    """The town as `yetan serve --safe-mode` starts it."""

    @property
    def configuration(self) -> Configuration:
        """Without its plugins."""
        return super().configuration.core_alone()


def test_safe_mode_is_the_core_alone_to_be_read_and_says_so(database_url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"plugins": (PLUGIN,), "rules": {"supervision.lead_days": 3}}
    with Town(database_url, tmp_path, **options).open() as town:
        issue = town.report()
    with SafeTown(database_url, tmp_path, **options).open() as town:
        page = town.browser("administrator").get("/admin/plugins").text
        assert "安全模式" in page
        assert "没有启动的插件：supervision" in page
        assert town.browser().get("/").status_code == 200
        assert town.browser("clerk").get(f"/desk/issues/{issue.id}").status_code == 200
        values = {"text": "看过了。", "version": str(issue.version)}
        answer = town.browser("village").submit(f"/desk/issues/{issue.id}/progress", values)
        assert (answer.status_code, "安全模式下检修" in answer.text) == (503, True)
