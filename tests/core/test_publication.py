"""What the public sees of an issue: drafts, approval, correction, withdrawal, the projection and its counters."""

from __future__ import annotations

import random
from collections import Counter as Tally
from datetime import timedelta
from typing import Any

import pytest

from yetan.errors import Conflict, Forbidden, Invalid, Refused, YetanError
from yetan.events.models import Event
from yetan.files.models import Attachment
from yetan.issues import acceptance
from yetan.issues.models import Category, Issue
from yetan.issues.service import RaiserInput, add_progress, assign, correct, options
from yetan.publication.models import Publication, PublicIssue, PublicIssueScope
from yetan.publication.projection import project, rebuild
from yetan.publication.service import approve, prepare, withdraw
from yetan.rules.service import set_value
from yetan.statistics.models import Counter
from yetan.statistics.service import by_category, by_unit, scoreboard, values
from yetan.testing import Town


def approved(town: Town, issue: Issue, *, by: str = "publisher", **given: Any) -> Publication:
    async def go() -> Publication:
        return await approve(await town.act(by), issue.id, **given)

    return town.do(go)


def withdrawn(town: Town, issue: Issue, reason: str = "写到了别人家的事", by: str = "publisher") -> Publication:
    async def go() -> Publication:
        return await withdraw(await town.act(by), issue.id, reason)

    return town.do(go)


def prepared(town: Town, issue: Issue, by: str = "village") -> Publication:
    async def go() -> Publication:
        return await prepare(await town.act(by), issue.id)

    return town.do(go)


def tell(town: Town, issue: Issue, text: str) -> None:
    """The village writes progress, and the worker brings it to the board."""

    async def go() -> None:
        await add_progress(await town.act("village"), issue.id, text)

    town.do(go)
    town.run_worker()


def draft(town: Town, issue: Issue) -> Publication:
    async def go() -> Publication:
        return await Publication.get(subject_kind="issue", subject_id=issue.id)

    return town.do(go)


def shown(town: Town, issue: Issue) -> PublicIssue | None:
    async def go() -> PublicIssue | None:
        return await PublicIssue.get_or_none(issue_id=issue.id)

    return town.do(go)


def on_board(town: Town, issue: Issue) -> PublicIssue:
    row = shown(town, issue)
    assert row is not None, "the issue is not on the board"
    return row


def resolved(town: Town, **given: Any) -> Issue:
    issue = town.report(**given)
    town.move(issue, "list", by="clerk")
    return town.move(issue, "resolve", by="deputy")


# Drafts


def test_a_draft_waits_with_phones_and_raisers_names_masked_and_shows_nothing(town: Town) -> None:
    issue = town.report(text="我是柳三变，电话13800001234，村口的灯坏了半个月。")
    town.run_worker()
    waiting = draft(town, issue)
    assert (waiting.state, waiting.pending) == ("prepared", True)
    assert "柳三变" not in waiting.draft["text"]
    assert "13800001234" not in waiting.draft["text"]
    assert "柳某某" in waiting.draft["text"]
    assert shown(town, issue) is None


def test_approving_shows_the_masked_face_in_every_unit_above(town: Town) -> None:
    issue = town.report(title="路灯坏了，找13800001234")
    approved(town, issue)
    row = on_board(town, issue)
    assert row.title.startswith("路灯坏了")
    assert "13800001234" not in row.title
    assert (row.unit_name, row.category_path, row.raisers) == ("溪尾村", "城乡建设/市政设施/路灯", 1)

    async def scopes() -> set[int]:
        return {scope.unit_id for scope in await PublicIssueScope.filter(issue_id=issue.id)}

    assert town.do(scopes) == {town.units[code] for code in ("village", "township", "county", "city")}


def test_a_new_outcome_waits_for_a_reviewer_while_the_approved_text_and_the_new_state_show(town: Town) -> None:
    issue = resolved(town, title="村口路灯")
    approved(town, issue, values={"title": "村口三盏灯", "text": "坏了半个月。", "outcome": "换了灯头。"})
    town.move(issue, "return", by="clerk", reason="只亮了一盏。")
    town.move(issue, "resolve", by="deputy", outcome="线路也换了，三盏都亮。")
    town.run_worker()
    waiting, row = draft(town, issue), on_board(town, issue)
    assert waiting.pending
    assert waiting.draft["outcome"] == "线路也换了，三盏都亮。"
    assert waiting.draft["title"] == "村口三盏灯", "the reviewer's own wording stays where the source did not change"
    assert (row.state, row.outcome) == ("resolved", "换了灯头。")
    assert "只亮了一盏" not in str(row.timeline)


