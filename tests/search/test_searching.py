"""Searching in a town: what the pages find and tell, the town's own synonyms, and what others search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from yetan.act import ANONYMOUS, Act
from yetan.errors import Conflict, Forbidden, Invalid
from yetan.issues.models import Issue
from yetan.issues.service import RaiserInput
from yetan.people.service import add_household
from yetan.publication.service import approve
from yetan.searching import places, popular, vocabulary
from yetan.searching.feed import rebuild
from yetan.searching.models import SearchedText, SynonymChange, SynonymRing
from yetan.searching.service import Filters, Results, search_board, search_desk, suggestions
from yetan.searching.synonyms import add_ring, change_ring
from yetan.testing.town import Town

#: What does not touch the database's own SQL is looked at on one of them.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"plugins": ("whoosh",), "search": "whoosh"}


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever searches looks for changed synonyms at once."""
    monkeypatch.setattr(vocabulary, "FRESH", 0.0)


def settle(town: Town) -> None:
    while town.run_worker():
        pass


def publish(town: Town, title: str, **values: Any) -> Issue:
    issue = town.report(**{"title": title, "text": f"{title}，请来看一看。", "place": "", **values})

    async def go() -> None:
        await approve(await town.act("publisher"), issue.id)

    town.do(go)
    return issue


def board(town: Town, text: str, **filters: Any) -> Results:
    return town.run(search_board(text, Filters(**filters), counted=True))


def titles(results: Results) -> list[str]:
    return [found.row.title for found in results.found]


# The pages


@on_sqlite
def test_the_page_tells_how_many_hold_all_of_the_words(town: Town) -> None:
    for title in ("电梯坏了", "电梯夜里有噪音", "工地噪音"):
        publish(town, title)
    settle(town)
    page = town.browser().get("/search", params={"q": "电梯 噪音"}).text
    assert "找到3件" in page
    assert "1件写到了全部的词，2件只写到一部分" in page
    assert page.index("夜里有") < page.index("坏了")


@on_sqlite
def test_a_wrong_character_is_understood_and_the_right_word_offered(town: Town) -> None:
    publish(town, "路口没有红绿灯")
    settle(town)
    page = town.browser().get("/search", params={"q": "红路灯"}).text
    assert "您是不是要找" in page
    assert ">红绿灯</a>" in page
    assert "<mark>红绿灯</mark>" in page
    assert board(town, "honglvdeng").guessed == ("红绿灯",)


def test_the_page_narrows_by_what_there_is(town: Town) -> None:
    publish(town, "村口路灯不亮")
    publish(town, "社区路灯不亮", unit=town.units["sibling"])
    publish(town, "路灯换成太阳能的", kind="suggestion")
    settle(town)
    county = board(town, "路灯", unit=town.units["township"])
    assert [(each.label, each.count) for each in county.facets["unit"]] == [("溪尾村", 2), ("荷塘社区", 1)]
    assert [(each.value, each.count) for each in county.facets["matter"]] == [("problem", 2), ("suggestion", 1)]
    assert [each.value for each in county.facets["year"]] == ["2026"]
    page = town.browser().get("/search", params={"q": "路灯"}).text
    assert "unit=village" in page
    assert titles(board(town, "路灯", matter="suggestion")) == ["路灯换成太阳能的"]
    assert "找到1件" in town.browser().get("/search", params={"q": "路灯", "unit": "sibling"}).text


@on_sqlite
def test_sorted_by_date_the_newest_comes_first_and_half_matches_stay_away(town: Town) -> None:
    for title in ("东街路灯不亮", "西街路灯不亮", "西街停水"):
        publish(town, title)
        town.clock.forward(days=1)
    settle(town)
    assert titles(board(town, "西街 路灯", sort="newest")) == ["西街路灯不亮"]
    assert titles(board(town, "路灯", sort="newest")) == ["西街路灯不亮", "东街路灯不亮"]
    assert titles(board(town, "路灯", sort="oldest")) == ["东街路灯不亮", "西街路灯不亮"]


