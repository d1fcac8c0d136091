"""Tables that people keep, in XLSX and CSV: read with the care an upload needs, written to open safely.

openpyxl is imported where a table is read or written: 5 MiB and a fifth of a second that a start can do without.
"""

from __future__ import annotations

from yetan.spreadsheets.headings import Column, Columns, unique_heading
from yetan.spreadsheets.moments import Moment, read_moment
from yetan.spreadsheets.reading import read_table
from yetan.spreadsheets.rows import RowProblem, RowReader
from yetan.spreadsheets.table import (
    Cell,
    SpreadsheetError,
    Table,
    TableLimits,
    TableRow,
    cell_line,
    cell_text,
    column_letter,
    has_control_characters,
    shorten,
)
from yetan.spreadsheets.writing import write_csv, write_xlsx

__all__ = [
    "Cell",
    "Column",
    "Columns",
    "Moment",
    "RowProblem",
    "RowReader",
    "SpreadsheetError",
    "Table",
    "TableLimits",
    "TableRow",
    "cell_line",
    "cell_text",
    "column_letter",
    "has_control_characters",
    "read_moment",
    "read_table",
    "shorten",
    "unique_heading",
    "write_csv",
    "write_xlsx",
]
