"""The smallest useful plugin: what a kind of record becomes, as officials and residents meet it."""

from __future__ import annotations

import ast
import io
import re
import secrets
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from PIL import Image
from tests.databases import ONE_DATABASE

from yetan.act import SYSTEM, Act
from yetan.db.statements import fetch
from yetan.health.board import figures, records
from yetan.health.repairs import repair
from yetan.publication.models import Publication
from yetan.records.models import PublicRecord
from yetan.records.service import keep
from yetan.rules.service import set_value
from yetan.runtime import current
from yetan.statistics.service import values
from yetan.testing import Town
from yetan.testing.town import UNITS
from yetan.units.service import load_units
from yetan.units.table import UnitRow

PACKAGE = Path(__file__).parents[2] / "docs" / "examples" / "weekend_clinics" / "yetan_clinics"
CLINIC = {
    "title": "樟树下的义诊",
    "date": "2026-05-09",
    "place": "文化广场",
    "doctors": "骨科 沈静\n问诊请打 13911112222",
    "seen": "46",
    "contact": "13800001234",
}
LIST, DESK = "/records/clinic", "/desk/records/clinic"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("clinics", "whoosh"), "search": "whoosh"}


def kept(town: Town, by: str = "village", **other: Any) -> Any:
    """A clinic written down in the village by one of its officials."""

    async def go() -> Any:
        return await keep(await town.act(by), "clinic", {**CLINIC, "unit": town.units["village"], **other})

    return town.do(go)


def publish(town: Town, row: Any, by: str = "clerk", version: int = 1) -> Any:
    return town.browser(by).submit(f"{DESK}/{row.id}/publish", {"version": version, "_key": secrets.token_hex(16)})


def test_photos_of_one_are_seen_with_it(town: Town) -> None:
    row = kept(town)
    sent = io.BytesIO()
    Image.new("RGB", (40, 30)).save(sent, "PNG")
    photos = {"photos": ("a.png", sent.getvalue(), "image/png")}
    official, resident = town.browser("village"), town.browser()
    given = {"caption": "樟树下。摄影：陈小满", "_key": secrets.token_hex(16)}
    assert official.submit(f"{DESK}/{row.id}/photos", given, files=photos).status_code == 303
    (source,) = re.findall(r'src="(/files/[^"]+)"', official.get(f"{DESK}/{row.id}").text)
    assert [who.get(source).status_code for who in (official, resident)] == [200, 404]
    publish(town, row, version=2)
    page = resident.get(f"{LIST}/{row.id}").text
    assert "摄影：陈小满" in page
    (shown,) = re.findall(r'src="(/photos/[^"]+)"', page)
    assert resident.get(shown).status_code == 200


def test_it_takes_at_most_fifty_lines_of_python() -> None:
    lines = 0
    for path in (PACKAGE / name for name in ("__init__.py", "models.py", "hooks.py")):
        source = path.read_text(encoding="utf-8")
        said = {
            line
            for node in ast.walk(ast.parse(source))
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
            for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
        }
        lines += sum(bool(line.strip()) for number, line in enumerate(source.splitlines(), 1) if number not in said)
    assert lines <= 50


def test_an_official_writes_one_down_and_a_resident_reads_it_once_it_is_published(town: Town) -> None:
    official, resident = town.browser("village"), town.browser()
    assert "登记周末义诊" in official.get(f"{DESK}/new").text
    answer = official.submit(f"{DESK}/new", {**CLINIC, "unit": town.units["village"], "_key": "k" * 20})
    assert answer.status_code == 303
    record = town.browser("village").get(answer.headers["location"])
    assert "没有公开" in record.text
    assert "樟树下的义诊" in official.get(DESK).text
    assert "樟树下的义诊" not in resident.get(LIST).text

    row = town.run(current_rows())[0]
    assert publish(town, row).status_code == 303
    assert "樟树下的义诊" in resident.get(LIST).text
    page = resident.get(f"{LIST}/{row.id}").text
    assert "骨科 沈静" in page
    assert "5月9日" in page
    assert "文化广场" in page
    assert "13911112222" not in page
    assert "13800001234" not in page
    assert "联系电话" not in page


async def current_rows() -> list[Any]:
    return list(await current().registry.record_kinds["clinic"].model.all())