@on_sqlite
def test_a_quoted_phrase_and_a_word_left_out(town: Town) -> None:
    for title in ("三盏路灯不亮", "路灯三盏坏了"):
        publish(town, title)
    settle(town)
    assert titles(board(town, "“三盏路灯”")) == ["三盏路灯不亮"]
    assert titles(board(town, "路灯 -不亮")) == ["路灯三盏坏了"]


@on_sqlite
def test_suggestions_are_a_page_that_needs_no_script(town: Town) -> None:
    publish(town, "落户手续")
    settle(town)
    assert ">落户</a>" in town.browser().get("/search/suggest", params={"q": "luo"}).text
    assert town.browser().get("/search/suggest").status_code == 200


@on_sqlite
def test_nothing_unpublished_is_suggested_or_guessed(town: Town) -> None:
    town.report(title="牛轧糖作坊扰民", text="牛轧糖作坊夜里开工。")
    publish(town, "路灯不亮")
    settle(town)

    async def offered() -> list[str]:
        return await suggestions(await town.act(), "niu") + await suggestions(await town.act(), "作")

    assert town.do(offered) == []
    assert board(town, "zuofang").guessed == ()
    assert town.browser().get("/api/v1/suggest", params={"q": "niu"}).json() == {"items": []}


@on_sqlite
def test_the_desk_suggests_from_what_the_actor_may_see(town: Town) -> None:
    town.report(title="牛轧糖作坊扰民", text="牛轧糖作坊夜里开工。")
    settle(town)
    for who, offered in (("village", ["夜里 作坊"]), ("clerk", ["夜里 作坊"]), ("sibling", [])):
        answer = town.browser(who).get("/desk/search/suggest", params={"q": "夜里 zuof"})
        assert answer.json() == {"items": offered}, who
    assert town.browser().get("/desk/search/suggest", params={"q": "zuof"}).status_code == 303


# The desk


def found_at_desk(town: Town, who: str, text: str) -> list[str]:
    async def go() -> list[str]:
        return titles(await search_desk(await town.act(who), text, Filters()))

    return town.do(go)


@on_sqlite
def test_a_phone_or_name_finds_for_those_who_may_know_it_and_nobody_else(town: Town) -> None:
    town.report(raisers=[RaiserInput(name="欧阳澜", phone="13900005678")], by="village", via="visit")
    settle(town)
    for contact in ("13900005678", "欧阳澜"):
        assert found_at_desk(town, "village", contact) == ["村口三盏路灯不亮"]
        assert found_at_desk(town, "clerk", contact) == ["村口三盏路灯不亮"]
        assert found_at_desk(town, "leader", contact) == [], "a leader sees the issue, not whose it is"
        assert found_at_desk(town, "sibling", contact) == []
        assert board(town, contact).found == ()


@on_sqlite
def test_the_desk_leads_to_persons_and_households_where_looks_are_recorded(town: Town) -> None:
    async def home() -> None:
        act = await town.act()
        await add_household(act, town.units["village"], "溪尾村桥头 3 号", [town.resident.id])

    town.do(home)
    asked = {"q": "桥头 3 号"}
    assert "“住户”里有1个相符" in town.browser("village").get("/desk/search", params=asked).text
    for who in ("clerk", "sibling", "leader"):
        page = town.browser(who).get("/desk/search", params=asked).text
        assert "个相符" not in page
        assert "3 号" not in page.replace('value="桥头 3 号"', "")


# Synonyms of the town


@on_sqlite
def test_a_ring_holds_at_once_without_a_rebuild(town: Town) -> None:
    publish(town, "灯杆倒了")
    settle(town)
    assert board(town, "电桩子").found == ()
    answer = town.browser("administrator").submit("/admin/synonyms", {"words": "电桩子 灯杆"})
    assert answer.status_code == 303
    assert titles(board(town, "电桩子")) == ["灯杆倒了"]
    page = town.browser("administrator").get("/admin/synonyms", params={"word": "电桩子"}).text
    assert "第1版" in page
    assert "顾衡" in page
    assert "也会查：灯杆" in page


