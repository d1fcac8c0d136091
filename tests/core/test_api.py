"""The JSON API: exactly what its OpenAPI document says, nothing unpublished, every issue once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.issues.importing import carry_out, plan_import
from yetan.issues.ledger import ledger_columns, parse_ledger
from yetan.publication.models import PublicIssue
from yetan.publication.service import withdraw
from yetan.runtime import current
from yetan.spreadsheets import Table, TableRow
from yetan.testing import Town
from yetan.units.models import Unit

HEADINGS = ("编号", "标题", "内容", "留言时间", "答复意见", "答复时间", "类别", "单位")


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("whoosh",), "search": "whoosh"}


def publish(town: Town, *rows: Sequence[Any]) -> None:
    """Bring rows (of HEADINGS) in and publish them."""

    async def go() -> None:
        columns = ledger_columns()
        table = Table("", 1, HEADINGS, tuple(TableRow(n, tuple(row)) for n, row in enumerate(rows, start=2)))
        ledger = parse_ledger(table, columns, current().configuration.city.zone, now=town.clock())
        plan = await plan_import(ledger, table, await Unit.get(code="village"))
        assert not plan.refused, plan.refused
        await carry_out(current().system_act(), plan, publish=True, progress=lambda *_: None)

    town.run(go())
    town.run_worker()


def lamp(number: int, *, at: str = "2026-03-01 08:00:00", **more: str) -> tuple[Any, ...]:
    """A row about a lamp, raised at a local time."""
    reply = more.get("reply", "")
    return (
        f"A{number}", f"第{number}盏路灯不亮", "晚上路灯不亮，老人不敢走。", at,
        reply, "2026-03-09 10:00:00" if reply else "", more.get("category", ""), more.get("unit", ""),
    )  # fmt: skip


def walk(town: Town, path: str, limit: int, between: Any = None) -> list[str]:
    """The numbers of all items, page by page; `between(page)` is called after each page."""
    browser = town.browser()
    numbers: list[str] = []
    cursor, pages = None, 0
    while True:
        glue = "&" if "?" in path else "?"
        answer = browser.get(f"{path}{glue}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert len(told["items"]) <= limit
        numbers += [item["source_number"] for item in told["items"]]
        cursor, pages = told["next"], pages + 1
        if cursor is None:
            return numbers
        assert told["items"], "a page that is followed by another is not empty"
        if between is not None:
            between(pages)


# The document


def problems(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], where: str = "$") -> list[str]:
    """What of `value` does not fit a schema, in the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return problems(target, value, root, where)
    unknown = set(schema) - {
        "type", "format", "enum", "description", "minimum", "maximum", "minLength", "maxLength", "default",
        "properties", "required", "additionalProperties", "items",
    }  # fmt: skip
    assert not unknown, f"the test does not know {unknown}"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    actual = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array", type(None): "null"}
    if actual[type(value)] not in kinds:
        return [f"{where} is {value!r}, not {kinds}"]
    found: list[str] = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}")
    if isinstance(value, int) and value < schema.get("minimum", value):
        found.append(f"{where} is {value}")
    if schema.get("format") == "date-time" and value is not None:
        found += [] if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) else [f"{where} is {value!r}"]
    if schema.get("format") == "uri" and not value.startswith("http://testserver/"):
        found.append(f"{where} is {value!r}")
    if isinstance(value, list):
        for place, each in enumerate(value):
            found += problems(schema["items"], each, root, f"{where}[{place}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, each in value.items():
            extra = schema.get("additionalProperties", True)
            if name in known or isinstance(extra, dict):
                found += problems(known.get(name, extra), each, root, f"{where}.{name}")
            elif extra is False:
                found.append(f"{where}.{name} is not declared")
    return found


def test_answers_are_what_the_document_says(town: Town) -> None:
    publish(
        town,
        lamp(1, reply="已换灯头。", category="城乡建设/市政设施/路灯"),
        lamp(2),
    )
    issue = town.report()
    town.move(issue, "list", by="village")
    browser = town.browser()
    document = browser.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    number = browser.get("/api/v1/issues").json()["items"][0]["number"]
    asked = {
        "/api/v1/issues": "/api/v1/issues?limit=5",
        "/api/v1/search": "/api/v1/search?q=路灯 老人",
        "/api/v1/suggest": "/api/v1/suggest?q=ludeng",
        "/api/v1/issues/{number}": f"/api/v1/issues/{number}",
        "/api/v1/openapi.json": "/api/v1/openapi.json",
    }
    assert set(document["paths"]) == set(asked)
    refused = {"/api/v1/issues": "/api/v1/issues?limit=0", "/api/v1/search": "/api/v1/search",
               "/api/v1/suggest": f"/api/v1/suggest?q={'路' * 201}",
               "/api/v1/issues/{number}": "/api/v1/issues/99-99"}  # fmt: skip
    for path, address in [*asked.items(), *refused.items()]:
        answer = browser.get(address)
        described = document["paths"][path]["get"]["responses"]
        assert str(answer.status_code) in described, f"{address} answered {answer.status_code}"
        schema = described[str(answer.status_code)]["content"]["application/json"]["schema"]
        assert problems(schema, answer.json(), document) == []
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_search_tells_what_its_page_tells(town: Town) -> None:
    """Near misses are marked, what was guessed and how to narrow it is told, and every narrowing does what it says."""
    publish(
        town, lamp(1, category="城乡建设/市政设施/路灯"), lamp(2), lamp(3, at="2025-03-01 08:00:00", unit="荷塘社区")
    )
    ask = town.browser().get
    told = ask("/api/v1/search?q=路灯 第2盏").json()
    assert (told["items"][0]["source_number"], told["items"][0]["partial"]) == ("A2", False)
    assert {item["source_number"] for item in told["items"] if item["partial"]} == {"A1", "A3"}
    assert (told["total"], told["whole"], told["degraded"]) == (3, 1, False)
    assert ask("/api/v1/search?q=ludeng").json()["guessed"] == ["路灯"]
    assert ask("/api/v1/search?q=路燈").json()["also_searched"] == ["路灯"]
    facets = ask("/api/v1/search?q=路灯").json()["facets"]
    assert {each["value"]: each["count"] for each in facets["year"]} == {"2026": 2, "2025": 1}
    assert {each["label"]: each["count"] for each in facets["unit"]} == {"溪尾村": 2, "荷塘社区": 1}
    for name, narrowings in facets.items():
        for each in narrowings:
            narrowed = ask("/api/v1/search", params={"q": "路灯", name: each["value"]}).json()
            assert narrowed["total"] == each["count"], f"{name}={each['value']}"
    desk = town.browser("clerk").get
    (days_of_2025,) = re.findall(r'href="(/desk/search[^"]*raised_from=2025[^"]*)"', desk("/desk/search?q=路灯").text)
    assert set(re.findall(r"第(\d)盏", unescape(desk(unescape(days_of_2025)).text))) == {"3"}
    oldest = ask("/api/v1/search?q=路灯&sort=oldest&limit=1").json()
    assert [item["source_number"] for item in oldest["items"]] == ["A3"]
    assert ask(f"/api/v1/search?q=路灯&limit=1&cursor={oldest['next']}").json()["facets"] is None
    assert ask("/api/v1/search?q=路灯&state=late").status_code == 400, "a group of states is no state"


def test_the_checker_sees_what_does_not_fit(town: Town) -> None:
    document = town.browser().get("/api/v1/openapi.json").json()
    page = {"$ref": "#/components/schemas/IssuePage"}
    assert problems(page, {"items": []}, document) == ["$.next is missing"]
    assert problems(page, {"items": [], "next": 3}, document) == ["$.next is 3, not ['string', 'null']"]
    assert problems(page, {"items": [], "next": None, "total": 1}, document) == ["$.total is not declared"]


# Lists


def test_an_item_tells_what_was_published_and_nothing_else(town: Town) -> None:
    publish(town, lamp(7, reply="已换灯头。", category="城乡建设/市政设施/路灯"))
    town.report(title="没有公开的事")
    told = town.browser().get("/api/v1/issues").json()
    assert set(told) == {"items", "next"}
    assert told["next"] is None
    assert told["items"] == [
        {
            "number": "26-1",
            "source_number": "A7",
            "title": "第7盏路灯不亮",
            "state": "resolved",
            "kind": "problem",
            "unit": "溪尾村",
            "category": "城乡建设/市政设施/路灯",
            "place": None,
            "raised_at": "2026-03-01T00:00:00Z",
            "resolved_at": "2026-03-09T02:00:00Z",
            "struck_off_at": None,
            "updated_at": "2026-05-06T01:00:00Z",
            "url": "http://testserver/issues/26-1",
        }
    ]
    whole = town.browser().get("/api/v1/issues/26-1").json()
    assert whole["outcome"] == "已换灯头。"
    assert [entry["type"] for entry in whole["timeline"]] == ["issue.reported", "issue.resolve"]


def test_what_is_not_published_is_not_found(town: Town) -> None:
    """C46"""
    issue = town.report(title="没有公开的事")
    answer = town.browser().get(f"/api/v1/issues/{issue.number}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    found = town.browser().get("/api/v1/search?q=没有公开的事").json()
    assert (found["items"], found["total"], found["next"]) == ([], 0, None)


@BOTH_DATABASES
def test_filters(town: Town) -> None:
    publish(
        town,
        lamp(1, category="城乡建设/市政设施/路灯", at="2025-12-31 23:30:00"),
        lamp(2, category="城乡建设/市政设施"),
        lamp(3, category="城乡建设", unit="樟林村"),
        lamp(4, reply="已换。"),
    )
    categories = town.browser()

    def numbers(query: str) -> list[str]:
        answer = categories.get(f"/api/v1/issues?{query}")
        assert answer.status_code == 200, answer.text
        return sorted(item["source_number"] for item in answer.json()["items"])

    assert numbers("") == ["A1", "A2", "A3", "A4"]
    assert numbers("category=城乡建设") == ["A1", "A2", "A3"]
    assert numbers("category=城乡建设/市政设施") == ["A1", "A2"]
    assert numbers(f"category={town.category}") == ["A1"]
    assert numbers("unit=township") == ["A1", "A2", "A4"]
    assert numbers("unit=elsewhere&category=城乡建设") == ["A3"]
    assert numbers("state=resolved") == ["A4"]
    assert numbers("state=awaiting") == ["A4"]
    assert numbers("year=2025&month=12") == ["A1"]
    assert numbers("kind=suggestion") == []


def test_a_wrong_parameter_is_named(town: Town) -> None:
    browser = town.browser()
    for query, name in (
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"),
        ("unit=nowhere", "unit"), ("category=没有", "category"), ("category=999999", "category"),
        ("state=flying", "state"), ("kind=x", "kind"), ("year=12", "year"), ("month=3", "year"),
        ("year=2026&month=13", "month"),
    ):  # fmt: skip
        answer = browser.get(f"/api/v1/issues?{query}")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "bad_request"
        assert answer.json()["error"]["message"].startswith(f"{name}: "), query


def test_a_bad_cursor_is_refused(town: Town) -> None:
    publish(town, lamp(1))
    browser = town.browser()
    for cursor in ("x", "i", "s!!!", "iAAAA", "sgIA", "i" + "_" * 4000, "iMTIz", "MTIz", "1772323200000000_5", "灯"):
        for path in ("/api/v1/issues?", "/api/v1/search?q=路灯&"):
            answer = browser.get(f"{path}cursor={cursor}")
            assert answer.status_code == 400, cursor
            assert "cursor" in answer.json()["error"]["message"]


def test_a_search_says_what_it_looks_for(town: Town) -> None:
    for query in ("", "?q=", "?q=%20", "?q=" + "灯" * 201):
        assert town.browser().get(f"/api/v1/search{query}").status_code == 400


# Paging


@BOTH_DATABASES
def test_every_issue_comes_once_while_others_are_published(town: Town) -> None:
    """Many share one instant; what is published meanwhile stands above or below, and moves nothing."""
    days = [f"2026-03-{1 + number // 4:02d} 08:00:00" for number in range(23)]
    publish(town, *(lamp(number, at=day) for number, day in enumerate(days)))
    more = iter(range(100, 200))

    def publish_more(_page: int) -> None:
        publish(town, lamp(next(more), at="2026-05-01 08:00:00"), lamp(next(more), at=days[9]))

    seen = walk(town, "/api/v1/issues", 4, publish_more)
    first = [f"A{number}" for number in range(23)]
    assert sorted(each for each in seen if each in first) == sorted(first)
    assert len(seen) == len(set(seen))
    assert seen.index("A22") < seen.index("A0")


@BOTH_DATABASES
def test_every_result_comes_once_while_others_are_published_and_withdrawn(town: Town) -> None:
    publish(town, *(lamp(number) for number in range(13)))
    more = iter(range(100, 200))
    gone: list[str] = []

    async def withdraw_one(number: str) -> None:
        row = await PublicIssue.get(source_number=number)
        gone.append(number)
        await withdraw(current().system_act(), row.issue_id, "登记有误，先撤下。")

    def change(page: int) -> None:
        publish(town, ("B" + str(next(more)), "路灯 路灯 路灯", "路灯路灯", "2026-04-01 08:00:00", "", "", "", ""))
        if page == 2:
            town.run(withdraw_one(first_page[0]))
            town.run_worker()

    first_page = [item["source_number"] for item in town.browser().get("/api/v1/search?q=路灯&limit=3").json()["items"]]
    seen = walk(town, "/api/v1/search?q=路灯", 3, change)
    assert gone == first_page[:1]
    wanted = {f"A{number}" for number in range(13)}
    assert wanted <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_page_asks_the_database_for_no_more_than_it_shows(town: Town) -> None:
    """The last page ends the list even where it is just full."""
    publish(town, *(lamp(number) for number in range(4)))
    assert len(walk(town, "/api/v1/issues", 2)) == 4
    assert len(walk(town, "/api/v1/issues", 4)) == 4
    assert len(walk(town, "/api/v1/search?q=路灯", 4)) == 4


def test_the_api_answers_anybody_alike(town: Town) -> None:
    """Public answers do not depend on who asks, and may be kept if asked again."""
    publish(town, lamp(1))
    anonymous = town.browser().get("/api/v1/issues")
    assert town.browser("administrator").get("/api/v1/issues").json() == anonymous.json()
    assert anonymous.headers["cache-control"] == "no-cache"
    assert "set-cookie" not in anonymous.headers
    town.clock.now += timedelta(days=1)
    assert town.browser().get("/api/v1/issues").json() == anonymous.json()
