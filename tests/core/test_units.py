"""The tree of units: loading and loading again, former names, ancestors, merging (domain rule 3.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from yetan.errors import Forbidden, Invalid, Refused
from yetan.events.models import Event
from yetan.issues.models import Issue, IssueScope
from yetan.issues.service import get_visible
from yetan.publication.models import PublicIssue, PublicIssueScope
from yetan.publication.service import approve
from yetan.statistics.models import Counter
from yetan.testing import Town
from yetan.testing.town import UNITS
from yetan.units.models import Unit, UnitAncestor, UnitName
from yetan.units.service import (
    LoadedUnits,
    ancestors_of,
    by_name,
    load_units,
    merge_units,
    rename,
    root,
    set_active,
    subtree_of,
    superior_of,
)
from yetan.units.table import UnitRow

TABLE = {code: UnitRow(row, code, name, kind, parent) for row, (code, name, kind, parent) in enumerate(UNITS, start=2)}


def row(code: str, **changes: Any) -> UnitRow:
    """A line of the town's own table, with changes."""
    given = {"row": 2, "code": code, "name": code, "kind": "village", "parent_code": "township"}
    known = TABLE.get(code)
    if known is not None:
        given = {
            "row": known.row,
            "code": code,
            "name": known.name,
            "kind": known.kind,
            "parent_code": known.parent_code,
        }
    return UnitRow(**{**given, **changes})  # type: ignore[arg-type]


def table(*changed: UnitRow) -> list[UnitRow]:
    """The town's whole table with some lines changed or added."""
    return list({**TABLE, **{each.code: each for each in changed}}.values())


def load(town: Town, rows: Sequence[UnitRow], by: str = "") -> LoadedUnits:
    async def go() -> LoadedUnits:
        return await load_units(await town.act(by), rows)

    return town.do(go)


def unit(town: Town, code: str) -> Unit:
    async def go() -> Unit:
        return await Unit.get(code=code)

    return town.do(go)


def merge(town: Town, one: str, into: str, by: str = "administrator") -> None:
    async def go() -> None:
        await merge_units(await town.act(by), town.units[one], town.units[into])

    town.do(go)


def test_loading_the_same_table_again_changes_nothing(town: Town) -> None:
    assert load(town, table()) == LoadedUnits(0, 0, len(UNITS))


def test_a_unit_loaded_under_another_name_is_found_by_both(town: Town) -> None:
    assert load(town, table(row("village", name="溪源村"))) == LoadedUnits(0, 1, len(UNITS) - 1)
    assert town.run(by_name("溪源村")).code == "village"
    assert town.run(by_name("溪尾村")).code == "village"
    former = town.run(_former(town.units["village"]))
    assert [(name.name, str(name.until)) for name in former] == [("溪尾村", "2026-05-06")]
    load(town, table())
    assert town.run(by_name("溪源村")).code == "village"
    assert unit(town, "village").name == "溪尾村"


def test_units_are_found_by_code_name_short_and_former_name_and_by_nothing_twice(town: Town) -> None:
    load(town, table(row("department", short_name="城管", former_names=("市容所", "环卫所"))))
    for word in ("department", "县城管局", "城管", "市容所", "环卫所", " 城管 "):
        assert town.run(by_name(word)).code == "department", word
    load(town, table(row("other", name="溪尾村")))
    with pytest.raises(Invalid, match="不止一个，请改用编码：other、village"):
        town.run(by_name("溪尾村"))
    with pytest.raises(Invalid, match="没有叫"):
        town.run(by_name("没有的村"))


def test_ancestors_follow_a_unit_that_moves(town: Town) -> None:
    lines = town.run(ancestors_of([town.units["village"], town.units["department"]]))
    assert lines[town.units["village"]] == tuple(town.units[c] for c in ("village", "township", "county", "city"))
    assert lines[town.units["department"]] == tuple(town.units[c] for c in ("department", "county", "city"))
    load(town, table(row("village", parent_code="elsewhere")))
    moved = town.run(ancestors_of([town.units["village"]]))[town.units["village"]]
    assert moved == tuple(town.units[c] for c in ("village", "elsewhere", "county", "city"))
    assert town.units["village"] in town.run(subtree_of(town.units["elsewhere"]))
    assert town.units["village"] not in town.run(subtree_of(town.units["township"]))
    assert town.run(_count(UnitAncestor)) == 1 + 2 + 3 + 4 + 4 + 3 + 4 + 3


