"""Reading a tree of units from a table: one row a unit, naming the unit above by its code."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from yetan.spreadsheets import Column, Columns, RowProblem, RowReader, Table

UNIT_COLUMNS = Columns(
    (
        Column("code", "编码", "单位编码 机构编码 编码 单位代码 代码 code", 40),
        Column("name", "名称", "单位名称 机构名称 全称 名称 单位 name", 80),
        Column("kind", "类型", "单位类型 机构类型 类型 类别 级别 层级 kind", 30),
        Column("parent_code", "上级编码", "上级单位编码 上级编码 上级单位代码 上级代码 上级 parent", 40),
        Column("short_name", "简称", "单位简称 简称 short_name", 40),
        Column("former_names", "曾用名", "曾用名 曾用名称 原名 旧名 former_names"),
    )
)

_NAME_LENGTH = UNIT_COLUMNS["name"].limit
_BETWEEN_NAMES = re.compile(r"[、，,；;/\n|]+")


class UnitRow(Struct, frozen=True):
    """A unit to be, from row `row` of the table. `parent_code` is that of the unit above, "" at the top."""

    row: int
    code: str
    name: str
    kind: str
    parent_code: str = ""
    short_name: str = ""
    former_names: tuple[str, ...] = ()


class UnitTable(Struct, frozen=True):
    """The units of a table, each after the one above it, and what is wrong: load them only if nothing is."""

    units: tuple[UnitRow, ...]
    problems: tuple[RowProblem, ...]


def parse_units(table: Table, *, kinds: Mapping[str, str] | None = None, known: Collection[str] = ()) -> UnitTable:
    """The units in `table`, in its order except that parents come first.

    `kinds` says for every word a kind of unit may be called what its key is; without it the word is the
    key. `known` are codes of units that exist already and may be named as parents. Raises SpreadsheetError
    where the code, the name or the kind has no column; all else is a problem of its row.
    """
    found = UNIT_COLUMNS.require(table, ("code",), ("name",), ("kind",))
    units: dict[str, tuple[UnitRow, RowReader]] = {}
    readers: list[RowReader] = []
    for row in table.rows:
        reader = RowReader(table, UNIT_COLUMNS, found, row)
        readers.append(reader)
        unit = _unit(reader, kinds)
        first, _ = units.setdefault(unit.code, (unit, reader))
        if unit.code and first is not unit:
            reader.refuse("code", f"编码与第 {first.row} 行重复")
    units.pop("", None)
    for unit, reader in units.values():
        if unit.parent_code and unit.parent_code not in units and unit.parent_code not in known:
            reader.refuse("parent_code", "没有这个编码的单位，请核对，或先把上级加进表里")
    ordered = _parents_first(units)
    return UnitTable(ordered, tuple(problem for reader in readers for problem in reader.problems))


def _unit(reader: RowReader, kinds: Mapping[str, str] | None) -> UnitRow:
    code, name, kind = (reader.required_line(field) for field in ("code", "name", "kind"))
    if kinds is not None and kind:
        if kind not in kinds:
            reader.refuse("kind", f"没有这种单位类型，可以写：{'、'.join(kinds)}")
        kind = kinds.get(kind, kind)
    former = tuple(filter(None, map(str.strip, _BETWEEN_NAMES.split(reader.text("former_names")))))
    if any(len(name) > _NAME_LENGTH for name in former):
        reader.refuse("former_names", f"一个名称最多 {_NAME_LENGTH} 字；几个曾用名之间用顿号分开")
    return UnitRow(
        row=reader.row.number,
        code=code,
        name=name,
        kind=kind,
        parent_code=reader.line("parent_code"),
        short_name=reader.line("short_name"),
        former_names=former,
    )


def _parents_first(units: Mapping[str, tuple[UnitRow, RowReader]]) -> tuple[UnitRow, ...]:
    """The units, each after its parent; those in a circle are refused, those below one left out."""
    placed: dict[str, UnitRow | None] = {}
    for code in units:
        chain: list[str] = []
        while code in units and code not in placed and code not in chain:
            chain.append(code)
            code = units[code][0].parent_code
        circle = chain[chain.index(code) :] if code in chain else []
        for member in circle:
            units[member][1].refuse("parent_code", f"上下级成了圈：{_circle(circle, member)}")
        lost = bool(circle) or (code in placed and placed[code] is None)
        placed.update((member, None if lost else units[member][0]) for member in reversed(chain))
    return tuple(unit for unit in placed.values() if unit is not None)


def _circle(codes: Sequence[str], start: str) -> str:
    at = codes.index(start)
    return " → ".join((*codes[at:], *codes[:at], start))
