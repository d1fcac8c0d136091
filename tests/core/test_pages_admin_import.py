"""Ledgers from the browser: looked at first, written whole or not at all, kept no longer than needed (C25, C29)."""

from __future__ import annotations

import asyncio
import io
import re
import time
import zipfile
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from openpyxl import load_workbook
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.files.uploads import forget_old
from yetan.issues.models import Issue
from yetan.publication.models import PublicIssue
from yetan.spreadsheets import SpreadsheetError, write_csv, write_xlsx
from yetan.spreadsheets.apart import read_table_apart
from yetan.testing import Browser, Town
from yetan.units.models import Unit

T = TypeVar("T")
HEADINGS = ("留言编号", "留言主题", "留言详情", "留言时间", "答复意见", "答复时间", "单位", "天气")
GOOD = ("A1", "路灯不亮", "村口路灯坏了。", "2026-03-01 08:00:00", "已经换好。", "2026-03-05 09:00:00", "", "晴")
SECOND = ("A2", "桥面破了", "老桥破了个洞，陈先生 13800004321。", "2026-03-02 08:00:00", "", "", "溪尾村", "")
BAD = ("A3", "路面积水", "下雨积水。", "2026-03-03", "", "", "没有的村", "")
UNDATED = ("A4", "井盖没了", "井盖没了。", "二月三十", "", "", "", "")


def ask(town: Town, query: Awaitable[T]) -> T:
    """What a query or a coroutine gives in the running town."""

    async def go() -> T:
        return await query

    return town.do(go)


def uploads(town: Town) -> list[Path]:
    return sorted((town.folder / "var" / "imports").glob("*"))


def upload(
    town: Town, browser: Browser, content: bytes, unit: str = "city", *, name: str = "台账.xlsx", **more: str
) -> Any:
    return browser.submit(
        "/admin/import", {"unit": town.units[unit], **more}, files={"file": (name, io.BytesIO(content))}
    )


def second_row(content: bytes) -> list[Any]:
    """The cells of the row under the headings of an XLSX."""
    sheet: Any = load_workbook(io.BytesIO(content)).active
    return [cell.value for cell in list(sheet.rows)[1]]


@BOTH_DATABASES
def test_all_is_well(town: Town) -> None:
    admin = town.browser("administrator")
    answer = upload(town, admin, write_xlsx(HEADINGS, [GOOD, SECOND]))
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    page = admin.get(path).text
    assert "要写入2件" in page
    assert "留言主题" in page
    assert "天气" in page
    assert 'value="all"' in page
    assert 'value="skip"' not in page
    assert ask(town, Issue.all().count()) == 0
    assert admin.submit(path, {"way": "all"}).headers["location"] == path
    assert "写好了" in admin.get(path).text
    first = ask(town, Issue.get(source_number="A1"))
    assert (first.state, first.historical, first.extra["天气"]) == ("resolved", True, "晴")
    assert ask(town, Issue.get(source_number="A2")).unit_id == town.units["village"]
    assert ask(town, PublicIssue.all().count()) == 0
    assert [file.name for folder in uploads(town) for file in folder.iterdir()] == ["about.json"]
    # A second click, and the same ledger again, add nothing.
    assert admin.submit(path, {"way": "all"}).status_code == 303
    again = admin.get(upload(town, admin, write_xlsx(HEADINGS, [GOOD, SECOND])).headers["location"]).text
    assert "已经在库里的2件" in again
    assert "没有新的行可以写入" in again
    assert ask(town, Issue.all().count()) == 2


def test_a_bad_row_and_nothing_is_written(town: Town) -> None:
    """C29"""
    admin = town.browser("administrator")
    path = upload(town, admin, write_xlsx(HEADINGS, [GOOD, SECOND, BAD, UNDATED])).headers["location"]
    page = admin.get(path).text
    assert "不能导入的2行" in page
    assert "没有的村" in page
    assert "二月三十" in page
    assert 'value="all"' not in page
    refused = admin.submit(path, {"way": "all"})
    assert refused.status_code == 409
    assert "什么都没有写入" in refused.text
    assert ask(town, Issue.all().count()) == 0
    assert second_row(admin.get(f"{path}/refused.xlsx").content)[0] == "A3"
    assert admin.submit(path, {"way": "skip"}).status_code == 303
    assert {issue.source_number for issue in ask(town, Issue.all())} == {"A1", "A2"}
    report = admin.get(path).text
    assert "下载没有导入的行" in report
    kept = admin.get(f"{path}/refused.xlsx")
    assert "没有这个单位" in second_row(kept.content)[-1]
    assert "UTF-8''%E6%9C%AA" in kept.headers["content-disposition"]
    assert admin.submit(f"{path}/discard").headers["location"] == "/admin/import"
    assert uploads(town) == []
    assert admin.get(path).status_code == 404


