"""What an index was made with: the way texts are cut and weighed, and the town's words. It is stored with the index.

Documents and queries have to be cut alike, so an index is asked with the words it was made with. When there are
others by now, or the program cuts in another way, a rebuild is due; until then the old index serves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

from msgspec import Struct
from msgspec.structs import asdict

from yetan.api import translate as _
from yetan_search import ranking
from yetan_search.analysis import Analysis, fold
from yetan_search.dictionary import COUNTED

#: Raised with every change of what an index holds, or of how text becomes terms.
VERSION = 3
#: So many new words are named when a rebuild is due.
_NAMED = 3


class Making(Struct, frozen=True):
    """The program's own way, as a fingerprint, and the words of the town."""

    fingerprint: str
    words: tuple[str, ...]

    @property
    def analysis(self) -> Analysis:
        """Cuts text with these words. Loading the dictionary takes a while, so it is kept."""
        return _analysis(self.words)

    def written(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def due(self, wanted: Making) -> str:
        """Why an index made this way should be made as `wanted`; "" where they are the same."""
        if self.fingerprint != wanted.fingerprint:
            return _("分词和排序的办法已经更新，索引还是旧的")
        new, gone = set(wanted.words) - set(self.words), set(self.words) - set(wanted.words)
        if not new and not gone:
            return ""
        named = _("、").join(sorted(new or gone)[:_NAMED]) + (" …" if len(new or gone) > _NAMED else "")
        return _("词典变了：新增 {new} 个词，去掉 {gone} 个词（{named}）", new=len(new), gone=len(gone), named=named)


def making_of(words: Iterable[str]) -> Making:
    """The making of an index that were made now, with the town's `words`."""
    folded = {fold(word).strip() for word in words}
    return Making(_fingerprint(), tuple(sorted(word for word in folded if len(word) > 1)))


def read(text: str) -> Making:
    """What `Making.written` wrote. Raises `ValueError` for anything else."""
    stored = json.loads(text)
    if not isinstance(stored, dict) or stored.keys() != {"fingerprint", "words"}:
        raise ValueError("this does not say what an index was made with")
    return Making(str(stored["fingerprint"]), tuple(map(str, stored["words"])))


@lru_cache(maxsize=1)
def _fingerprint() -> str:
    table = resources.files("yetan_search").joinpath("traditional.tsv").read_bytes()
    made = (VERSION, COUNTED, sorted(ranking.PARTS.items()), hashlib.sha256(table).hexdigest())
    return hashlib.sha256(repr(made).encode()).hexdigest()[:16]


@lru_cache(maxsize=2)
def _analysis(words: tuple[str, ...]) -> Analysis:
    return Analysis(words)
