"""Reading and writing tables: what people upload, what attackers upload, and exports that come back whole."""

from __future__ import annotations

import contextlib
import csv
import io
import struct
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yetan.spreadsheets import (
    Cell,
    Column,
    Columns,
    Moment,
    SpreadsheetError,
    Table,
    TableLimits,
    cell_line,
    cell_text,
    read_moment,
    read_table,
    write_csv,
    write_xlsx,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
COLUMNS = Columns(
    (
        Column("number", "编号", "留言编号 编号 序号"),
        Column("title", "标题", "留言主题 标题"),
        Column("unit", "单位", "村（社区） 单位"),
    )
)

#: Any text that can be stored, thick with what trips spreadsheet formats.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(
        st.sampled_from(["=", "+", "@", "'", '"', "\t", "\r", "\n", ",", ";", " ", "＝", "_x000D_", "_x005F_", "𠮷"])
    ).map("".join),
)


def read(content: bytes, **options: Any) -> Table:
    return read_table(io.BytesIO(content), filename="台账.xlsx", **options)


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(SpreadsheetError) as caught:
        read(content, **options)
    return caught.value.message


def cells(table: Table) -> list[tuple[Cell, ...]]:
    return [row.cells for row in table.rows]


def workbook(fill: Callable[[openpyxl.Workbook], None]) -> bytes:
    book = openpyxl.Workbook()
    fill(book)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def sheet_of(*rows: Sequence[Any]) -> bytes:
    def fill(book: openpyxl.Workbook) -> None:
        for row in rows:
            book.active.append(row)

    return workbook(fill)