def test_new_words_still_wait_after_the_next_thing_happened(town: Town) -> None:
    issue = town.report()
    approved(town, issue)
    town.move(issue, "list", by="clerk")
    town.move(issue, "resolve", by="deputy", outcome="换了三个灯头。")
    town.run_worker()
    tell(town, issue, "夜里又去看了一遍，都亮着。")
    waiting = draft(town, issue)
    assert waiting.pending
    assert waiting.draft["outcome"] == "换了三个灯头。"
    approved(town, issue)
    assert on_board(town, issue).outcome == "换了三个灯头。"


def test_a_draft_that_stays_the_same_is_left_to_whoever_reads_it(town: Town) -> None:
    issue = town.report()
    town.move(issue, "list", by="clerk")
    town.run_worker()
    before = draft(town, issue)
    town.clock.forward(hours=1)

    async def change_owner() -> None:
        await assign(await town.act("clerk"), issue.id, town.accounts["village"].id)

    town.do(change_owner)
    assert town.run_worker()
    after = draft(town, issue)
    assert (after.version, after.prepared_at) == (before.version, before.prepared_at)


def test_a_photo_left_out_stays_out_when_another_comes(town: Town) -> None:
    issue = town.report()

    async def photo(name: str) -> int:
        values = {"media_type": "image/webp", "width": 4, "height": 3, "created_at": town.clock()}
        row = await Attachment.create(subject_kind="issue", subject_id=issue.id, stored_name=name, **values)
        return row.id

    first, second = town.run(photo("a.webp")), town.run(photo("b.webp"))
    approved(town, issue, photos=[first])
    third = town.run(photo("c.webp"))
    tell(town, issue, "又拍了一张。")
    assert draft(town, issue).draft["photos"] == [first, third]
    approved(town, issue, photos=[first, second])

    async def public() -> set[int]:
        return {row.id for row in await Attachment.filter(public=True)}

    assert town.do(public) == {first, second}
    assert [each["name"] for each in on_board(town, issue).photos] == ["a.webp", "b.webp"]


# Approving, correcting, withdrawing


def test_correcting_is_approving_again_and_is_told_as_such(town: Town) -> None:
    issue = town.report()
    approved(town, issue)
    approved(town, issue, values={"title": "改过的标题", "text": "改过的内容。"})
    assert on_board(town, issue).title == "改过的标题"

    async def told() -> list[str]:
        rows = await Event.filter(type__startswith="publication.", subject_id=issue.id).order_by("id")
        return [row.type for row in rows if row.type != "publication.projected"]

    assert town.do(told) == ["publication.approved", "publication.corrected"]


def test_a_reviewer_who_read_an_older_draft_is_told(town: Town) -> None:
    """C61."""
    issue = town.report()
    town.run_worker()
    read = draft(town, issue).version
    tell(town, issue, "灯头到货了。")
    with pytest.raises(Conflict, match="新的内容"):
        approved(town, issue, version=read)
    assert shown(town, issue) is None
    approved(town, issue, version=draft(town, issue).version)
    assert on_board(town, issue)


def test_withdrawing_takes_it_off_every_public_surface_at_once(town: Town) -> None:
    """C50."""
    issue = town.report()
    other = town.report(text="另一件事，内容完全不同，留在公开板上。")

    async def photo() -> None:
        values = {"media_type": "image/webp", "width": 4, "height": 3, "created_at": town.clock()}
        await Attachment.create(subject_kind="issue", subject_id=issue.id, stored_name="a.webp", **values)

    town.do(photo)
    approved(town, issue)
    approved(town, other)
    with pytest.raises(Invalid):
        withdrawn(town, issue, reason="")
    withdrawn(town, issue)

    async def left() -> tuple[int, int, int, int]:
        return (
            await PublicIssue.filter(issue_id=issue.id).count(),
            await PublicIssueScope.filter(issue_id=issue.id).count(),
            await Attachment.filter(public=True).count(),
            (await values(town.units["city"]))["issues.raised"],
        )

    assert town.do(left) == (0, 0, 0, 1)
    assert town.browser().get(f"/issues/{issue.number}").status_code == 404
    with pytest.raises(Refused, match="没有公开"):
        withdrawn(town, issue)
    tell(town, issue, "还在办。")
    assert shown(town, issue) is None, "what happens next does not bring it back"
    approved(town, issue)
    assert on_board(town, issue)


