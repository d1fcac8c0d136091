"""Bringing in the town's synonyms from a table: one ring a row, its words in one cell or in several."""

from __future__ import annotations

from collections.abc import Sequence

from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Invalid
from yetan.i18n import translate as _
from yetan.searching.models import SynonymRing
from yetan.searching.synonyms import add_ring, words_in
from yetan.searching.synonyms import rings as present_rings
from yetan.spreadsheets import Column, Columns, RowReader, Table, cell_line
from yetan.web.table_imports import Reading, refused_row

COLUMNS = Columns((Column("words", "意思相同的词", "意思相同的词 同义词 词组 词 words", 300),))


async def read_synonyms(act: Act, table: Table) -> Reading:
    """The rings of the table. One that is there already adds nothing."""
    found = COLUMNS.require(table, ("words",))
    there = {frozenset(ring) for ring in await present_rings()}
    claimed = {word for ring in there for word in ring}
    rows: list[tuple[int, str]] = []
    problems = []
    known = 0
    for each in table.rows:
        reader = RowReader(table, COLUMNS, found, each)
        text = " ".join(filter(None, map(cell_line, each.cells[found["words"] :])))
        try:
            words = words_in(text)
        except Invalid as error:
            reader.refuse("words", error.message)
            words = ()
        if words and frozenset(words) in there:
            known += 1
        elif shared := [word for word in words if word in claimed]:
            reader.refuse("words", f"“{shared[0]}”已经在另一组里")
        elif words:
            rows.append((each.number, " ".join(words)))
            claimed |= set(words)
        problems += reader.problems
    return Reading((_("意思相同的词"),), [(words,) for _row, words in rows], rows, problems, known)


@change(SynonymRing)
async def add_rings(act: Act, rows: Sequence[tuple[int, str]]) -> SynonymRing:
    """Add rings, all of them or none. Raises `Invalid` naming the row that is refused."""
    added = None
    for row, words in rows:
        try:
            ring = await add_ring(act, words)
        except Invalid as error:
            raise refused_row(row, error) from None
        added = added or ring
    assert added is not None, "nobody brings in an empty table"
    return added
