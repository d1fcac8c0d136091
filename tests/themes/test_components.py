"""The components say in words what they draw, keep what people typed, and escape it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment
from tests.modules import module_at

from yetan.errors import Invalid
from yetan.web.forms import Field, Form

NOW = datetime(2026, 6, 18, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    """docs/gallery.py, which draws the components without a city."""
    return module_at("docs/gallery.py")


@pytest.fixture(scope="module")
def environment(gallery: ModuleType) -> Environment:
    made: Environment = gallery.environment()
    return made


@pytest.fixture(scope="module")
def components(environment: Environment) -> Any:
    return environment.get_template("components.html").make_module()


def _state(category: str, *, late: bool = False, returned: bool = False) -> SimpleNamespace:
    return SimpleNamespace(name="handling", label="办理中", category=category, late=late, returned=returned)


def _form(field: Field, value: object, error: str = "") -> Form:
    form = Form([field], {field.name: value})
    if error:
        form.refuse(Invalid.field(field.name, error))
    return form


def test_lateness_and_return_are_said_beside_the_state(components: Any) -> None:
    tag = components.state_tag(_state("open", late=True, returned=True))
    assert "办理中，退回再办，逾期" in tag
    assert "tag-bad" in tag


def test_the_state_of_return_is_not_said_twice(components: Any) -> None:
    state = SimpleNamespace(name="returned", label="退回再办", category="open", late=False, returned=True)
    assert components.state_tag(state).count("退回再办") == 1
    assert "tag-bad" in components.state_tag(state)


@pytest.mark.parametrize("category", ["open", "awaiting", "closed_good", "closed"])
def test_a_state_of_a_plugin_is_drawn_by_its_category(components: Any, category: str) -> None:
    state = SimpleNamespace(name="patrol.inspected", label="已巡查", category=category, late=False, returned=False)
    assert "</svg>已巡查</span>" in components.state_tag(state)


def test_a_struck_off_issue_is_lit_whatever_happened_on_the_way(components: Any) -> None:
    tag = components.state_tag(_state("closed_good", late=True, returned=True))
    assert "tag-lit" in tag
    assert "逾期" not in tag


def test_a_refused_date_comes_back_as_it_was_typed(components: Any) -> None:
    field = Field("due", "期限", kind="date")
    refused = components.field(_form(field, "2026-13-08", "期限不对")["due"])
    assert 'type="text" value="2026-13-08"' in refused
    assert 'aria-describedby="field-due-error"' in refused
    assert 'type="date"' in components.field(_form(field, "2026-06-08")["due"])


def test_what_people_typed_is_escaped_and_keeps_its_first_line_break(components: Any) -> None:
    box = components.field(_form(Field("text", "说仔细些", kind="long_text"), "\n<b>𠮷</b>")["text"])
    # HTML drops the first line break of a textarea; the one we add is that one.
    assert ">\n\n&lt;b&gt;𠮷&lt;/b&gt;</textarea>" in box


def test_every_error_is_in_the_summary_and_leads_to_its_field(components: Any) -> None:
    form = _form(Field("place", "地方"), "")
    form.refuse(Invalid("有内容需要改一下。", {"place": ["写上在什么地方"], "elsewhere": ["别处也不对"]}))
    summary = components.error_summary(form)
    assert "有2处要改" in summary
    assert '<a href="#field-place">写上在什么地方</a>' in summary
    assert "<li>别处也不对</li>" in summary
    assert components.error_summary(_form(Field("place", "地方"), "")) == ""


def test_a_form_that_is_gone_gives_back_what_was_written_and_leads_nowhere(components: Any) -> None:
    form = _form(Field("reason", "原因", "long_text"), "写错了日子")
    assert components.form_gone(form) == ""
    form.refuse(Invalid("原因太长。", {"reason": ["请缩短一些"]}))
    gone = components.form_gone(form)
    assert "请缩短一些" in gone
    assert "写错了日子" in gone
    assert "href" not in gone


def test_a_form_with_photos_can_carry_them(components: Any) -> None:
    with_photos = components.post_form(_form(Field("photos", "照片", kind="photos"), None), "/raise", "提交")
    without = components.post_form(_form(Field("place", "地方"), ""), "/raise", "提交")
    assert 'enctype="multipart/form-data"' in with_photos
    assert "enctype" not in without


def test_a_password_is_not_sent_back(components: Any) -> None:
    box = components.field(_form(Field("password", "密码", kind="password"), "correct horse")["password"])
    assert 'type="password" value=""' in box


@pytest.mark.parametrize(
    ("resolved", "words", "late"),
    [(date(2026, 6, 16), "办结", False), (None, "超4天", True), (date(2026, 6, 18), "超4天", True)],
)
def test_the_rail_says_its_days(components: Any, resolved: date | None, words: str, late: bool) -> None:
    deadline = date(2026, 6, 14) if late else date(2026, 6, 25)
    rail = components.rail(date(2026, 6, 3), deadline, resolved, NOW)
    assert words in rail
    assert ("rail-late" in rail) is late


def test_a_rail_of_no_days_is_drawn(components: Any) -> None:
    day = date(2026, 6, 3)
    assert 'x2="0.0%"' in components.rail(day, day, None, day)


@pytest.mark.parametrize(("count", "lamps", "words"), [(240, 240, "一件一盏灯"), (241, 25, "一盏灯是10件")])
def test_a_street_never_grows_beyond_counting(components: Any, count: int, lamps: int, words: str) -> None:
    state = SimpleNamespace(category="closed_good", late=False, label="已销号", count=count, href="/issues")
    street = components.street([state], "本月提出")
    assert street.count("<i ") == lamps + 1  # and one in the key
    assert words in street


def test_an_unknown_figure_is_a_dash_without_unit(components: Any) -> None:
    figure = SimpleNamespace(value=None, unit="天", label="平均天数", note="不满10件，不算", href=None)
    figures = components.figures([figure])
    assert "<b>-</b>" in figures
    assert "天</span>" not in figures


def test_matched_words_are_marked_and_escaped(components: Any) -> None:
    assert components.marked([("<荷塘>", True), ("路", False)]) == "<mark>&lt;荷塘&gt;</mark>路"


def test_days_of_other_years_carry_their_year(components: Any) -> None:
    assert ">6月3日<" in components.day(date(2026, 6, 3))
    assert ">2019年6月3日<" in components.day(date(2019, 6, 3))
    assert ">6月3日 09:30<" in components.moment(datetime(2026, 6, 3, 9, 30, tzinfo=UTC))
    assert ">2019年6月3日<" in components.moment(datetime(2019, 6, 3, 9, 30, tzinfo=UTC))
    assert components.moment("今晚19:30") == "今晚19:30"
    assert components.moment(None) == ""


def test_a_term_of_the_rules_has_plain_words_beside_it(components: Any) -> None:
    assert "居民点了头" in components.plain_word("销号")
    assert components.plain_word("登记") == ""


def test_columns_say_every_figure_and_the_highest_reaches_the_top(components: Any) -> None:
    months = [{"label": "5月", "first": 8, "second": 2}, {"label": "6月", "first": 4, "second": 0}]
    chart = components.columns(months, "提出", "销号", "各月提出和销号的件数")
    assert "<title>各月提出和销号的件数</title>" in chart
    assert "5月：提出 8，销号 2；6月：提出 4，销号 0；" in chart
    heights = [float(each) for each in re.findall(r'<rect [^>]*height="([\d.]+)%"', chart)]
    assert heights == [100.0, 25.0, 50.0, 0.0]
    assert "style=" not in chart
    assert components.columns([{"label": "7月", "first": 0, "second": 0}], "提出", "销号", "没有")


def test_the_gallery_shows_every_component_and_says_what_it_is_for(gallery: ModuleType) -> None:
    about, shown = gallery.macros(), gallery.shown()
    assert set(about) == set(shown), "docs/gallery.html has a part for each macro"
    assert [name for name, purpose in about.items() if not purpose] == []
    for page in gallery.PAGES:
        text = gallery.drawn(page)
        assert all(f'<h2 id="{name}">' in text for name in shown)
        assert not re.findall(r"<style|\sstyle=|<script(?! src)", text)
