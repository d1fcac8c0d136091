"""Reading an uploaded table without trusting it (C12, C25, P11).

An XLSX is a zip of XML. Its directory is checked before anything is unpacked: number, size and packing
ratio of its parts. openpyxl then streams it, with entities refused (defusedxml) and formulas left alone: what
counts is the value last shown. Caps on rows, columns and cell length hold while it streams.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from msgspec import Struct

from yetan.spreadsheets.headings import Columns
from yetan.spreadsheets.table import (
    Cell,
    SpreadsheetError,
    Table,
    TableLimits,
    TableRow,
    cell_line,
    column_letter,
)
from yetan.spreadsheets.writing import unescaped, unquoted

#: Among how many filled rows the heading row is looked for.
_HEAD_ROWS = 20
_LAST_EXCEL_ROW = 1_048_576
_RATIO_FREE_BYTES = 1024 * 1024
_DELIMITERS = (",", "\t", ";")
_SAVE_AS = "请用 Excel 或 WPS 打开它，“另存为”.xlsx 后再上传。"
_UPLOAD_TABLE = "请上传 .xlsx 或 .csv 文件。"

#: First bytes of what people upload instead of a table.
_OTHER_FILES = (
    (b"%PDF", "PDF 文件"),
    (b"\x89PNG", "图片"),
    (b"\xff\xd8\xff", "图片"),
    (b"GIF8", "图片"),
    (b"Rar!", "压缩包"),
    (b"7z\xbc\xaf", "压缩包"),
    (b"\x1f\x8b", "压缩包"),
)
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKUP_STARTS = (b"<!doctype", b"<html", b"<table", b"<?xml", b"<head", b"<meta", b"<style")
#: What text does not hold. GB18030 decodes almost any bytes, so this tells pictures from text.
_BINARY = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")

Row = tuple[Cell, ...]


class _Sheet(NamedTuple):
    """A sheet's name, and how to walk its rows (from the first again at each call)."""

    name: str
    rows: Callable[[], Iterator[Row]]


def read_table(
    source: Path | BinaryIO,
    *,
    filename: str,
    limits: TableLimits | None = None,
    columns: Columns | None = None,
) -> Table:
    """The table in an XLSX or CSV file (UTF-8, UTF-16 or GB18030; comma, tab or semicolon).

    The kind is told by the bytes; `filename` only names the file in messages. With `columns` the heading row
    is the one that has most of them, in the first visible sheet that has at least two; without, or where none
    is recognised, it is the first row with two filled cells of the first sheet that holds anything. `source`
    must be seekable. Raises SpreadsheetError.
    """
    reader = _Reader(filename, limits or TableLimits(), columns)
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        return reader.read(file)


