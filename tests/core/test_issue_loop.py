"""The loop from report to strike-off (002-B), on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from yetan.act import Act
from yetan.errors import Conflict, Forbidden, Invalid, Refused
from yetan.events.models import Event
from yetan.events.service import emit
from yetan.issues import acceptance
from yetan.issues.models import Acceptance, Issue, IssueLink, IssueScope, Rating
from yetan.issues.service import RaiserInput, add_progress, assign, get_visible, options, report_issue, transition_issue
from yetan.publication.models import PublicIssue
from yetan.publication.projection import PROJECTED
from yetan.publication.service import approve
from yetan.testing import Town


def resolved(town: Town, **values: object) -> Issue:
    """An issue that 许秋生 of the village has handled and resolved."""
    issue = town.report(**values)
    town.move(issue, "list", by="clerk")
    town.move(issue, "start", by="deputy")
    return town.move(issue, "resolve", by="deputy")


def feed_back(town: Town, issue: Issue, way: str = "posted", by: str = "village") -> Issue:
    async def go() -> Issue:
        return await acceptance.give_feedback(
            await town.act(by), issue.id, {"way": way, "text": "已经修好，请大家看看。"}
        )

    return town.do(go)


def accept(town: Town, issue: Issue, accepted: bool = True, text: str = "好了", by: str = "resident") -> Issue:
    async def go() -> Issue:
        return await acceptance.accept(await town.act(by), issue.id, accepted, text)

    return town.do(go)


def events_of(town: Town, issue: Issue) -> list[str]:
    async def go() -> list[str]:
        return [
            str(e)
            for e in await Event.filter(subject_kind="issue", subject_id=issue.id)
            .order_by("id")
            .values_list("type", flat=True)
        ]

    return town.do(go)


def test_an_issue_goes_round_the_loop_and_is_struck_off_once_its_raiser_accepts(town: Town) -> None:
    issue = resolved(town)
    feed_back(town, issue)
    accept(town, issue)
    done = town.move(issue, "strike_off", by="clerk")
    assert done.state == "struck_off"
    assert town.reload(issue).struck_off_at == town.clock()
    assert events_of(town, issue) == [
        "issue.reported",
        "issue.list",
        "issue.start",
        "issue.resolve",
        "issue.feedback",
        "issue.accepted",
        "issue.strike_off",
    ]


def test_nothing_is_struck_off_before_feedback_and_acceptance(town: Town) -> None:
    """002-B13 to B16: the gate is hard, for everybody."""
    issue = resolved(town)
    with pytest.raises(Refused, match="还没有反馈"):
        town.move(issue, "strike_off", by="clerk")
    feed_back(town, issue)
    with pytest.raises(Refused, match="还没有居民验收"):
        town.move(issue, "strike_off", by="leader")
    assert town.reload(issue).state == "resolved"


def test_a_personal_matter_is_told_in_person_and_a_collective_one_is_posted(town: Town) -> None:
    collective = resolved(town, collective=True)
    with pytest.raises(Invalid, match="公示栏"):
        feed_back(town, collective, "phone")
    personal = resolved(town, collective=False)
    with pytest.raises(Invalid, match="上门走访"):
        feed_back(town, personal, "posted")
    feed_back(town, personal, "phone")
    feed_back(town, collective, "posted")


def test_a_refusal_sends_the_issue_back_and_begins_another_round(town: Town) -> None:
    issue = resolved(town)
    feed_back(town, issue)
    accept(town, issue, accepted=False, text="第二盏还是不亮")
    back = town.reload(issue)
    assert (back.state, back.round, back.resolved_at) == ("returned", 2, None)
    town.move(issue, "resolve", by="deputy")
    with pytest.raises(Refused, match="还没有反馈"):  # the first round's feedback counts no more
        town.move(issue, "strike_off", by="clerk")
    feed_back(town, issue)
    accept(town, issue)
    assert town.move(issue, "strike_off", by="clerk").state == "struck_off"


def test_who_handled_a_matter_neither_accepts_nor_rates_it(town: Town) -> None:
    """C51, also where the handler raised the matter themself."""
    handler = town.accounts["deputy"].person_id
    issue = resolved(town, raisers=[RaiserInput(person_id=handler), RaiserInput(person_id=town.resident.id)])
    with pytest.raises(Forbidden, match="不能自己验收"):
        accept(town, issue, by="deputy")

    async def rate() -> Issue:
        return await acceptance.rate(await town.act("deputy"), issue.id, "satisfied")

    with pytest.raises(Forbidden, match="不能自己验收"):
        town.do(rate)

    async def record() -> Issue:
        values = {"name": "柳三变", "accepted": "yes", "text": "可以"}
        return await acceptance.record_acceptance(await town.act("deputy"), issue.id, values)

    with pytest.raises(Forbidden, match="不能自己验收"):
        town.do(record)


def test_an_official_who_did_not_handle_it_may_write_a_verdict_down(town: Town) -> None:
    issue = resolved(town)
    feed_back(town, issue)

    async def record() -> Issue:
        values = {"name": "柳三变", "accepted": "yes", "text": "亮了，谢谢", "witness": "陈小满"}
        return await acceptance.record_acceptance(await town.act("village"), issue.id, values)

    town.do(record)
    verdict = town.run(_only(Acceptance))
    assert verdict.person_id == town.resident.id  # the raiser of that name, not somebody new
    assert verdict.recorded_by_id == town.accounts["village"].id


def test_one_verdict_and_one_rating_a_person_and_round(town: Town) -> None:
    issue = resolved(town)
    accept(town, issue)
    with pytest.raises(Refused, match="已经表过态"):
        accept(town, issue)

    async def rate() -> Issue:
        return await acceptance.rate(await town.act("resident"), issue.id, "satisfied")

    town.do(rate)
    with pytest.raises(Refused, match="已经填过测评"):
        town.do(rate)
    assert town.run(Rating.all().count()) == 1


def test_a_stranger_can_neither_see_nor_accept_an_issue(town: Town) -> None:
    issue = resolved(town)
    with pytest.raises(Exception, match="没有找到"):
        accept(town, issue, by="other")


def test_listing_names_owner_measures_and_deadline(town: Town) -> None:
    """002-B5: all three, and an owner within reach of the responsible unit."""
    issue = town.report()
    with pytest.raises(Invalid) as refused:
        town.move(issue, "list", by="clerk", owner=None, measures="", deadline=None)
    assert set(refused.value.fields) == {"owner", "measures", "deadline"}
    with pytest.raises(Invalid, match="没有岗位"):
        town.move(issue, "list", by="clerk", owner=town.accounts["other"].id)
    with pytest.raises(Invalid, match="不能早于今天"):
        town.move(issue, "list", by="clerk", deadline=town.clock().date() - timedelta(days=1))
    with pytest.raises(Invalid, match="最长 30 天"):  # 001-11, the default
        town.move(issue, "list", by="clerk", deadline=town.clock().date() + timedelta(days=31))
    listed = town.move(issue, "list", by="clerk", deadline=town.clock().date() + timedelta(days=30))
    assert listed.deadline is not None
    assert town.reload(issue).deadline.isoformat() == "2026-06-05T15:59:59+00:00"  # the end of the day in Shanghai


def test_a_transferred_issue_belongs_to_the_other_unit_and_stays_visible_to_the_first(town: Town) -> None:
    issue = town.report()
    moved = town.move(issue, "transfer", by="village", unit=town.units["department"])
    assert (moved.state, moved.responsible_unit_id, moved.owner_id) == ("transferred", town.units["department"], None)
    with pytest.raises(Forbidden):
        town.move(issue, "list", by="village")
    town.move(issue, "list", by="department", owner=town.accounts["department"].id)

    async def look() -> Issue:
        return await get_visible(await town.act("village"), issue.id)

    assert town.do(look).state == "listed"


def test_reporting_up_goes_to_the_township_with_the_villages_opinion(town: Town) -> None:
    """002-B3."""
    issue = town.report()
    with pytest.raises(Invalid, match="初步办理意见"):
        town.move(issue, "report_up", by="village", opinion="")
    up = town.move(issue, "report_up", by="village")
    assert (up.state, up.responsible_unit_id) == ("reported_up", town.units["township"])


def test_an_extension_needs_a_reason_and_a_later_deadline(town: Town) -> None:
    """002-B17."""
    issue = town.report()
    listed = town.move(issue, "list", by="clerk")
    with pytest.raises(Invalid, match="原因"):
        town.move(issue, "extend", by="clerk", deadline=town.clock().date() + timedelta(days=20), reason="")
    with pytest.raises(Invalid, match="比原来的晚"):
        town.move(issue, "extend", by="clerk", deadline=town.clock().date() + timedelta(days=5))
    later = town.move(issue, "extend", by="clerk", deadline=town.clock().date() + timedelta(days=20))
    assert later.deadline > listed.deadline
    assert later.state == "listed"


def test_a_merged_issue_brings_its_raisers_along(town: Town) -> None:
    first = town.report()
    second = town.report(
        raisers=[RaiserInput("邻居甲", "13800005678")], title="还是那三盏灯", text="和上次是同一件事，别处再说一遍。"
    )
    merged = town.move(second, "merge", by="clerk", into=first.number)
    assert merged.state == "merged"
    assert len(town.raisers_of(first)) == 2
    with pytest.raises(Invalid, match="没有找到要并入"):
        town.move(town.report(text="另一件事，完全不同的内容。"), "merge", by="clerk", into="99-9999")


def test_the_board_counts_those_who_came_with_a_merged_issue(town: Town) -> None:
    first = town.report()
    second = town.report(raisers=[RaiserInput("邻居甲", "13800005678")], text="和上次是同一件事，别处再说一遍。")

    async def publish() -> None:
        await approve(await town.act("clerk"), first.id)

    town.do(publish)
    town.run_worker()
    town.move(second, "merge", by="clerk", into=first.number)
    town.run_worker()

    async def shown() -> int:
        return (await PublicIssue.get(issue_id=first.id)).raisers

    assert town.do(shown) == 2


def test_the_same_words_and_the_same_person_are_linked(town: Town) -> None:
    """001-23: repeats are detected and linked, nothing is dropped."""
    first = town.report()
    again = town.report(title="怎么还不亮")
    links = town.run(_links(again))
    assert (first.id, "same_text") in links
    assert (first.id, "repeat") in links


def test_an_earlier_number_given_at_a_higher_unit_is_an_appeal(town: Town) -> None:
    """001-09."""
    first = town.report()
    higher = town.report(
        by="clerk",
        via="reception",
        unit=town.units["township"],
        earlier=first.number,
        text="村里谈不来，来镇里再说一次。",
    )
    assert (first.id, "appeal") in town.run(_links(higher))


def test_two_officials_on_one_issue_one_wins_and_the_other_is_told(town: Town) -> None:
    """C61."""
    issue = town.report()
    town.move(issue, "list", by="clerk")

    async def late() -> Issue:
        await emit(await town.act("deputy"), PROJECTED, ("issue", issue.id))  # the board follows; nobody did that
        values = {"owner": town.accounts["deputy"].id, "measures": "另一套措施", "deadline": "2026-05-20"}
        return await transition_issue(await town.act("village"), issue.id, "list", values, version=issue.version)

    with pytest.raises(Conflict, match="周明远刚刚做了“立项”"):
        town.do(late)


def test_a_double_click_has_one_effect_and_the_first_answer(town: Town) -> None:
    """C54."""

    async def twice() -> tuple[int, int, int]:
        act = await town.act("resident", key="k" * 20)
        values = {
            "title": "路灯",
            "text": "路灯不亮，一个月了。",
            "kind": "problem",
            "collective": True,
            "unit": town.units["village"],
        }
        first = await report_issue(act, values, [RaiserInput(person_id=town.resident.id)])
        second = await report_issue(act, values, [RaiserInput(person_id=town.resident.id)])
        return first.id, second.id, await Issue.all().count()

    first, second, count = town.do(twice)
    assert first == second
    assert count == 1


def test_the_same_key_with_other_words_is_refused(town: Town) -> None:
    async def twice() -> None:
        act = await town.act("resident", key="k" * 20)
        values = {"title": "路灯", "text": "路灯不亮。", "kind": "problem", "unit": town.units["village"]}
        await report_issue(act, values)
        await report_issue(act, {**values, "text": "水管漏水。"})

    with pytest.raises(Refused, match="已经提交过"):
        town.do(twice)


def test_options_say_what_may_be_done_and_why_the_rest_may_not(town: Town) -> None:
    issue = resolved(town)

    async def look() -> dict[str, str]:
        return {each.transition.name: each.refusal for each in await options(await town.act("clerk"), issue)}

    offered = town.do(look)
    assert offered["strike_off"].startswith("还没有反馈")
    assert offered["return"] == ""
    assert "list" not in offered


def test_a_guard_that_fails_refuses(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from yetan.plugins.declarations import Guard
    from yetan.runtime import current

    async def broken(issue: Issue, act: Act) -> str:
        raise RuntimeError("the guard's own trouble")

    issue = town.report()
    registry = current().registry
    monkeypatch.setattr(registry, "guards", (*registry.guards, Guard("broken", ("list",), broken)))
    with pytest.raises(Refused, match="没有完成"):
        town.move(issue, "list", by="clerk")


def test_numbers_are_given_in_order_and_can_be_said_by_phone(town: Town) -> None:
    assert [town.report(text=f"第 {n} 件不同的事，内容各不相同。").number for n in range(3)] == ["26-1", "26-2", "26-3"]


def test_scope_rows_let_every_unit_above_see_the_issue_and_no_other(town: Town) -> None:
    issue = town.report()
    seen = town.run(_scopes(issue))
    assert seen == {town.units[code] for code in ("village", "township", "county", "city")}


def test_owner_is_changed_within_the_unit(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")

    async def change() -> Issue:
        return await assign(await town.act("clerk"), issue.id, town.accounts["village"].id)

    assert town.do(change).owner_id == town.accounts["village"].id


def test_progress_can_be_told_until_the_matter_is_closed(town: Town) -> None:
    issue = town.report()

    async def tell() -> Issue:
        return await add_progress(await town.act("village"), issue.id, "灯头到货了，明晚来换。")

    assert town.do(tell).version == 2
    town.move(issue, "decline", by="clerk")
    with pytest.raises(Refused, match="已经办完"):
        town.do(tell)


async def _only(model: type[Acceptance]) -> Acceptance:
    return await model.get()


async def _links(issue: Issue) -> set[tuple[int, str]]:
    return {(row.other_id, row.kind) for row in await IssueLink.filter(issue_id=issue.id)}


async def _scopes(issue: Issue) -> set[int]:
    return {row.unit_id for row in await IssueScope.filter(issue_id=issue.id)}
