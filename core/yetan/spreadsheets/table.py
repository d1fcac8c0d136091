"""What a table is: headings, numbered rows of typed cells, and the limits one is read under."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from msgspec import Struct

from yetan.errors import Invalid

#: What a cell holds. An empty cell is None; everything in a CSV file is text.
Cell = str | int | float | bool | datetime | date | time | timedelta | None

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: White space in the widest sense, and what has no width at all.
_INVISIBLE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200c\u200d\u2060\ufeff"


class SpreadsheetError(Invalid):
    """The file cannot be taken as a table; `message` is Chinese and says what to do next."""


class TableLimits(Struct, frozen=True):
    """How much of a file is read before it is refused (P11, C25).

    `unpacked_bytes` counts all parts of an XLSX once unzipped (three thousand messages with their replies are
    about 7 MiB), and the bytes of a CSV. `ratio` is unpacked to packed size of a part above 1 MiB: what
    people type packs up to about 20 to 1, a bomb hundreds to 1.
    """

    unpacked_bytes: int = 16 * 1024 * 1024
    ratio: int = 200
    entries: int = 1000
    rows: int = 50_000
    columns: int = 200
    cell_characters: int = 100_000


class TableRow(Struct, frozen=True):
    """One row. `number` is what Excel shows at its left; it has as many `cells` as the table has headings."""

    number: int
    cells: tuple[Cell, ...]


class Table(Struct, frozen=True):
    """A read table. `headings` are as written, "" where a column has none; wholly blank rows are left out."""

    sheet: str
    heading_row: int
    headings: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def heading(self, index: int) -> str:
        """How to call the column `index` (from 0) to a person: its heading, else its letter."""
        return self.headings[index] or f"{column_letter(index)}列"


def column_letter(index: int) -> str:
    """The letter Excel shows over the column `index` (from 0): 0 is A."""
    from openpyxl.utils import get_column_letter

    return get_column_letter(index + 1)


def plain_text(cell: Cell) -> str:
    """The cell as text, nothing trimmed: 2549.0 as 2549, a date without a time as 2019-04-25."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    return str(cell)


def cell_text(cell: Cell) -> str:
    """The cell as paragraphs: white space and invisible characters stripped at both ends, line breaks kept.

    Control characters (NUL among them) are dropped; `has_control_characters` tells when there were any.
    Several blank lines in a row become one.
    """
    text = plain_text(cell).replace("\r\n", "\n").replace("\r", "\n")
    lines = (line.rstrip() for line in _CONTROL.sub("", text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(_INVISIBLE)


def cell_line(cell: Cell) -> str:
    """The cell as one line: as `cell_text`, and every run of white space one space."""
    return " ".join(cell_text(cell).split())


def has_control_characters(cell: Cell) -> bool:
    """Whether the cell holds characters that `cell_text` drops."""
    return isinstance(cell, str) and _CONTROL.search(cell) is not None


def shorten(cell: Cell, length: int = 30) -> str:
    """The cell as one line of at most `length` characters, for a message."""
    line = cell_line(cell)
    return line if len(line) <= length else line[: length - 1] + "…"
