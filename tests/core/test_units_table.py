"""Reading a tree of units from a table."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping

import pytest

from yetan.spreadsheets import Cell, SpreadsheetError, read_table, write_csv
from yetan.units.table import UNIT_COLUMNS, UnitRow, UnitTable, parse_units

HEADINGS = ("编码", "名称", "类型", "上级编码", "简称", "曾用名")


def units(
    *rows: tuple[Cell, ...],
    headings: tuple[str, ...] = HEADINGS,
    kinds: Mapping[str, str] | None = None,
    known: Collection[str] = (),
) -> UnitTable:
    content = io.BytesIO(write_csv(headings, rows))
    table = read_table(content, filename="units.csv", columns=UNIT_COLUMNS)
    return parse_units(table, kinds=kinds, known=known)


def problems(*rows: tuple[Cell, ...], kinds: Mapping[str, str] | None = None) -> list[str]:
    return [str(problem) for problem in units(*rows, kinds=kinds).problems]


def test_units_are_read_each_after_the_one_above_it() -> None:
    read = units(
        ("0102", "坂头村", "village", "01", "坂头", "坂头大队、上坂村"),
        ("01", "清溪镇", "township", "0", None, None),
        ("0", "云岭县", "county", None, None, None),
        ("0101", "溪口村", "village", "01", None, None),
    )
    assert read.problems == ()
    assert [unit.code for unit in read.units] == ["0", "01", "0102", "0101"]
    assert read.units[2] == UnitRow(2, "0102", "坂头村", "village", "01", "坂头", ("坂头大队", "上坂村"))


def test_short_names_and_former_names_may_be_missing_and_parents_known_already() -> None:
    read = units(("01", "清溪镇", "镇", "0"), headings=HEADINGS[:4], kinds={"镇": "township"}, known={"0"})
    assert read == UnitTable((UnitRow(2, "01", "清溪镇", "township", "0"),), ())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((None, "清溪镇", "镇"), "第 3 行“编码”：没有填编码"),
        (("01", None, "镇"), "第 3 行“名称”：没有填名称"),
        (("01", "清溪镇", None), "第 3 行“类型”：没有填类型"),
        (("01", "清溪镇", "区"), "第 3 行“类型”（区）：没有这种单位类型，可以写：县、镇"),
        (("0", "清溪镇", "镇"), "第 3 行“编码”（0）：编码与第 2 行重复"),
        (
            ("01", "清溪镇", "镇", "9"),
            "第 3 行“上级编码”（9）：没有这个编码的单位，请核对，或先把上级加进表里",
        ),
        (("01", "清溪镇", "镇", "01"), "第 3 行“上级编码”（01）：上下级成了圈：01 → 01"),
        (("01", "镇" * 81, "镇"), f"第 3 行“名称”（{'镇' * 29}…）：有 81 字，最多 80 字，请缩短"),
        (("01", "清溪镇", "镇", "0", None, "镇" * 81), "一个名称最多 80 字"),
    ],
)
def test_a_bad_row_says_what_is_wrong(row: tuple[Cell, ...], expected: str) -> None:
    (found,) = problems(("0", "云岭县", "县"), row, kinds={"县": "county", "镇": "township"})
    assert expected in found


def test_a_circle_is_refused_on_each_of_its_rows_and_takes_along_what_hangs_below() -> None:
    read = units(
        ("0", "云岭县", "county"),
        ("1", "甲镇", "township", "2"),
        ("2", "乙镇", "township", "3"),
        ("3", "丙镇", "township", "1"),
        ("31", "丁村", "village", "3"),
    )
    assert [problem.row for problem in read.problems] == [3, 4, 5]
    assert "1 → 2 → 3 → 1" in read.problems[0].reason
    assert [unit.code for unit in read.units] == ["0"]


def test_a_table_without_codes_is_refused() -> None:
    with pytest.raises(SpreadsheetError, match="“编码”"):
        units(("清溪镇", "镇"), headings=("名称", "类型"))
