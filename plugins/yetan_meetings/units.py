"""The tree of units, loaded at once: who has to hold talks, and which township each belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from yetan.api import Act, Unit, ancestors_of, current, granted_units, load

#: Who may look at how the talks of their units go: cadence, leaders, the six haves.
OVERSEE = "meetings.oversee"


class Tree(Struct, frozen=True):
    """All units by their ids, in the tree's order, merged and closed ones too."""

    units: Mapping[int, Unit]

    def line(self, unit_id: int) -> Iterator[Unit]:
        """The unit and those above it, the nearest first."""
        at: int | None = unit_id
        while at is not None:
            yield self.units[at]
            at = self.units[at].parent_id

    def below(self, above: Collection[int]) -> list[Unit]:
        """The units at or below any of `above`."""
        return [unit for unit in self.units.values() if any(each.id in above for each in self.line(unit.id))]

    def talking(self, above: Collection[int]) -> list[Unit]:
        """Of those, the units where residents raise issues: each holds talks of its own."""
        return [unit for unit in self.below(above) if raises(unit)]

    def township_of(self, unit_id: int) -> Unit | None:
        """The unit that one's talks are reported to: the nearest above where no talks are held and that is no
        department."""
        return next((unit for unit in self.line(unit_id) if not raises(unit) and not _is_department(unit)), None)

    def townships(self, above: Collection[int]) -> list[Unit]:
        """At or below `above`, the townships of the units that hold talks now, in the tree's order."""
        found = {self.township_of(unit.id) for unit in self.talking(above) if unit.active}
        return [unit for unit in self.below(above) if unit in found]

    def offices(self, above: Collection[int]) -> list[tuple[str, str]]:
        """What a list may be narrowed to: the units above those that hold talks, as choices of a form."""
        over = {each.id for unit in self.talking(above) for each in self.line(unit.id) if each.id != unit.id}
        return [(str(unit.id), unit.name) for unit in self.below(above) if unit.id in over and not raises(unit)]

    def parts(self, units: Sequence[Unit], above: Collection[int]) -> dict[Unit, list[Unit]]:
        """`units` by the part of `above` they lie in; empty where there are no parts to tell apart."""
        parts: dict[Unit, list[Unit]] = {}
        for unit in units:
            line = list(self.line(unit.id))
            top = next((each for each, over in pairwise(line) if over.id in above), unit)
            parts.setdefault(top, []).append(unit)
        return parts if any(not raises(part) for part in parts) else {}


def raises(unit: Unit) -> bool:
    """Whether residents raise issues in a unit of this kind."""
    kind = current().configuration.unit_kinds.get(unit.kind)
    return kind is not None and kind.raises


def _is_department(unit: Unit) -> bool:
    kind = current().configuration.unit_kinds.get(unit.kind)
    return kind is not None and kind.department


async def load_tree() -> Tree:
    """All units, in one statement."""
    return Tree({unit.id: unit for unit in await load(Unit, "TRUE ORDER BY position, id")})


async def offices_near(units: Sequence[int]) -> list[int]:
    """The units and those above them, the nearest first, and behind them the departments that any of these has."""
    lines = await ancestors_of(units)
    above = list(dict.fromkeys(each for line in lines.values() for each in line))
    departments = [name for name, kind in current().configuration.unit_kinds.items() if kind.department]
    attached = Unit.filter(parent_id__in=above, kind__in=departments, active=True).order_by("position", "id")
    return [*above, *[unit.id for unit in await attached]]


def overseen(act: Act, tree: Tree) -> frozenset[int]:
    """The units that the actor's posts oversee, each with what lies below it."""
    if act.actor.unrestricted:
        return frozenset(unit.id for unit in tree.units.values() if unit.parent_id is None)
    return granted_units(act.actor, OVERSEE)