@BOTH_DATABASES
def test_publishing_at_once_masks_and_needs_the_right(town: Town) -> None:
    clerk = town.browser("clerk")
    path = upload(town, clerk, write_xlsx(HEADINGS, [(*GOOD[:6], "", ""), SECOND]), "township").headers["location"]
    assert 'name="publish"' in clerk.get(path).text
    assert clerk.submit(path, {"way": "all", "publish": "1"}).status_code == 303
    shown = ask(town, PublicIssue.get(source_number="A2"))
    assert "13800004321" not in shown.text
    admin = town.browser("administrator")
    other = ("B1", *GOOD[1:])
    path = upload(town, admin, write_xlsx(HEADINGS, [other])).headers["location"]
    assert 'name="publish"' not in admin.get(path).text
    forced = admin.submit(path, {"way": "all", "publish": "1"})
    assert forced.status_code == 403
    assert ask(town, Issue.filter(source_number="B1").count()) == 0
    # What was refused can still be written without it.
    assert admin.submit(path, {"way": "all"}).status_code == 303
    assert ask(town, Issue.filter(source_number="B1").count()) == 1


def test_a_clerk_imports_into_their_own_township_alone(town: Town) -> None:
    """C45"""
    clerk = town.browser("clerk")
    outside = upload(town, clerk, write_xlsx(HEADINGS, [GOOD]), "elsewhere")
    assert outside.status_code == 422
    path = upload(town, clerk, write_xlsx(HEADINGS, [GOOD, ("A9", *GOOD[1:6], "樟林村", "")]), "township").headers[
        "location"
    ]
    assert "管不到这个单位" in clerk.get(path).text
    assert clerk.submit(path, {"way": "skip"}).status_code == 303
    assert ask(town, Issue.filter(unit_id=town.units["other"]).count()) == 0
    assert ask(town, Issue.all().count()) == 1


def test_an_upload_is_its_owner_s_alone(town: Town) -> None:
    clerk, admin = town.browser("clerk"), town.browser("administrator")
    path = upload(town, clerk, write_xlsx(HEADINGS, [GOOD]), "township").headers["location"]
    for answer in (
        admin.get(path),
        admin.get(f"{path}/refused.xlsx"),
        admin.submit(path, {"way": "all"}),
        admin.submit(f"{path}/discard"),
    ):
        assert answer.status_code == 404
    assert clerk.get(path).status_code == 200
    assert town.browser("village").get(path).status_code == 403
    for token in ("x" * 43, "%2e%2e%5c", "a" * 44):
        assert clerk.get(f"/admin/import/{token}").status_code == 404


def test_what_is_no_ledger_is_refused_in_words(town: Town) -> None:
    admin = town.browser("administrator")
    for content, says in (
        (b"%PDF-1.7 not a table", "PDF"),
        (b"", "空的"),
        (write_csv(("天气", "心情"), [("晴", "好")]), "没有找到这些列"),
        (b"PK\x03\x04 broken", "损坏"),
    ):
        answer = upload(town, admin, content, source="一本台账𠮷", mapping='"流水" = "source_number"')
        assert answer.status_code == 422
        assert says in answer.text
        assert 'value="一本台账𠮷"' in answer.text
        assert "&#34;流水&#34;" in answer.text
        assert uploads(town) == []


def test_a_missing_file_and_a_wrong_mapping_are_named(town: Town) -> None:
    admin = town.browser("administrator")
    assert "请选一个文件" in admin.submit("/admin/import", {"unit": town.units["city"]}).text
    wrong = upload(town, admin, write_xlsx(HEADINGS, [GOOD]), mapping='"流水" = "nothing"')
    assert wrong.status_code == 422
    assert "这些字段不存在" in wrong.text


def test_a_town_s_own_headings_are_mapped(town: Town) -> None:
    admin = town.browser("administrator")
    sheet = write_csv(("工单流水", "讲什么", "留言时间"), [("W1", "路灯不亮", "2026-03-01")])
    mapping = '"工单流水" = "source_number"\n"讲什么" = "title"'
    path = upload(town, admin, sheet, name="台账.csv", mapping=mapping, source="网格").headers["location"]
    assert admin.submit(path, {"way": "all"}).status_code == 303
    assert ask(town, Issue.get(source="网格", source_number="W1")).title == "路灯不亮"


def test_what_nobody_confirms_goes_after_a_day(town: Town) -> None:
    admin = town.browser("administrator")
    upload(town, admin, write_xlsx(HEADINGS, [GOOD]))
    assert len(uploads(town)) == 1
    written = uploads(town)[0].stat().st_mtime
    town.clock.now += timedelta(seconds=written - town.clock.now.timestamp())

    async def forget() -> int:
        return forget_old(town.clock.now + timedelta(hours=23)) * 10 + forget_old(town.clock.now + timedelta(hours=25))

    assert town.do(forget) == 1
    assert uploads(town) == []


