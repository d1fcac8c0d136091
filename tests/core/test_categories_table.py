"""Reading the category tree from a table."""

from __future__ import annotations

import io

import pytest

from yetan.issues.categories import CATEGORY_COLUMNS, parse_categories
from yetan.spreadsheets import Cell, SpreadsheetError, read_table, write_xlsx

HEADINGS = ("一级分类", "二级分类", "三级分类")


def paths(*rows: tuple[Cell, ...], headings: tuple[str, ...] = HEADINGS) -> tuple[tuple[str, ...], ...]:
    content = io.BytesIO(write_xlsx(headings, rows))
    return parse_categories(read_table(content, filename="分类.xlsx", columns=CATEGORY_COLUMNS))


def test_parents_come_first_and_each_path_once() -> None:
    assert paths(
        ("城建", "市政", "路灯"), ("城建", "市政", "井盖"), ("城建", "市政", " 路灯 "), ("农业", None, None)
    ) == (
        ("城建",),
        ("城建", "市政"),
        ("城建", "市政", "路灯"),
        ("城建", "市政", "井盖"),
        ("农业",),
    )


def test_the_lower_cells_of_a_merged_one_inherit() -> None:
    rows = (("城建", "市政", "路灯"), (None, None, "井盖"), (None, "环卫", "垃圾"), ("农业", "水利", "水渠"))
    assert paths(*rows)[3:] == (
        ("城建", "市政", "井盖"),
        ("城建", "环卫"),
        ("城建", "环卫", "垃圾"),
        ("农业",),
        ("农业", "水利"),
        ("农业", "水利", "水渠"),
    )


def test_the_same_name_under_two_parents_is_two_categories() -> None:
    assert len(paths(("城建", "其他"), ("农业", "其他"))) == 4


def test_a_slash_in_a_name_does_not_make_a_level() -> None:
    assert paths(("供水/供电",)) == (("供水／供电",),)


def test_one_column_is_a_tree_of_one_level() -> None:
    assert paths(("城建",), ("农业",), headings=("大类",)) == (("城建",), ("农业",))


def test_all_wrong_rows_are_named() -> None:
    with pytest.raises(SpreadsheetError) as caught:
        paths(("城建", "市政", "路灯"), ("农业", None, "水渠"), ("字" * 61, None, None))
    assert "有 2 处要改" in caught.value.message
    assert "第 3 行“水渠”缺少上级分类" in caught.value.message
    assert "第 4 行" in caught.value.message


def test_a_table_without_levels_is_refused() -> None:
    with pytest.raises(SpreadsheetError, match="一级分类"):
        paths(("甲", "乙"), headings=("名称", "说明"))
