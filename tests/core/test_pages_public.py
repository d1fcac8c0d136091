"""The public site: what it shows, that its figures and lists agree, and that nothing unpublished reaches it."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.act import SYSTEM, Act
from yetan.files.images import PreparedImage
from yetan.files.models import Attachment
from yetan.files.service import attach, stored_photos
from yetan.issues import acceptance
from yetan.issues.models import Category, Issue
from yetan.issues.service import RaiserInput, add_progress
from yetan.publication import listing
from yetan.publication import service as publication
from yetan.publication.listing import ListFilters, Position, filters_from, list_issues, position_in
from yetan.publication.models import PublicIssue, PublicIssueScope
from yetan.rules.service import issue_document, set_value
from yetan.testing import Town
from yetan.units.models import Unit
from yetan.units.service import merge_units, rename
from yetan.web.templating import city_view


def publish(town: Town, issue: Issue, *, photos: list[int] | None = None) -> None:
    """Approve what stands in the issue now."""

    async def go() -> None:
        act = Act(SYSTEM, town.clock())
        await publication.renew_draft(act, await Issue.get(id=issue.id))
        await publication.approve(act, issue.id, photos=photos)

    town.do(go)
    town.run_worker()


def published(town: Town, **values: Any) -> Issue:
    issue = town.report(**values)
    publish(town, issue)
    return issue


def resolve(town: Town, issue: Issue) -> None:
    town.move(issue, "list", by="clerk")
    town.move(issue, "start", by="deputy")
    town.move(issue, "resolve", by="deputy")


def feed_back(town: Town, issue: Issue, text: str = "贴在公示栏了") -> None:
    async def go() -> None:
        await acceptance.give_feedback(await town.act("village"), issue.id, {"way": "posted", "text": text})

    town.do(go)


def accept(town: Town, issue: Issue, accepted: bool = True, text: str = "看过了") -> None:
    async def go() -> None:
        await acceptance.accept(await town.act("resident"), issue.id, accepted, text)

    town.do(go)


def strike_off(town: Town, issue: Issue) -> None:
    resolve(town, issue)
    feed_back(town, issue)
    accept(town, issue)
    town.move(issue, "strike_off", by="clerk")


def page(town: Town, path: str, status: int = 200, **query: Any) -> str:
    answer = town.browser().get(path + (f"?{urlencode(query)}" if query else ""))
    assert answer.status_code == status, (path, answer.status_code, answer.text)
    return str(answer.text)


def numbers_in(text: str) -> list[str]:
    """The numbers of the issues a page lists, in its order."""
    main = text.partition('<main id="main"')[2].partition("</main>")[0]
    return list(dict.fromkeys(re.findall(r'href="/issues/(\d\d-\d+)"', main)))


def steps_in(text: str) -> list[tuple[str, str]]:
    """The steps of the loop: name and status."""
    found = re.findall(r'<li class="step step-(\w+)".*?<div class="step-name">([^<]+)', text, re.DOTALL)
    return [(name, status) for status, name in found]


# Nothing unpublished


@BOTH_DATABASES
def test_nothing_unpublished_reaches_any_page(town: Town) -> None:
    """C50: a word that nobody approved stands on no public page, wherever it was written."""
    secret = {name: f"暗语{name}{number}" for number, name in enumerate("甲乙丙丁戊己庚辛壬癸子丑寅卯", start=100)}
    hidden = town.report(title=secret["甲"], text=secret["乙"], place=secret["丙"])
    town.move(hidden, "list", by="clerk", measures=secret["丁"])

    shown = published(town, raisers=[RaiserInput("郝多余", "13911112222")], text="请打13911112222找郝多余")
    town.move(shown, "report_up", by="village", opinion=secret["戊"])
    lamps = {"unit": town.units["department"], "owner": town.accounts["department"].id}
    town.move(shown, "list", by="clerk", measures=secret["己"], **lamps)

    async def progress() -> None:
        await add_progress(await town.act("department"), shown.id, secret["庚"])

    town.do(progress)
    town.move(shown, "resolve", by="department", outcome=secret["辛"])
    feed_back(town, shown, secret["壬"])

    judged = published(town)
    resolve(town, judged)
    publish(town, judged)
    accept(town, judged, text=secret["癸"])

    async def rate() -> None:
        await acceptance.rate(await town.act("resident"), judged.id, "satisfied", secret["子"])

    town.do(rate)
    gone = published(town, title=secret["丑"], text=secret["寅"])

    async def withdraw() -> None:
        await publication.withdraw(await town.act("publisher"), gone.id, secret["卯"])

    town.do(withdraw)
    town.run_worker()

    pages = crawl(town)
    for part in ("暗语", "1391111", "多余"):  # a page says again what was searched for, so never the whole
        pages[f"search {part}"] = page(town, "/search", q=part)
    assert f"/issues/{judged.number}" in pages
    for where, text in pages.items():
        for word in (*secret.values(), "13911112222", "郝多余", "柳三变"):
            assert word not in text, (word, where)
    # The last is how the page is declared.
    for number in (hidden.number, gone.number, "26-999", "不是编号", "1" * 40, "{number}"):
        assert "还没有公开" in page(town, f"/issues/{number}", 404)


def crawl(town: Town) -> dict[str, str]:
    """Every public page that can be reached from the front page, by its address. Each link must lead somewhere."""
    browser = town.browser()
    pages: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in pages or path.startswith(("/display", "/static", "/sign-in")):
            continue
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        pages[path] = answer.text
        links = re.findall(r'(?:href|src|action)="(/[^"#]*)', answer.text)
        waiting += [html.unescape(link) for link in links]
    return pages


@BOTH_DATABASES
def test_a_withdrawn_issue_is_gone_at_once(town: Town) -> None:
    issue = published(town)
    assert numbers_in(page(town, "/issues")) == [issue.number]

    async def withdraw() -> None:
        await publication.withdraw(await town.act("publisher"), issue.id, "写了别人的名字")

    town.do(withdraw)
    page(town, f"/issues/{issue.number}", 404)
    for path in ("/", "/issues", "/units/village"):
        assert numbers_in(page(town, path)) == []
    assert numbers_in(page(town, "/search", q="路灯")) == []


def test_public_pages_carry_no_token_and_may_be_kept(town: Town) -> None:
    published(town)
    for path in ("/", "/issues", "/issues/26-1", "/search?q=路灯", "/units", "/units/village", "/figures", "/rules"):
        answer = town.browser("clerk").get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        assert "_token" not in answer.text
        assert "_key" not in answer.text
        assert "set-cookie" not in answer.headers
        assert "周明远" not in answer.text  # who looks is nobody's business


# The board and its figures


@BOTH_DATABASES
def test_every_figure_leads_to_the_list_it_counts(town: Town) -> None:
    """003-06 and the look: a figure's link shows exactly what was counted."""
    lit = published(town)
    strike_off(town, lit)
    back = published(town)
    resolve(town, back)
    feed_back(town, back)
    accept(town, back, accepted=False, text="还闪")
    done = published(town, kind="suggestion")
    resolve(town, done)
    town.move(published(town), "decline", by="clerk")
    published(town, kind="suggestion", raisers=[])
    town.run_worker()
    town.clock.forward(days=40)
    published(town)
    for where, least in (("/", 5), ("/units/village", 10), ("/units/city", 10)):
        text = page(town, where)
        figures = re.findall(r'class="figure-value"><b>(\d+)</b>.*?<a href="(/issues[^"]*)">', text, re.DOTALL)
        assert len(figures) == least
        for value, href in figures:
            assert len(numbers_in(page(town, html.unescape(href)))) == int(value), (where, href)
    counted = {
        label: value
        for value, label in re.findall(
            r"<b>(\d+)</b>.*?\">(\w+)</a>", page(town, "/units/village").partition("公开以来")[2], re.DOTALL
        )
    }
    assert counted == {"提出": "4", "建议": "2", "办结": "2", "销号": "1", "不予受理": "1"}


