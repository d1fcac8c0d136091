"""Reading a town's ledger: every row goes in or is refused with all its reasons."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yetan.issues.categories import CATEGORY_COLUMNS, parse_categories
from yetan.issues.fingerprint import fingerprint_of
from yetan.issues.ledger import (
    LEDGER_COLUMNS,
    REASON_HEADING,
    Ledger,
    ledger_columns,
    parse_ledger,
    read_mapping,
    read_mapping_file,
    refused_table,
)
from yetan.spreadsheets import Cell, SpreadsheetError, Table, read_table, write_csv, write_xlsx

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
HEADINGS = ("留言编号", "留言用户", "留言主题", "留言时间", "留言详情", "答复意见", "答复时间")


def parse(content: bytes, mapping: Mapping[str, str] | None = None) -> Ledger:
    columns = ledger_columns(mapping)
    table = read_table(io.BytesIO(content), filename="台账.xlsx", columns=columns)
    return parse_ledger(table, columns, SHANGHAI, now=NOW)


def ledger(headings: Sequence[str], *rows: Sequence[Cell], mapping: Mapping[str, str] | None = None) -> Ledger:
    return parse(write_xlsx(headings, rows), mapping)


def message(**changes: Cell) -> tuple[Cell, ...]:
    """A sound row under HEADINGS."""
    row: dict[str, Cell] = {
        "number": 2549,
        "reporter": "山里人",
        "title": "路灯不亮",
        "raised": "2019/4/25 9:32:09",
        "text": "\n\t\t\t\n\t\t村口的路灯坏了三天_\r\n　　请来修一修。\n\t\t",
        "reply": "\t已派人修好。",
        "replied": "2019/5/10 14:56:53",
    }
    assert changes.keys() <= row.keys()
    return tuple((row | changes).values())


def reasons(read: Ledger) -> list[list[str]]:
    return [[str(problem) for problem in refused.problems] for refused in read.refused]


# What goes in


def test_a_row_is_read_into_an_issue() -> None:
    read = ledger(HEADINGS, message())
    (row,) = read.rows
    assert (row.row, row.source_number, row.reporter, row.title) == (2, "2549", "山里人", "路灯不亮")
    assert row.text == "村口的路灯坏了三天_\n　　请来修一修。"
    assert (row.raised_at, row.raised_precision) == (datetime(2019, 4, 25, 1, 32, 9, tzinfo=UTC), "second")
    assert (row.reply, row.replied_at) == ("已派人修好。", datetime(2019, 5, 10, 6, 56, 53, tzinfo=UTC))
    assert (read.refused, read.warnings, read.unknown_columns, read.notes) == ((), (), (), ())
    assert read.columns["text"] == "留言详情"


@pytest.mark.parametrize("field", [column.field for column in LEDGER_COLUMNS])
def test_each_heading_a_column_lists_is_found_for_it(field: str) -> None:
    columns = ledger_columns()
    for heading in columns[field].headings.split():
        assert columns.find([heading]) == {field: 0}


def test_a_ledger_of_another_make() -> None:
    headings = (
        "序 号",
        "*工单编号（必填）",
        "诉求人",
        "联系方式",
        "受理时间",
        "诉求内容",
        "办理结果",
        "办结时间",
    )
    more = ("一级分类", "二级分类", "三级分类", "村(社区)", "承办单位", "事发地点", "诉求类型", "办理状态")
    row = ("1", "GD-07", "云上客", "'13900000000", "2024年3月5日", "桥头积水", "已疏通", "2024.3.6")
    rest = ("城乡建设", "市政/管网", "排水", "桥头村", "镇水利站", "石桥头", "求助", "已办结")
    (issue,) = parse(write_csv(headings + more, [row + rest])).rows
    assert issue.source_number == "GD-07"
    assert issue.phone == "13900000000"
    assert issue.title == "桥头积水"
    assert (issue.raised_at, issue.raised_precision) == (datetime(2024, 3, 4, 16, tzinfo=UTC), "day")
    assert issue.replied_precision == "day"
    assert issue.category == ("城乡建设", "市政／管网", "排水")
    assert (issue.unit, issue.responsible_unit, issue.place) == ("桥头村", "镇水利站", "石桥头")
    assert (issue.kind, issue.state, issue.extra) == ("求助", "已办结", {"序 号": "1"})


@pytest.mark.parametrize(
    "written", ["城乡建设/环境/噪声", "城乡建设 > 环境 > 噪声", "城乡建设-环境-噪声", "城乡建设→环境→噪声"]
)
def test_a_category_path_in_one_cell(written: str) -> None:
    (row,) = ledger(("编号", "标题", "问题分类"), (1, "噪声", written)).rows
    assert row.category == ("城乡建设", "环境", "噪声")


def test_unknown_columns_are_named_and_their_cells_kept() -> None:
    headings = ("编号", "标题", "领导批示", "备注", "备注", "空列", "")
    read = ledger(
        headings, (1, "路灯", "请速办", "急", None, None, "无表头"), (2, "井盖", None, None, "缓", None, None)
    )
    assert read.unknown_columns == ("领导批示", "备注（D列）", "备注（E列）", "G列")
    assert read.rows[0].extra == {"领导批示": "请速办", "备注（D列）": "急", "G列": "无表头"}
    assert read.rows[1].extra == {"备注（E列）": "缓"}


def test_without_a_title_the_text_begins_one() -> None:
    (row,) = ledger(("编号", "内容"), (1, "第一行\n" + "字" * 50)).rows
    assert row.title == "第一行 " + "字" * 26
    assert len(row.title) == 30


def test_nul_is_dropped_with_a_warning_and_rare_characters_stay() -> None:
    read = ledger(HEADINGS, message(text="𠮷祥里的\x00井盖"))
    assert read.rows[0].text == "𠮷祥里的井盖"
    assert [str(warning) for warning in read.warnings] == [
        "第 2 行“留言详情”（𠮷祥里的井盖）：有看不见的控制字符，已去掉"
    ]


def test_what_is_odd_goes_in_with_a_warning() -> None:
    read = ledger(HEADINGS, message(raised=None, reply=None))
    assert [warning.reason for warning in read.warnings] == ["没有写反映时间", "有答复时间，没有答复内容"]
    assert (read.rows[0].raised_at, read.rows[0].raised_precision) == (None, "")
    (warning,) = ledger(("编号", "标题", "一级分类", "二级分类"), (1, "路灯", None, "市政")).warnings
    assert warning.reason == "缺少上级分类"


def test_a_row_counter_as_number_is_taken_and_warned_of() -> None:
    read = ledger(("序号", "标题"), (1, "路灯"))
    assert read.rows[0].source_number == "1"
    assert "序号" in read.notes[0]


def test_an_answer_of_the_same_day_told_without_time_is_not_early() -> None:
    read = ledger(HEADINGS, message(replied="2019/4/25"))
    assert len(read.rows) == 1
    assert read.rows[0].replied_precision == "day"


# What does not


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"number": None}, ["第 2 行“留言编号”：没有填编号"]),
        ({"title": " ", "text": "\n\t\n"}, ["第 2 行“留言详情”：标题和内容都是空的"]),
        (
            {"raised": "昨天"},
            ["第 2 行“留言时间”（昨天）：“昨天”认不出是什么时间，请写成 2024-04-25 或 2024-04-25 09:30"],
        ),
        (
            {"raised": "2019-02-30"},
            ["第 2 行“留言时间”（2019-02-30）：“2019-02-30”不是真实存在的日期或时间，请核对"],
        ),
        ({"raised": "2024-06-01 20:01"}, None),
        (
            {"replied": "2019/4/25 9:32:08"},
            ["第 2 行“答复时间”（2019/4/25 9:32:08）：早于反映时间（2019/4/25 9:32:09），请核对哪一个写错了"],
        ),
        ({"title": "字" * 201}, [f"第 2 行“留言主题”（{'字' * 29}…）：有 201 字，最多 200 字，请缩短"]),
        ({"text": "字" * 20_001}, [f"第 2 行“留言详情”（{'字' * 29}…）：有 20001 字，最多 20000 字，请缩短"]),
        (
            {"reply": "字" * 20_001},
            [f"第 2 行“答复意见”（{'字' * 29}…）：有 20001 字，最多 20000 字，请缩短"],
        ),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(changes: dict[str, Any], expected: list[str] | None) -> None:
    read = ledger(HEADINGS, message(**changes), message(number=3))
    assert [row.source_number for row in read.rows] == ["3"]
    if expected is None:
        expected = [
            "第 2 行“留言时间”（2024-06-01 20:01）：是将来的时间，请核对",
            "第 2 行“答复时间”（2019/5/10 14:56:53）：早于反映时间（2024-06-01 20:01），请核对哪一个写错了",
        ]
    assert reasons(read) == [expected]


def test_the_longest_allowed_goes_in() -> None:
    row = message(title="字" * 200, text="字" * 20_000, reply="字" * 20_000, raised="2019-04-25", replied=None)
    assert len(ledger(HEADINGS, row).rows) == 1


def test_all_reasons_of_a_row_come_together() -> None:
    (found,) = reasons(ledger(HEADINGS, message(number=None, title="字" * 201, raised="?", replied="2099-1-1")))
    assert len(found) == 4


def test_a_number_is_in_a_ledger_once() -> None:
    read = ledger(HEADINGS, message(), message(title="别的事"), message(number="2549 "))
    assert len(read.rows) == 1
    assert [problem.reason for refused in read.refused for problem in refused.problems] == ["编号与第 2 行重复"] * 2


def test_a_number_that_excel_has_rounded_is_no_identity() -> None:
    columns = ledger_columns()
    table = read_table(io.BytesIO(write_xlsx(("编号", "标题"), [(1, "甲")])), filename="a", columns=columns)
    rounded = Table(table.sheet, 1, table.headings, (type(table.rows[0])(2, (3.50402202304152e17, "甲")),))
    read = parse_ledger(rounded, columns, SHANGHAI, now=NOW)
    assert "末尾几位已丢失" in read.refused[0].problems[0].reason


def test_refused_rows_can_be_corrected_and_imported() -> None:
    when = datetime(2019, 4, 8, 8, 37, 20)
    bad = message(number="=1+1", raised=when, replied="2018-1-1")
    first = ledger((*HEADINGS, "备注"), (*bad, "急"), (*message(), "缓"))
    assert len(first.refused) == 1

    content = refused_table(first)
    table = read_table(io.BytesIO(content), filename="refused.xlsx")
    assert table.headings == (*HEADINGS, "备注", REASON_HEADING)
    (row,) = table.rows
    assert row.cells[:-1] == (*bad, "急")
    assert row.cells[-1] == "答复时间：早于反映时间（2019-04-08 08:37:20），请核对哪一个写错了"

    again = parse(content)
    assert again.unknown_columns == ("备注",)
    assert read_table(io.BytesIO(refused_table(again)), filename="x").headings == table.headings
    corrected = write_xlsx(table.headings, [(*row.cells[:6], "2019-4-9", *row.cells[7:])])
    (issue,) = parse(corrected).rows
    assert (issue.source_number, issue.extra) == ("=1+1", {"备注": "急"})


def test_missing_columns_are_one_clear_error() -> None:
    with pytest.raises(SpreadsheetError) as caught:
        ledger(("工单流水", "姓名", "备注"), ("1", "山里人", "无"))
    assert "“编号”（是不是“工单流水”？）" in caught.value.message
    assert "“标题”或“内容”" in caught.value.message
    assert "“工单流水”、“姓名”、“备注”" in caught.value.message


# The mapping file


def test_a_mapping_file_names_a_towns_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text('"工单流水" = "source_number"\n"群众诉求" = "text"\n"不在表里" = "place"\n', encoding="utf-8")
    read = ledger(("工单 流水", "群众诉求", "编号"), ("A1", "修路", "9"), mapping=read_mapping_file(path))
    assert (read.rows[0].source_number, read.rows[0].text) == ("A1", "修路")
    assert read.rows[0].extra == {"编号": "9"}
    assert read.notes == ("映射文件里的“不在表里”在表头里没有，请核对写法。",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"工单流水" = "number"', "“工单流水”= 'number'"),
        ('"工单流水" = 3', "“工单流水”= 3"),
        ('"工单流水" = ["text"]', "“工单流水”= ['text']"),
        ("工单流水 = source_number", "读不懂"),
    ],
)
def test_a_wrong_mapping_file_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(SpreadsheetError, match="映射文件“mapping") as caught:
        read_mapping(text, "mapping.toml")
    assert words in caught.value.message


# The same text again


def test_the_same_text_is_known_under_another_number_and_title() -> None:
    text = "小区门口的路灯坏了三天,请来修一修!"
    same = "　小区门口的路灯，坏了三天。\n请来修一修！"
    assert fingerprint_of("路灯", text) == fingerprint_of("请修路灯", same)
    assert fingerprint_of("路灯", text) != fingerprint_of("路灯", text.replace("三", "五"))


def test_a_text_too_short_to_tell_is_known_with_its_title() -> None:
    assert fingerprint_of("路灯不亮", "同上") != fingerprint_of("井盖丢失", "同上")
    assert fingerprint_of("路灯不亮", "") == fingerprint_of("路灯，不亮！", " ")


@given(st.text(), st.text())
def test_any_text_has_a_fingerprint(title: str, text: str) -> None:
    assert len(fingerprint_of(title, text)) == 64


# A real ledger, where there is one


def test_a_real_ledger_goes_in_whole() -> None:
    folder = os.environ.get("YETAN_REAL_DATA")
    if not folder:
        pytest.skip("YETAN_REAL_DATA names no folder with messages-with-replies.xlsx and categories.xlsx")
    columns = ledger_columns()
    path = Path(folder) / "messages-with-replies.xlsx"
    table = read_table(path, filename=path.name, columns=columns)
    read = parse_ledger(table, columns, SHANGHAI, now=NOW)
    assert (len(read.rows), read.refused, read.warnings, read.unknown_columns) == (2816, (), (), ())
    assert Counter(row.raised_precision for row in read.rows) == {"second": 2816}
    assert Counter(row.replied_precision for row in read.rows) == {"second": 2815, "day": 1}
    assert all(row.title and row.text and row.reply for row in read.rows)
    assert not any("_x000D_" in row.text or row.text != row.text.strip() for row in read.rows)
    repeated = [count for count in Counter(row.fingerprint for row in read.rows).values() if count > 1]
    assert (len(repeated), sum(repeated)) == (39, 78)

    path = Path(folder) / "categories.xlsx"
    paths = parse_categories(read_table(path, filename=path.name, columns=CATEGORY_COLUMNS))
    assert Counter(map(len, paths)) == {1: 15, 2: 118, 3: 517}