def test_who_may_not_publish_is_refused(town: Town) -> None:
    issue = town.report()
    with pytest.raises(Forbidden):
        approved(town, issue, by="supervisor")
    with pytest.raises(YetanError, match="没有找到"):
        approved(town, issue, by="sibling")
    approved(town, issue)
    with pytest.raises(Forbidden):
        withdrawn(town, issue, by="supervisor")
    assert on_board(town, issue)


def test_where_a_second_reader_is_wanted_two_have_to_read_it(town: Town) -> None:
    issue = town.report()

    async def decree() -> None:
        await set_value(await town.act(), "publication.second_reader", town.units["county"], True, town.clock().date())

    town.do(decree)
    town.run_worker()
    with pytest.raises(Refused, match="两个人"):
        approved(town, issue, by="village")
    prepared(town, issue, by="village")
    with pytest.raises(Refused, match="另一位同事"):
        approved(town, issue, by="village")
    town.run_worker()
    approved(town, issue, by="clerk")
    assert on_board(town, issue)


def test_a_corrected_registration_is_reviewed_before_it_shows(town: Town) -> None:
    issue = town.report(title="村口路灯")
    approved(town, issue)

    async def go() -> None:
        given = {"title": "村尾路灯", "text": "写错了地方，是村尾的灯。", "kind": "problem", "collective": True}
        await correct(await town.act("village"), issue.id, {**given, "category": town.category})

    town.do(go)
    town.run_worker()
    assert on_board(town, issue).title == "村口路灯"
    assert draft(town, issue).pending
    approved(town, issue)
    assert on_board(town, issue).title == "村尾路灯"


# The projection and its counters


def test_projecting_again_writes_nothing_and_tells_nobody(town: Town) -> None:
    issue = town.report()
    approved(town, issue)

    async def told() -> int:
        await project([issue.id, 999_999])
        return await Event.filter(type="publication.projected").count()

    assert town.do(told) == 1


def test_rebuilding_gives_the_same_rows_and_counters(town: Town) -> None:
    for number in range(3):
        issue = resolved(town, text=f"第 {number} 件不同的事，内容各不相同。")
        approved(town, issue)
        town.clock.forward(days=20)
    town.run_worker()

    async def state() -> Any:
        rows = [dict(row) for row in await PublicIssue.all().order_by("issue_id")]
        scopes = sorted([(row.issue_id, row.unit_id) for row in await PublicIssueScope.all()])
        return rows, scopes, await _counters()

    before = town.do(state)
    assert town.do(rebuild) == 3
    assert town.do(state) == before


def test_figures_stand_for_unit_category_and_month(town: Town) -> None:
    top = town.run(_category("城乡建设"))
    issue = resolved(town)
    approved(town, issue)
    town.clock.forward(days=30)
    approved(town, town.report(kind="suggestion", text="建议在村口装一盏太阳能灯，省电。"))
    declined = town.report(text="隔壁县的路不归这里管，也来说一说。")
    town.move(declined, "decline", by="clerk")
    approved(town, declined)

    async def figures() -> Any:
        city, other = town.units["city"], town.units["other"]
        return (
            await values(city),
            await values(city, "2026-05"),
            await values(city, "2026-06"),
            (await by_unit([city, other]))[other],
            (await by_category(city))[top],
        )

    always, may, june, other, category = town.do(figures)
    names = ("raised", "suggested", "resolved", "struck_off", "declined")
    assert [always[f"issues.{name}"] for name in names] == [2, 1, 1, 0, 1]
    assert (may["issues.raised"], may["issues.resolved"], may["issues.suggested"]) == (1, 1, 0)
    assert (june["issues.raised"], june["issues.resolved"], june["issues.suggested"]) == (1, 0, 1)
    assert set(other.values()) == {0}
    assert category == always


def test_a_month_is_that_of_the_city_not_of_greenwich(town: Town) -> None:
    town.clock.now = town.clock.now.replace(month=5, day=31, hour=17)  # 1 June, one in the morning in Shanghai
    approved(town, town.report())
    assert town.run(values(town.units["city"], "2026-06"))["issues.raised"] == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_counters_equal_a_recount_after_any_walk_through_the_loop(town: Town, seed: int) -> None:
    """Whatever is done in whatever order, figures are what counting the rows would give, and health says so."""
    choose = random.Random(seed)
    issues = [
        town.report(
            unit=town.units[choose.choice(("village", "sibling"))],
            kind=choose.choice(("problem", "suggestion")),
            category=choose.choice((town.category, None)),
            text=f"第 {number} 件不同的事，内容各不相同。",
        )
        for number in range(3)
    ]
    for _ in range(12):
        issue = choose.choice(issues)
        town.clock.forward(days=choose.randrange(12))
        _anything(town, town.reload(issue), choose)
        if choose.random() < 0.5:
            town.run_worker()
        assert town.run(_counters()) == town.run(_recount())
    town.run_worker()
    kept = town.run(_counters())
    assert kept == town.run(_recount())
    town.do(rebuild)
    assert town.run(_counters()) == kept


