"""Writing tables that open without surprises: no cell becomes a formula (C07), all reads back as it was."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from yetan.spreadsheets.table import Cell, plain_text

#: Characters (with their full-width forms) that make spreadsheet programs take a text for a formula.
FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"

#: Excel's own cap, in UTF-16 units.
EXCEL_CELL_UNITS = 32_767

_NEEDS_QUOTE = re.compile(f"'*[{re.escape(FORMULA_STARTS)}]")
_QUOTED = re.compile(f"'+[{re.escape(FORMULA_STARTS)}]")
# What XML cannot hold, and what would read as the escape itself, is written _xHHHH_ (ECMA-376, ST_Xstring).
_NEEDS_ESCAPE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-Ca-cE-Fe-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2})_")


def write_xlsx(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, sheet: str = "Sheet1") -> bytes:
    """An XLSX file of one sheet. Text stays text whatever it begins with; numbers and dates stay themselves.

    A text longer than Excel takes is cut with a visible mark. Datetimes are naive, in local time.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    page.freeze_panes = "A2"
    for index in range(1, len(headings) + 1):
        page.column_dimensions[get_column_letter(index)].width = 18
    first = [_xlsx_cell(page, heading) for heading in headings]
    for cell in first:
        cell.font = Font(bold=True)
    page.append(first)
    for row in rows:
        page.append([_xlsx_cell(page, value) for value in row])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def write_csv(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A CSV file that Excel opens by itself: UTF-8 with its mark, formula starts behind a quote sign."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    for row in (headings, *rows):
        writer.writerow([_csv_field(value) for value in row])
    return written.getvalue().encode("utf-8-sig")


def unquoted(text: str) -> str:
    """A CSV field without the quote sign that `write_csv`, or another program, set before a formula start."""
    return text[1:] if _QUOTED.match(text) else text


def unescaped(text: str) -> str:
    """A text of an XLSX with its _xHHHH_ escapes resolved: Excel writes a carriage return as _x000D_."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _xlsx_cell(page: Any, value: Cell) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment

    if isinstance(value, datetime | date) and value.year >= 1900:
        cell: Any = WriteOnlyCell(page, value)  # type: ignore[arg-type]  # the stub forgets dates
        cell.number_format = "yyyy-mm-dd hh:mm:ss" if isinstance(value, datetime) else "yyyy-mm-dd"
        return cell
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 10**15):
        return WriteOnlyCell(page, value)
    # Numbers of 16 digits and more are text as well: Excel would round them.
    text = plain_text(value)
    cell = WriteOnlyCell(page, _fitting(text))
    cell.data_type = "s"
    cell.alignment = Alignment(vertical="top", wrap_text="\n" in text)
    # Excel's own mark for "this is text", so that even editing the cell does not make it a formula.
    cell.quotePrefix = _NEEDS_QUOTE.match(text) is not None
    return cell


def _escaped(text: str) -> str:
    return _NEEDS_ESCAPE.sub(lambda match: f"_x{ord(match[0]):04X}_", text)


def _fitting(text: str) -> str:
    escaped, kept = _escaped(text), len(text)
    while len(escaped.encode("utf-16-le")) // 2 > EXCEL_CELL_UNITS:
        kept = kept * 3 // 4
        escaped = f"{_escaped(text[:kept])}……（原文共 {len(text)} 字，超过 Excel 一格的上限，以下略去）"
    return escaped


def _csv_field(value: Cell) -> str | int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = plain_text(value)
    return "'" + text if _NEEDS_QUOTE.match(text) else text