class _Reader(Struct, frozen=True):
    """Reads one file."""

    filename: str
    limits: TableLimits
    columns: Columns | None

    def read(self, file: BinaryIO) -> Table:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        start = file.read(4096)
        file.seek(0)
        if size > self.limits.unpacked_bytes:
            raise self._refusal(f"有 {_mebibytes(size)}，{self._over_size()}请拆成几份再上传。")
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return self._read_xlsx(file)
        content = file.read()
        self._refuse_other_files(content)
        return self._read_csv(content)

    def _refusal(self, what: str) -> SpreadsheetError:
        return SpreadsheetError(f"“{self.filename}”{what}")

    def _over_size(self) -> str:
        return f"超过 {_mebibytes(self.limits.unpacked_bytes)} 的上限。"

    def _refuse_other_files(self, content: bytes) -> None:
        if content.startswith(_COMPOUND_FILE):
            if "EncryptedPackage".encode("utf-16-le") in content:
                raise self._refusal("设了打开密码。请在 Excel 里取消密码、保存后再上传。")
            raise self._refusal(f"是旧版 .xls 或 WPS 的格式。{_SAVE_AS}")
        for signature, kind in _OTHER_FILES:
            if content.startswith(signature):
                raise self._refusal(f"是{kind}，不是表格。{_UPLOAD_TABLE}")
        if content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP_STARTS):
            raise self._refusal(f"其实是网页或 XML，只是换了扩展名。{_SAVE_AS}")

    # XLSX

    def _check_archive(self, archive: zipfile.ZipFile) -> None:
        """Refuse by the zip's directory alone: zipfile never unpacks more of a part than it declares."""
        parts = archive.infolist()
        names = {part.filename for part in parts}
        unpacked = sum(part.file_size for part in parts)
        if any(part.flag_bits & 0x1 for part in parts):
            raise self._refusal("设了密码。请取消密码、保存后再上传。")
        if unpacked > self.limits.unpacked_bytes:
            raise self._refusal(
                f"展开后有 {_mebibytes(unpacked)}，{self._over_size()}请删去多余的行列和空白格式，或拆成几份再上传。"
            )
        if len(parts) > self.limits.entries or len(names) < len(parts):
            raise self._refusal(f"里的部件太多或有重复，不像正常的表格。{_SAVE_AS}")
        for part in parts:
            if part.file_size > max(_RATIO_FREE_BYTES, self.limits.ratio * part.compress_size):
                raise self._refusal(
                    f"展开后有原来的 {self.limits.ratio} 倍以上，多半是大片重复或空白的行。请删去后再上传。"
                )
            if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self._refusal(f"用了不认识的压缩方式。{_SAVE_AS}")
        if "xl/workbook.bin" in names or "content.xml" in names:
            raise self._refusal(f"是 .xlsb 或 .ods 格式。{_SAVE_AS}")
        if "[Content_Types].xml" not in names or any(name.startswith(("word/", "ppt/")) for name in names):
            raise self._refusal(f"不是 Excel 表格。{_UPLOAD_TABLE}")

    def _read_xlsx(self, file: BinaryIO) -> Table:
        import openpyxl

        assert openpyxl.DEFUSEDXML, "openpyxl must parse with defusedxml; unset OPENPYXL_DEFUSEDXML."
        try:
            with zipfile.ZipFile(file) as archive:
                self._check_archive(archive)
            # openpyxl warns of parts it does not know (validations, pictures); none of them holds a cell.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
                try:
                    shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
                    sheets = shown or book.worksheets
                    return self._choose(_Sheet(sheet.title, partial(self._xlsx_rows, sheet)) for sheet in sheets)
                finally:
                    book.close()
        except SpreadsheetError:
            raise
        except Exception as error:
            if _tells_of_entities(error):
                raise self._refusal(f"里有 XML 实体，正常的表格没有，为安全起见不读。{_SAVE_AS}") from error
            # A damaged file makes the parser fail in too many ways to list; all mean the same to the person.
            raise self._refusal(f"已损坏或不是 Excel 表格，读不出来。{_SAVE_AS}") from error

    def _xlsx_rows(self, sheet: Any) -> Iterator[Row]:
        # The dimensions a file declares may be wrong, short or immense: rows are as wide as they are.
        sheet.reset_dimensions()
        slots = 0
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            slots += len(row)
            if number > _LAST_EXCEL_ROW or slots > self.limits.rows * self.limits.columns:
                raise self._refusal("空白的行列太多。请删去没有内容的行和列，保存后再上传。")
            yield tuple(unescaped(cell) if isinstance(cell, str) else cell for cell in row)

    # CSV

    def _read_csv(self, content: bytes) -> Table:
        text = self._decoded(content)
        delimiter = max(_DELIMITERS, key=partial(self._evenness, text))
        return self._choose([_Sheet("", partial(self._csv_rows, text, delimiter))])

    def _decoded(self, content: bytes) -> str:
        utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        for encoding in ("utf-16",) if utf_16 else ("utf-8-sig", "gb18030"):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            if encoding == "utf-8-sig" or not _BINARY.search(text):
                return text
        raise self._refusal("不是表格，或编码认不出来。请另存为 .xlsx，或 UTF-8 编码的 CSV，再上传。")

    def _csv_rows(self, text: str, delimiter: str) -> Iterator[Row]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        number = 1
        try:
            for fields in reader:
                yield tuple(unquoted(field) or None for field in fields)
                number += 1
        except csv.Error as error:
            # The module has a cap of its own on a field, for the whole process, a little above ours.
            if "field larger than" in str(error):
                raise self._too_long(f"第 {number} 行") from error
            raise self._refusal(
                f"第 {number} 行起引号不成对，分不清各列。请用 Excel 打开核对，另存为 .xlsx 后再上传。"
            ) from error

    def _evenness(self, text: str, delimiter: str) -> tuple[int, int]:
        """How many of the first rows the delimiter cuts into one same number of fields, and into how many."""
        try:
            rows = islice(self._csv_rows(text, delimiter), _HEAD_ROWS)
            widths = Counter(len(row) for row in rows if len(row) > 1)
        except SpreadsheetError:
            return (0, 0)
        return max(((count, width) for width, count in widths.items()), default=(0, 0))

    # Both

    def _choose(self, sheets: Iterable[_Sheet]) -> Table:
        """The table of the sheet whose headings are recognised, else of the first that holds anything."""
        best: tuple[int, _Sheet, int] | None = None
        for sheet in sheets:
            head = list(islice(_filled(sheet.rows()), _HEAD_ROWS))
            if not head:
                continue
            matches, number = self._heading_row(head)
            if best is None or (best[0] < 2 and matches > best[0]):
                best = (matches, sheet, number)
        if best is None:
            raise self._refusal("是空的，里面没有表格。请确认选对了文件。")
        return self._collect(best[1], best[2])

    def _heading_row(self, head: Sequence[tuple[int, Row]]) -> tuple[int, int]:
        """How many columns are recognised in the likeliest heading row, and that row's number."""
        if self.columns is not None:
            find = self.columns.find
            found = {number: len(find([cell_line(cell) for cell in row])) for number, row in head}
            number = max(found, key=lambda number: found[number])
            if found[number]:
                return found[number], number
        wide = (number for number, row in head if sum(cell not in (None, "") for cell in row) > 1)
        return 0, next(wide, head[0][0])

    def _collect(self, sheet: _Sheet, heading_row: int) -> Table:
        headings: tuple[str, ...] = ()
        rows: list[tuple[int, Row]] = []
        for number, row in _filled(sheet.rows()):
            if len(row) > self.limits.columns:
                raise self._refusal(f"第 {number} 行超过 {self.limits.columns} 列。请删去用不到的列再上传。")
            for index, cell in enumerate(row):
                if isinstance(cell, str) and len(cell) > self.limits.cell_characters:
                    raise self._too_long(f"第 {number} 行 {column_letter(index)} 列")
            if number == heading_row:
                headings = tuple(cell_line(cell) for cell in row)
            elif number > heading_row:
                if len(rows) == self.limits.rows:
                    raise self._refusal(f"超过 {self.limits.rows} 行。请拆成几份再上传。")
                rows.append((number, row))
        width = max(len(headings), *(len(row) for _, row in rows), 0)
        return Table(
            sheet=sheet.name,
            heading_row=heading_row,
            headings=headings + ("",) * (width - len(headings)),
            rows=tuple(TableRow(number, row + (None,) * (width - len(row))) for number, row in rows),
        )

    def _too_long(self, where: str) -> SpreadsheetError:
        most = self.limits.cell_characters
        return self._refusal(f"{where}的内容太长，一格最多 {most} 字。请缩短后再上传。")


def _tells_of_entities(error: BaseException | None) -> bool:
    """Whether defusedxml stands at the root of the error: openpyxl wraps some of what goes wrong beneath it."""
    from defusedxml import DefusedXmlException

    while error is not None and not isinstance(error, DefusedXmlException):
        error = error.__cause__ or error.__context__
    return error is not None


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"


def _filled(rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    """The rows in which anything is to be seen, numbered from 1 as in Excel, cut after their last filled cell."""
    for number, row in enumerate(rows, start=1):
        width = len(row)
        while width and row[width - 1] in (None, ""):
            width -= 1
        if any(cell_line(cell) for cell in row[:width]):
            yield number, row[:width]
