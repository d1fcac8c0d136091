"""The kinds of night activities that the how-to shows: one in yetan.toml, one in a few lines of a plugin."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from yetan.testing import Town

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "film_nights"


@pytest.fixture
def town_options() -> dict[str, Any]:
    told = tomllib.loads((FOLDER / "yetan.toml").read_text(encoding="utf-8"))
    return {"plugins": (*told["plugins"], "films"), "plugin": told["plugin"]}


@pytest.mark.parametrize(("kind", "label"), [("night_council", "夜议会"), ("film", "露天电影")])
def test_a_kind_is_planned_published_and_found_everywhere(town: Town, kind: str, label: str) -> None:
    village = town.browser("village")
    evening = {"title": "灯下坐坐", "date": "2026-05-10", "starts_at": "19:30", "place": "晒谷场"}
    answer = village.submit(f"/desk/records/{kind}/new", {"unit": str(town.units["village"]), **evening})
    assert answer.status_code == 303, answer.text
    sheet = answer.headers["location"]
    assert village.submit(sheet + "/publish", {"version": "1"}).status_code == 303
    assert village.get(f"/desk/activities/{sheet.rpartition('/')[2]}/evening").status_code == 200
    public = sheet.removeprefix("/desk")
    resident = town.browser()
    assert label in resident.get(public).text
    for place in ("/activities", f"/activities?kind={kind}", "/units/village"):
        assert public in resident.get(place).text, place
    assert f"{label}：灯下坐坐" in resident.get("/activities/calendar.ics?unit=village").text
