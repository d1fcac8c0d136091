"""The vocabulary beside an index, and how its words sound."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.search import readings

from yetan_search.lexicon import Lexicon
from yetan_search.pinyin import Sounds, syllables
from yetan_search.synonyms import shipped


@pytest.mark.parametrize(
    ("word", "read"),
    [("银行", "yin hang"), ("重庆市", "chong qing shi"), ("绿化", "lv hua"), ("路灯", "lu deng"), ("A7栋", "")],
)
def test_a_word_is_read_as_people_say_it(word: str, read: str) -> None:
    assert " ".join(syllables(word)) == read


def test_every_phrase_is_read_as_pypinyin_reads_it() -> None:
    """Out of its 47,000 phrases the table has the few thousand that cannot be told from their characters."""
    wrong = {phrase: read for phrase, read in readings.phrases().items() if syllables(phrase) != read}
    assert wrong == {}


def test_words_are_kept_and_seen_by_another_reader(tmp_path: Path) -> None:
    writer, reader = Lexicon(tmp_path / "words"), Lexicon(tmp_path / "words")
    assert not reader.sounds().spelt("ludeng")
    writer.add({"路灯", "电梯"})
    assert reader.sounds().spelt("ludeng") == ["路灯"]
    size = (tmp_path / "words").stat().st_size
    writer.add({"路灯"})
    assert (tmp_path / "words").stat().st_size == size
    writer.add({"停水"})
    assert reader.sounds().abbreviated("ts") == ["停水"]


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "words"
    Lexicon(path).add({"停水"})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        Lexicon(path).add({"路灯"})
        sounds = Lexicon(path).sounds()
        assert "路灯" in sounds
        assert len(sounds) == 1 + ("停水" in sounds)
        Lexicon(path).add({"停水"})
        assert "停水" in Lexicon(path).sounds()


def test_careless_ears_hear_no_difference() -> None:
    sounds = Sounds((word, syllables(word)) for word in ("红绿灯", "农民工", "身份证"))
    assert sounds.sounding_like("红路灯") == ["红绿灯"]
    assert sounds.sounding_like("龙民工") == ["农民工"]
    assert sounds.sounding_like("生份正") == ["身份证"]
    assert sounds.sounding_like("身份证") == []


def test_what_begins_so_comes_in_order_also_after_new_words() -> None:
    sounds = Sounds((word, syllables(word)) for word in ("路灯", "路口"))
    assert list(sounds.beginning("路")) == ["路口", "路灯"]
    sounds.add("路障", syllables("路障"))
    assert list(sounds.beginning("路")) == ["路口", "路灯", "路障"]
    assert list(sounds.beginning("luk")) == ["路口"]


def test_the_shipped_rings_are_many_and_each_says_something() -> None:
    rings = shipped()
    assert len(rings) >= 200
    for ring in rings:
        assert len(ring) == len(set(ring)) > 1
        assert all(2 <= len(word) <= 12 or word in ("臭", "厂", "欠", "犬", "狗") for word in ring), ring
