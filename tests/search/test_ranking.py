"""What raises one document above another."""

from __future__ import annotations

from collections.abc import Iterable

from yetan_search import ranking
from yetan_search.analysis import Analysis

ANALYSIS = Analysis()


class Texts:
    """Documents of a title each, and a last one of a text alone, held as an index would hold them."""

    def __init__(self, *titles: str, text: str = "") -> None:
        self.documents = len(titles) + 1
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


def ranked(query: str, *titles: str, text: str = "") -> list[int]:
    texts = Texts(*titles, text=text)
    scores = ranking.rank(ANALYSIS.question(query), texts, frozenset(range(texts.documents)))
    return sorted(scores, key=lambda number: -scores[number])


def test_a_word_counts_for_more_than_its_characters_apart() -> None:
    assert ranked("路灯", "路边有灯笼", "路边有路灯") == [1, 0]


def test_a_rare_word_counts_for_more_than_a_common_one() -> None:
    assert ranked("路灯水渠", *["路灯"] * 9, "水渠")[0] == 9


def test_covering_the_query_counts_for_more_than_a_part_of_it_in_the_title() -> None:
    text = "电梯旁边的那一户人家到了夜里总说有很大的噪音，请物业来看一看。" + "别的话也说了许多。" * 135
    assert ranked("电梯噪音", "电梯", "停水", "停电", text=text)[0] == 3


def test_a_known_number_stands_above_everything() -> None:
    assert ranked("77 路灯", "停水", "路灯77") == [0, 1]


def test_single_characters_find_more_only_where_little_is_found() -> None:
    titles = ["路灯"] * ranking.ENOUGH
    assert len(titles) not in ranked("路灯", *titles, "灯笼")
    assert len(titles) - 1 in ranked("路灯", *titles[1:], "灯笼")


def test_what_may_not_be_found_is_not_scored() -> None:
    texts = Texts("路灯77", "路灯")
    assert ranking.rank(ANALYSIS.question("77路灯"), texts, frozenset({1})).keys() == {1}
