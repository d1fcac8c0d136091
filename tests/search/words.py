"""`python -m tests.search.words dict.txt` makes words.tsv of yetan_search again, out of the dictionary of jieba."""

from __future__ import annotations

import sys
from pathlib import Path

TABLE = Path(__file__).parents[2] / "search_index/yetan_search/words.tsv"
#: No word begins with a slash, so the lines stay in order.
_HEAD = """\
// Chinese words, in order, and how often each was counted. Out of jieba 0.42.1 (https://github.com/fxsjy/jieba), \
Copyright (c) 2013 Sun Junyi, licensed under the MIT License. To make it again: python -m tests.search.words dict.txt
"""


def made(dictionary: str) -> str:
    """The table out of lines of a word, its frequency and its part of speech."""
    counted = dict(line.split(" ")[:2] for line in dictionary.splitlines())
    return _HEAD + "".join(f"{word}\t{frequency}\n" for word, frequency in sorted(counted.items()))


if __name__ == "__main__":
    TABLE.write_text(made(Path(sys.argv[1]).read_text(encoding="utf-8")), encoding="utf-8")