@ONE_DATABASE
def test_what_was_typed_stays_where_something_is_wrong(town: Town) -> None:
    typed = {**CLINIC, "date": "星期六", "unit": town.units["village"], "_key": "k" * 20}
    answer = town.browser("village").submit(f"{DESK}/new", typed)
    assert answer.status_code == 422
    assert "樟树下的义诊" in answer.text
    assert "不是一个有效的日期" in answer.text


def test_of_two_who_change_one_at_once_the_second_is_told_and_keeps_the_words(town: Town) -> None:
    row = kept(town)
    first = town.browser("village").submit(
        f"{DESK}/{row.id}", {**CLINIC, "title": "第一个人改的", "version": 1, "_key": "a" * 20}
    )
    second = town.browser("deputy").submit(
        f"{DESK}/{row.id}", {**CLINIC, "title": "第二个人改的", "version": 1, "_key": "b" * 20}
    )
    assert (first.status_code, second.status_code) == (303, 409)
    assert "第一个人改的" in second.text
    assert "第二个人改的" in second.text


@ONE_DATABASE
def test_a_form_that_no_page_drew_is_refused(town: Town) -> None:
    row = kept(town)
    for path, typed in ((f"{DESK}/{row.id}", CLINIC), (f"{DESK}/{row.id}/publish", {})):
        sent = {**typed, "version": "x", "_key": secrets.token_hex(16)}
        assert town.browser("village").submit(path, sent).status_code == 400


@ONE_DATABASE
def test_residents_read_what_was_published_until_it_is_published_again(town: Town) -> None:
    row = kept(town)
    publish(town, row)
    changed = {**CLINIC, "place": "村委会二楼", "version": 1, "_key": "a" * 20}
    town.browser("village").submit(f"{DESK}/{row.id}", changed)
    resident = town.browser()
    assert "文化广场" in resident.get(f"{LIST}/{row.id}").text
    assert "居民看到的还是改以前的内容" in town.browser("clerk").get(f"{DESK}/{row.id}").text
    assert publish(town, row, version=1).status_code == 409
    assert publish(town, row, version=2).status_code == 303
    assert "村委会二楼" in resident.get(f"{LIST}/{row.id}").text


@ONE_DATABASE
def test_one_taken_down_is_gone_at_once_from_list_page_search_and_figures(town: Town) -> None:
    row = kept(town)
    publish(town, row)
    town.run_worker()
    resident, clerk = town.browser(), town.browser("clerk")
    assert "樟树下的义诊" in resident.get(LIST, params={"q": "樟树"}).text
    reasonless = clerk.submit(f"{DESK}/{row.id}/withdraw", {"reason": "", "_key": "a" * 20})
    assert reasonless.status_code == 422
    taken = clerk.submit(f"{DESK}/{row.id}/withdraw", {"reason": "改期了", "_key": "b" * 20})
    assert taken.status_code == 303
    assert resident.get(f"{LIST}/{row.id}").status_code == 404
    assert "樟树下的义诊" not in resident.get(LIST).text
    assert "樟树下的义诊" not in resident.get(LIST, params={"q": "樟树"}).text
    assert town.run(values(town.units["county"]))["clinic.count"] == 0


@ONE_DATABASE
def test_it_is_found_by_its_words_on_the_desk_by_those_above_its_unit_alone(town: Town) -> None:
    kept(town)
    town.run_worker()
    found = {
        who: "樟树下的义诊" in town.browser(who).get(DESK, params={"q": "骨科"}).text
        for who in ("village", "clerk", "leader", "other", "elsewhere")
    }
    assert found == {"village": True, "clerk": True, "leader": True, "other": False, "elsewhere": False}


def test_figures_count_for_its_unit_and_all_above_by_the_month_of_its_date(town: Town) -> None:
    for number, seen in enumerate(("46", "4")):
        publish(town, kept(town, title=f"第{number}场", seen=seen))
    publish(town, kept(town, title="六月的", date="2026-06-06", seen=""))
    kept(town, title="没有公开的")
    counted = {
        (unit, period): tuple(
            town.run(values(town.units[unit], period))[f"clinic.{name}"] for name in ("count", "seen")
        )
        for unit, period in (("village", "2026-05"), ("county", "2026-05"), ("county", ""), ("other", ""))
    }
    assert counted == {
        ("village", "2026-05"): (2, 50),
        ("county", "2026-05"): (2, 50),
        ("county", ""): (3, 50),
        ("other", ""): (0, 0),
    }
    assert "义诊看病" in town.browser().get("/figures").text


