"""The OpenAPI document of the JSON API: one description that developers read and tests hold the answers against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.config import Configuration
from yetan.issues.service import ISSUE_KINDS
from yetan.plugins.registry import API_VERSION
from yetan.publication.listing import DATES, FIRST_YEAR, LAST_YEAR, STATE_GROUPS
from yetan.runtime import current
from yetan.search import Facet
from yetan.searching.service import SORT_FIELD, SUGGESTED

#: How many items a page has unless asked otherwise, and at most.
API_LIMIT, API_LIMIT_MAXIMUM = 20, 100
#: How many results of one search can be paged through.
SEARCH_DEPTH = 1000
#: What a search is counted by: the parameter that narrows it, and the facet.
SEARCH_FACETS: Mapping[str, Facet] = {
    "unit": "unit",
    "category": "category",
    "state": "state",
    "kind": "matter",
    "year": "year",
}

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}
_MOMENT_OR_NULL: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def document(configuration: Configuration) -> dict[str, Any]:
    """The whole document, for the running city."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{configuration.city.name}{configuration.city.site_name}",
            "version": API_VERSION,
            "description": "已经公开的事项。只读，不用登录；时刻都是 UTC。",
        },
        "servers": [{"url": configuration.base_url}],
        "paths": {
            "/api/v1/issues": _get("listIssues", "公开的事项，新的在前", [*_filters(), *_paging()], "IssuePage", 400),
            "/api/v1/search": _get(
                "searchIssues",
                f"查公开的事项，最相符的在前，最多 {SEARCH_DEPTH} 件",
                [
                    _parameter(
                        "q",
                        {**_TEXT, "minLength": 1, "maxLength": 200},
                        "查什么：词，拼音，编号；加引号一字不差，前面加减号不要这个词",
                        required=True,
                    ),
                    *_narrowing(),
                    *_paging(),
                ],
                "SearchPage",
                400,
            ),
            "/api/v1/suggest": _get(
                "suggestSearches",
                f"刚写了开头，接着可以怎样查，最多 {SUGGESTED} 个；没有开头的，给大家常查的",
                [_parameter("q", {**_TEXT, "maxLength": 200}, "开头几个字，或者拼音")],
                "Suggestions",
                400,
            ),
            "/api/v1/issues/{number}": _get(
                "getIssue",
                "一件公开的事",
                [_parameter("number", _TEXT, "编号，如 26-1183", place="path")],
                "Issue",
                404,
            ),
            "/api/v1/openapi.json": {
                "get": {
                    "operationId": "getDocument",
                    "summary": "这份说明",
                    "responses": {"200": _response("OpenAPI 3.1", {"type": "object"})},
                }
            },
        },
        "components": {"schemas": _schemas()},
    }


def _common_filters(states: Sequence[str], told: str) -> list[dict[str, Any]]:
    """What lists and searches are narrowed to."""
    return [
        _parameter("unit", _TEXT, "单位编码；含它下面的单位"),
        _parameter("category", _TEXT, "类别的编号，或从一级起的完整名称，中间用 / 隔开；含它下面的类别"),
        _parameter("state", {"type": "string", "enum": list(states)}, told),
        _parameter("kind", {"type": "string", "enum": [name for name, _ in ISSUE_KINDS]}, "问题还是建议"),
        _parameter("year", {"type": "integer", "minimum": FIRST_YEAR, "maximum": LAST_YEAR}, "年，按当地时间"),
    ]


def _narrowing() -> list[dict[str, Any]]:
    orders = [value for value, _ in SORT_FIELD.choices if value]
    return [
        *_common_filters([*current().registry.states], "到哪一步"),
        _parameter("sort", {"type": "string", "enum": orders}, "按提出的时间排；不给的，最相符的在前"),
    ]


def _filters() -> list[dict[str, Any]]:
    groups = [name for name, _ in STATE_GROUPS]
    return [
        *_common_filters([*groups, *current().registry.states], "到哪一步：一个状态，或一组状态"),
        _parameter("month", {"type": "integer", "minimum": 1, "maximum": 12}, "月；要同时给年"),
        _parameter("date", {"type": "string", "enum": [name for name, _ in DATES]}, "年月按哪个日期算，默认是提出"),
    ]


