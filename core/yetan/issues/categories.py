"""Reading the official category tree from a table of three columns."""

from __future__ import annotations

from yetan.spreadsheets import Column, Columns, SpreadsheetError, Table, cell_line

_LEVELS = ("level_1", "level_2", "level_3")
_NAME_LENGTH = 60

CATEGORY_COLUMNS = Columns(
    (
        Column("level_1", "一级分类", "一级分类 一级类别 一级标签 一级目录 大类", _NAME_LENGTH),
        Column("level_2", "二级分类", "二级分类 二级类别 二级标签 二级目录 中类", _NAME_LENGTH),
        Column("level_3", "三级分类", "三级分类 三级类别 三级标签 三级目录 小类 细类", _NAME_LENGTH),
    )
)


def path_name(name: str) -> str:
    """A category's name as it stands in a path joined by slashes: its own slashes become full-width."""
    return name.replace("/", "／")


def parse_categories(table: Table) -> tuple[tuple[str, ...], ...]:
    """Every category as its path from the top, parents before children, each once, in the table's order.

    A blank cell (the lower part of a merged one) inherits from above, as long as a lower level follows in
    its row. Raises SpreadsheetError listing the rows that are wrong.
    """
    found = CATEGORY_COLUMNS.require(table, ("level_1",))
    paths: dict[tuple[str, ...], None] = {}
    problems: list[str] = []
    above: tuple[str, ...] = ()
    for row in table.rows:
        names = [path_name(cell_line(row.cells[found[level]])) if level in found else "" for level in _LEVELS]
        depth = max((level for level, name in enumerate(names, start=1) if name), default=0)
        if depth == 0:
            continue
        path: tuple[str, ...] = ()
        for level, name in enumerate(names[:depth]):
            # Only what stands under the same parents is inherited: a new first level starts with no second.
            inherited = above[level] if above[:level] == path and len(above) > level else ""
            path += (name or inherited,)
        if "" in path:
            problems.append(f"第 {row.number} 行“{path[-1]}”缺少上级分类")
            continue
        if long := [name for name in path if len(name) > _NAME_LENGTH]:
            problems.append(f"第 {row.number} 行“{long[0][:20]}…”超过 {_NAME_LENGTH} 字")
            continue
        above = path
        paths.update(dict.fromkeys(path[:level] for level in range(1, depth + 1)))
    if problems:
        raise SpreadsheetError(f"分类表有 {len(problems)} 处要改：{'；'.join(problems[:20])}。")
    return tuple(paths)
