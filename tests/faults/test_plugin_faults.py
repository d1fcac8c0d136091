"""Faulty plugins: each leaves everybody's way as it was, or the city does not start (F18 to F23).

Those that hold a process to themselves, at work or at the start, are in `test_plugin_stall`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.plugins import faulty
from tests.postgresql import configuration_for

from yetan.app import assemble, running
from yetan.cli.database import bring_up
from yetan.config import Configuration
from yetan.db.connection import connected
from yetan.db.upgrade import UpgradeFailed
from yetan.errors import ConfigurationError, NotFound
from yetan.events.models import Delivery
from yetan.health import inspect
from yetan.issues.models import Issue
from yetan.plugins import discovery, guarding, quarantine
from yetan.plugins.models import EnabledPlugin, PluginFailure, Quarantine
from yetan.runtime import current
from yetan.testing import Town

#: Those that only show when the city is at work.
AT_WORK = ("loader", "subscriber", "guard", "template", "hanging_async", "leaking")


@pytest.fixture(scope="module")
def database_kind() -> str:
    """What a plugin does to the city does not depend on the database."""
    return "sqlite"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All faulty plugins are installed beside the others."""
    known = {**discovery.installed(), **faulty.ENTRY_POINTS}
    monkeypatch.setattr(discovery, "installed", lambda: known)


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": tuple(f"faulty_{fault}" for fault in AT_WORK)}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel has a fifth of a second; whoever wants to know how long it has asks `yetan.plugins.guarding`."""
    from yetan.web import panels

    monkeypatch.setitem(guarding._FUNCTIONS, "panels", ("panel", {"load": timedelta(seconds=0.2)}))  # type: ignore[index]
    monkeypatch.setattr(panels, "DEADLINE", 0.3)
    # Failures are written down when a test says so, not every two seconds.
    monkeypatch.setattr(quarantine, "LOOK", 3600.0)


@pytest.fixture
def town(town: Town) -> Town:
    """Whose failures are written down when a test says so, not when they come."""
    for conduct in town.do(_city).registry.conducts.values():
        conduct.noticed = lambda: None
    return town


async def _city() -> Any:
    return current()


def send(town: Town, who: str, issue: Issue, what: str, **values: Any) -> None:
    """Send a form of an issue's page, as drawn now."""
    version = "1" if what == "publication" else str(town.reload(issue).version)
    path = f"/desk/issues/{issue.id}/{what}"
    town.browser(who).get(
        f"/desk/issues/{issue.id}/publication" if what == "publication" else f"/desk/issues/{issue.id}"
    )
    answer = town.browser(who).submit(path, {"version": version, **values})
    assert answer.status_code == 303, (path, answer.status_code, answer.text[-2000:])


def journey(town: Town) -> Issue:
    """A resident raises a matter, officials take it through the loop, the resident accepts it; every page stands."""
    resident = town.browser("resident")
    raised = resident.submit(
        "/raise",
        {
            "title": "菜场门口一下雨就积水",
            "text": "下水口堵了，水漫到鞋面。",
            "unit": str(town.units["village"]),
            "place": "菜场门口",
            "kind": "problem",
            "collective": "1",
            "category": str(town.category),
        },
        files=[],
    )
    assert raised.status_code == 303, raised.text[-2000:]

    async def latest() -> Issue:
        return await Issue.all().order_by("-id").first()  # type: ignore[return-value]

    issue = town.do(latest)
    desk = f"/desk/issues/{issue.id}"
    face = {"title": "菜场门口积水", "text": "下水口堵了。", "place": "菜场门口", "measures": "", "outcome": ""}
    send(town, "village", issue, "publication", **face)
    day = (town.clock().date() + timedelta(days=10)).isoformat()
    send(
        town,
        "clerk",
        issue,
        "transitions/list",
        measures="疏通下水口。",
        owner=str(town.accounts["deputy"].id),
        deadline=day,
        note="",
    )
    send(town, "deputy", issue, "transitions/start")
    send(town, "deputy", issue, "transitions/resolve", outcome="疏通了。")
    send(town, "village", issue, "feedback", way="posted", text="贴在村口了。")
    verdict = resident.submit(f"/follow/{issue.number}/verdict", {"accepted": "yes", "text": "好了"})
    assert verdict.status_code == 303, verdict.text[-2000:]
    send(town, "clerk", issue, "transitions/strike_off")
    town.run_worker()
    for path in ("/", "/issues", f"/issues/{issue.number}", "/search?q=积水", "/figures"):
        page = town.browser().get(path)
        assert (page.status_code, "</html>" in page.text) == (200, True), path
    assert "菜场门口积水" in town.browser().get("/").text
    for who, path in (("clerk", "/desk"), ("clerk", desk), ("resident", f"/follow/{issue.number}")):
        assert town.browser(who).get(path).status_code == 200, path
    assert town.reload(issue).state == "struck_off"
    return issue


