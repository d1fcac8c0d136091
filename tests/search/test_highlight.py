"""Marking a query in a text."""

from __future__ import annotations

import pytest

from yetan_search.analysis import Analysis
from yetan_search.highlight import highlight

#: Loading the dictionary takes a while, and nothing here changes it.
ANALYSIS = Analysis()


def runs(text: str, query: str, length: int = 0) -> tuple[tuple[str, bool], ...]:
    return highlight(text, ANALYSIS.question(query), length=length)


def marked(text: str, query: str) -> list[str]:
    return [run for run, matched in runs(text, query) if matched]


def test_a_word_is_marked_where_it_stands() -> None:
    assert runs("东街的路灯坏了", "路灯") == (("东街的", False), ("路灯", True), ("坏了", False))


@pytest.mark.parametrize(("text", "query"), [("村口拆遷補償", "拆迁"), ("村口拆迁补偿", "拆遷")])
def test_traditional_and_simplified_mark_each_other(text: str, query: str) -> None:
    assert marked(text, query) == [text[2:4]]


def test_offsets_hold_after_characters_of_any_width() -> None:
    assert marked("𠮷İ　ＡＢ 路燈壞了", "路灯") == ["路燈"]


def test_numbers_and_letters_are_marked_whole() -> None:
    assert marked("312号和12号，a12", "12号") == ["12号"]


def test_overlapping_terms_are_one_mark() -> None:
    assert marked("住房公积金怎么提取", "住房公积金") == ["住房公积金"]


def test_single_characters_are_marked_only_where_nothing_else_is() -> None:
    assert marked("路边的灯", "路灯") == ["路", "灯"]
    assert marked("路边的路灯", "路灯") == ["路灯"]


def test_the_passage_with_most_of_the_query_is_shown() -> None:
    text = "路灯。" + "无关的话" * 50 + "路灯不亮，电工没来，" + "无关的话" * 50
    shown = runs(text, "路灯 电工", length=40)
    assert {"路灯", "电工"} <= {run for run, matched in shown if matched}
    assert shown[0] == ("…", False)
    assert shown[-1] == ("…", False)
    passage = "".join(run for run, _ in shown[1:-1])
    assert passage in text
    assert len(passage) == 40


def test_without_a_match_the_beginning_is_shown() -> None:
    assert runs("一二三四五六七八", "路灯", length=4) == (("一二三四", False), ("…", False))


def test_the_whole_text_is_kept_on_request() -> None:
    text = "路灯不亮。" * 100
    assert "".join(run for run, _ in runs(text, "路灯", length=0)) == text


@pytest.mark.parametrize("query", ["", "？！", "***", "\x00", '"(', "𠮷", "路灯" * 5_000, "\ud800"])
@pytest.mark.parametrize("text", ["", "路灯***(不亮)\x00", "的" * 10_000])
def test_odd_queries_and_texts_lose_nothing(text: str, query: str) -> None:
    assert "".join(run for run, _ in runs(text, query)) == text