# Reading apart


def bomb() -> bytes:
    """An XLSX of a few dozen kilobytes that unpacks to 20 MB."""
    packed = io.BytesIO()
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>1</v></c></row>' for n in range(1, 430_000))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        whole = write_xlsx(("编号", "标题"), [("1", "灯")])
        with zipfile.ZipFile(io.BytesIO(whole)) as made:
            for name in made.namelist():
                body = made.read(name)
                if name.endswith("sheet1.xml"):
                    before, after = re.split(rb"(?<=<sheetData>).*(?=</sheetData>)", body, flags=re.S)
                    body = before + rows.encode() + after
                archive.writestr(name, body)
    return packed.getvalue()


def test_a_bomb_is_refused_while_the_loop_keeps_turning(town: Town) -> None:
    """C25: 4xx, and whoever else is there notices nothing."""
    admin = town.browser("administrator")
    content = bomb()
    assert len(content) < 4 * 1024 * 1024
    started = time.monotonic()
    answer = upload(town, admin, content)
    assert answer.status_code == 422
    assert "展开后" in answer.text
    assert time.monotonic() - started < 20
    assert uploads(town) == []


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """The time is the child's, and the loop of the server turns meanwhile."""
    file = tmp_path / "table"
    file.write_bytes(write_csv(("编号", "标题"), [(str(n), "灯" * 50) for n in range(40_000)]))

    async def go() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        turning = asyncio.create_task(turn())
        with pytest.raises(SpreadsheetError, match="读不完"):
            await read_table_apart(file, filename="台账.csv", seconds=0.2)
        turning.cancel()
        read = await read_table_apart(file, filename="台账.csv")
        assert len(read.rows) == 40_000
        return turns

    assert asyncio.run(go()) > 5


def test_a_reader_that_dies_is_told_as_a_file_that_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table"
    file.write_bytes(write_csv(("编号", "标题"), [("1", "灯")]))
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(SpreadsheetError, match="读不完"):
        asyncio.run(read_table_apart(file, filename="台账.csv"))


# Units and categories by table


UNIT_HEADINGS = ("编码", "名称", "类型", "上级编码")


def test_units_are_looked_at_before_they_are_loaded(town: Town) -> None:
    admin = town.browser("administrator")
    sheet = write_xlsx(UNIT_HEADINGS, [("new", "新桥村", "村", "township"), ("village", "溪尾新村", "村", "township")])
    answer = admin.submit("/admin/units/import", files={"file": ("单位.xlsx", io.BytesIO(sheet))})
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    page = admin.get(path).text
    assert "新增1个，改动1个" in page
    assert "新桥村" in page
    assert ask(town, Unit.filter(code="new").count()) == 0
    assert admin.submit(path).status_code == 303
    assert ask(town, Unit.get(code="new")).parent_id == town.units["township"]
    assert ask(town, Unit.get(code="village")).name == "溪尾新村"
    assert [file.name for folder in uploads(town) for file in folder.iterdir()] == ["about.json"]
    assert admin.submit(path).status_code == 303, "loaded already"
    assert ask(town, Unit.filter(code="new").count()) == 1


def test_a_wrong_table_of_units_changes_nothing(town: Town) -> None:
    admin = town.browser("administrator")
    sheet = write_csv(UNIT_HEADINGS, [("new", "新桥村", "庄园", "nowhere"), ("new", "又一个", "村", "township")])
    path = admin.submit("/admin/units/import", files={"file": ("单位.csv", io.BytesIO(sheet))}).headers["location"]
    page = admin.get(path).text
    assert "没有这种单位类型" in page
    assert "编码与第" in page
    assert 'action="' + path not in page
    assert admin.submit(path).headers["location"] == path
    assert ask(town, Unit.filter(code="new").count()) == 0


def test_a_list_of_categories_adds_what_is_missing(town: Town) -> None:
    admin = town.browser("administrator")
    sheet = write_csv(("一级分类", "二级分类", "三级分类"), [("城乡建设", "市政设施", "路灯"), ("", "", "井盖")])
    answer = admin.submit("/admin/categories", files={"file": ("类别.csv", io.BytesIO(sheet))})
    assert answer.status_code == 303, answer.text
    middle = re.search(r"under=(\d+)", admin.get("/admin/categories").text)
    assert middle is not None
    wrong = admin.submit("/admin/categories", files={"file": ("类别.csv", io.BytesIO(b"%PDF"))})
    assert wrong.status_code == 422
    assert "PDF" in wrong.text
    assert uploads(town) == []
