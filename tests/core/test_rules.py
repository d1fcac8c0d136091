"""What a rule says: the nearest unit's newest value by date, then the city's first value, then the default (001-41)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from yetan.errors import Forbidden, Invalid
from yetan.plugins.declarations import Rule
from yetan.rules.models import RuleDocument, RuleValue
from yetan.rules.service import check_configured, check_value, issue_document, set_value, value_of, values_of
from yetan.testing import Town

TODAY = date(2026, 5, 6)
DAYS = "issue.longest_days"


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"rules": {DAYS: 60, "publication.second_reader": "false"}}


def decree(
    town: Town, value: Any, unit: str, since: date = TODAY, by: str = "administrator", rule: str = DAYS
) -> RuleValue:
    async def go() -> RuleValue:
        return await set_value(await town.act(by), rule, town.units[unit], value, since)

    return town.do(go)


def says(town: Town, unit: str, on: date | None = None, rule: str = DAYS) -> Any:
    return town.run(value_of(rule, town.units[unit], on))


def test_the_citys_first_value_comes_before_the_default_in_the_rules_own_type(town: Town) -> None:
    assert says(town, "village") == 60
    assert says(town, "village", rule="issue.remind_days") == 3
    assert says(town, "village", rule="publication.second_reader") is False


def test_the_nearest_unit_wins_over_those_above_it_and_over_newer_ones(town: Town) -> None:
    decree(town, 45, "city")
    decree(town, 20, "township", TODAY - timedelta(days=300))
    decree(town, 30, "county", TODAY)
    assert [says(town, unit) for unit in ("village", "township", "other", "department", "city")] == [20, 20, 30, 30, 45]
    at_once = town.run(values_of(DAYS, list(town.units.values())))
    assert at_once == {unit: says(town, code) for code, unit in town.units.items()}


def test_in_one_unit_the_newest_value_that_has_come_into_force_counts(town: Town) -> None:
    decree(town, 10, "county", TODAY - timedelta(days=10))
    decree(town, 20, "county", TODAY + timedelta(days=10))
    decree(town, 15, "county", TODAY)
    days = [TODAY + timedelta(days=number) for number in (-11, -10, -1, 0, 9, 10)]
    assert [says(town, "village", day) for day in days] == [60, 10, 10, 15, 15, 20]
    assert says(town, "village") == 15
    town.clock.forward(days=10)
    assert says(town, "village") == 20


def test_the_day_is_the_citys(town: Town) -> None:
    decree(town, 20, "county", TODAY)
    town.clock.now = town.clock.now.replace(day=5, hour=15, minute=59)
    assert says(town, "village") == 60
    town.clock.now = town.clock.now.replace(hour=16)
    assert says(town, "village") == 20


def test_a_value_for_the_same_day_replaces_the_earlier_one(town: Town) -> None:
    decree(town, 20, "county")
    decree(town, 25, "county")
    assert says(town, "county") == 25
    assert town.run(_count(RuleValue)) == 1


def test_a_deadline_is_held_against_the_value_of_the_responsible_unit(town: Town) -> None:
    """001-11."""
    decree(town, 5, "township")
    issue = town.report()
    with pytest.raises(Invalid, match="最长 5 天"):
        town.move(issue, "list", by="clerk", deadline=TODAY + timedelta(days=6))
    town.move(issue, "list", by="clerk", deadline=TODAY + timedelta(days=5))


@pytest.mark.parametrize("value", [0, 366, "many", "", None, 2.5, True, [3]])
def test_a_number_out_of_range_or_none_at_all_is_refused(town: Town, value: Any) -> None:
    with pytest.raises(Invalid, match="办理时限最长多少天"):
        decree(town, value, "county")
    assert town.run(_count(RuleValue)) == 0


def test_values_are_kept_in_the_rules_own_type(town: Town) -> None:
    assert decree(town, "25", "county").value == 25
    assert decree(town, "1", "county", rule="publication.second_reader").value is True
    assert says(town, "village", rule="publication.second_reader") is True


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [
        (Rule("days", "天数", "int", 1, "", unit="天", minimum=2), 1, "“天数”不能少于 2 天。"),
        (Rule("days", "天数", "int", 1, "", unit="天", maximum=2), 3, "“天数”不能多于 2 天。"),
        (Rule("way", "方式", "choice", "a", "", choices=(("a", "甲"), ("b", "乙"))), "c", "“方式”请选：甲、乙。"),
        (Rule("way", "方式", "choice", "a", "", choices=(("a", "甲"),)), ["a"], "“方式”请选：甲。"),
        (Rule("on", "开关", "bool", False, ""), "yes", "“开关”请填是或者否。"),
    ],
)
def test_what_a_rule_does_not_take_is_said(rule: Rule, value: Any, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        check_value(rule, value)
    assert check_configured({rule.name: value}, {rule.name: rule}) == [
        f"rules.{rule.name}: {value!r} is not allowed: {said}"
    ]


def test_only_who_manages_rules_there_sets_them_and_only_known_ones_by_known_documents(town: Town) -> None:
    with pytest.raises(Forbidden):
        decree(town, 20, "township", by="clerk")
    with pytest.raises(Invalid, match="没有这条规则"):
        decree(town, 20, "county", rule="issue.shortest_days")

    async def by_no_document() -> None:
        await set_value(await town.act("administrator"), DAYS, town.units["county"], 20, TODAY, document_id=999)

    with pytest.raises(Invalid, match="没有这份文件"):
        town.do(by_no_document)


def test_a_document_of_the_same_title_is_its_next_version(town: Town) -> None:
    """001-42."""

    async def issue(unit: str, title: str, text: str) -> RuleDocument:
        return await issue_document(await town.act("administrator"), town.units[unit], title, text, TODAY, "1 号")

    first = town.run(issue("county", "办理时限规定", "三十天。"))
    second = town.run(issue("county", "办理时限规定", "二十天。"))
    elsewhere = town.run(issue("township", "办理时限规定", "本镇二十天。"))
    assert [first.version, second.version, elsewhere.version] == [1, 2, 1]
    assert town.reload(first).text == "三十天。", "the earlier version stays as it was"

    async def decreed() -> RuleValue:
        return await set_value(await town.act("administrator"), DAYS, town.units["county"], 20, TODAY, second.id)

    assert town.do(decreed).document_id == second.id
    page = town.browser().get("/rules").text
    assert "办理时限规定" in page


async def _count(model: Any) -> int:
    return int(await model.all().count())
