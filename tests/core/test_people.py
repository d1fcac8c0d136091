"""Accounts, posts, handing over, links and households."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from yetan.access.models import Session
from yetan.access.scope import may
from yetan.errors import Forbidden, Invalid, NotFound, Refused
from yetan.issues.models import Issue
from yetan.people.models import Account, Household, HouseholdMember, Link, Person, Post
from yetan.people.service import (
    accounts_in,
    add_household,
    add_link,
    add_member,
    appoint,
    create_account,
    end_link,
    end_post,
    find_or_add_person,
    hand_over,
    invite,
    posts_on,
    remove_member,
    set_active,
)
from yetan.testing import Town

TODAY = date(2026, 5, 6)


def post_of(town: Town, who: str) -> Post:
    async def go() -> Post:
        return await Post.get(account_id=town.accounts[who].id)

    return town.do(go)


def hand(town: Town, who: str, successor: str, on: date, by: str = "administrator") -> Post:
    async def go() -> Post:
        given = {"successor": town.accounts[successor].id, "on": on}
        return await hand_over(await town.act(by), (await Post.get(account_id=town.accounts[who].id)).id, given)

    return town.do(go)


def listed(town: Town, owner: str = "deputy", **values: Any) -> Issue:
    issue = town.report(text=f"{owner}要办的第 {len(values)} 件事，内容各不相同。")
    return town.move(issue, "list", by="clerk", owner=town.accounts[owner].id, **values)


# Posts


def test_a_post_counts_from_its_first_to_its_last_day_in_the_citys_time(town: Town) -> None:
    account = town.accounts["deputy"]

    async def go() -> list[bool]:
        await Post.filter(account_id=account.id).update(since=TODAY, until=TODAY + timedelta(days=2))
        days = [TODAY + timedelta(days=number) for number in range(-1, 4)]
        return [bool(await posts_on([account.id], day)) for day in days]

    assert town.do(go) == [False, True, True, True, False]
    held = []
    for instant in (
        datetime(2026, 5, 5, 15, 59, tzinfo=UTC),  # 23:59 on the 5th in Shanghai
        datetime(2026, 5, 5, 16, 0, tzinfo=UTC),
        datetime(2026, 5, 8, 15, 59, tzinfo=UTC),
        datetime(2026, 5, 8, 16, 0, tzinfo=UTC),
    ):
        town.clock.now = instant
        held.append(town.run(_may_handle(town, "deputy")))
    assert held == [False, True, True, False]


def test_a_browser_loses_the_right_the_day_after_the_last(town: Town) -> None:
    post = post_of(town, "clerk")

    async def end() -> None:
        await end_post(await town.act("administrator"), post.id, TODAY)

    town.do(end)
    assert town.browser("clerk").get("/desk").status_code == 200
    town.clock.now = datetime(2026, 5, 6, 16, 0, tzinfo=UTC)
    assert town.browser("clerk").get("/desk").status_code != 200


def test_several_posts_of_one_account_all_count(town: Town) -> None:
    async def go() -> set[int]:
        given = {"role": "village_official", "unit": town.units["other"], "since": TODAY}
        await appoint(await town.act("administrator"), town.accounts["village"].id, given)
        return {grant.unit_id for grant in (await town.actor("village")).grants}

    assert town.do(go) == {town.units["village"], town.units["other"]}


def test_an_appointment_that_ends_before_it_begins_is_refused(town: Town) -> None:
    async def go() -> None:
        given = {"role": "leader", "unit": town.units["county"], "since": TODAY, "until": TODAY - timedelta(days=1)}
        await appoint(await town.act("administrator"), town.accounts["village"].id, given)

    with pytest.raises(Invalid, match="早于开始"):
        town.do(go)


def test_nobody_ends_the_post_they_manage_accounts_by(town: Town) -> None:
    async def go() -> None:
        await end_post(await town.act("administrator"), post_of_administrator, TODAY)

    post_of_administrator = post_of(town, "administrator").id
    with pytest.raises(Forbidden, match="自己"):
        town.do(go)


# Handing over


def test_handing_over_moves_what_is_open_and_leaves_what_is_closed(town: Town) -> None:
    still = listed(town)
    waiting = town.move(listed(town, supervisor=town.accounts["deputy"].id), "resolve", by="deputy")
    closed = town.move(listed(town, measures="查过", supervisor=None), "merge", by="clerk", into=still.number)
    elsewhere = listed(town, owner="village", measures="别人的", supervisor=None, deadline=TODAY)
    successor = hand(town, "deputy", "sibling", TODAY)
    assert (successor.since, post_of(town, "deputy").until) == (TODAY, TODAY - timedelta(days=1))
    owners = [town.reload(issue).owner_id for issue in (still, waiting, closed, elsewhere)]
    other, own = town.accounts["sibling"].id, town.accounts["village"].id
    assert owners == [other, other, None, own]
    assert town.reload(waiting).supervisor_id == other
    assert town.reload(still).version == still.version + 1
    town.run_worker()
    assert "由您负责" in town.browser("sibling").get("/desk/notices").text


def test_a_post_handed_over_later_takes_its_issues_along_on_that_day(town: Town) -> None:
    issue = listed(town)
    hand(town, "deputy", "sibling", TODAY + timedelta(days=3))
    town.clock.now = datetime(2026, 5, 8, 15, 59, tzinfo=UTC)
    town.run_worker()
    assert town.reload(issue).owner_id == town.accounts["deputy"].id
    town.clock.now = datetime(2026, 5, 8, 16, 0, tzinfo=UTC)
    town.run_worker()
    assert town.reload(issue).owner_id == town.accounts["sibling"].id


def test_handing_over_what_was_left_behind_does_not_lengthen_the_post(town: Town) -> None:
    issue = listed(town)

    async def gone() -> None:
        await Post.filter(account_id=town.accounts["deputy"].id).update(until=TODAY - timedelta(days=30))

    town.do(gone)
    hand(town, "deputy", "sibling", TODAY)
    assert post_of(town, "deputy").until == TODAY - timedelta(days=30)
    assert town.reload(issue).owner_id == town.accounts["sibling"].id


def test_a_hand_over_that_cannot_be_is_refused(town: Town) -> None:
    with pytest.raises(Invalid, match="另一个人"):
        hand(town, "deputy", "deputy", TODAY)
    with pytest.raises(Invalid, match="晚于原来"):
        hand(town, "deputy", "sibling", date(2020, 1, 1))
    with pytest.raises(Forbidden):
        hand(town, "deputy", "sibling", TODAY, by="clerk")

    async def off() -> None:
        await set_active(await town.act("administrator"), town.accounts["sibling"].id, False)

    town.do(off)
    with pytest.raises(Invalid, match="停用"):
        hand(town, "deputy", "sibling", TODAY)


# Accounts


def test_disabling_an_account_ends_its_sessions_and_links(town: Town) -> None:
    """C36."""
    browser = town.browser("clerk")
    assert browser.get("/desk").status_code == 200

    async def switch(active: bool) -> int:
        await set_active(await town.act("administrator"), town.accounts["clerk"].id, active)
        return await Session.filter(account_id=town.accounts["clerk"].id).count()

    assert town.run(switch(False)) == 0
    assert browser.get("/desk").status_code != 200

    async def ask() -> None:
        await invite(await town.act("administrator"), town.accounts["clerk"].id)

    with pytest.raises(Refused, match="停用"):
        town.do(ask)
    town.run(switch(True))
    town.do(ask)
    assert browser.get("/desk").status_code != 200, "the old session stays ended"


def test_nobody_disables_themself_or_who_is_out_of_reach(town: Town) -> None:
    async def go(by: str, who: str) -> None:
        await set_active(await town.act(by), town.accounts[who].id, False)

    with pytest.raises(Forbidden, match="自己"):
        town.run(go("administrator", "administrator"))
    with pytest.raises(Forbidden):
        town.run(go("clerk", "village"))


def test_a_new_account_has_no_password_and_a_name_of_its_own(town: Town) -> None:
    """C40."""

    async def create(username: str) -> Account:
        given = {"username": username, "name": "新来的人", "unit": town.units["village"]}
        return await create_account(await town.act("administrator"), given)

    assert town.run(create("newcomer")).password_hash == ""
    with pytest.raises(Invalid, match="已经有人用"):
        town.run(create("newcomer"))
    people = town.run(_all(Person))
    assert len([person for person in people if person.name == "新来的人"]) == 1, "the refused one left no person behind"


def test_accounts_in_a_unit_are_the_active_ones_of_the_role_on_the_day(town: Town) -> None:
    async def go() -> list[str]:
        await Account.filter(username="deputy").update(active=False)
        found = await accounts_in([town.units["village"]], TODAY, roles=["village_official"])
        return [account.username for account in found]

    assert town.do(go) == ["village"]


# Persons


def test_name_and_phone_both_have_to_match_to_be_somebody_known(town: Town) -> None:
    async def go(name: str, phone: str) -> int:
        return (await find_or_add_person(await town.act(), name, phone, None)).id

    assert town.run(go("柳三变", "13800001234")) == town.resident.id
    for name, phone in (("柳三变", "13800009999"), ("别人", "13800001234"), ("柳三变", ""), ("", "13800001234")):
        assert town.run(go(name, phone)) != town.resident.id


# Links and households


@pytest.mark.parametrize("kind", ["sponsor", "area", "household"])
def test_an_official_answers_for_a_unit_until_the_link_ends(town: Town, kind: str) -> None:
    """002-C9."""

    async def go() -> Link:
        act = await town.act("administrator")
        given = {"kind": kind, "unit": town.units["village"], "since": TODAY}
        link = await add_link(act, town.accounts["leader"].id, given)
        with pytest.raises(Invalid, match="早于开始"):
            await end_link(act, link.id, TODAY - timedelta(days=1))
        await end_link(act, link.id, TODAY)
        return await Link.get(id=link.id)

    link = town.do(go)
    assert (link.kind, link.unit_id, link.until) == (kind, town.units["village"], TODAY)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"kind": "friend"}, Invalid),
        ({"unit": 999_999}, Forbidden),
        ({"until": TODAY - timedelta(days=1)}, Invalid),
        ({"account": 999_999}, NotFound),
    ],
)
def test_a_link_that_cannot_be_is_refused(town: Town, changed: dict[str, Any], error: type[Exception]) -> None:
    async def go() -> None:
        given = {"kind": "area", "unit": town.units["village"], "since": TODAY, **changed}
        account = given.pop("account", town.accounts["leader"].id)
        await add_link(await town.act("administrator"), account, given)

    with pytest.raises(error):
        town.do(go)
    assert town.run(_all(Link)) == []


def test_a_person_lives_in_one_household(town: Town) -> None:
    async def go() -> tuple[int, int, list[int]]:
        act, unit = await town.act("village"), town.units["village"]
        first = await add_household(act, unit, "溪尾村 7 号", [town.resident.id])
        same = await add_household(act, unit, "溪尾村 7 号", [])
        second = await add_household(act, unit, "溪尾村 9 号", [])
        await add_member(act, second.id, {"name": "柳三变", "phone": "13800001234"})
        members = [member.household_id for member in await HouseholdMember.filter(person_id=town.resident.id)]
        await remove_member(act, second.id, town.resident.id)
        assert await HouseholdMember.all().count() == 0
        return first.id - same.id, second.id, members

    same, second, members = town.do(go)
    assert same == 0
    assert members == [second]
    assert town.reload(town.resident).name == "柳三变"


def test_households_are_for_who_answers_for_that_very_unit(town: Town) -> None:
    async def go(by: str) -> Household:
        return await add_household(await town.act(by), town.units["village"], "溪尾村 7 号", [])

    for who in ("clerk", "administrator", "sibling", "leader"):
        with pytest.raises(Forbidden):
            town.run(go(who))
    assert town.run(go("village"))


async def _may_handle(town: Town, who: str) -> bool:
    return await may(await town.act(who), "issue.handle", [town.units["village"]])


async def _all(model: Any) -> list[Any]:
    return list(await model.all())
