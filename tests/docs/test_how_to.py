"""What the how-to pages show works as they say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from yetan.access.scope import visible
from yetan.db.statements import execute
from yetan.errors import Refused
from yetan.events.models import Delivery
from yetan.health.board import figures
from yetan.health.repairs import repair
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.plugins.record import record_enabled
from yetan.runtime import current
from yetan.search import SearchQuery, unit_scope
from yetan.statistics.service import values
from yetan.testing import Town

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
ARRANGED = {"arrangement": "周六上午，和三位反映的居民一起去。"}


class Gateway(BaseHTTPRequestHandler):
    """An SMS gateway that writes down what it is given, and fails as long as it is told to."""

    sent: list[dict[str, str]]
    failing: bool

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).sent.append(body)
        self.send_response(500 if type(self).failing else 200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def town_options(gateway: str) -> dict[str, Any]:
    Gateway.sent, Gateway.failing = [], False
    return {
        "plugins": ("how_to",),
        "search": "how_to",
        "theme": "how_to",
        "plugin": {"how_to": {"gateway": gateway}},
    }


def test_a_state_of_its_own_stands_in_the_lifecycle_and_on_the_timeline(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    assert town.move(issue, "go_to_site", by="deputy", **ARRANGED).state == "on_site"
    page = town.browser("deputy").get(f"/desk/issues/{issue.id}").text
    assert "到现场踏勘" in page
    assert ARRANGED["arrangement"] in page
    assert "看完了，接着办" in page
    with pytest.raises(Refused, match="请先写下踏勘时看到了什么"):
        town.move(issue, "back_from_site", by="deputy", finding="灯杆歪了。")
    reporting(town, issue)
    assert town.move(issue, "back_from_site", by="deputy", finding="灯杆歪了。").state == "handling"


def reporting(town: Town, issue: Issue, by: str = "deputy") -> int:
    sent = {"text": "灯杆歪了，电缆裸着。", "_key": "a" * 20}
    return int(town.browser(by).submit(f"/desk/issues/{issue.id}/site-report", sent).status_code)


def test_rows_of_its_own_are_written_once_and_seen_by_whoever_sees_the_issue(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.move(issue, "go_to_site", by="deputy", **ARRANGED)
    assert [reporting(town, issue, by) for by in ("deputy", "deputy", "other", "leader")] == [303, 303, 404, 403]
    assert town.browser("clerk").get(f"/desk/issues/{issue.id}").text.count("电缆裸着") == 1

    async def seen(who: str) -> int:
        model = next(each for each in current().registry.visibility if each.__name__ == "SiteReport")
        return int(await visible(model, await town.act(who)).count())

    assert [town.run(seen(who)) for who in ("clerk", "other")] == [1, 0]


def test_who_does_not_come_back_from_the_site_is_reminded_once_a_week(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.run_worker()
    town.move(issue, "go_to_site", by="deputy", **ARRANGED)
    told = []
    for _ in range(2):
        town.clock.forward(days=8)
        town.run_worker()
        told.append(town.run(Notice.filter(kind="how_to.waiting").count()))
    assert told == [1, 2]


def test_a_paper_of_its_own_is_printed_while_it_is_needed(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    clerk = town.browser("clerk")
    assert "踏勘单" not in clerk.get(f"/desk/issues/{issue.id}").text
    town.move(issue, "go_to_site", by="deputy", **ARRANGED)
    assert "踏勘单" in clerk.get(f"/desk/issues/{issue.id}").text
    paper = clerk.get(f"/desk/issues/{issue.id}/print/site_sheet")
    assert paper.status_code == 200
    assert "到场的人（签名）" in paper.text


def test_a_figure_of_its_own_is_counted_once_shown_and_checked(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.move(issue, "go_to_site", by="deputy", **ARRANGED)
    town.run_worker()
    town.run_worker()
    counted = [
        town.run(values(town.units[unit], "2026-05"))["how_to.visits"] for unit in ("village", "county", "other")
    ]
    assert counted == [1, 1, 0]
    assert "现场踏勘" in town.browser().get("/figures").text

    async def damaged_and_mended() -> tuple[bool, bool]:
        await execute("UPDATE yetan_counter SET value = 7 WHERE metric = 'how_to.visits'")
        damaged = (await figures()).ok
        await repair(current(), lambda line: None)
        return damaged, (await figures()).ok

    assert town.do(damaged_and_mended) == (False, True)


def test_a_template_of_its_own_stands_over_the_cores_and_keeps_it(town: Town) -> None:
    page = town.browser().get("/figures").text
    assert "到现场看过才动手" in page
    assert "已公开的问题诉求" in page


def test_a_theme_of_its_own_is_the_look_of_every_page(town: Town) -> None:
    page = town.browser().get("/").text
    assert "plain-paper" in page
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "ink on paper" in town.browser().get(address).text


def test_an_engine_of_its_own_answers_the_search_page(town: Town) -> None:
    town.report(title="老桥头的路灯不亮")
    town.run_worker()
    clerk = town.browser("clerk")
    assert "老桥头的路灯不亮" in clerk.get("/desk/search", params={"q": "老桥头"}).text
    assert "老桥头的路灯不亮" not in clerk.get("/desk/search", params={"q": "井盖"}).text


def test_a_source_of_its_own_is_in_the_index_under_the_units_of_its_issue(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.move(issue, "go_to_site", by="deputy", **ARRANGED)
    reporting(town, issue)
    town.run_worker()

    async def found(unit: str) -> list[str]:
        backend = current().search
        assert backend is not None
        query = SearchQuery("电缆", frozenset({unit_scope(town.units[unit])}), kinds=frozenset({"site_report"}))
        return [hit.key for hit in (await backend.search(query)).hits]

    assert [town.run(found(unit)) for unit in ("township", "other")] == [["site_report:1"], []]


def test_a_channel_brings_each_notice_once_by_phone_and_again_after_a_failure(town: Town) -> None:
    Gateway.failing = True
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.run_worker()
    tried = [each for each in Gateway.sent if each["to"] == "13800001234"]
    assert len(tried) == 1
    assert "《村口三盏路灯不亮》" in tried[0]["text"]
    Gateway.failing = False
    town.clock.forward(hours=1)
    town.run_worker()
    town.run_worker()
    sent = [each for each in Gateway.sent if each["to"] == "13800001234"]
    assert [each["id"] for each in sent] == [tried[0]["id"]] * 2
    waiting = Delivery.filter(subscriber="channel.how_to.sms", state="pending")
    assert town.run(waiting.count()) == 0


def test_while_its_plugin_is_off_an_issue_stays_where_its_fallback_says(
    town_database_url: str, town_options: dict[str, Any], tmp_path: Path
) -> None:
    with Town(town_database_url, tmp_path, **town_options).open() as town:
        issue = town.report()
        town.move(issue, "list", by="clerk")
        town.move(issue, "go_to_site", by="deputy", **ARRANGED)
        town.run(record_enabled(current().registry, town.clock()))
    with Town(town_database_url, tmp_path).open() as town:
        assert town.browser("deputy").get(f"/desk/issues/{issue.id}").status_code == 200
        assert town.move(issue, "resolve", by="deputy").state == "resolved"


def test_an_engine_that_fails_leaves_the_search_page_to_the_database_and_is_told_of(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.report(title="老桥头的路灯不亮")
    town.run_worker()

    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError("no engine today")

    registry = current().registry
    for name in ("search", "highlight", "suggest"):
        monkeypatch.setattr(registry.search_backend.backend, name, broken, raising=True)  # type: ignore[union-attr]
    answer = town.browser("clerk").get("/desk/search", params={"q": "老桥头"})
    assert answer.status_code == 200
    assert "老桥头的路灯不亮" in answer.text
    assert town.browser("clerk").get("/desk/search/suggest", params={"q": "老"}).status_code == 200
    assert registry.conducts["how_to"].figures["search engine search"].failures >= 2
