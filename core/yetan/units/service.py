"""Units: loading the tree, and the questions asked of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from tortoise.expressions import F
from tortoise.transactions import in_transaction

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.db.statements import fetch, marks
from yetan.errors import Invalid, Refused
from yetan.events.service import emit, emit_many, new_event
from yetan.i18n import translate as _
from yetan.runtime import current
from yetan.units.models import Unit, UnitAncestor, UnitMerger, UnitName
from yetan.units.table import UnitRow
from yetan.web.forms import Field, clean

NAME_FIELDS = (
    Field("name", "单位名称", max_length=80),
    Field("short_name", "简称", required=False, max_length=40),
)
MERGE_FIELDS = (Field("into", "并入哪个单位", "unit"),)
_ANCESTORS = "SELECT unit_id, ancestor_id FROM yetan_unit_ancestor WHERE unit_id IN ({units}) ORDER BY depth"


async def ancestors_of(units: Iterable[int]) -> Mapping[int, tuple[int, ...]]:
    """Each unit's ancestors, itself included, nearest first."""
    found: dict[int, list[int]] = {unit: [] for unit in units}
    if found:
        for row in await fetch(_ANCESTORS.format(units=marks(len(found))), list(found)):
            found[row["unit_id"]].append(row["ancestor_id"])
    return {unit: tuple(line) for unit, line in found.items()}


async def subtree_of(unit: int) -> list[int]:
    """The ids of a unit and everything below it."""
    return [row["unit_id"] for row in await UnitAncestor.filter(ancestor_id=unit).values("unit_id")]


async def root() -> Unit:
    """The city itself. Raises `Invalid` when no units have been loaded."""
    unit = await Unit.filter(parent_id=None).order_by("id").first()
    if unit is None:
        raise Invalid("还没有导入单位。请先运行 yetan import units，或在管理页面导入单位表。")
    return unit


async def superior_of(unit: Unit) -> Unit | None:
    """The unit one reports up to: the nearest ancestor that is no department."""
    kinds = current().configuration.unit_kinds
    for ancestor_id in (await ancestors_of([unit.id]))[unit.id][1:]:
        ancestor = await Unit.get(id=ancestor_id)
        if not kinds[ancestor.kind].department:
            return ancestor
    return None


async def by_name(name: str) -> Unit:
    """The unit of that name, code, short or former name. Raises `Invalid` when there is none or more than one."""
    wanted = name.strip()
    found = {
        unit.id: unit
        for query in (
            Unit.filter(code=wanted),
            Unit.filter(name=wanted),
            Unit.filter(short_name=wanted),
            Unit.filter(former_names__name=wanted),
        )
        for unit in await query
    }
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        codes = _("、").join(sorted(unit.code for unit in found.values()))
        raise Invalid("叫“{name}”的单位不止一个，请改用编码：{codes}。", name=wanted, codes=codes)
    raise Invalid("没有叫“{name}”的单位。请核对名称，或先把它导入单位表。", name=wanted)


class LoadedUnits(Struct, frozen=True):
    """How many units a load added, changed and left as they were."""

    added: int
    changed: int
    unchanged: int


async def load_units(act: Act, rows: Sequence[UnitRow]) -> LoadedUnits:
    """Add or change units by their code, in one transaction; a former name stays known.

    It changes the whole tree: for whoever manages the city itself. Raises `Forbidden`, and `Invalid` naming kinds
    the configuration does not know, and units that would have no place in one tree.
    """
    from yetan.issues.scope import follow_units

    if not act.actor.unrestricted:
        await require(act, "unit.manage", [(await root()).id])
    kinds = current().configuration.unit_kinds
    unknown = sorted({row.kind for row in rows} - set(kinds))
    if unknown:
        raise Invalid(
            "单位类型 {kinds} 没有在 yetan.toml 的 [unit_kinds] 里定义，请先补上。", kinds=_("、").join(unknown)
        )
    added = 0
    changed: list[int] = []
    async with in_transaction():
        existing = {unit.code: unit for unit in await Unit.all()}
        ids = {code: unit.id for code, unit in existing.items()}
        for position, row in enumerate(rows):
            values: dict[str, Any] = {
                "name": row.name,
                "short_name": row.short_name,
                "kind": row.kind,
                "parent_id": _parent_id(row, ids),
                "position": position,
            }
            unit = existing.get(row.code)
            if unit is None:
                unit = await Unit.create(code=row.code, **values)
                ids[row.code] = unit.id
                existing[row.code] = unit
                added += 1
                await emit(act, "unit.added", ("unit", unit.id))
            elif any(getattr(unit, name) != value for name, value in values.items()):
                if unit.name != row.name:
                    await _remember_name(unit, act)
                await unit.update_from_dict(values).save(update_fields=list(values))
                changed.append(unit.id)
                await emit(act, "unit.changed", ("unit", unit.id))
            for name in row.former_names:
                await UnitName.get_or_create(unit_id=unit.id, name=name)
        _check_tree(list(existing.values()))
        await rebuild_ancestors()
        await follow_units(act, changed)
    return LoadedUnits(added, len(changed), len(rows) - added - len(changed))


def _parent_id(row: UnitRow, ids: Mapping[str, int]) -> int | None:
    if row.parent_code and row.parent_code not in ids:
        raise Invalid(
            "“{name}”的上级编码“{code}”在表里和库里都没有，请核对，或先把上级加进表里。",
            name=row.name,
            code=row.parent_code,
        )
    return ids[row.parent_code] if row.parent_code else None