def failures(town: Town) -> dict[str, set[str]]:
    """What of which plugin failed, as this process counted."""
    conducts = town.do(_city).registry.conducts.values()
    return {
        each.plugin.removeprefix("faulty_"): {call for call, figures in each.figures.items() if figures.failures}
        for each in conducts
    }


# At work


def test_six_faulty_plugins_together_cost_nobody_their_way(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    issue = journey(town)

    assert failures(town) == {
        "loader": {f"panel faulty_loader.{page}" for page in ("board", "issue", "desk.issue")},
        "subscriber": {"subscription faulty_subscriber"},
        "guard": {"guard faulty_guard"},
        "template": {"panel faulty_template", "template public/board.html"},
        "hanging_async": {"panel faulty_hanging_async"},
        "leaking": set(),
    }
    assert (
        "plugin faulty_loader: panel faulty_loader.board failed: RuntimeError: the bell has no clapper" in caplog.text
    )
    page = town.browser("clerk").get(f"/desk/issues/{issue.id}").text
    assert page.count("这一部分暂时看不到。") == 3  # loader, template, hanging_async


def test_a_guard_that_fails_refuses_and_what_it_does_not_watch_goes_on(town: Town) -> None:
    issue = town.move(town.report(), "list", by="clerk")
    page = town.browser("clerk").get(f"/desk/issues/{issue.id}").text
    assert "检查“faulty_guard”没有完成，暂时不能“延期”" in page
    assert town.move(issue, "start", by="deputy").state == "handling"


def test_who_fails_again_and_again_is_put_into_quarantine_everywhere_until_released(town: Town) -> None:
    board = town.browser()
    for number in range(quarantine.FAILURES):
        page = board.get(f"/?{number}")
        assert page.status_code == 200
        assert "这一部分暂时看不到。" in page.text
        town.do(quarantine.write_down)
    calls = conduct(town, "loader").figures["panel faulty_loader.board"].calls
    assert calls == quarantine.FAILURES

    row = town.do(_quarantined)
    assert (row.plugin, row.call) == ("faulty_loader", "panel faulty_loader.board")
    assert row.error == "RuntimeError: the bell has no clapper"
    assert "这一部分暂时看不到。" not in board.get("/?after").text
    assert conduct(town, "loader").figures["panel faulty_loader.board"].calls == calls
    inbox = town.browser("administrator").get("/desk/notices").text
    assert "插件“faulty_loader”接连出错，已经停用" in inbox
    assert "faulty_loader" in town.browser("administrator").get("/admin").text

    # Another process learns of a release by looking.
    town.clock.forward(minutes=1)
    town.do(lambda: _release(town, "faulty_loader"))
    assert not conduct(town, "loader").paused
    board.get("/?released")
    town.do(quarantine.write_down)
    assert not conduct(town, "loader").paused  # the failures of before do not count again
    with pytest.raises(NotFound):
        town.do(lambda: _release(town, "faulty_loader"))


def conduct(town: Town, fault: str) -> guarding.Conduct:
    found: guarding.Conduct = town.do(_city).registry.conducts[f"faulty_{fault}"]
    return found


async def _quarantined() -> Quarantine:
    return await Quarantine.get(plugin="faulty_loader", released_at=None)


async def _release(town: Town, plugin: str) -> None:
    await quarantine.release(await town.act("administrator"), plugin)


def test_what_a_plugin_in_quarantine_is_owed_waits_and_is_not_given_up(town: Town) -> None:
    async def put() -> None:
        failure = guarding.Failure("panel", "broken", late=False)
        assert await quarantine.put(await town.act(), "faulty_subscriber", failure)
        assert not await quarantine.put(await town.act(), "faulty_subscriber", failure)

    async def owed() -> list[tuple[str, int]]:
        rows = await Delivery.filter(subscriber="faulty_subscriber").order_by("id")
        return [(row.state, row.attempts) for row in rows]

    town.do(put)
    town.report()
    town.run_worker()
    assert town.do(owed) == [("pending", 0)]
    town.do(lambda: _release(town, "faulty_subscriber"))
    town.run_worker()
    assert town.do(owed) == [("pending", 1)]


def test_a_database_that_is_away_or_slow_is_no_plugin_s_fault(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    good = conduct(town, "loader")
    good.failed("panel faulty_loader.board", ConnectionRefusedError("the database is away"))
    assert good.failures == []
    monkeypatch.setattr(quarantine, "_SLOW", -1.0)
    good.failed("panel faulty_loader.board", TimeoutError())
    town.do(quarantine.write_down)

    async def written() -> int:
        return await PluginFailure.all().count()

    assert town.do(written) == 0
    monkeypatch.setattr(quarantine, "_SLOW", 5.0)
    good.failed("panel faulty_loader.board", TimeoutError())
    town.do(quarantine.write_down)
    assert town.do(written) == 1


def test_what_holds_the_event_loop_is_told_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    import time

    async def brief() -> int:
        await asyncio.sleep(0)
        return 3

    async def blocking() -> None:
        await asyncio.sleep(0)
        time.sleep(guarding.HELD + 0.05)  # noqa: ASYNC251 - that is the fault

    behaviour = guarding.Conduct("bells")

    async def go() -> None:
        assert await guarding.Guarded(behaviour, "panel brief", brief)() == 3
        await guarding.Guarded(behaviour, "panel blocking", blocking, guarding.SOON)()

    asyncio.run(go())
    assert behaviour.figures["panel brief"].blocked == 0
    figures = behaviour.figures["panel blocking"]
    assert (figures.calls, figures.failures, figures.blocked) == (1, 0, 1)
    assert guarding.HELD < figures.longest <= figures.held <= figures.seconds
    assert "plugin bells: panel blocking let everybody else wait" in caplog.text


# At the start


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("importing", "plugin 'faulty_importing' (tests.plugins.faulty.importing:plugin) failed to import"),
        ("starting", "plugin 'faulty_starting': yetan_metrics failed: RuntimeError('the bell has no clapper')"),
        (
            "taken_name",
            "plugin 'faulty_taken_name': yetan_permissions declares 'issue.view', which 'core' declares already",
        ),
        (
            "taken_route",
            "plugin 'faulty_taken_route': page 'faulty_taken_route' (/issues/{anything}): GET /issues/anything "
            "is taken by 'core' for its page 'issue'",
        ),
    ],
)
def test_a_city_does_not_start_with_these_and_says_which_and_why(fault: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        assemble(Town("sqlite://:memory:", tmp_path, plugins=(f"faulty_{fault}",)).configuration)
    assert [each.startswith(problem) for each in refused.value.problems] == [True], refused.value.problems
    # The core alone starts with any of them (F22).
    alone = Town("sqlite://:memory:", tmp_path, plugins=(f"faulty_{fault}",)).configuration.core_alone()
    assert (assemble(alone).plugins, alone.left_out) == ((), (f"faulty_{fault}",))


def test_a_migration_that_fails_changes_nothing_and_the_city_says_what_is_missing(
    database_url: str, tmp_path: Path
) -> None:
    """F23: the city of before goes on."""
    plain = configuration_for(database_url, tmp_path / "data")
    asyncio.run(bring_up(plain))
    wanted = configuration_for(database_url, tmp_path / "data", plugins=("faulty_migration",))
    with pytest.raises(UpgradeFailed, match=r"迁移 yetan_faulty_migration\.0001_initial 没有成功：RuntimeError"):
        asyncio.run(bring_up(wanted))
    with pytest.raises(ConfigurationError, match=r"faulty_migration.*yetan db upgrade"):
        asyncio.run(start(wanted))
    asyncio.run(start(plain))

    async def enabled() -> list[EnabledPlugin]:
        async with connected(database_url, assemble(plain).applications):
            return await EnabledPlugin.all()

    assert asyncio.run(enabled()) == []


async def start(configuration: Configuration) -> None:
    async with running(configuration):
        pass


# The thirteenth


class TestWriting:
    @pytest.fixture
    def town_options(self) -> dict[str, Any]:
        return {"plugins": ("faulty_writing",)}

    def test_one_that_writes_the_core_s_tables_is_found_by_a_check(self, town: Town) -> None:
        town.report()
        town.run_worker()

        async def found() -> dict[str, str]:
            return {line.name: line.message for line in await inspect(current()) if not line.ok and not line.advisory}

        damage = town.do(found)
        assert "history" in damage
        assert town.reload(town.do(_first)).number in damage["history"]


async def _first() -> Issue:
    return await Issue.all().first()  # type: ignore[return-value]
