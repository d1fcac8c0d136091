"""Administration of the city: units, categories, rules, deliveries, audit, plugins, and who sees which of it."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from tests.databases import BOTH_DATABASES
from tests.databases import database_kind as database_kind

from yetan.audit.models import AuditRecord
from yetan.events.models import Delivery
from yetan.issues.models import Category
from yetan.people.models import Account, Person, Post
from yetan.rules.models import RuleDocument, RuleValue
from yetan.rules.service import value_of
from yetan.testing import Town
from yetan.units.models import Unit, UnitName

T = TypeVar("T")


def ask(town: Town, query: Awaitable[T]) -> T:
    """What a query or a coroutine gives in the running town."""

    async def go() -> T:
        return await query

    return town.do(go)


def make_local(town: Town, role: str) -> None:
    """石桥镇 has an official of its own in `role`."""

    async def go() -> None:
        person = await Person.create(name="白露", unit_id=town.units["township"], created_at=town.clock())
        account = await Account.create(person=person, username="local", created_at=town.clock())
        await Post.create(account=account, role=role, unit_id=town.units["township"], since=date(2020, 1, 1))
        town.accounts["local"] = account

    town.run(go())


# Who may


PATHS = (
    "/admin", "/admin/plugins", "/admin/units", "/admin/units/import", "/admin/accounts", "/admin/accounts/new",
    "/admin/categories", "/admin/rules", "/admin/rules/issue.longest_days", "/admin/rule-documents/new",
    "/admin/import", "/admin/deliveries", "/admin/persons",
)  # fmt: skip


def test_the_administrator_sees_it_and_others_do_not(town: Town) -> None:
    browsers = {who: town.browser(who) for who in ("administrator", "village", "resident", "clerk", "")}
    for path in PATHS:
        answer = browsers["administrator"].get(path)
        assert answer.status_code == 200, path
        assert "<h1" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert browsers["village"].get(path).status_code == 403
        assert browsers["resident"].get(path).status_code == 403
        assert browsers[""].get(path).status_code == 303
        assert browsers["clerk"].get(path).status_code == (200 if path == "/admin/import" else 403)


def test_the_audit_is_the_auditor_s(town: Town) -> None:
    """Being an administrator is not enough."""
    assert town.browser("administrator").get("/admin/audit").status_code == 403
    assert town.browser("auditor").get("/admin/audit").status_code == 200


def test_the_whole_city_s_is_not_a_township_s(town: Town) -> None:
    make_local(town, "administrator")
    local = town.browser("local")
    for path in ("/admin", "/admin/plugins", "/admin/categories", "/admin/deliveries", "/admin/units/import"):
        assert local.get(path).status_code == 403, path


def test_the_audit_of_the_city_is_not_a_township_s(town: Town) -> None:
    make_local(town, "auditor")
    assert town.browser("local").get("/admin/audit").status_code == 403


# The overview


def test_a_missing_calendar_is_said_loudly(town: Town) -> None:
    admin = town.browser("administrator")
    assert "缺放假安排" not in admin.get("/admin").text
    town.clock.now = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
    page = town.browser("administrator").get("/admin").text
    assert "缺放假安排" in page
    assert "2027 年的放假安排还没有数据" in page


@BOTH_DATABASES
def test_the_overview_counts(town: Town) -> None:
    town.report()
    page = town.browser("administrator").get("/admin").text
    assert "<b>1</b>" in page
    assert "页脚信息" in page


# Units


def test_a_unit_is_renamed_and_its_old_name_kept(town: Town) -> None:
    admin = town.browser("administrator")
    village = town.units["village"]
    sent = {"name": "溪尾新村", "short_name": "新村", "code": "x", "parent_id": "1", "active": "0", "kind": "city"}
    assert admin.submit(f"/admin/units/{village}/name", sent).status_code == 303
    unit = ask(town, Unit.get(id=village))
    assert (unit.name, unit.short_name) == ("溪尾新村", "新村")
    assert (unit.code, unit.kind, unit.active) == ("village", "village", True)
    assert ask(town, UnitName.get(unit_id=village)).name == "溪尾村"
    assert "溪尾新村" in admin.get("/admin/units?q=溪尾村").text
    wrong = admin.submit(f"/admin/units/{village}/name", {"name": "", "short_name": "长" * 41})
    assert wrong.status_code == 422
    assert f'value="{"长" * 41}"' in wrong.text


@BOTH_DATABASES
def test_the_tree_is_walked(town: Town) -> None:
    admin = town.browser("administrator")
    assert "柳湾市" in admin.get("/admin/units").text
    assert "溪尾村" in admin.get(f"/admin/units?under={town.units['township']}").text
    make_local(town, "administrator")
    local = town.browser("local").get("/admin/units").text
    assert "石桥镇" in local
    assert "云墩乡" not in local
    assert town.browser("local").get(f"/admin/units/{town.units['elsewhere']}").status_code == 404


@BOTH_DATABASES
def test_a_merged_unit_hands_its_open_issues_on_and_stays_merged(town: Town) -> None:
    issue = town.report()
    admin = town.browser("administrator")
    path = f"/admin/units/{town.units['village']}"
    itself = admin.submit(f"{path}/merge", {"into": town.units["village"]})
    assert itself.status_code == 422
    assert "不能并入自己" in itself.text
    assert admin.submit(f"{path}/merge", {"into": town.units["sibling"]}).status_code == 303
    assert town.reload(issue).responsible_unit_id == town.units["sibling"]
    assert town.reload(issue).unit_id == town.units["village"]
    assert "并入荷塘社区" in admin.get(path).text
    again = admin.submit(f"{path}/merge", {"into": town.units["other"]})
    assert again.status_code == 409
    back = admin.submit(f"{path}/active", {"active": "1"})
    assert back.status_code == 409
    assert "不能恢复" in back.text
    above = admin.submit(f"/admin/units/{town.units['township']}/merge", {"into": town.units["elsewhere"]})
    assert above.status_code == 409
    assert "下面还有单位" in above.text


def test_a_merger_reaches_no_further_than_the_post(town: Town) -> None:
    make_local(town, "administrator")
    local = town.browser("local")
    path = f"/admin/units/{town.units['village']}/merge"
    assert local.submit(path, {"into": town.units["other"]}).status_code == 422
    assert ask(town, Unit.get(id=town.units["village"])).active
    assert local.submit(path, {"into": town.units["sibling"]}).status_code == 303


def test_a_unit_is_switched_off_and_on(town: Town) -> None:
    admin = town.browser("administrator")
    path = f"/admin/units/{town.units['village']}/active"
    assert admin.submit(path, {"active": "0"}).status_code == 303
    assert not ask(town, Unit.get(id=town.units["village"])).active
    assert admin.submit(path, {"active": "1"}).status_code == 303
    assert ask(town, Unit.get(id=town.units["village"])).active
    top = admin.submit(f"/admin/units/{town.units['city']}/active", {"active": "0"})
    assert top.status_code == 409
    assert "最上面的单位不能停用" in top.text


# Categories


def test_a_category_is_switched_off_with_all_below_it(town: Town) -> None:
    admin = town.browser("administrator")
    top = ask(town, Category.get(path="城乡建设"))
    assert admin.submit("/admin/categories/active", {"category": top.id, "active": "0"}).status_code == 303
    assert ask(town, Category.filter(active=True).count()) == 0
    below = admin.submit("/admin/categories/active", {"category": town.category, "active": "1"})
    assert below.status_code == 303
    assert ask(town, Category.filter(active=True).count()) == 3
    assert "市政设施" in admin.get(f"/admin/categories?under={top.id}").text
    assert admin.submit("/admin/categories/active", {"category": "99999", "active": "1"}).status_code == 404


# Rules


def test_a_rule_is_set_for_a_unit_from_a_day_on_by_a_document(town: Town) -> None:
    """001-41"""
    admin = town.browser("administrator")
    registered = admin.submit(
        "/admin/rule-documents/new",
        {"unit": town.units["township"], "title": "办理时限试行办法", "number": "石政〔2026〕3号",
         "issued_on": "2026-05-01", "text": "时限一律十五天。", "version": "9"},
    )  # fmt: skip
    assert registered.status_code == 303
    document = ask(town, RuleDocument.get(title="办理时限试行办法"))
    assert document.version == 1
    path = "/admin/rules/issue.longest_days"
    assert "办理时限试行办法" in admin.get(path).text
    sent = {"unit": town.units["township"], "value": "15", "effective_from": "2026-06-01", "document": document.id}
    assert admin.submit(path, sent).status_code == 303
    page = admin.get("/admin/rules").text
    assert "15天" in page
    assert "（还没到）" in page

    async def says(unit: str, day: date) -> Any:
        return await value_of("issue.longest_days", town.units[unit], day)

    assert town.run(says("village", date(2026, 5, 31))) == 30
    assert town.run(says("village", date(2026, 6, 1))) == 15
    assert town.run(says("other", date(2026, 6, 1))) == 30


def test_a_wrong_value_is_explained(town: Town) -> None:
    admin = town.browser("administrator")
    wrong: tuple[tuple[dict[str, str], str], ...] = (
        ({"value": "0"}, "不能小于 1"),
        ({"value": "三十"}, "请填一个整数"),
        ({"effective_from": "2026-02-30"}, "不是一个有效的日期"),
        ({"unit": "999999"}, "请从列出的选项里选一个"),
        ({"document": "7"}, "请从列出的选项里选一个"),
    )
    for change, says in wrong:
        sent = {"unit": str(town.units["city"]), "value": "20", "effective_from": "2026-06-01", **change}
        answer = admin.submit("/admin/rules/issue.longest_days", sent)
        assert answer.status_code == 422
        assert says in answer.text
    assert ask(town, RuleValue.all().count()) == 0


def test_a_yes_or_no_rule(town: Town) -> None:
    admin = town.browser("administrator")
    path = "/admin/rules/publication.second_reader"
    sent = {"unit": town.units["city"], "value": "1", "effective_from": "2026-05-06"}
    assert admin.submit(path, sent).status_code == 303
    assert ask(town, RuleValue.get(rule="publication.second_reader")).value is True
    assert admin.submit(path, {**sent, "value": "0"}).status_code == 303
    assert ask(town, RuleValue.get(rule="publication.second_reader")).value is False
    assert admin.get("/admin/rules/no.such.rule").status_code == 404


def test_rules_of_a_township_are_its_own(town: Town) -> None:
    make_local(town, "administrator")
    local = town.browser("local")
    path = "/admin/rules/issue.longest_days"
    sent = {"unit": town.units["city"], "value": "20", "effective_from": "2026-06-01"}
    assert local.submit(path, sent).status_code == 422
    assert local.submit(path, {**sent, "unit": town.units["village"]}).status_code == 303


# Deliveries


@BOTH_DATABASES
def test_what_was_given_up_is_sent_again(town: Town) -> None:
    town.report()
    admin = town.browser("administrator")
    assert "没有送不到的" in admin.get("/admin/deliveries").text
    ask(town, Delivery.all().update(state="dead", error="ConnectionError: 网关没有应答", attempts=12))
    dead = ask(town, Delivery.filter(state="dead").order_by("id"))
    assert len(dead) > 1
    page = admin.get("/admin/deliveries").text
    assert "网关没有应答" in page
    assert admin.submit("/admin/deliveries", {"delivery": dead[0].id}).status_code == 303
    assert ask(town, Delivery.filter(state="dead").count()) == len(dead) - 1
    assert admin.submit("/admin/deliveries").status_code == 303
    assert ask(town, Delivery.filter(state="dead").count()) == 0
    town.run_worker()
    assert ask(town, Delivery.exclude(state="done").count()) == 0


# Audit


@BOTH_DATABASES
def test_records_are_narrowed_and_paged(town: Town) -> None:
    clerk = town.accounts["clerk"].id

    async def note() -> None:
        for number in range(120):
            subject = f"Issue:{number}"
            await AuditRecord.create(
                at=town.clock(), actor=f"account:{clerk}", action=f"look.{number}", subject=subject, outcome="ok"
            )
        await AuditRecord.create(
            at=datetime(2026, 4, 30, 15, 59, tzinfo=UTC), actor="system", action="old.one", outcome="ok"
        )

    town.do(note)
    auditor = town.browser("auditor")
    page = auditor.get("/admin/audit?actor=clerk").text
    assert "look.119" in page
    assert "look.69" not in page
    more = page.partition('href="/admin/audit?')[2].partition('"')[0].replace("&amp;", "&")
    following = auditor.get(f"/admin/audit?{more}").text
    assert "look.69<" in following
    assert "look.119<" not in following
    assert "look.7<" in auditor.get("/admin/audit?subject=Issue:7").text
    assert "look.70<" not in auditor.get("/admin/audit?subject=Issue:7").text
    assert "look.119<" in auditor.get("/admin/audit?subject=Issue:").text
    # The last minute of 30 April in Shanghai.
    assert "old.one" in auditor.get("/admin/audit?since=2026-04-30&until=2026-04-30").text
    assert "old.one" not in auditor.get("/admin/audit?since=2026-05-01").text
    assert "looked" in auditor.get("/admin/audit?actor=auditor").text


def test_a_wrong_filter_is_explained(town: Town) -> None:
    auditor = town.browser("auditor")
    for query, says in (("actor=nobody", "没有“nobody”"), ("since=31.2.", "不是一个有效的日期")):
        answer = auditor.get(f"/admin/audit?{query}")
        assert answer.status_code == 422
        assert says in answer.text