def _anything(town: Town, issue: Issue, choose: random.Random) -> None:
    """One thing that may be done with the issue now, or its refusal."""

    async def possible() -> list[str]:
        return [each.transition.name for each in await options(await town.act(), issue) if not each.refusal]

    ways = ["approve", "withdraw", *town.do(possible), "feed_back", "accept"]
    way = choose.choice(ways)
    try:
        if way == "approve":
            approved(town, issue, by="clerk")
        elif way == "withdraw":
            withdrawn(town, issue, by="clerk")
        elif way == "feed_back":
            town.run(_feed_back(town, issue))
        elif way == "accept":
            town.run(_accept(town, issue, choose.random() < 0.7))
        else:
            by = "department" if issue.responsible_unit_id == town.units["department"] else "clerk"
            unit = town.units["department"] if way == "transfer" else None
            town.move(issue, way, by=by, unit=unit)
    except YetanError:
        pass


async def _feed_back(town: Town, issue: Issue) -> None:
    await acceptance.give_feedback(await town.act("clerk"), issue.id, {"way": "posted", "text": "修好了。"})


async def _accept(town: Town, issue: Issue, accepted: bool) -> None:
    await acceptance.accept(await town.act("resident"), issue.id, accepted, "看过了")


async def _counters() -> dict[tuple[Any, ...], int]:
    rows = await Counter.exclude(value=0)
    return {(row.metric, row.unit_id, row.category_id, row.period): row.value for row in rows}


async def _recount() -> dict[tuple[Any, ...], int]:
    """The core's figures counted anew from the rows and the states alone."""
    counted: Tally[tuple[Any, ...]] = Tally()
    for row in await PublicIssue.all().prefetch_related("scopes"):
        facts = [("issues.suggested" if row.kind == "suggestion" else "issues.raised", row.raised_at)]
        if row.state in ("resolved", "struck_off"):
            facts.append(("issues.resolved", row.resolved_at))
        if row.state == "struck_off":
            facts.append(("issues.struck_off", row.struck_off_at))
        if row.state == "declined":
            facts.append(("issues.declined", row.raised_at))
        for metric, at in facts:
            month = (at + timedelta(hours=8)).strftime("%Y-%m")
            for scope in row.scopes:
                for category in {0, row.top_category_id or 0}:
                    counted.update([(metric, scope.unit_id, category, ""), (metric, scope.unit_id, category, month)])
    return dict(counted)


async def _category(path: str) -> int:
    return (await Category.get(path=path)).id


# The scoreboard of an occasion


def test_a_scoreboard_says_what_became_of_the_issues(town: Town) -> None:
    """003-04, 003-05."""
    lit = resolved(town)
    town.clock.forward(days=7)
    town.run(_feed_back(town, lit))
    town.run(_accept(town, lit, True))
    town.move(lit, "strike_off", by="clerk")
    late = town.report(text="另一件事，内容完全不同，办得慢。")
    town.move(late, "list", by="clerk", deadline=town.clock().date())
    town.report(text="第三件事，刚刚提出来，还没有立项。")
    town.clock.forward(days=2)
    board = town.run(scoreboard({"unit_id": town.units["village"]}, town.clock()))
    assert (board.raised, board.resolved, board.struck_off, board.in_time, board.overdue) == (3, 1, 1, 1, 1)
    assert board.days == 7
    assert board.resolved_rate == pytest.approx(1 / 3)
    assert town.run(scoreboard({"unit_id": town.units["other"]}, town.clock())).resolved_rate is None


def test_more_raisers_count_without_their_names(town: Town) -> None:
    issue = town.report(raisers=[RaiserInput("邻居甲", "13800005678"), RaiserInput("邻居乙", "13800005679")])
    approved(town, issue)
    row = on_board(town, issue)
    assert row.raisers == 2
    assert "邻居甲" not in str(dict(row))
