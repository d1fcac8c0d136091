"""A practice beyond a record: days that residents book, as officials and residents meet them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from yetan.files.models import Attachment
from yetan.plugins.record import record_enabled
from yetan.plugins.removal import drop_tables
from yetan.publication.models import Publication
from yetan.records.models import PublicRecord
from yetan.runtime import current
from yetan.statistics.models import Counter
from yetan.testing import Town

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
DAY = {"title": "五月理发日", "date": "2026-05-20", "place": "村部", "places": "2", "contact": "13800001234"}
DESK = "/desk/records/haircut_day"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("haircuts",)}


def send(town: Town, who: str, path: str, **values: Any) -> Any:
    return town.browser(who).submit(path, {"_key": secrets.token_hex(16), **values})


def announce(town: Town) -> None:
    """A day of two places that residents can read of."""
    made = send(town, "village", f"{DESK}/new", unit=town.units["village"], **DAY)
    assert send(town, "clerk", f"{made.headers['location']}/publish", version=1).status_code == 303


def book(town: Town, phone: str = "13900000001", age: int = 71, **more: Any) -> Any:
    return send(town, "", "/haircuts/1", name="吴老伯", age=age, phone=phone, **more)


def test_a_published_day_leads_residents_to_its_form_and_tells_what_is_left(town: Town) -> None:
    made = send(town, "village", f"{DESK}/new", unit=town.units["village"], **DAY)
    assert town.browser().get("/haircuts/1").status_code == 404
    send(town, "clerk", f"{made.headers['location']}/publish", version=1)
    page = town.browser().get("/records/haircut_day/1").text
    assert "还有 2 个名额" in page
    assert 'href="/haircuts/1"' in page
    assert "第 1 号" in book(town).text
    assert "还有 1 个名额" in town.browser().get("/records/haircut_day/1").text


def test_what_is_wrong_comes_back_with_what_was_typed_and_a_double_click_books_once(town: Town) -> None:
    announce(town)
    young = book(town, age=59)
    assert young.status_code == 422
    assert "60 岁以上" in young.text
    assert "吴老伯" in young.text
    key = secrets.token_hex(16)
    assert [book(town, _key=key).status_code, book(town, _key=key).status_code] == [200, 200]
    twice = book(town)
    assert twice.status_code == 409
    assert "已经约过" in twice.text
    assert "吴老伯" in twice.text
    assert "第 2 号" in book(town, "13900000002").text
    assert "约满了" in book(town, "13900000003").text
    assert "约满了" in town.browser().get("/records/haircut_day/1").text


def test_who_has_booked_keeps_the_place_when_the_day_is_changed(town: Town) -> None:
    announce(town)
    for phone in ("13900000001", "13900000002"):
        book(town, phone)
    fewer = send(town, "village", f"{DESK}/1", **{**DAY, "places": "1"}, version=1)
    assert fewer.status_code == 422
    assert "名额不能比约了的人少" in fewer.text
    assert send(town, "village", f"{DESK}/1", **{**DAY, "places": "3"}, version=1).status_code == 303
    # What residents read stays as it was reviewed, and so does what they can book.
    assert "约满了" in book(town, "13900000003").text


def test_who_came_is_said_on_the_desk_from_that_day_on(town: Town) -> None:
    announce(town)
    book(town)
    page = town.browser("village").get(f"{DESK}/1").text
    assert "吴老伯" in page
    assert "吴老伯" not in town.browser("leader").get(f"{DESK}/1").text
    assert send(town, "village", "/desk/haircuts/bookings/1", served="1").status_code == 409
    town.clock.forward(days=14)
    assert send(town, "other", "/desk/haircuts/bookings/1", served="1").status_code == 404
    assert send(town, "village", "/desk/haircuts/bookings/1", served="0").status_code == 303
    assert "没来</td>" in town.browser("village").get(f"{DESK}/1").text
    town.clock.forward(days=1)
    assert town.browser().get("/haircuts/1").status_code == 404


def test_who_books_without_end_is_told_to_wait(town: Town) -> None:
    announce(town)
    answers = [book(town, age=59).status_code for _ in range(21)]
    assert answers[-2:] == [422, 429]


def test_taking_leave_for_good_takes_along_what_residents_read_and_what_was_counted(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a new record of the same number, once the plugin is back, would stand before the public unseen."""
    announce(town)
    town.make_row(Attachment, subject_kind="haircut_day", public=True)

    async def left() -> list[int]:
        counted = Counter.filter(metric="haircut_day.count")
        return [await rows.count() for rows in (PublicRecord.all(), Publication.all(), Attachment.all(), counted)]

    async def leave() -> None:
        city = current()
        await record_enabled(city.registry, town.clock())
        monkeypatch.setattr(city, "configuration", replace(city.configuration, plugins=()))
        await drop_tables(await town.act(), "haircuts")

    assert all(town.do(left))
    town.do(leave)
    assert town.do(left) == [0, 0, 0, 0]
