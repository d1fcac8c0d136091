"""What raises one document above another."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from yetan.api import rings_in
from yetan_search import ranking
from yetan_search.analysis import Analysis
from yetan_search.concepts import concepts_of
from yetan_search.pinyin import Sounds, syllables
from yetan_search.synonyms import Synonyms

ANALYSIS = Analysis()


class Texts:
    """Documents of a title each, and a last one of a text alone, held as an index would hold them."""

    def __init__(self, *titles: str, text: str = "") -> None:
        self.documents = len(titles) + 1
        self.texts = (*titles, text)
        self._weights = [
            ranking.weigh(
                {
                    "title": ANALYSIS.terms(title, brief=True),
                    "place": (),
                    "text": ANALYSIS.terms(text) if number == len(titles) else (),
                    "reply": (),
                }
            )
            for number, title in enumerate((*titles, ""))
        ]

    def frequency(self, term: str) -> int:
        return len(list(self.weights(term)))

    def weights(self, term: str) -> Iterable[tuple[int, float]]:
        return [(number, held[term]) for number, held in enumerate(self._weights) if term in held]

    def numbered(self, number: str) -> frozenset[int]:
        return frozenset({0}) if number == "77" else frozenset()


def ask(query: str, texts: Texts, *rings: str) -> ranking.Ranked:
    """Rank `texts`, whose words are all known by their sound. `rings`: words that say the same."""
    question = ANALYSIS.question(query)
    words = set().union(*(ANALYSIS.vocabulary(text, brief=True) for text in texts.texts))
    sounds = Sounds((word, syllables(word)) for word in sorted(words))
    concepts = concepts_of(question, ANALYSIS, Synonyms(rings_in("\n".join(rings))), sounds, texts.frequency)
    return ranking.rank(question, concepts, texts)


def ranked(query: str, *titles: str, text: str = "", rings: tuple[str, ...] = ()) -> list[int]:
    scores = ask(query, Texts(*titles, text=text), *rings).scores
    return sorted(scores, key=lambda number: -scores[number])


def test_a_word_counts_for_more_than_its_characters_apart() -> None:
    assert ranked("路灯", "路边有灯笼", "路边有路灯") == [1, 0]


def test_a_rare_word_counts_for_more_than_a_common_one() -> None:
    assert ranked("路灯水渠", *["路灯"] * 9, "水渠")[0] == 9


def test_covering_the_query_counts_for_more_than_a_part_of_it_in_the_title() -> None:
    text = "电梯旁边的那一户人家到了夜里总说有很大的噪音，请物业来看一看。" + "别的话也说了许多。" * 60
    assert ranked("电梯噪音", "电梯", "停水", "停电", text=text)[0] == 3


def test_a_known_number_stands_above_everything() -> None:
    assert ranked("77 路灯", "停水", "路灯77") == [0, 1]


def test_single_characters_find_more_only_where_little_is_found() -> None:
    titles = ["路灯"] * ranking.ENOUGH
    assert len(titles) not in ranked("路灯", *titles, "灯笼")
    assert len(titles) - 1 in ranked("路灯", *titles[1:], "灯笼")


# What says the same


def test_a_common_character_finds_nothing_by_itself_while_a_rarer_one_does() -> None:
    titles = [*["路边有树"] * (ranking.ENOUGH + 1), "灯笼"]
    assert ranked("路灯", *titles) == [len(titles) - 1]
    assert len(ranked("路杆", *titles)) == ranking.ENOUGH + 1, "nothing else of the query occurs"


def test_a_synonym_finds_what_the_word_does_not() -> None:
    assert ranked("堵车", "路灯不亮", "早高峰交通拥堵", rings=("堵车 塞车 交通拥堵",)) == [1]


def test_the_word_itself_comes_before_its_synonym() -> None:
    assert ranked("堵车", "路口塞车", "路口堵车", rings=("堵车 塞车",)) == [1, 0]


def test_a_concept_scores_once_however_many_of_its_words_a_document_has() -> None:
    texts = Texts("堵车塞车拥堵", "堵车", "停水")
    scores = ask("堵车", texts, "堵车 塞车 拥堵").scores
    assert scores[0] < 1.1 * scores[1]


def test_a_rare_synonym_does_not_outweigh_a_common_word() -> None:
    titles = (*["堵车"] * 9, "塞车")
    assert ranked("堵车", *titles, rings=("堵车 塞车",))[-1] == 9


def test_a_synonym_of_several_words_needs_them_all() -> None:
    assert ranked("修路", "东村硬化", "西村道路", "北村道路硬化", rings=("修路 道路硬化",))[0] == 2


def test_holding_both_words_comes_before_holding_one_and_its_synonym() -> None:
    found = ranked("星沙 堵车", "星沙塞车塞车", "星沙堵车", "星沙停水", rings=("堵车 塞车",))
    assert found == [1, 0, 2]


def test_only_some_of_the_words_is_told_apart_from_all_of_them() -> None:
    result = ask("电梯 噪音", Texts("电梯坏了", "噪音扰民", "电梯有噪音"))
    assert result.whole == {2}
    assert result.scores.keys() == {0, 1, 2}


# How it sounds


@pytest.mark.parametrize("query", ["luohu", "LUOHU", "luo hu", "lh"])
def test_pinyin_finds_words(query: str) -> None:
    result = ask(query, Texts("新生儿落户", "停水"))
    assert result.scores.keys() == {0}
    assert result.guessed == ("落户",)


def test_pinyin_run_together_finds_several_words() -> None:
    assert ranked("tingcheshoufei", "停水", "小区停车收费", "收费站")[0] == 1


def test_u_with_dots_may_be_typed_as_v_or_u() -> None:
    assert ranked("lvhua", "绿化带") == ranked("luhua", "绿化带") == [0]


def test_a_pinyin_word_has_synonyms_too() -> None:
    assert ranked("duche", "停水", "路口堵车", "路口塞车", rings=("堵车 塞车",)) == [1, 2]


@pytest.mark.parametrize("wrong", ["红路灯", "亭水", "公基金", "权塘"])
def test_a_wrong_character_of_the_right_sound_is_understood_and_told(wrong: str) -> None:
    titles = ("路口没有红绿灯", "昨天停水", "公积金提取", "泉塘修渠", "亭子漆水")
    result = ask(wrong, Texts(*titles))
    [right] = {"红路灯": ["红绿灯"], "亭水": ["停水"], "公基金": ["公积金"], "权塘": ["泉塘"]}[wrong]
    assert right in result.guessed
    best = max(result.scores, key=lambda number: result.scores[number])
    assert right in titles[best]


def test_a_word_that_is_known_is_not_taken_for_another_that_sounds_like_it() -> None:
    assert ask("油烟", Texts("油烟扰民", "由严处理")).guessed == ()