@pytest.mark.usefixtures("fresh")
def test_a_ring_changed_in_another_process_holds_soon(town: Town) -> None:
    publish(town, "灯杆倒了")
    settle(town)

    async def elsewhere() -> SynonymRing:
        return await add_ring(await town.act("administrator"), "电桩子 灯杆")

    ring = town.do(elsewhere)
    assert titles(board(town, "电桩子")) == ["灯杆倒了"]

    async def off() -> None:
        await change_ring(await town.act("administrator"), ring.id, ring.version, ring.words, False)

    town.do(off)
    assert board(town, "电桩子").found == ()


@on_sqlite
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_deployments_own_file_counts_too(town: Town, encoding: str) -> None:
    (Path(town.folder) / vocabulary.FILE).write_text("# 本地叫法\n电桩子 灯杆\n", encoding=encoding)
    publish(town, "灯杆倒了")
    settle(town)
    town.run(vocabulary.learn())
    assert titles(board(town, "电桩子")) == ["灯杆倒了"]


@on_sqlite
def test_two_rings_with_one_word_are_refused_with_the_other_ring(town: Town) -> None:
    async def go() -> None:
        act = await town.act("administrator")
        await add_ring(act, "堵车 塞车")
        with pytest.raises(Invalid, match="堵车 塞车"):
            await add_ring(act, "塞车、拥堵")

    town.do(go)


@pytest.mark.parametrize(
    "text", ["堵车", "堵车 堵车", "堵 塞车", "堵车 " + "很" * 13, "堵车 <b>", " ".join(f"词{n:02}" for n in range(21))]
)
@on_sqlite
def test_what_is_no_ring_is_refused(town: Town, text: str) -> None:
    async def go() -> None:
        with pytest.raises(Invalid):
            await add_ring(await town.act("administrator"), text)

    town.do(go)


def test_of_two_editors_the_second_is_told_and_history_says_who(town: Town) -> None:
    async def go() -> list[tuple[int, str, int | None]]:
        act = await town.act("administrator")
        ring = await add_ring(act, "堵车 塞车")
        await change_ring(act, ring.id, 1, "堵车 塞车 拥堵", True)
        with pytest.raises(Conflict):
            await change_ring(act, ring.id, 1, "堵车 拥挤", True)
        with pytest.raises(Forbidden):
            await change_ring(await town.act("clerk"), ring.id, 2, "堵车 拥挤", True)
        return [(each.version, each.words, each.changed_by_id) for each in await SynonymChange.all().order_by("id")]

    by = town.accounts["administrator"].id
    assert town.do(go) == [(1, "堵车 塞车", by), (2, "堵车 塞车 拥堵", by)]


# The dictionary


@on_sqlite
def test_a_new_name_makes_a_rebuild_due_and_the_old_index_serves_on(town: Town) -> None:
    publish(town, "路灯不亮")
    settle(town)
    assert town.run(vocabulary.rebuild_due()) == ""

    async def rename() -> str:
        from yetan.units.models import Unit

        await Unit.filter(id=town.units["sibling"]).update(name="夜话坪社区")
        return await vocabulary.rebuild_due()

    assert "夜话坪" in town.do(rename)
    assert titles(board(town, "路灯")) == ["路灯不亮"]
    assert town.browser().get("/readyz").json()["checks"]["search_index"] is False
    assert "索引该重建了" in town.browser("administrator").get("/admin/synonyms").text

    town.run(rebuild())
    assert town.run(vocabulary.rebuild_due()) == ""
    assert town.browser().get("/readyz").json()["checks"]["search_index"] is True


@on_sqlite
def test_names_are_known_with_and_without_their_endings(town: Town) -> None:
    words = town.run(vocabulary.vocabulary()).words
    assert {"溪尾村", "溪尾", "荷塘社区", "荷塘", "路灯", "市政设施"} <= set(words)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("荷塘社区荷塘路12号楼道", "荷塘路"),
        ("樟园小区3号楼", "樟园小区"),
        ("松涛里35号", "松涛里"),
        ("小区里", ""),
        ("荷塘社区", ""),
        ("***路5号", ""),
        ("13900005678", ""),
        ("路" * 200, "路" * 4),
    ],
)
def test_a_place_is_called_by_what_stands_before_its_numbers(place: str, name: str) -> None:
    assert places.name_in(place, {"荷塘社区"}) == name