@BOTH_DATABASES
def test_the_street_has_a_lamp_for_each_problem_of_the_month(town: Town) -> None:
    strike_off(town, published(town))
    late = published(town)
    town.move(late, "list", by="clerk", deadline=town.clock().date() + timedelta(days=2))
    published(town)
    published(town, kind="suggestion")
    town.run_worker()
    town.clock.forward(days=5)
    text = page(town, "/").partition('<div class="street">')[2].partition("</header>")[0]
    lamps, key = text.split('<div class="street-key">')
    assert re.findall(r'class="lamp lamp-(\w+)"', lamps) == ["closed_good", "open", "late"]
    counts = re.findall(r'<a href="([^"]+)">(\w+) (\d+)</a>', key)
    assert [(label, count) for _, label, count in counts] == [
        ("已销号", "1"),
        ("待验收", "0"),
        ("办理中", "1"),
        ("逾期", "1"),
    ]
    lists = {label: numbers_in(page(town, html.unescape(href))) for href, label, _ in counts}
    assert lists["逾期"] == [late.number]
    # "On hand" takes in what is late: a lamp is counted once, a list is complete.
    assert len(lists["办理中"]) == 2
    assert lists["已销号"] == ["26-1"]


@BOTH_DATABASES
def test_units_are_ranked_like_with_like_and_small_ones_left_out(town: Town) -> None:
    for _ in range(5):
        published(town)
    for _ in range(4):
        published(town, unit=town.units["sibling"])
    strike_off(town, town.run(Issue.get(number="26-1")))
    town.run_worker()
    text = page(town, "/").partition("各单位销号情况")[2].partition("</section>")[0]
    assert "溪尾村" in text
    assert "1 / 5件" in text
    assert "荷塘社区" not in text