def test_one_reports_up_to_the_nearest_that_is_no_department(town: Town) -> None:
    load(town, table(row("team", name="路灯班", kind="department", parent_code="department")))
    superiors = {code: town.run(superior_of(unit(town, code))) for code in ("village", "team", "city")}
    assert [each.code if each else "" for each in superiors.values()] == ["township", "county", ""]
    assert town.run(root()).code == "city"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((row("township", parent_code="village"),), "成了圈：.*石桥镇"),
        ((row("village", parent_code="village"),), "成了圈：溪尾村"),
        (
            (row("second", name="另一个市", kind="city", parent_code=""),),
            "现在有 2 个：.*（city）、另一个市（second）",
        ),
        ((row("new", parent_code="nowhere"),), "上级编码“nowhere”在表里和库里都没有"),
        ((row("new", kind="kingdom"),), "单位类型 kingdom 没有"),
    ],
)
def test_a_table_that_makes_no_tree_is_refused_and_nothing_of_it_is_written(
    town: Town, changed: tuple[UnitRow, ...], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        load(town, [row("city", name="改了名的市"), *changed])
    assert unit(town, "city").name == "柳湾市"
    assert town.run(_count(Unit)) == len(UNITS)
    assert town.run(_count(UnitName)) == 0


def test_the_tree_is_for_whoever_manages_the_city(town: Town) -> None:
    with pytest.raises(Forbidden):
        load(town, table(), by="clerk")
    assert load(town, table(), by="administrator").unchanged == len(UNITS)


def test_a_renamed_unit_keeps_its_former_name(town: Town) -> None:
    async def go() -> None:
        await rename(await town.act("administrator"), town.units["village"], {"name": "溪源村", "short_name": "溪源"})

    town.do(go)
    assert town.run(by_name("溪尾村")).short_name == "溪源"


def test_the_board_shows_the_new_name_of_a_unit(town: Town) -> None:
    issue = town.report()

    async def publish() -> None:
        await approve(await town.act("publisher"), issue.id)

    async def go() -> None:
        await rename(await town.act("administrator"), town.units["village"], {"name": "溪源村", "short_name": ""})

    async def shown() -> str:
        return (await PublicIssue.get(issue_id=issue.id)).unit_name

    town.do(publish)
    town.run_worker()
    assert town.do(shown) == "溪尾村"
    town.do(go)
    town.run_worker()
    assert town.do(shown) == "溪源村"


def test_issues_of_a_unit_that_moves_are_seen_and_counted_by_who_is_above_it_now(town: Town) -> None:
    issue = town.report()

    async def publish() -> None:
        await approve(await town.act("publisher"), issue.id)

    async def units(model: Any) -> set[int]:
        return {row["unit_id"] for row in await model.filter(issue_id=issue.id).values("unit_id")}

    async def counted() -> int:
        return await Counter.filter(unit_id=town.units["elsewhere"]).exclude(value=0).count()

    town.do(publish)
    town.run_worker()
    assert town.do(counted) == 0
    load(town, table(row("village", parent_code="elsewhere")))
    assert town.units["elsewhere"] in town.run(units(IssueScope))
    town.run_worker()
    above = {town.units[code] for code in ("village", "elsewhere", "county", "city")}
    assert town.run(units(PublicIssueScope)) == above
    assert town.do(counted) > 0


def test_merging_hands_open_issues_on_and_leaves_closed_ones_where_they_were(town: Town) -> None:
    still = town.report()
    declined = town.report(text="另一件事，内容完全不同，不归村里管。")
    town.move(declined, "decline", by="clerk")
    before = town.reload(still).version
    merge(town, "village", "other")
    still, declined = town.reload(still), town.reload(declined)
    assert (still.responsible_unit_id, still.unit_id) == (town.units["other"], town.units["village"])
    assert still.version == before + 1
    assert declined.responsible_unit_id == town.units["village"]
    assert not unit(town, "village").active

    async def seen() -> Issue:
        return await get_visible(await town.act("other"), still.id)

    assert town.do(seen).id == still.id
    town.move(still, "list", by="other", owner=town.accounts["other"].id)


def test_residents_read_that_the_matter_went_to_the_other_unit(town: Town) -> None:
    issue = town.report()

    async def publish() -> None:
        await approve(await town.act("publisher"), issue.id)

    town.do(publish)
    merge(town, "village", "other")
    town.run_worker()

    async def shown() -> PublicIssue:
        return await PublicIssue.get(issue_id=issue.id)

    board = town.do(shown)
    assert (board.unit_name, board.responsible_unit_name) == ("溪尾村", "樟林村")
    assert [entry["type"] for entry in board.timeline] == ["issue.reported", "issue.transfer"]

    async def events() -> int:
        return await Event.filter(type="unit.merged").count()

    assert town.do(events) == 1


def test_a_merged_unit_takes_no_new_issues_and_does_not_come_back(town: Town) -> None:
    merge(town, "village", "other")
    with pytest.raises(Invalid, match="并入别处"):
        town.report()

    async def back() -> None:
        await set_active(await town.act("administrator"), town.units["village"], True)

    with pytest.raises(Refused, match="不能恢复"):
        town.do(back)
    with pytest.raises(Refused, match="已经并入"):
        merge(town, "village", "sibling")
    with pytest.raises(Invalid, match="已经停用"):
        merge(town, "sibling", "village")


def test_what_cannot_be_merged_is_refused(town: Town) -> None:
    with pytest.raises(Invalid, match="并入自己"):
        merge(town, "township", "village")
    with pytest.raises(Invalid, match="并入自己"):
        merge(town, "village", "village")
    with pytest.raises(Refused, match="下面还有单位"):
        merge(town, "township", "elsewhere")
    with pytest.raises(Forbidden):
        merge(town, "village", "other", by="clerk")
    assert town.run(_count(IssueScope)) == 0


def test_the_city_itself_is_never_switched_off(town: Town) -> None:
    async def off(code: str) -> None:
        await set_active(await town.act("administrator"), town.units[code], False)

    with pytest.raises(Refused, match="最上面"):
        town.run(off("city"))
    town.run(off("village"))
    with pytest.raises(Invalid):
        town.report()


async def _former(unit_id: int) -> list[UnitName]:
    return await UnitName.filter(unit_id=unit_id)


async def _count(model: Any) -> int:
    return int(await model.all().count())
