"""What was read of Whoosh's segments. A segment never changes, so threads share it, and a commit leaves it as it is.

Sets of a segment's documents are integers with a bit for each: filters and counts of 100,000 documents are then a few
operations on kilobytes, and nothing is made anew after a commit.
"""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from whoosh.reading import SegmentReader

Read = TypeVar("Read")
#: Documents of a segment, and the weight of a term in each.
Run = tuple["array[int]", "array[float]"]

#: So many postings are kept in memory, 8 bytes each.
POSTINGS_HELD = 4_000_000
#: So many sets, of at most some hundred bytes for a segment of a rebuild.
SETS_HELD = 50_000
#: So many columns, 8 bytes for each document.
COLUMNS_HELD = 1_000
_BITS = str.maketrans("01", "\0\1")


class _Kept(Generic[Read]):
    """What was read last, up to `limit` in all, by the segment and what of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, ...], tuple[Read, int]] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, ...], read: Callable[[], Read], size: Callable[[Read], int]) -> Read:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]
        found = read()
        with self._lock:
            if key not in self._held:
                self._held[key] = found, size(found)
                self._size += size(found)
            while self._size > self._limit and len(self._held) > 1:
                self._size -= self._held.popitem(last=False)[1][1]
        return found


class Segments:
    """The segments' postings, sets and columns; shared by the searching threads, each with readers of its own."""

    def __init__(self) -> None:
        self._postings: _Kept[Run] = _Kept(POSTINGS_HELD)
        self._sets: _Kept[int] = _Kept(SETS_HELD)
        self._fields: _Kept[Mapping[str, int]] = _Kept(SETS_HELD)
        self._columns: _Kept[Sequence[int]] = _Kept(COLUMNS_HELD)

    def postings(self, leaf: SegmentReader, term: str) -> Run:
        """The documents of a segment that hold `term`, with its weight in each."""
        return self._postings.get(
            (leaf.segment().segment_id(), term), lambda: _run(leaf, "terms", term), lambda run: len(run[0]) + 1
        )

    def holding(self, leaf: SegmentReader, name: str, value: str) -> int:
        """The documents of a segment that hold `value` in the field `name`."""
        return self._sets.get(
            (leaf.segment().segment_id(), name, value), lambda: bits(_run(leaf, name, value)[0]), lambda _: 1
        )

    def values(self, leaf: SegmentReader, name: str) -> Mapping[str, int]:
        """The values of the field `name` in a segment, with the documents that hold each."""

        def read() -> Mapping[str, int]:
            values = (value.decode() for value in leaf.lexicon(name))
            return {value: bits(_run(leaf, name, value)[0]) for value in values}

        return self._fields.get((leaf.segment().segment_id(), name), read, len)

    def column(self, leaf: SegmentReader, name: str) -> Sequence[int]:
        """The numbers of a column, by document."""
        return self._columns.get(
            (leaf.segment().segment_id(), name), lambda: array("q", leaf.column_reader(name)), lambda _: 1
        )


def bits(documents: Iterable[int]) -> int:
    """A set of documents of one segment."""
    flags = bytearray()
    for document in documents:
        if (place := document >> 3) >= len(flags):
            flags.extend(bytes(place + 1 - len(flags)))
        flags[place] |= 1 << (document & 7)
    return int.from_bytes(flags, "little")


def flags(documents: int, size: int) -> bytes:
    """A set of documents as a byte for each of `size`: 1 for those in it."""
    return f"{documents:0{size}b}"[::-1].translate(_BITS).encode()


def _run(leaf: SegmentReader, name: str, value: str) -> Run:
    """Postings of a segment, a block at a time: one by one, as Whoosh hands them out, takes five times as long."""
    documents, weights = array("I"), array("f")
    if (name, value) in leaf:
        matcher: Any = leaf._terms.matcher(name, value.encode(), leaf.schema[name].format)
        while matcher.is_active():
            matcher._read_ids()
            matcher._read_weights()
            documents.extend(matcher._ids)
            weights.extend(matcher._weights)
            matcher._next_block()
    return documents, weights