def test_the_month_shown_is_the_last_one_with_anything_in_it(town: Town) -> None:
    published(town)
    town.clock.forward(days=70)
    assert "2026年5月" in page(town, "/")


@BOTH_DATABASES
def test_the_board_shows_what_was_mended_in_pictures_and_what_others_search(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended, unseen = town.report(title="凉亭的灯亮了", place="荷塘凉亭"), town.report(title="只有修之前的照片")

    async def photograph(issue: Issue, stages: tuple[Literal["before", "after"], ...]) -> list[str]:
        names = []
        for stage in stages:
            picture = PreparedImage(f"{issue.id} {stage}".encode(), "image/jpeg", 4, 3)
            async with stored_photos([picture]) as stored:
                (photo,) = await attach(await town.act(), "issue", issue.id, stored, stage=stage)
            names.append(photo.stored_name)
        return names

    names = town.run(photograph(mended, ("before", "before", "after")))
    town.run(photograph(unseen, ("before",)))
    for issue in (mended, unseen):
        strike_off(town, issue)
        publish(town, issue)

    async def often(act: Act) -> list[str]:
        return ["路灯", "停车"]

    monkeypatch.setattr("yetan.publication.pages.popular", often)
    text = page(town, "/")
    pictures = text.partition("哪盏灯修好了")[2].partition("刚亮的灯")[0]
    assert re.findall(r'src="/photos/([^"]+)"', pictures) == [names[0], names[2]], "the first before, the last after"
    assert "凉亭的灯亮了" in pictures
    assert "荷塘凉亭" in pictures
    assert "只有修之前的照片" not in pictures
    assert f'href="/search?{urlencode({"q": "停车"})}">停车' in text.partition("</header>")[0]


def test_an_empty_city_shows_a_way_on(town: Town) -> None:
    text = page(town, "/")
    assert "公开板上还没有事情" in text
    assert 'href="/raise"' in text


# Lists


async def spread(count: int) -> None:
    """Published rows of which many share an instant, as imported days do."""
    village, other = await Unit.get(code="village"), await Unit.get(code="other")
    from yetan.units.service import ancestors_of

    lines = await ancestors_of([village.id, other.id])
    for number in range(1, count + 1):
        unit = village if number % 3 else other
        at = datetime(2026, 1, 1 + number // 10, tzinfo=UTC)
        row = await PublicIssue.create(
            issue_id=10_000 + number, number=f"26-{9000 + number}", title=f"第{number}件", text="说明",
            state="reported", kind="problem", unit_id=unit.id, unit_name=unit.name,
            responsible_unit_name=unit.name, raised_at=at, raised_precision="day", updated_at=at,
        )  # fmt: skip
        for ancestor in lines[unit.id]:
            await PublicIssueScope.create(issue_id=row.issue_id, unit_id=ancestor, state=row.state, raised_at=at)


@BOTH_DATABASES
@pytest.mark.parametrize("unit", ["", "village", "township", "city"])
def test_paging_shows_every_issue_once_and_in_order(town: Town, unit: str) -> None:
    town.run(spread(57))
    seen: list[str] = []
    path = f"/issues?unit={unit}" if unit else "/issues"
    while path:
        text = page(town, path)
        seen += numbers_in(text)
        more = re.search(r'<a class="button button-outline" href="(/issues[^"]+)">再看一些', text)
        path = html.unescape(more[1]) if more else ""
    count = {"": 57, "city": 57, "village": 38, "township": 38}[unit]
    assert len(seen) == len(set(seen)) == count
    assert seen == sorted(seen, key=lambda number: -int(number[3:]))
    assert f"{count}件都在这里了" in text


def test_a_new_issue_does_not_shift_what_follows(town: Town) -> None:
    town.run(spread(30))

    async def go() -> tuple[list[int], list[int]]:
        now = town.clock()
        first = await list_issues(ListFilters(), limit=10, now=now)
        row = await PublicIssue.get(issue_id=10_001)
        await PublicIssue.filter(issue_id=row.issue_id).update(raised_at=now)
        second = await list_issues(ListFilters(), limit=10, after=first.next, now=now)
        return [row.issue_id for row in first.rows], [row.issue_id for row in second.rows]

    first, second = town.do(go)
    assert first == list(range(10_030, 10_020, -1))
    assert second == list(range(10_020, 10_010, -1))


def test_a_position_survives_its_text() -> None:
    for at in (datetime(2026, 5, 6, 1, 2, 3, 456789, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC)):
        assert position_in(str(Position(at, 12))) == Position(at, 12)
    for text in ("", "x", "1_", "_1", "1_1_1", "9" * 40 + "_1", "١_1"):
        assert position_in(text) is None


@BOTH_DATABASES
def test_lists_narrow_by_each_field(town: Town) -> None:
    here = published(town)
    there = published(town, unit=town.units["other"], category=None, kind="suggestion")
    resolve(town, here)
    town.run_worker()
    top = town.run(Category.get(path="城乡建设")).id
    for query, expected in (
        ({"unit": "county"}, [there, here]),
        ({"unit": "township"}, [here]),
        ({"category": top}, [here]),
        ({"state": "resolved"}, [here]),
        ({"state": "awaiting"}, [here]),
        ({"unit": "township", "state": "resolved"}, [here]),
        ({"unit": "township", "state": "listed"}, []),
        ({"state": "open"}, [there]),
        ({"kind": "suggestion"}, [there]),
        ({"year": 2026, "month": 5}, [there, here]),
        ({"year": 2026, "month": 4}, []),
        ({"year": 2025}, []),
        ({"date": "resolved"}, [here]),
        ({"date": "struck_off"}, []),
    ):
        assert numbers_in(page(town, "/issues", **query)) == [each.number for each in expected], query


@BOTH_DATABASES
def test_a_unit_s_list_is_the_same_whichever_rows_are_walked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.run(spread(6))
    at = datetime(2026, 2, 3, tzinfo=UTC)
    town.run(PublicIssue.filter(issue_id=10_003).update(state="struck_off", struck_off_at=at))
    town.run(PublicIssueScope.filter(issue_id=10_003).update(state="struck_off"))

    async def listed(**values: object) -> list[int]:
        found = await list_issues(await filters_from(values), now=town.clock())
        return [row.issue_id for row in found.rows]

    for many in (5000, 1):
        monkeypatch.setattr(listing, "_MANY", many)
        for narrowed in ({"state": "struck_off"}, {"date": "struck_off", "year": "2026", "month": "2"}):
            assert town.do(lambda narrowed=narrowed: listed(unit="other", **narrowed)) == [10_003]
            assert town.do(lambda narrowed=narrowed: listed(unit="village", **narrowed)) == []
        assert town.do(lambda: listed(unit="village", state="reported")) == [10_005, 10_004, 10_002, 10_001]
        assert town.do(lambda: listed(unit="village", state="transferred")) == []


@pytest.mark.parametrize(
    "query",
    [
        {"unit": "nowhere"},
        {"unit": "x" * 500},
        {"category": "abc"},
        {"state": "burning"},
        {"year": "99999"},
        {"month": "5"},
        {"month": "13", "year": "2026"},
        {"date": "tomorrow"},
    ],
)
def test_a_filter_that_cannot_be_says_so_and_keeps_what_was_chosen(town: Town, query: dict[str, str]) -> None:
    published(town)
    text = page(town, "/issues", 422, **query)
    assert 'id="errors"' in text
    assert numbers_in(text) == []


# An issue


def test_the_loop_is_shown_as_seven_steps(town: Town) -> None:
    issue = published(town)
    path = f"/issues/{issue.number}"

    def statuses() -> list[str]:
        town.run_worker()
        return [status for _, status in steps_in(page(town, path))]

    assert [name for name, _ in steps_in(page(town, path))] == ["登记", "立项", "办理", "办结", "反馈", "验收", "销号"]
    assert statuses() == ["done", "now", *["ahead"] * 5]
    town.move(issue, "list", by="clerk")
    assert statuses() == ["done", "done", "now", *["ahead"] * 4]
    town.move(issue, "resolve", by="deputy")
    assert statuses() == [*["done"] * 4, "now", "ahead", "ahead"]
    feed_back(town, issue)
    assert statuses() == [*["done"] * 5, "now", "ahead"]
    accept(town, issue, accepted=False, text="还闪")
    assert statuses() == ["done", "done", "now", *["ahead"] * 4]
    assert "第 2 次办理" in page(town, path)
    town.move(issue, "start", by="deputy")
    town.move(issue, "resolve", by="deputy")
    # What was fed back about the first round does not count for the second.
    assert statuses() == [*["done"] * 4, "now", "ahead", "ahead"]
    feed_back(town, issue)
    accept(town, issue)
    assert statuses() == [*["done"] * 6, "now"]
    town.move(issue, "strike_off", by="clerk")
    assert statuses() == [*["done"] * 6, "end"]
    assert "从提出到销号，0天" in page(town, path)


def test_a_declined_issue_leaves_the_loop_and_says_why(town: Town) -> None:
    issue = published(town)
    town.move(issue, "decline", by="clerk", reason="这段路归供电公司管")
    publish(town, issue)
    text = page(town, f"/issues/{issue.number}")
    assert steps_in(text) == []
    assert "不予受理" in text
    assert "这段路归供电公司管" in text


def test_an_issue_page_counts_raisers_and_names_nobody(town: Town) -> None:
    issue = published(town, raisers=[RaiserInput("郝多余", "13911112222"), RaiserInput("郝有余", "13933334444")])
    town.move(issue, "list", by="clerk")
    publish(town, issue)
    text = page(town, f"/issues/{issue.number}")
    assert "居民 2 人，姓名不公开" in text
    assert "来源：溪尾村" in text
    assert "郝" not in text
    assert "许秋生" not in text  # the responsible unit answers in public, its officials inside
    assert "照明所三天内更换灯头" in text


def test_an_error_report_says_what_it_is_about(town: Town) -> None:
    """004-20"""
    city = replace(town.configuration.city, editor="陈小满", error_report="errors@example.cn")
    view = city_view(replace(town.configuration, city=city))
    assert view.error_report_on("26-1") == "mailto:errors@example.cn?subject=%E7%BA%A0%E9%94%99%EF%BC%9A26-1"
    elsewhere = city_view(replace(town.configuration, city=replace(city, error_report="https://example.cn/errors")))
    assert elsewhere.error_report_on("26-1") == "https://example.cn/errors"


def test_a_number_is_found_however_it_is_written(town: Town) -> None:
    published(town)
    for written in ("26-1", "２６－１", "261", "26 1"):
        assert "村口三盏路灯不亮" in page(town, f"/issues/{written}")


def test_only_approved_photos_are_served(town: Town) -> None:
    """C27"""
    issue = town.report()

    async def photograph() -> list[Attachment]:
        images = [PreparedImage(b"jpeg one", "image/jpeg", 4, 3), PreparedImage(b"jpeg two", "image/jpeg", 4, 3)]
        async with stored_photos(images) as stored:
            return await attach(await town.act(), "issue", issue.id, stored, stage="before")

    shown, kept = town.do(photograph)
    publish(town, issue, photos=[shown.id])
    text = page(town, f"/issues/{issue.number}")
    assert f'src="/photos/{shown.stored_name}"' in text
    assert kept.stored_name not in text
    public, answer = town.browser(), town.browser().get(f"/photos/{shown.stored_name}")
    assert answer.content == b"jpeg one"
    assert answer.headers["content-type"] == "image/jpeg"
    again = public.get(f"/photos/{shown.stored_name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path in (f"/photos/{kept.stored_name}", f"/files/{kept.stored_name}", "/files/../yetan.sqlite3", "/photos/x"):
        assert public.get(path).status_code == 404, path
    for who, status in (("village", 200), ("clerk", 200), ("resident", 200), ("other", 404), ("administrator", 404)):
        assert town.browser(who).get(f"/files/{kept.stored_name}").status_code == status, who

    async def withdraw() -> None:
        await publication.withdraw(await town.act("publisher"), issue.id, "照片里有人脸")

    town.do(withdraw)
    gone = public.get(f"/photos/{shown.stored_name}", headers={"If-None-Match": answer.headers["etag"]})
    assert gone.status_code == 404


# Search


@BOTH_DATABASES
def test_search_without_an_index_answers_from_the_database_and_says_so(town: Town) -> None:
    issue = published(town)
    text = page(town, "/search", q="路灯")
    assert numbers_in(text) == [issue.number]
    assert "快速查找暂时用不了" in text


def test_words_too_many_to_search_for_come_back(town: Town) -> None:
    answer = town.browser().get("/search", params={"q": "路灯" * 150})
    assert answer.status_code == 422
    assert f'value="{"路灯" * 150}"' in answer.text
    assert answer.text.count("现在有 300 个") == 1, "one error is told once"


def test_search_without_words_shows_how_to(town: Town) -> None:
    text = page(town, "/search")
    assert "怎么查" in text
    assert "城乡建设" in text


def test_nothing_found_offers_ways_on(town: Town) -> None:
    text = page(town, "/search", q="飞碟<b>")
    assert "没有找到“飞碟&lt;b&gt;”" in text
    assert 'href="/raise"' in text
    assert "0598-12345" in text


@pytest.mark.parametrize(
    "query", [{"q": "灯" * 201}, {"q": "灯", "page": "0"}, {"q": "灯", "unit": "nowhere"}, {"q": "\x01"}]
)
def test_a_search_that_cannot_be_says_so(town: Town, query: dict[str, str]) -> None:
    assert 'id="errors"' in page(town, "/search", 422, **query)


class TestWithAnIndex:
    @pytest.fixture
    def town_options(self) -> dict[str, Any]:
        return {"plugins": ("whoosh",), "search": "whoosh"}

    def test_search_marks_what_matched_and_narrows(self, town: Town) -> None:
        lamp = published(town)
        lamps = published(town, unit=town.units["other"], title="樟林村路灯太暗")
        published(town, title="垃圾没人收", text="桶满了三天。")
        text = page(town, "/search", q="路燈")
        assert set(numbers_in(text)) == {lamp.number, lamps.number}
        assert "<mark>路灯</mark>" in text
        assert "快速查找暂时用不了" not in text
        assert numbers_in(page(town, "/search", q="路灯", unit="elsewhere")) == [lamps.number]
        assert numbers_in(page(town, "/search", q="路灯", state="struck_off")) == []
        assert "不缩小范围" in page(town, "/search", q="路灯", state="struck_off")

    def test_text_of_an_issue_is_never_markup(self, town: Town) -> None:
        published(town, title="<script>alert(1)</script>路灯", text="路灯<img src=x onerror=alert(1)>坏了")
        for path in ("/", "/issues", "/issues/26-1", "/search?q=路灯"):
            text = page(town, path)
            assert "<script>alert" not in text
            assert "<img src=x" not in text


# Units, figures, rules


def test_units_show_their_figures_and_what_became_of_them(town: Town) -> None:
    published(town)

    async def change() -> None:
        act = await town.act()
        await rename(act, town.units["sibling"], {"name": "荷塘新村社区"})
        await merge_units(act, town.units["other"], town.units["village"])

    town.do(change)
    text = page(town, "/units")
    assert "石桥镇" in text
    assert "县城管局" not in text
    assert "以前叫荷塘社区" in page(town, "/units/sibling")
    assert "溪尾村" in page(town, "/units/other")
    assert "樟林村" in page(town, "/units/village")
    assert "没有这个单位" in page(town, "/units/nowhere", 404)
    assert "没有这个单位" in page(town, f"/units/{'9' * 60}", 404)


def test_every_figure_is_defined(town: Town) -> None:
    published(town)
    text = page(town, "/figures")
    assert "居民验收同意后销号的，按销号的月份计" in text
    assert "2026年5月" in text


@BOTH_DATABASES
def test_rule_documents_can_be_searched_and_read(town: Town) -> None:
    """001-41, 001-42"""

    async def issue() -> list[int]:
        act = await town.act()
        first = await issue_document(
            act, town.units["county"], "办理时限规定", "最长三十天", date(2026, 1, 5), "柳办〔2026〕1号"
        )
        second = await issue_document(
            act, town.units["county"], "办理时限规定", "最长二十天", date(2026, 4, 1), "柳办〔2026〕9号"
        )
        await issue_document(act, town.units["township"], "公示栏管理办法", "每周换一次", date(2026, 2, 1))
        await set_value(act, "issue.longest_days", town.units["county"], 20, date(2026, 4, 1), second.id)
        return [first.id, second.id]

    first, second = town.do(issue)

    def documents(**query: str) -> list[str]:
        return re.findall(r'<a href="/rules/(\d+)">', page(town, "/rules", **query))

    assert documents() == [str(second), str(second + 1), str(first)]
    assert documents(q="时限 2026〕9") == [str(second)]
    assert documents(q="每周") == [str(second + 1)]
    assert "没有写到" in page(town, "/rules", q="积分")
    text = page(town, f"/rules/{second}")
    assert "最长二十天" in text
    assert "20天" in text
    assert "有新的一版" in page(town, f"/rules/{first}")
    assert "有新的一版" not in text
    page(town, "/rules/999", 404)
