"""The embedded search engine: Whoosh.

Its readers may not be shared between threads, and it unpickles parts of its files: the folder is closed to other
users, and no index from elsewhere may be put there. No type of Whoosh leaves the modules `whoosh_*`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from whoosh import index
from whoosh.reading import SegmentReader

from yetan.api import SearchDocument, reached
from yetan_search.analysis import Analysis
from yetan_search.embedded import Changes, EmbeddedBackend
from yetan_search.lexicon import Lexicon
from yetan_search.whoosh_format import Codec, fields_of, schema
from yetan_search.whoosh_segments import Segments
from yetan_search.whoosh_snapshot import WhooshSnapshot

#: How many documents of a rebuild go into one segment: a bound of the memory it takes (about 100 kB each).
SEGMENT = 2_000
#: More than a segment needs: what Whoosh puts aside on disk while writing doubles the time.
_MEMORY_LIMIT = 4_096
#: So many segments of about one size are merged into one, when next something is written. Big ones stay.
SEGMENTS_OF_A_SIZE = 8
BIG_SEGMENT = SEGMENTS_OF_A_SIZE**3


class WhooshBackend(EmbeddedBackend):
    """A `SearchBackend` in the folder `directory`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._segments = Segments()

    def _create(self, generation: Path) -> None:
        index.create_in(str(generation), schema())

    def _is_empty(self, generation: Path) -> bool:
        return bool(index.open_dir(str(generation)).is_empty())

    def _commit(self, generation: Path, changes: Changes, analysis: Analysis) -> None:
        writer = _writer(generation)
        try:
            with writer.searcher() as searcher:
                for key in changes:
                    writer.delete_by_term("key", key, searcher=searcher)
            for document in changes.values():
                if document:
                    writer.add_document(**fields_of(document, analysis))
            reached("index.written")
            writer.commit(mergetype=_merge_segments_of_a_size)
        except BaseException:
            with suppress(Exception):
                writer.cancel()
            raise

    def _fill(self, generation: Path) -> _Filling:
        return _Filling(generation)

    def _snapshot_of(self, generation: Path, lexicon: Lexicon) -> WhooshSnapshot:
        return WhooshSnapshot(generation, lexicon, self._segments)


class _Filling:
    """A new generation, written segment by segment."""

    def __init__(self, generation: Path) -> None:
        self._generation = generation
        self._writer = _writer(generation)
        self._written = 0

    def add(self, document: SearchDocument, analysis: Analysis) -> None:
        """See `Filling.add`."""
        self._writer.add_document(**fields_of(document, analysis))
        self._written += 1
        if self._written % SEGMENT == 0:
            self.finish()
            self._writer = _writer(self._generation)

    def finish(self) -> None:
        """See `Filling.finish`."""
        self._writer.commit(merge=False)

    def cancel(self) -> None:
        """See `Filling.cancel`."""
        self._writer.cancel()


def _writer(generation: Path) -> Any:
    return index.open_dir(str(generation)).writer(codec=Codec(), limitmb=_MEMORY_LIMIT)


def _merge_segments_of_a_size(writer: Any, segments: Sequence[Any]) -> list[Any]:
    """Keep segments few: merge those of about one size when there are many, and drop the empty ones."""
    kept = [segment for segment in segments if segment.doc_count() >= BIG_SEGMENT]
    sizes: dict[int, list[Any]] = {}
    for segment in segments:
        if 0 < segment.doc_count() < BIG_SEGMENT:
            sizes.setdefault(int(math.log(segment.doc_count(), SEGMENTS_OF_A_SIZE)), []).append(segment)
    for alike in sizes.values():
        if len(alike) < SEGMENTS_OF_A_SIZE:
            kept += alike
            continue
        for segment in alike:
            reader = SegmentReader(writer.storage, writer.schema, segment)
            writer.add_reader(reader)
            reader.close()
    return kept