@on_sqlite
def test_a_place_that_several_issues_name_becomes_a_word_within_a_week(town: Town) -> None:
    settle(town)
    for number in range(places.FEWEST_ISSUES):
        publish(town, f"第{number}盏路灯不亮", place=f"溪尾村晚渡路{number}号")
    publish(town, "停水", place="溪尾村松涛里35号")
    settle(town)
    assert town.run(vocabulary.rebuild_due()) == ""
    town.clock.forward(weeks=1)
    settle(town)
    assert "晚渡路" in town.run(vocabulary.rebuild_due())
    words = town.run(vocabulary.vocabulary()).words
    assert "晚渡路" in words
    assert "松涛里" not in words
    town.run(rebuild())
    assert town.run(vocabulary.rebuild_due()) == ""


# What others search


def search_as(town: Town, address: str, text: str) -> None:
    """Somebody at `address` searched for `text`, and the index found enough."""
    popular.count(Act(ANONYMOUS, town.clock(), source=address), text, 9)


@pytest.fixture
def _nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popular, "_tally", popular._Tally())


@pytest.mark.usefixtures("_nothing_counted")
def test_what_several_search_is_shown_and_what_one_searches_is_not(town: Town) -> None:
    for place in ("东街", "西街", "南街", "北街", "后街"):
        publish(town, f"{place}路灯不亮，又停水")
    settle(town)

    async def go() -> list[str]:
        for visitor in range(popular.FEWEST_TIMES):
            search_as(town, f"10.0.0.{visitor}", "路灯 不亮")
        for _ in range(20):
            search_as(town, "10.0.0.1", "停水")
        await popular.write()
        return await popular.popular(await town.act())

    assert town.do(go) == ["路灯 不亮"]
    assert "路灯 不亮" in town.browser().get("/search").text
    assert town.browser().get("/api/v1/suggest").json() == {"items": ["路灯 不亮"]}


@pytest.mark.usefixtures("_nothing_counted")
@on_sqlite
def test_what_may_say_something_about_somebody_is_never_written(town: Town) -> None:
    """A number, an address, a sentence; a rare name, though the search finds its characters; a name that is known."""
    for each in range(popular.FEWEST_ISSUES):
        publish(town, f"王师傅建议国道{each}公里处装路灯，联系欧阳澜")
    for each in range(popular.FEWEST_ISSUES - 1):
        publish(town, f"{each}号井盖松动")
    town.report(raisers=[RaiserInput(name="欧阳澜", phone="13900005678")], by="village", via="visit")
    settle(town)

    async def go() -> list[str]:
        for text in (
            "13900005678",
            "3号楼",
            "张三的事情他们谁都不管也不问",
            "井盖",
            "王建国",
            "欧阳澜",
            "路灯 欧阳澜",
            "路灯",
        ):
            search_as(town, "10.0.0.1", text)
        await popular.write()
        return [row.text for row in await SearchedText.all()]

    assert town.do(go) == ["路灯"]


@pytest.mark.usefixtures("_nothing_counted")
def test_what_was_searched_long_ago_is_forgotten(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popular, "FEWEST_ISSUES", 1)
    publish(town, "路灯不亮，又停水")
    settle(town)

    async def go() -> list[str]:
        search_as(town, "10.0.0.1", "路灯")
        await popular.write()
        town.clock.forward(weeks=popular.WEEKS_KEPT + 2)
        search_as(town, "10.0.0.1", "停水")
        await popular.write()
        return [row.text for row in await SearchedText.all()]

    assert town.do(go) == ["停水"]


@pytest.mark.usefixtures("_nothing_counted")
def test_a_search_writes_nothing_until_the_process_gathers(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popular, "FEWEST_ISSUES", 1)
    publish(town, "路灯不亮")
    settle(town)
    assert "找到1件" in town.browser().get("/search", params={"q": "路灯"}).text

    async def written() -> int:
        return await SearchedText.all().count()

    async def gathered() -> int:
        async with popular.gathering():
            assert await written() == 0
        return await written()

    assert town.do(written) == 0
    assert town.do(gathered) == 1
