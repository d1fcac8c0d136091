"""How text is folded and cut into terms."""

from __future__ import annotations

import pytest

from yetan_search.analysis import QUERY_LENGTH, Analysis, Question, fold, simplified


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("違章建築拆遷", "违章建筑拆迁"),
        ("路燈　ＡＢＣ１２", "路灯 abc12"),
        ("⼟地", "土地"),
        ("𠮷祥里", "𠮷祥里"),
        ("İstanbul", "istanbul"),
    ],
)
def test_text_is_folded_to_one_form_of_the_same_length(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert len(fold(text)) == len(text)


def test_no_character_changes_the_length_of_a_text() -> None:
    every = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert len(fold(every)) == len(every)
    assert simplified(simplified(every)) == simplified(every)


def test_a_long_text_is_cut_into_characters_words_and_pairs_of_unknown_words() -> None:
    terms = Analysis().terms("泉塘的路灯不亮")
    assert {"泉", "路", "路灯", "泉塘"} <= set(terms)
    assert "灯维" not in Analysis().terms("路灯维修")


def test_a_brief_text_has_every_pair() -> None:
    assert {"灯不", "不亮"} <= set(Analysis().terms("路灯不亮", brief=True))


def test_long_words_are_found_by_the_words_inside_them() -> None:
    assert {"公积", "公积金", "积金"} & set(Analysis().question("住房公积金").words)


def test_letters_and_digits_are_one_term() -> None:
    terms = Analysis().terms("L5县105国道")
    assert {"l5", "105"} <= set(terms)
    assert not {"l", "5", "10"} & set(terms)


def test_the_towns_own_words_are_words() -> None:
    assert "夜话坪" not in Analysis().question("去夜话坪").words
    assert "夜话坪" in Analysis(["夜話坪"]).question("去夜话坪").words


def test_a_query_of_single_characters_asks_for_them() -> None:
    assert Analysis().question("水").words == ("水",)


def test_only_the_beginning_of_a_pasted_text_is_asked() -> None:
    assert len("".join(Analysis().question("一二三四五六七" * 2_000).characters)) <= QUERY_LENGTH


def test_punctuation_asks_for_nothing() -> None:
    assert Analysis().question("？！ *** ()") == Question("?! *** ()")


def test_what_stands_apart_and_is_no_word_is_a_name() -> None:
    assert Analysis().question("星沙 堵车").chunks == ("星沙",)
    assert Analysis().question("路灯 堵车").chunks == ()


def test_a_phrase_in_quotation_marks_is_asked_letter_by_letter() -> None:
    for marks in ('"路灯不亮"', "“路灯不亮”", "「路燈不亮」"):
        question = Analysis().question(f"东街 {marks}")
        assert question.quoted == ("路灯不亮",)
        assert {"东街", "路灯"} <= set(question.words) | set(question.chunks)


def test_a_word_behind_a_minus_sign_is_left_out() -> None:
    question = Analysis().question("噪音 -电梯 －ktv")
    assert question.without == ("电梯", "ktv")
    assert question.words == ("噪音",)


@pytest.mark.parametrize("number", ["26-1183", "YT-2026-0012", "2026-05-06"])
def test_a_hyphen_in_a_number_leaves_nothing_out(number: str) -> None:
    assert Analysis().question(number).without == ()
    assert fold(number) in Analysis().question(number).numbers


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("路灯", {"路灯"}),
        ("道路硬化", {"道路", "硬化"}),
        ("泉塘", {"泉塘"}),
        ("未安装", {"未", "安装"}),
        ("a7号", {"a7号"}),
    ],
)
def test_an_alternative_is_held_by_all_of_its_terms(text: str, terms: set[str]) -> None:
    assert set(Analysis().asked(text)) == terms
    assert terms <= set(Analysis().terms(f"据说{text}。"))


def test_the_vocabulary_holds_words_and_the_unknown_names_of_titles() -> None:
    assert {"路灯", "泉塘"} <= Analysis().vocabulary("泉塘的路灯", brief=True)
    assert "泉塘" not in Analysis().vocabulary("泉塘的路灯")
    assert not {"a7", "12"} & Analysis().vocabulary("a7栋12号", brief=True)
