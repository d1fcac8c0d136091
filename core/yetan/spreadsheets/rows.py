"""Reading one row of a table into something: what every such reader checks and says."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from yetan.spreadsheets.headings import Columns
from yetan.spreadsheets.table import (
    Cell,
    Table,
    TableRow,
    cell_line,
    cell_text,
    has_control_characters,
    shorten,
)


class RowProblem(Struct, frozen=True):
    """What is wrong or odd in one row: its number in Excel, the column, the value (shortened), the reason."""

    row: int
    heading: str
    value: str
    reason: str

    def __str__(self) -> str:
        column = f"“{self.heading}”" if self.heading else ""
        value = f"（{self.value}）" if self.value else ""
        return f"第 {self.row} 行{column}{value}：{self.reason}"


class RowReader:
    """Reads the fields of one row by the columns `found`, collecting all that is wrong or odd in it."""

    def __init__(self, table: Table, columns: Columns, found: Mapping[str, int], row: TableRow) -> None:
        self.table = table
        self.columns = columns
        self.found = found
        self.row = row
        self.problems: list[RowProblem] = []
        self.warnings: list[RowProblem] = []

    def cell(self, name: str) -> Cell:
        """The cell of the field `name`, None where the table has no such column."""
        index = self.found.get(name)
        return None if index is None else self.row.cells[index]

    def line(self, name: str) -> str:
        """The field as one line of text, refused when longer than its column allows."""
        return self._checked(name, cell_line(self.cell(name)))

    def text(self, name: str) -> str:
        """The field as paragraphs, refused when longer than its column allows."""
        return self._checked(name, cell_text(self.cell(name)))

    def required_line(self, name: str) -> str:
        """The field as one line of text, refused when blank."""
        line = self.line(name)
        if not line:
            self.refuse(name, f"没有填{self.columns[name].label}")
        return line

    def refuse(self, name: str, reason: str) -> None:
        """Note that the row cannot be taken because of the field `name`."""
        self.problems.append(self._problem(name, reason))

    def warn(self, name: str, reason: str) -> None:
        """Note something odd in the field `name` that does not keep the row out."""
        self.warnings.append(self._problem(name, reason))

    def _problem(self, name: str, reason: str) -> RowProblem:
        index = self.found.get(name)
        heading = "" if index is None else self.table.heading(index)
        return RowProblem(self.row.number, heading, shorten(self.cell(name)), reason)

    def _checked(self, name: str, text: str) -> str:
        limit = self.columns[name].limit
        if limit and len(text) > limit:
            self.refuse(name, f"有 {len(text)} 字，最多 {limit} 字，请缩短")
        if has_control_characters(self.cell(name)):
            self.warn(name, "有看不见的控制字符，已去掉")
        return text
