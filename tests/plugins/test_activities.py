"""夜间活动: a kind that a plugin or yetan.toml declares has pages, rights, search, figures and Excel by itself."""

from __future__ import annotations

from typing import Any

import pytest

from yetan.testing import Town

FILM = {"label": "夜间电影", "counted_in": "场", "asks": ["venue", "stated_residents", "summary"]}
EVENING = {
    "title": "广场放映《小城故事》",
    "date": "2026-05-10",
    "starts_at": "19:30",
    "place": "村口广场",
    "venue": "广场",
    "stated_residents": "46",
    "summary": "放了一部电影，散场以后大家留下来说路灯的事。",
}


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("activities", "meetings"), "plugin": {"activities": {"kinds": {"film": FILM}}}}


def test_a_kind_of_a_towns_own_is_planned_published_and_counted(town: Town) -> None:
    """A sixth form stands in yetan.toml alone: form, page before the public, figure by month."""
    village = town.browser("village")
    answer = village.submit("/desk/records/film/new", {"unit": str(town.units["village"]), **EVENING})
    assert answer.status_code == 303, answer.text
    sheet = village.get(answer.headers["location"])
    assert "广场放映《小城故事》" in sheet.text
    published = village.submit(answer.headers["location"] + "/publish", {"version": "1"})
    assert published.status_code == 303
    town.run_worker()
    public = town.browser().get("/records/film")
    assert "广场放映《小城故事》" in public.text


def test_an_evening_of_one_kind_is_none_of_another(town: Town) -> None:
    """Kinds share a table: under the address of another kind there is no such record."""
    village = town.browser("village")
    answer = village.submit("/desk/records/film/new", {"unit": str(town.units["village"]), **EVENING})
    other = answer.headers["location"].replace("/film/", "/open_talk/")
    assert village.get(other).status_code == 404
    assert village.submit(other + "/publish", {"version": "1"}).status_code == 404
    assert "小城故事" not in village.get("/desk/records/open_talk").text
