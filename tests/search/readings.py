"""`python -m tests.search.readings` makes readings.tsv of yetan_search again, from what pypinyin knows.

A phrase is left out where the table without it, the shorter phrases and single characters, reads it as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal

from yetan_search.pinyin import Readings, Syllables

TABLE = Path(__file__).parents[2] / "search_index/yetan_search/readings.tsv"
_HEAD = """\
# How Chinese characters are read, without tones, ü as v: the first reading of each character, and the phrases that
# are read otherwise. Out of pypinyin {version} (https://github.com/mozillazg/python-pinyin), Copyright (c) 2016
# mozillazg, 闲耘, licensed under the MIT License. To make it again: python -m tests.search.readings
"""


def toneless(reading: str) -> str:
    """The first of some readings, without its tone."""
    return str(to_normal(reading.partition(",")[0], v_to_u=False))


def phrases() -> Mapping[str, Syllables]:
    """Every phrase pypinyin knows."""
    return {phrase: tuple(toneless(each[0]) for each in read) for phrase, read in PHRASES_DICT.items()}


def made() -> str:
    """The table."""
    characters: dict[str, str] = defaultdict(str)
    for code, reading in sorted(PINYIN_DICT.items()):
        characters[toneless(reading)] += chr(code)
    lines = "".join(f"{syllable}\t{characters[syllable]}\n" for syllable in sorted(characters))
    known, kept = phrases(), dict[str, Syllables]()
    readings = Readings(lines, kept)
    for phrase in sorted(known, key=lambda phrase: (len(phrase), phrase)):
        if len(phrase) > 1 and readings.of(phrase) != known[phrase]:
            kept[phrase] = known[phrase]
    lines += "".join(f"{' '.join(read)}\t{phrase}\n" for phrase, read in sorted(kept.items()))
    return _HEAD.format(version=metadata.version("pypinyin")) + lines


if __name__ == "__main__":
    TABLE.write_text(made(), encoding="utf-8")