def _check_tree(units: Sequence[Unit]) -> None:
    """Raise `Invalid` unless there is one city, and everything is somewhere below it."""
    tops = [unit for unit in units if unit.parent_id is None]
    if len(tops) > 1:
        named = _("、").join(_("{name}（{title}）", name=unit.name, title=unit.code) for unit in tops[:5])
        raise Invalid(
            "没有上级的单位只能有一个，就是本市；现在有 {found} 个：{units}。请给其余的填上级编码。",
            found=len(tops),
            units=named,
        )
    below: dict[int | None, list[Unit]] = defaultdict(list)
    for unit in units:
        below[unit.parent_id].append(unit)
    reached, waiting = set[int](), list(tops)
    while waiting:
        unit = waiting.pop()
        reached.add(unit.id)
        waiting += below[unit.id]
    lost = [unit for unit in units if unit.id not in reached]
    if lost:
        circle = _("、").join(unit.name for unit in lost[:5])
        raise Invalid("这些单位的上下级成了圈：{units}。请核对上级编码。", units=circle)


class UnitChange(Struct, frozen=True):
    """A unit that a table would change: as it stands here, and the row."""

    unit: Unit
    row: UnitRow


async def compare_units(rows: Sequence[UnitRow]) -> tuple[list[UnitRow], list[UnitChange]]:
    """What `load_units` would add, and what it would rename, move or give another kind."""
    existing = {unit.code: unit for unit in await Unit.all()}
    codes = {unit.id: unit.code for unit in existing.values()}
    added = [row for row in rows if row.code not in existing]
    changed = [
        UnitChange(unit, row)
        for row in rows
        if (unit := existing.get(row.code)) is not None
        and (unit.name, unit.short_name, unit.kind, codes.get(unit.parent_id or 0, ""))
        != (row.name, row.short_name, row.kind, row.parent_code)
    ]
    return added, changed


async def _remember_name(unit: Unit, act: Act) -> None:
    until = act.now.astimezone(current().configuration.city.zone).date()
    await UnitName.update_or_create({"until": until}, unit_id=unit.id, name=unit.name)


@change(Unit)
async def rename(act: Act, unit_id: int, values: dict[str, Any]) -> Unit:
    """Give a unit another name and short name; the old name stays known to history and search."""
    from yetan.issues.scope import follow_units

    await require(act, "unit.manage", [unit_id])
    cleaned = clean(NAME_FIELDS, values)
    unit = await Unit.get(id=unit_id)
    if cleaned["name"] != unit.name:
        await _remember_name(unit, act)
    unit.name, unit.short_name = cleaned["name"], cleaned["short_name"]
    await unit.save(update_fields=["name", "short_name"])
    await emit(act, "unit.changed", ("unit", unit.id))
    await follow_units(act, [unit.id])
    return unit


@change(Unit)
async def set_active(act: Act, unit_id: int, active: bool) -> Unit:
    """Offer a unit in forms, or no longer; its issues stay where they are. A merged one does not come back."""
    await require(act, "unit.manage", [unit_id])
    unit = await Unit.get(id=unit_id)
    if unit.parent_id is None:
        raise Refused("最上面的单位不能停用。")
    if active and await UnitMerger.filter(unit_id=unit_id).exists():
        raise Refused("这个单位已经并入别的单位，不能恢复。需要的话，请用单位表新建一个。")
    unit.active = active
    await unit.save(update_fields=["active"])
    await emit(act, "unit.changed", ("unit", unit.id))
    return unit


@change(UnitMerger)
async def merge_units(act: Act, unit_id: int, into_id: int) -> UnitMerger:
    """Let a unit go into another: it takes no new issues, and its open ones get the other as responsible unit."""
    from yetan.issues.lifecycle import states_of
    from yetan.issues.models import Issue
    from yetan.issues.scope import write_scopes

    for each in (unit_id, into_id):
        await require(act, "unit.manage", [each])
    into = await Unit.get(id=into_id)
    if unit_id in (await ancestors_of([into.id]))[into.id]:
        raise Invalid.field("into", "不能并入自己，也不能并入自己下面的单位。")
    if not into.active:
        raise Invalid.field("into", "“{name}”已经停用，请选另一个单位。", name=into.name)
    if await UnitMerger.filter(unit_id=unit_id).exists():
        raise Refused("这个单位已经并入别的单位了。")
    if await Unit.filter(parent_id=unit_id, active=True).exists():
        raise Refused("这个单位下面还有单位。请先把它们并走，或者用单位表换上级。")
    on = act.now.astimezone(current().configuration.city.zone).date()
    merger = await UnitMerger.create(unit_id=unit_id, into_id=into.id, on=on)
    await Unit.filter(id=unit_id).update(active=False)
    open_states = states_of("open", "awaiting")
    moved = await Issue.filter(responsible_unit_id=unit_id, state__in=open_states).order_by("id")
    ids = [issue.id for issue in moved]
    await Issue.filter(id__in=ids).update(responsible_unit_id=into.id, version=F("version") + 1)
    await write_scopes(moved, [into.id])
    told = [
        new_event(
            act,
            "issue.transfer",
            ("issue", issue.id),
            audience="public",
            data={"from": issue.state, "to": issue.state, "round": issue.round, "responsible_unit_id": into.id},
        )
        for issue in moved
    ]
    await emit_many(act, told)
    await emit(act, "unit.merged", ("unit", unit_id), data={"into": into.id})
    return merger


async def rebuild_ancestors() -> None:
    """Write one row per unit and ancestor from the parents."""
    parents = {row["id"]: row["parent_id"] for row in await Unit.all().values("id", "parent_id")}
    rows: list[UnitAncestor] = []
    for unit_id in parents:
        ancestor, depth = unit_id, 0
        while ancestor is not None:
            rows.append(UnitAncestor(unit_id=unit_id, ancestor_id=ancestor, depth=depth))
            ancestor, depth = parents[ancestor], depth + 1
    await UnitAncestor.all().delete()
    await UnitAncestor.bulk_create(rows, batch_size=500)
