"""Which column of a table is which, from headings as people write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field

from yetan.spelling import nearest
from yetan.spreadsheets.table import SpreadsheetError, Table, column_letter

_BRACKETED = re.compile(r"[(\[{【〔<《「][^)\]}】〕>》」]*[)\]}】〕>》」]")
_NOISE = re.compile(r"[\s*※:;,.。、·\"'“”()\[\]{}【】〔〕<>《》「」_\u200b\ufeff-]+")
_REQUIRED_MARK = re.compile(r"必填项?|选填项?")
_LONGEST_HEADING = 200


class Column(Struct, frozen=True):
    """A column that is looked for.

    `field` is the name it is known by, `label` what messages call it, `headings` what people write over it
    (words between spaces), the most telling first: where two columns of a file match, the earlier heading
    wins. `limit` is the most characters a cell may have (0: none is set).
    """

    field: str
    label: str
    headings: str
    limit: int = 0

    @property
    def forms(self) -> tuple[str, ...]:
        """The headings as they are compared."""
        return tuple(heading_forms(heading)[0] for heading in self.headings.split())


def heading_forms(heading: str) -> tuple[str, ...]:
    """The forms a heading is looked up by: folded, then also without what its brackets hold.

    Folding evens out width, case, spaces and marks: “* 留言 编号（必填）” gives 留言编号; 村（社区） gives
    村社区 and 村. What is too long to be a heading has no form.
    """
    if len(heading) > _LONGEST_HEADING:
        return ()
    folded = unicodedata.normalize("NFKC", heading).casefold()
    forms = []
    for text in (folded, _BRACKETED.sub("", folded)):
        form = _REQUIRED_MARK.sub("", _NOISE.sub("", text))
        if form and form not in forms:
            forms.append(form)
    return tuple(forms)


class Columns(Struct, frozen=True, dict=True):
    """The columns looked for in one kind of table; `mapping` (heading -> field) adds a town's own."""

    columns: tuple[Column, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _known(self) -> Mapping[str, tuple[str, int]]:
        """What each form of a heading means, and its rank: smaller is more telling."""
        known: dict[str, tuple[str, int]] = {}
        for column in self.columns:
            for rank, form in enumerate(column.forms):
                holder, _ = known.setdefault(form, (column.field, rank))
                assert holder == column.field, f"{form!r} would mean both {holder} and {column.field}."
        for heading, name in self.mapping.items():
            assert name in self.fields, f"mapping names {name!r}, which is none of {sorted(self.fields)}."
            for form in heading_forms(heading)[:1]:
                known[form] = (name, -1)
        return known

    @property
    def fields(self) -> frozenset[str]:
        """The names of all fields."""
        return frozenset(column.field for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        """The column of the field `name`."""
        return next(column for column in self.columns if column.field == name)

    def recognise(self, heading: str) -> tuple[str, int] | None:
        """The field a heading means and how well (smaller is better), or None."""
        return next((self._known[form] for form in heading_forms(heading) if form in self._known), None)

    def find(self, headings: Sequence[str]) -> dict[str, int]:
        """The index of each field's column. Of two columns for one field the better heading wins."""
        found: dict[str, tuple[int, int]] = {}
        for index, heading in enumerate(headings):
            if match := self.recognise(heading):
                name, rank = match
                found[name] = min(found.get(name, (rank, index)), (rank, index))
        return {name: index for name, (_, index) in found.items()}

    def written(self, heading: str, headings: Sequence[str]) -> bool:
        """Whether one of `headings` is `heading`, spaces, width and marks aside."""
        wanted = heading_forms(heading)[:1]
        return any(form in wanted for other in headings for form in heading_forms(other))

    def require(self, table: Table, *alternatives: Sequence[str]) -> dict[str, int]:
        """As `find`, raising SpreadsheetError unless at least one field of each of `alternatives` is there.

        The message lists the headings that were found and names those nearest to each missing column.
        """
        found = self.find(table.headings)
        missing = [names for names in alternatives if not any(name in found for name in names)]
        if not missing:
            return found
        seen = [heading for heading in table.headings if heading]
        wanted = "；".join(
            "或".join(f"“{self[name].label}”" for name in names) + self._nearest(names, seen) for names in missing
        )
        listed = "、".join(f"“{heading}”" for heading in seen[:30])
        where = f"工作表“{table.sheet}”" if table.sheet else "表格"
        raise SpreadsheetError(
            f"{where}里没有找到这些列：{wanted}。第 {table.heading_row} 行被当作表头，写的是：{listed}。"
            "请改表头，或用映射文件说明哪一列是什么。"
        )

    def _nearest(self, names: Sequence[str], seen: Iterable[str]) -> str:
        wanted = [form for name in names for form in self[name].forms]
        meant = {
            heading
            for heading in seen
            for form in heading_forms(heading)
            if not self.recognise(heading) and nearest(form, wanted)
        }
        return f"（是不是{'、'.join(f'“{heading}”' for heading in sorted(meant))}？）" if meant else ""


def unique_heading(table: Table, index: int) -> str:
    """A name for the column `index` that no other has: its heading, with the column's letter if need be."""
    heading = table.heading(index)
    return heading if table.headings.count(heading) < 2 else f"{heading}（{column_letter(index)}列）"
