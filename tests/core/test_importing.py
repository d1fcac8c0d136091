"""A town's ledger goes in whole or not at all, as history, nothing lost and nothing twice (C29, 001-23)."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from yetan.errors import Conflict
from yetan.events.models import Delivery, Due, Event
from yetan.issues import importing
from yetan.issues.importing import ImportPlan, ImportReport, carry_out, plan_import
from yetan.issues.ledger import ledger_columns, parse_ledger
from yetan.issues.models import Issue, IssueLink, Raiser, Remark
from yetan.notices.models import Notice
from yetan.people.models import Person
from yetan.publication.models import Publication, PublicIssue
from yetan.spreadsheets import Table, read_table, write_xlsx
from yetan.statistics.service import values
from yetan.testing import Town
from yetan.units.models import Unit
from yetan.units.service import load_units
from yetan.units.table import UnitRow

HEADINGS = (
    *("留言编号", "留言用户", "联系电话", "留言主题", "留言时间", "留言详情"),
    *("答复意见", "答复时间", "一级分类", "单位", "天气"),
)
_TEXT = "林见青说：灯坏了，电话13900001111。"
_LAMP = (_TEXT, "三月五日换好了灯头。", "2025-03-05 09:30", "城乡建设", "溪尾村", "小雨")
ANSWERED = ("A1", "林见青", "13900001111", "村口路灯坏了", "2025/3/1 8:00:00", *_LAMP)
OPEN = ("A2", "匿名", "", "桥面破了", "2025-04-02", "老桥破了个洞，车过不去。", "", "", "", "", "")
AGAIN = ("A3", "林见青", "13900001111", "怎么还不亮", "2025-03-02 20:00:00", *_LAMP)


@pytest.fixture
def town_options() -> dict[str, Any]:
    return {"rules": {"issue.remind_days": 3}}


def read(town: Town, *rows: Sequence[Any], headings: Sequence[str] = HEADINGS) -> Table:
    columns = ledger_columns()
    return read_table(io.BytesIO(write_xlsx(headings, rows)), filename="台账.xlsx", columns=columns)


def plan(town: Town, table: Table, source: str = "ledger") -> ImportPlan:
    async def go() -> ImportPlan:
        zone = town.configuration.city.zone
        ledger = parse_ledger(table, ledger_columns(), zone, now=town.clock())
        return await plan_import(ledger, table, await Unit.get(code="city"), source)

    return town.do(go)


def bring_in(town: Town, *rows: Sequence[Any], publish: bool = False, source: str = "ledger") -> ImportReport:
    made = plan(town, read(town, *rows), source)
    assert made.refused == ()

    async def go() -> ImportReport:
        return await carry_out(await town.act(), made, publish=publish, progress=lambda *told: None)

    return town.do(go)


def imported(town: Town, number: str) -> Issue:
    async def go() -> Issue:
        return await Issue.get(source_number=number)

    return town.do(go)


def counted(town: Town) -> dict[str, int]:
    """How many rows there are of everything an import writes."""

    async def go() -> dict[str, int]:
        models = (Issue, Raiser, Remark, IssueLink, Event, Delivery, Publication, PublicIssue)
        return {model.__name__: await model.all().count() for model in models}

    return town.do(go)


def test_answered_arrives_resolved_and_unanswered_reported_with_their_own_dates(town: Town) -> None:
    report = bring_in(town, ANSWERED, OPEN)
    assert (report.added, report.answered, report.published) == (2, 1, 0)
    done, still = imported(town, "A1"), imported(town, "A2")
    assert (done.state, done.outcome, done.struck_off_at) == ("resolved", "三月五日换好了灯头。", None)
    assert done.raised_at == datetime(2025, 3, 1, 0, 0, tzinfo=UTC)
    assert done.resolved_at == datetime(2025, 3, 5, 1, 30, tzinfo=UTC)
    assert (still.state, still.resolved_at) == ("reported", None)
    assert still.raised_at == datetime(2025, 4, 1, 16, 0, tzinfo=UTC)
    assert (done.raised_precision, still.raised_precision) == ("second", "day")
    assert (done.number, still.number) == ("25-1", "25-2")
    assert done.historical
    assert still.historical


def test_what_happened_stands_on_the_timeline_at_its_own_time(town: Town) -> None:
    bring_in(town, ANSWERED)
    issue = imported(town, "A1")

    async def told() -> tuple[list[tuple[str, datetime]], list[str]]:
        events = await Event.filter(subject_kind="issue", subject_id=issue.id).order_by("at")
        words = await Remark.filter(issue_id=issue.id, event_id=events[-1].id, kind="outcome")
        return [(event.type, event.at) for event in events], [remark.text for remark in words]

    happened, words = town.do(told)
    assert happened == [("issue.reported", issue.raised_at), ("issue.resolve", issue.resolved_at)]
    assert words == ["三月五日换好了灯头。"]


def test_a_reply_date_without_a_reply_makes_no_result(town: Town) -> None:
    report = bring_in(town, (*OPEN[:7], "2025-04-09 10:00:00", *OPEN[8:]))
    issue = imported(town, "A2")
    assert (issue.state, issue.resolved_at, report.answered) == ("reported", None, 0)
    assert issue.extra["答复时间"] == "2025-04-09 10:00:00"


def test_history_starts_no_notices_and_nothing_falls_due(town: Town) -> None:
    bring_in(town, ANSWERED, OPEN, publish=True)
    town.clock.forward(days=400)
    town.run_worker()

    async def started() -> tuple[int, int, int]:
        dead = await Delivery.exclude(state="done").count()
        return await Notice.all().count(), await Due.all().count(), dead

    assert town.do(started) == (0, 0, 0)


def test_columns_nobody_knows_and_what_is_cut_off_are_kept_under_their_headings(town: Town) -> None:
    phones = "13900001111、13900002222、13900003333"
    bring_in(town, (*ANSWERED[:2], phones, *ANSWERED[3:8], "没有的类别", *ANSWERED[9:]))
    assert imported(town, "A1").extra == {"天气": "小雨", "联系电话": phones, "原分类": "没有的类别"}


def test_the_nearest_known_category_and_the_named_unit_are_taken(town: Town) -> None:
    bring_in(town, ANSWERED, OPEN)
    issue, other = imported(town, "A1"), imported(town, "A2")
    assert (issue.unit_id, other.unit_id) == (town.units["village"], town.units["city"])
    assert issue.category_id is not None
    assert other.category_id is None


def test_two_rows_of_one_name_and_phone_are_one_person_also_with_one_known_before(town: Town) -> None:
    async def know() -> Person:
        return await Person.create(name="林见青", phone="13900001111", created_at=town.clock())

    person = town.do(know)
    bring_in(town, ANSWERED, AGAIN, (*OPEN[:1], "林见青", *OPEN[2:]))
    raisers = {number: town.raisers_of(imported(town, number)) for number in ("A1", "A2", "A3")}
    assert raisers["A1"] == raisers["A3"] == [person.id]
    assert raisers["A2"] != [person.id], "a name alone is nobody in particular"


def test_the_same_text_under_another_number_is_kept_and_linked_to_the_first(town: Town) -> None:
    report = bring_in(town, AGAIN, ANSWERED)
    assert (report.added, report.linked) == (2, 1)

    async def links() -> list[tuple[int, int, str]]:
        return [(row.issue_id, row.other_id, row.kind) for row in await IssueLink.all()]

    assert town.do(links) == [(imported(town, "A3").id, imported(town, "A1").id, "same_text")]


def test_importing_again_adds_nothing(town: Town) -> None:
    bring_in(town, ANSWERED, publish=True)
    before = counted(town)
    made = plan(town, read(town, ANSWERED, OPEN))
    assert made.present == ("A1",)
    assert [row.source_number for row in made.rows] == ["A2"]
    assert bring_in(town, ANSWERED, publish=True).added == 0
    assert counted(town) == before


def test_another_ledger_may_use_the_same_numbers(town: Town) -> None:
    bring_in(town, ANSWERED)
    assert bring_in(town, (*OPEN[:0], "A1", *OPEN[1:]), source="12345").added == 1


def test_an_import_that_was_overtaken_writes_nothing_and_says_so(town: Town) -> None:
    late = plan(town, read(town, ANSWERED, OPEN))
    bring_in(town, ANSWERED)
    before = counted(town)

    async def go() -> None:
        await carry_out(await town.act(), late, publish=False, progress=lambda *told: None)

    with pytest.raises(Conflict, match="另一次导入"):
        town.do(go)
    assert counted(town) == before


@pytest.mark.parametrize("step", ["_write_raisers", "write_scopes", "emit_many", "_link_same_text", "publish_batch"])
def test_an_import_that_breaks_off_leaves_nothing(town: Town, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """All rows or none, wherever it breaks."""
    before = counted(town)
    real = getattr(importing, step)

    async def broken(*given: Any) -> None:
        await real(*given)
        raise RuntimeError("the power went out")

    monkeypatch.setattr(importing, step, broken)
    with pytest.raises(RuntimeError, match="power"):
        bring_in(town, ANSWERED, OPEN, publish=True)
    assert counted(town) == before


def test_what_an_import_published_reaches_the_board_even_if_it_died_before_showing_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(ids: Sequence[int]) -> None:
        raise RuntimeError("the power went out")

    with monkeypatch.context() as patched:
        patched.setattr(importing, "project", broken)
        with pytest.raises(RuntimeError, match="power"):
            bring_in(town, ANSWERED, publish=True)
    assert counted(town)["PublicIssue"] == 0
    town.run_worker()
    assert counted(town)["PublicIssue"] == 1


def test_published_rows_show_masked_with_the_figures_of_each_messages_own_month(town: Town) -> None:
    bring_in(town, ANSWERED, OPEN, AGAIN, publish=True)

    async def look() -> tuple[list[PublicIssue], dict[str, dict[str, int]]]:
        city = town.units["city"]
        months = ("2025-03", "2025-04", "2026-05")
        return await PublicIssue.all().order_by("number"), {month: await values(city, month) for month in months}

    rows, months = town.do(look)
    assert [row.source_number for row in rows] == ["A1", "A2", "A3"]
    assert "13900001111" not in str([dict(row) for row in rows])
    assert "林见青" not in str([dict(row) for row in rows])
    assert "林某某" in rows[0].text
    assert [figures["issues.raised"] for figures in months.values()] == [2, 1, 0]
    assert months["2025-03"]["issues.resolved"] == 2  # both answers are of 5 March
    town.run_worker()
    assert [row.version for row in town.run(_publications())] == [1, 1, 1], "nothing waits for a reviewer anew"


def test_a_row_of_an_unknown_unit_or_without_any_date_is_refused_with_its_reason(town: Town) -> None:
    unknown = (*OPEN[:9], "没有的村", "")
    undated = ("A5", *OPEN[1:4], "", *OPEN[5:])
    made = plan(town, read(town, ANSWERED, unknown, undated))
    assert [row.source_number for row in made.rows] == ["A1"]
    reasons = {each.row: [problem.reason for problem in each.problems] for each in made.refused}
    assert "单位表里没有这个单位" in reasons[3][0]
    assert "没有提出的时间" in reasons[4][0]


def test_a_unit_is_found_by_the_name_it_bore_then(town: Town) -> None:
    async def rename() -> None:
        rows = [UnitRow(2, "city", "柳湾市", "city", ""), UnitRow(3, "village", "溪源村", "village", "city")]
        await load_units(await town.act(), rows)

    town.do(rename)
    bring_in(town, ANSWERED)
    assert imported(town, "A1").unit_id == town.units["village"]


def test_numbers_are_given_by_year_and_go_on_after_the_import(town: Town) -> None:
    town.report()
    bring_in(town, ANSWERED, ("B1", *OPEN[1:4], "2026-01-05", *OPEN[5:]))
    assert (imported(town, "A1").number, imported(town, "B1").number) == ("25-1", "26-2")
    assert town.report(text="第二件，和前面的完全不同的事。").number == "26-3"


async def _publications() -> list[Publication]:
    return await Publication.all()


@pytest.mark.skipif("YETAN_REAL_DATA" not in os.environ, reason="YETAN_REAL_DATA names no folder with a real ledger")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_real_ledger_goes_in_whole(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(os.environ["YETAN_REAL_DATA"]) / "messages-with-replies.xlsx"
    table = read_table(file, filename=file.name, columns=ledger_columns())
    started, processor = time.monotonic(), time.process_time()
    made = plan(town, table)
    assert (len(made.rows), made.refused, made.present) == (len(table.rows), (), ())

    async def go() -> ImportReport:
        return await carry_out(await town.act(), made, publish=True, progress=lambda *told: None)

    report = town.do(go)
    with capsys.disabled():
        print(f"\n{report}: {time.monotonic() - started:.1f} s, {time.process_time() - processor:.1f} s of processor")
    assert report.added == report.published == len(table.rows) == 2816
    told = {row.source_number: (row.title, row.text, row.reply, row.raised_at, row.replied_at) for row in made.rows}
    assert town.run(_told()) == told
    assert counted(town)["PublicIssue"] == 2816
    again = plan(town, table)
    assert (again.rows, len(again.present)) == ((), 2816)


async def _told() -> dict[str, tuple[Any, ...]]:
    rows = await Issue.all()
    return {str(row.source_number): (row.title, row.text, row.outcome, row.raised_at, row.resolved_at) for row in rows}