@ONE_DATABASE
def test_the_sheet_has_what_the_actors_units_keep_and_taking_it_is_recorded(town: Town) -> None:
    kept(town, title="=1+1")
    answer = town.browser("clerk").get(f"{DESK}/export")
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["单位", "主题", "日期", "地点", "坐诊医生", "看了多少人", "联系电话"],
        ["溪尾村", "=1+1", sheet["C2"].value, "文化广场", CLINIC["doctors"], 46, "13800001234"],
    ]
    assert load_workbook(io.BytesIO(town.browser("elsewhere").get(f"{DESK}/export").content)).active.max_row == 1
    asked = "SELECT subject FROM yetan_audit_record WHERE action = 'desk.clinic.export' ORDER BY id"
    assert [row["subject"] for row in town.run(fetch(asked))] == ["clinic: 1", "clinic: 0"]


@ONE_DATABASE
def test_those_without_the_right_can_neither_write_nor_publish(town: Town) -> None:
    row = kept(town)
    form = {**CLINIC, "unit": town.units["village"], "_key": "a" * 20}
    assert town.browser("leader").submit(f"{DESK}/new", form).status_code == 403
    assert town.browser("clerk").submit(f"{DESK}/new", {**form, "unit": town.units["other"]}).status_code == 422
    assert publish(town, row, by="leader").status_code == 403
    assert town.browser("other").get(f"{DESK}/{row.id}").status_code == 404
    assert town.browser().get(DESK).status_code == 303


def test_a_list_goes_on_where_it_ended_without_leaving_one_out(town: Town) -> None:
    for number in range(25):
        publish(town, kept(town, title=f"第{number:02}场", date=f"2026-05-{1 + number // 3:02}"))
    resident, seen, path = town.browser(), "", LIST
    while path:
        text = resident.get(path).text
        seen += text
        path = text.partition('href="/records/clinic?before=')[2].partition('"')[0]
        path = f"{LIST}?before={path}" if path else ""
    assert [seen.count(f"第{number:02}场") for number in range(25)] == [1] * 25


@ONE_DATABASE
def test_a_unit_that_moves_takes_its_records_along(town: Town) -> None:
    publish(town, kept(town))
    town.run_worker()

    async def move() -> None:
        rows = [
            UnitRow(number, code, name, kind, "elsewhere" if code == "village" else parent)
            for number, (code, name, kind, parent) in enumerate(UNITS, start=2)
        ]
        await load_units(Act(SYSTEM, town.clock()), rows)

    town.do(move)
    town.run_worker()
    counted = [town.run(values(town.units[unit]))["clinic.count"] for unit in ("township", "elsewhere", "county")]
    assert counted == [0, 1, 1]
    found = ["樟树下的义诊" in town.browser(who).get(DESK, params={"q": "骨科"}).text for who in ("clerk", "elsewhere")]
    assert found == [False, True]


def test_damage_to_what_is_shown_and_counted_is_found_and_mended(town: Town) -> None:
    row = kept(town)
    publish(town, row)

    async def damage() -> tuple[bool, bool]:
        await PublicRecord.filter(record_id=row.id).update(face={"title": "别的"})
        await fetch("UPDATE yetan_counter SET value = value + 1 WHERE metric = 'clinic.seen'")
        return (await records()).ok, (await figures()).ok

    async def mend() -> tuple[bool, bool, str]:
        await repair(current(), lambda line: None)
        shown = await PublicRecord.get(record_id=row.id)
        return (await records()).ok, (await figures()).ok, shown.face["title"]

    assert town.do(damage) == (False, False)
    assert town.do(mend) == (True, True, "樟树下的义诊")


@ONE_DATABASE
def test_a_town_with_a_second_reader_has_another_one_publish(town: Town) -> None:
    row = kept(town, by="village")

    async def second_reader() -> None:
        act = await town.act("administrator")
        await set_value(act, "publication.second_reader", town.units["city"], True, date(2026, 1, 1))

    town.do(second_reader)
    assert publish(town, row, by="village").status_code == 409
    assert publish(town, row, by="deputy").status_code == 303
    assert town.run(Publication.get(subject_kind="clinic", subject_id=row.id)).approved_by_id is not None