def with_part(content: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The XLSX with one of its parts changed by hand, in the archive's order."""
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        assert name in old.namelist()
        for part in old.namelist():
            text = old.read(part)
            new.writestr(part, change(text.decode()) if part == name else text)
    return changed.getvalue()


def with_rows(xml: str) -> bytes:
    """An XLSX whose sheet holds exactly these rows of XML."""
    name = "xl/worksheets/sheet1.xml"

    def change(text: str) -> str:
        start = text.index("<sheetData")
        return text[:start] + f"<sheetData>{xml}</sheetData></worksheet>"

    return with_part(sheet_of(["编号"]), name, change)


def with_shared_strings(*texts: str) -> bytes:
    """An XLSX of one column whose texts are kept as Excel keeps them: apart, each once."""
    rows = "".join(
        f'<row r="{index + 1}"><c r="A{index + 1}" t="s"><v>{index}</v></c></row>' for index in range(len(texts))
    )
    strings = "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in texts)
    declared = (
        '<Override PartName="/xl/sharedStrings.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    )
    content = io.BytesIO(
        with_part(with_rows(rows), "[Content_Types].xml", lambda text: text.replace("</Types>", declared))
    )
    with zipfile.ZipFile(content, "a") as archive:
        namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        archive.writestr("xl/sharedStrings.xml", f'<?xml version="1.0"?><sst xmlns="{namespace}">{strings}</sst>')
    return content.getvalue()


@pytest.fixture
def unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if the parser is even called."""

    def parse(*_: object, **__: object) -> None:
        raise AssertionError("The file was parsed.")

    monkeypatch.setattr(openpyxl, "load_workbook", parse)


# Reading XLSX


def test_cells_keep_their_types_and_rows_the_numbers_excel_shows() -> None:
    when = datetime(2019, 4, 8, 8, 37, 20)
    table = read(sheet_of(["编号", "标题", "时间"], [2549, "路灯", when], [], ["0012", "𠮷祥里", None]))
    assert table.headings == ("编号", "标题", "时间")
    assert [(row.number, row.cells) for row in table.rows] == [
        (2, (2549, "路灯", when)),
        (4, ("0012", "𠮷祥里", None)),
    ]


def test_the_heading_row_may_stand_below_a_title_and_on_a_later_sheet() -> None:
    def fill(book: openpyxl.Workbook) -> None:
        book.active.append(["说明", "本表由各村填写"])
        page = book.create_sheet("台账")
        for row in (
            ["2024年夜谈问题台账", "单位：盖章"],
            [],
            ["序号", "留言 编号*", "标题（必填）", "备注"],
            [1, 7, "井盖", "急"],
        ):
            page.append(row)
        hidden = book.create_sheet("字典")
        hidden.append(["编号", "标题", "村（社区）"])
        hidden.sheet_state = "hidden"

    table = read(workbook(fill), columns=COLUMNS)
    assert (table.sheet, table.heading_row) == ("台账", 3)
    assert [row.number for row in table.rows] == [4]
    assert COLUMNS.find(table.headings) == {"number": 1, "title": 2}


def test_without_known_headings_the_first_row_of_two_cells_is_taken() -> None:
    table = read(sheet_of(["某镇台账"], ["甲", "乙"], [1, 2]), columns=COLUMNS)
    assert (table.heading_row, table.headings, len(table.rows)) == (2, ("甲", "乙"), 1)


def test_formulas_are_read_as_the_value_last_shown() -> None:
    content = with_rows(
        '<row r="1"><c r="A1" t="inlineStr"><is><t>编号</t></is></c></row>'
        '<row r="2"><c r="A2"><f>WEBSERVICE("http://example.org")</f><v>42</v></c></row>'
    )
    assert cells(read(content)) == [(42,)]


def test_carriage_returns_that_excel_escapes_come_back_as_line_breaks() -> None:
    ((text,),) = cells(read(with_shared_strings("内容", "第一行_x000D_\n第二行")))
    assert text == "第一行\r\n第二行"
    assert cell_text(text) == "第一行\n第二行"


def test_columns_beyond_the_headings_are_kept_without_one() -> None:
    table = read(sheet_of(["编号", "标题"], [1, "甲", None, "无表头"]))
    assert table.headings == ("编号", "标题", "", "")
    assert cells(table) == [(1, "甲", None, "无表头")]
    assert table.heading(3) == "D列"


def test_a_path_is_read_like_an_open_file(tmp_path: Path) -> None:
    path = tmp_path / "台账.xlsx"
    path.write_bytes(sheet_of(["编号", "标题"], [1, "甲"]))
    assert cells(read_table(path, filename=path.name)) == [(1, "甲")]


# Refusing XLSX


def bomb() -> bytes:
    row = '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>1</v></c></row>'
    return with_rows(row * (20_000_000 // len(row)))


@pytest.mark.usefixtures("unparsed")
def test_a_small_file_that_unpacks_to_twenty_megabytes_is_refused_before_parsing() -> None:
    content = bomb()
    assert len(content) < 64 * 1024
    message = refusal(content)
    assert "展开后有 19.1 MiB" in message
    assert "拆成几份" in message


@pytest.mark.usefixtures("unparsed")
def test_a_part_packed_beyond_reason_is_refused_below_the_total_cap() -> None:
    assert "200 倍以上" in refusal(with_rows(" " * 4_000_000))


def test_a_directory_that_understates_a_part_does_not_get_it_unpacked() -> None:
    content = bytearray(bomb())
    start = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert content[start : start + 4] == b"PK\x01\x02"
    content[start + 24 : start + 28] = struct.pack("<I", 5000)
    assert "读不出来" in refusal(bytes(content))


@pytest.mark.usefixtures("unparsed")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda new: [new.writestr(f"x{index}", "") for index in range(1001)], "部件太多"),
        (lambda new: new.writestr("xl/workbook.bin", ""), ".xlsb"),
        (lambda new: new.writestr("word/document.xml", ""), "不是 Excel 表格"),
        (lambda new: new.writestr("xl/a.xml", "a", zipfile.ZIP_BZIP2), "压缩方式"),
    ],
)
def test_other_archives_are_refused_by_their_directory(change: Callable[[zipfile.ZipFile], Any], words: str) -> None:
    content = io.BytesIO(sheet_of(["编号"]))
    with zipfile.ZipFile(content, "a") as archive:
        change(archive)
    assert words in refusal(content.getvalue())


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"]
)
def test_entities_are_refused_in_any_part(part: str) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<!DOCTYPE lolz [<!ENTITY l0 "哈">{levels}]>'

    def change(text: str) -> str:
        declaration, separator, rest = text.partition("?>")
        if not separator:
            declaration, rest = '<?xml version="1.0"', text
        head, tag, tail = rest.partition(">")
        return f"{declaration}?>{laughs}{head}{tag}&l9;{tail}"

    assert "XML 实体" in refusal(with_part(with_shared_strings("编号"), part, change))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "空的"),
        (b" \r\n\r\n", "空的"),
        (sheet_of(), "空的"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "旧版 .xls"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "密码"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "图片"),
        (b"\x00\x01\x02\x03 binary \xff\xfe", "不是表格"),
        ("<html><table><tr><td>编号</td></tr></table></html>".encode(), "网页"),
        (b"PK\x03\x04 and nothing more", "读不出来"),
        ('编号,标题\n1,"没有合上的引号\n2,乙\n'.encode(), "引号不成对"),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, words: str) -> None:
    message = refusal(content)
    assert words in message
    assert message.startswith("“台账.xlsx”")
    assert message.endswith("。")


def test_an_encrypted_archive_asks_for_the_password_to_be_taken_off() -> None:
    content = bytearray(sheet_of(["编号"]))
    start = content.index(b"PK\x01\x02")
    content[start + 8] |= 1
    assert "密码" in refusal(bytes(content))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            '<row r="1"><c r="A1"><v>1</v></c></row><row r="999999999999"><c><v>1</v></c></row>',
            "空白的行列太多",
        ),
        ('<row><c r="XFD1"/></row>' * 700, "空白的行列太多"),
        ('<row r="1"><c r="A1" t="s"><v>7</v></c></row>', "读不出来"),
        ("<row", "读不出来"),
    ],
)
def test_sheets_made_to_wear_the_reader_out_are_refused(rows: str, words: str) -> None:
    assert words in refusal(with_rows(rows), limits=TableLimits(ratio=5000))


def test_rows_columns_and_cells_have_caps() -> None:
    limits = TableLimits(rows=2, columns=3, cell_characters=5)
    # The blank cells before a filled one count as well, so the rows of this test are short.
    assert len(read(sheet_of(["a", "b"], [1, 2], [3, 4]), limits=limits).rows) == 2
    assert "超过 2 行" in refusal(sheet_of(["a"], [1], [3], [5]), limits=limits)
    assert "第 2 行超过 3 列" in refusal(sheet_of(["a", "b"], [1, 2, 3, 4]), limits=limits)
    assert "第 2 行 B 列的内容太长" in refusal(sheet_of(["a", "b"], [1, "一二三四五六"]), limits=limits)


def test_a_field_of_ten_megabytes_names_its_row() -> None:
    assert "第 2 行" in refusal(b"a,b\n1," + b"x" * 10_000_000)


SOUND = sheet_of(["编号", "标题"], [1, "甲"], [2, "乙"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_a_damaged_file_is_refused_and_never_crashes(changes: list[tuple[float, int]], kept: float) -> None:
    content = bytearray(SOUND)
    for place, value in changes:
        content[int(place * len(content))] = value
    with contextlib.suppress(SpreadsheetError):
        assert read(bytes(content[: int(kept * len(content))])).headings


# CSV


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_in_the_encodings_and_delimiters_people_have(encoding: str, delimiter: str) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerows(
        [
            ["编号", "标题", "内容"],
            ["001", "路灯", "两天,不亮;\n请修"],
            ["", "", ""],
            ["002", "𠮷祥里", "停水"],
        ]
    )
    table = read(written.getvalue().encode(encoding))
    assert table.headings == ("编号", "标题", "内容")
    # A cell with a line break in it is still one row to Excel.
    assert [(row.number, row.cells) for row in table.rows] == [
        (2, ("001", "路灯", "两天,不亮;\n请修")),
        (4, ("002", "𠮷祥里", "停水")),
    ]


def test_a_csv_of_one_column_has_no_delimiter_to_find() -> None:
    assert cells(read("标题\n路灯\n井盖\n".encode())) == [("路灯",), ("井盖",)]


# Writing


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS).filter(lambda row: cell_line("".join(row))), max_size=6))
def test_no_exported_cell_is_a_formula_and_all_text_comes_back(rows: list[tuple[str, str]]) -> None:
    expected = [tuple(text or None for text in row) for row in rows]
    content = write_xlsx(["甲", "乙"], rows)
    page = openpyxl.load_workbook(io.BytesIO(content)).active
    assert "f" not in {cell.data_type for row in page.iter_rows() for cell in row}
    assert cells(read(content)) == expected

    content = write_csv(["甲", "乙"], rows)
    for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
        assert not any(field.startswith(tuple("=+-@\t\r\n＝＋－＠")) for field in row)
    assert cells(read(content)) == expected


def test_a_formula_start_is_marked_as_text_for_good() -> None:
    content = write_xlsx(["甲", "乙"], [["=HYPERLINK(1)", "平常"]])
    page = openpyxl.load_workbook(io.BytesIO(content)).active
    assert [cell.quotePrefix for cell in page[2]] == [True, False]


def test_numbers_dates_and_truth_stay_themselves_in_xlsx() -> None:
    when = datetime(2024, 4, 25, 9, 30, 5)
    row = (7, 2.5, True, when, 350402202304150001, None, "x")
    (back,) = cells(read(write_xlsx(list("abcdefg"), [row])))
    assert back == (7, 2.5, True, when, "350402202304150001", None, "x")
    assert cells(read(write_csv(list("abc"), [[-7, when, datetime(2024, 4, 25)]]))) == [
        ("-7", "2024-04-25 09:30:05", "2024-04-25")
    ]


def test_a_text_longer_than_excel_takes_is_cut_where_one_sees_it() -> None:
    ((text,),) = cells(read(write_xlsx(["甲"], [["𠮷" * 40_000]])))
    assert isinstance(text, str)
    assert len(text.encode("utf-16-le")) // 2 <= 32_767
    assert text.startswith("𠮷𠮷")
    assert "原文共 40000 字" in text


# Cells


@pytest.mark.parametrize(
    ("cell", "text", "line"),
    [
        (None, "", ""),
        (
            "\n\t\t \u3000\u200b正文一\r\n\u3000\u3000正文二\t\n\n\n\n末\ufeff \n\t",
            "正文一\n\u3000\u3000正文二\n\n末",
            "正文一 正文二 末",
        ),
        ("零\x00字\x1f节", "零字节", "零字节"),
        ("𠮷", "𠮷", "𠮷"),
        (2549.0, "2549", "2549"),
        (2.5, "2.5", "2.5"),
        (True, "是", "是"),
        (datetime(2019, 4, 25), "2019-04-25", "2019-04-25"),
    ],
)
def test_cells_as_text(cell: Cell, text: str, line: str) -> None:
    assert (cell_text(cell), cell_line(cell)) == (text, line)


# Moments


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("cell", "at", "precision"),
    [
        ("2019/4/25 9:32:09", utc(2019, 4, 25, 1, 32, 9), "second"),
        ("2019-04-25 09:32", utc(2019, 4, 25, 1, 32), "minute"),
        ("2019-04-25T09:32:09.123", utc(2019, 4, 25, 1, 32, 9), "second"),
        ("2019-04-25T01:32:09Z", utc(2019, 4, 25, 1, 32, 9), "second"),
        ("2019年4月25日", utc(2019, 4, 24, 16), "day"),
        ("2019年4月25日 上午9时32分", utc(2019, 4, 25, 1, 32), "minute"),
        ("2019年4月25日下午3时", utc(2019, 4, 25, 7), "minute"),
        ("２０１９．４．２５", utc(2019, 4, 24, 16), "day"),
        ("2019/4/25 星期四 18：05", utc(2019, 4, 25, 10, 5), "minute"),
        ("20190425", utc(2019, 4, 24, 16), "day"),
        (20190425, utc(2019, 4, 24, 16), "day"),
        ("20190425093209", utc(2019, 4, 25, 1, 32, 9), "second"),
        ("2019-04-25 00:00:00", utc(2019, 4, 24, 16), "day"),
        (datetime(2019, 4, 8, 8, 37, 19, 999_990), utc(2019, 4, 8, 0, 37, 20), "second"),
        (datetime(2019, 4, 8, 8, 37), utc(2019, 4, 8, 0, 37), "minute"),
        (datetime(2019, 4, 8), utc(2019, 4, 7, 16), "day"),
        (43580, utc(2019, 4, 24, 16), "day"),
        (43580.3973263889, utc(2019, 4, 25, 1, 32, 9), "second"),
        ("43580.5", utc(2019, 4, 25, 4), "minute"),
    ],
)
def test_moments_as_people_write_them(cell: Cell, at: datetime, precision: str) -> None:
    assert read_moment(cell, SHANGHAI) == Moment(at, precision)


@pytest.mark.parametrize("cell", [None, "", " \u3000\n"])
def test_a_blank_cell_tells_no_moment(cell: Cell) -> None:
    assert read_moment(cell, SHANGHAI) is None


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("昨天", "认不出是什么时间"),
        ("19/4/25", "认不出是什么时间"),
        ("2019-04", "认不出是什么时间"),
        ("x" * 5000, "认不出是什么时间"),
        (5, "认不出是什么时间"),
        (True, "认不出是什么时间"),
        ("2019-02-30", "不是真实存在"),
        ("2019-4-25 25:00", "不是真实存在"),
        ("1919-04-25", "早于 1980 年"),
        (10_000, "早于 1980 年"),
    ],
)
def test_what_is_no_moment_says_so(cell: Cell, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_moment(cell, SHANGHAI)


def test_moments_compare_no_finer_than_they_were_told() -> None:
    def moment(written: str) -> Moment:
        found = read_moment(written, SHANGHAI)
        assert found is not None
        return found

    def before(one: str, other: str) -> bool:
        return moment(one).before(moment(other), SHANGHAI)

    assert not before("2019-04-25", "2019-04-25 09:32:09")
    assert not before("2019-04-25 09:32", "2019-04-25 09:32:09")
    assert before("2019-04-25 09:32:08", "2019-04-25 09:32:09")
    assert before("2019-04-24", "2019-04-25 00:10")


# Headings


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("留言编号", "number"),
        ("* 留言\n编号（必填）", "number"),
        ("【编号】：", "number"),
        ("编号(系统生成)", "number"),
        ("村(社区)", "unit"),
        ("村（社区）*必填", "unit"),
        ("标题＊", "title"),
        ("备注", None),
        ("(" * 50_000, None),
    ],
)
def test_headings_are_recognised_as_people_write_them(heading: str, field: str | None) -> None:
    found = COLUMNS.recognise(heading)
    assert (found and found[0]) == field


def test_of_two_columns_the_more_telling_heading_wins() -> None:
    assert COLUMNS.find(["序号", "标题", "编号", "留言编号"])["number"] == 3
    assert Columns(COLUMNS.columns, {"内部号": "number"}).find(["留言编号", "内部号"]) == {"number": 1}


def test_missing_columns_are_named_with_what_was_found_and_what_is_near() -> None:
    table = read(sheet_of(["某表"], ["留言编码", "备注"], [1, 2]))
    with pytest.raises(SpreadsheetError) as caught:
        COLUMNS.require(table, ("number",), ("title", "unit"))
    assert caught.value.message == (
        "工作表“Sheet”里没有找到这些列：“编号”（是不是“留言编码”？）；“标题”或“单位”。"
        "第 2 行被当作表头，写的是：“留言编码”、“备注”。请改表头，或用映射文件说明哪一列是什么。"
    )