def _paging() -> list[dict[str, Any]]:
    limit = {"type": "integer", "minimum": 1, "maximum": API_LIMIT_MAXIMUM, "default": API_LIMIT}
    return [
        _parameter("limit", limit, "一页几件"),
        _parameter("cursor", _TEXT, "上一页的 next，原样带回"),
    ]


def _parameter(
    name: str, schema: dict[str, Any], description: str, *, required: bool = False, place: str = "query"
) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": required or place == "path",
        "description": description,
        "schema": schema,
    }


def _get(operation: str, summary: str, parameters: list[dict[str, Any]], answer: str, refusal: int) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": _response(summary, _reference(answer)),
                str(refusal): _response("没有办成，message 说明怎么改", _reference("Error")),
            },
        }
    }


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _search_page() -> dict[str, Any]:
    narrowing = _object({"value": {**_TEXT, "description": "同名参数的值"}, "label": _TEXT, "count": _COUNT})
    facets = _object({name: _list_of(narrowing) for name in SEARCH_FACETS})
    count = {"type": ["integer", "null"], "minimum": 0}
    return {
        "items": _list_of(_reference("Match")),
        "next": _TEXT_OR_NULL,
        "total": {**count, "description": "一共几件；degraded 的时候不知道，是 null"},
        "whole": {**count, "description": "其中写到了全部的词的"},
        "degraded": {"type": "boolean", "description": "索引暂时用不了：逐字查的，按时间排"},
        "also_searched": {**_list_of(_TEXT), "description": "同时查了什么，如繁体的简体"},
        "guessed": {**_list_of(_TEXT), "description": "拼音或别字当成了哪些词"},
        "facets": {
            **facets,
            "type": ["object", "null"],
            "description": "还能缩小到哪里，各有几件；只在第一页，单位和类别一次往下一级",
        },
    }


def _schemas() -> dict[str, Any]:
    item = {
        "number": _TEXT,
        "source_number": {**_TEXT_OR_NULL, "description": "原台账里的编号"},
        "title": _TEXT,
        "state": {**_TEXT, "description": "状态的名称，如 handling、struck_off；插件可以增加状态"},
        "kind": {"type": "string", "enum": [name for name, _ in ISSUE_KINDS]},
        "unit": {**_TEXT, "description": "登记单位的名称"},
        "category": {**_TEXT_OR_NULL, "description": "从一级起的完整名称，中间用 / 隔开"},
        "place": _TEXT_OR_NULL,
        "raised_at": _MOMENT,
        "resolved_at": _MOMENT_OR_NULL,
        "struck_off_at": {**_MOMENT_OR_NULL, "description": "居民验收后销号的时刻"},
        "updated_at": _MOMENT,
        "url": {"type": "string", "format": "uri"},
    }
    entry = {"at": _MOMENT, "type": _TEXT, "text": _TEXT_OR_NULL}
    photo = {
        "url": {"type": "string", "format": "uri"},
        "caption": _TEXT_OR_NULL,
        "stage": {**_TEXT_OR_NULL, "description": "before 是修之前，after 是修好后"},
        "width": _COUNT,
        "height": _COUNT,
    }
    whole = {
        **item,
        "text": _TEXT,
        "measures": _TEXT_OR_NULL,
        "outcome": _TEXT_OR_NULL,
        "collective": {"type": "boolean"},
        "responsible_unit": _TEXT,
        "raised_precision": {"type": "string", "description": "raised_at 精确到哪里；只有日期的是 day"},
        "listed_at": _MOMENT_OR_NULL,
        "deadline": _MOMENT_OR_NULL,
        "round": {**_COUNT, "description": "第几次办理"},
        "raisers": {**_COUNT, "description": "几个人反映"},
        "ratings": {"type": "object", "additionalProperties": _COUNT},
        "timeline": _list_of(_object(entry)),
        "photos": _list_of(_object(photo)),
    }
    return {
        "Item": _object(item),
        "IssuePage": _object({"items": _list_of(_reference("Item")), "next": _TEXT_OR_NULL}),
        "Match": _object({**item, "partial": {"type": "boolean", "description": "只写到一部分的词"}}),
        "SearchPage": _object(_search_page()),
        "Suggestions": _object({"items": _list_of(_TEXT)}),
        "Issue": _object(whole),
        "Error": _object({"error": _object({"code": _TEXT, "message": _TEXT})}),
    }
