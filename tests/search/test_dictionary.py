"""The words texts are cut into, beside jieba itself, which reads the same dictionary in a way of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
import rjieba
from tests.search.relevance import demonstration
from tests.search.words import TABLE

from yetan_search.analysis import fold
from yetan_search.dictionary import COUNTED, OWN_FREQUENCY, Dictionary
from yetan_search.documents import text_of

#: Words with letters and digits in them and beside them, what no word consists of, the table's first and last word.
MIXED = "1号店的4s店卖c++和c#，江南style、abc123路灯3.5%\r\nr&d_2 привет éà 二〇二六年 ①㎡ 龢 𠮷野家 γ射线"


@pytest.mark.parametrize("own", [(), ("夜话坪", "路灯不亮", "渡", "12345热线", "a区")], ids=["jieba's", "the town's"])
def test_texts_are_cut_as_jieba_cuts_them(own: Sequence[str]) -> None:
    dictionary, jieba = Dictionary(own), rjieba.Jieba()
    for word in own:
        jieba.add_word(word, OWN_FREQUENCY, "n")
    for text in (MIXED, *own, *map(text_of, demonstration().documents)):
        folded = fold(text)
        assert dictionary.cut(folded) == [piece for word in jieba.cut(folded, False) for piece in _lines(word)]
        assert dictionary.words(folded) == [word for word in jieba.cut_all(folded) if re.fullmatch("[一-鿿]{2,}", word)]


def _lines(word: str) -> Sequence[str]:
    """jieba keeps both characters of a line's end together."""
    return "\r\n" if word == "\r\n" else (word,)


def test_the_table_is_in_order_and_counted() -> None:
    table = TABLE.read_text(encoding="utf-8").splitlines()
    assert table == sorted(table)
    assert sum(int(line.split("\t")[1]) for line in table[1:]) == COUNTED
