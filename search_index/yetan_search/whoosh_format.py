"""What Whoosh is told of documents, and how it writes them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from whoosh import fields, formats
from whoosh.analysis import IDAnalyzer
from whoosh.codec.whoosh3 import W3Codec, W3FieldWriter, W3Segment
from whoosh.columns import NumericColumn, VarBytesColumn
from whoosh.filedb.compound import CompoundStorage, SubFile
from whoosh.filedb.structfile import BufferFile, StructFile

from yetan.api import Facet, SearchDocument
from yetan_search.analysis import Analysis
from yetan_search.documents import facets_of, numbers_of, text_of, weights_of

#: The Whoosh field of each facet.
FACET_FIELDS: Mapping[Facet, str] = {
    "unit": "units",
    "category": "categories",
    "state": "state",
    "kind": "kind",
    "matter": "matter",
    "year": "year",
}
NO_DATE = -(2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def schema() -> fields.Schema:
    """The fields of an index."""
    exact = {name: fields.KEYWORD() for name in ("numbers", "scopes", *FACET_FIELDS.values())}
    raised_at = fields.COLUMN(NumericColumn("q", default=NO_DATE))
    text = fields.COLUMN(VarBytesColumn())
    key = fields.ID(stored=True, unique=True)
    return fields.Schema(key=key, terms=WeightedTerms(), raised_at=raised_at, text=text, **exact)


def fields_of(document: SearchDocument, analysis: Analysis) -> dict[str, Any]:
    """What Whoosh is given of a document."""
    facets = facets_of(document)
    return {
        "key": document.key,
        "numbers": numbers_of(document),
        "scopes": list(document.scopes),
        "raised_at": NO_DATE if document.raised_at is None else microseconds(document.raised_at),
        "text": zlib.compress(text_of(document).encode()),
        "terms": weights_of(document, analysis),
        **{name: list(facets[facet]) for facet, name in FACET_FIELDS.items()},
    }


def microseconds(moment: datetime) -> int:
    """An aware moment as a number that sorts."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class WeightedTerms(fields.FieldType):  # type: ignore[misc]
    """A Whoosh field of terms with the weights `ranking` gives them. Its name is written into every index."""

    def __init__(self) -> None:
        super().__init__(formats.Existence(), IDAnalyzer())

    def index(self, value: Mapping[str, float], **_: Any) -> Iterator[tuple[bytes, int, float, bytes]]:
        """Tuples of (term, frequency, weight, payload), as Whoosh asks for."""
        return ((term.encode(), 1, weight, b"") for term, weight in value.items())


class _FieldWriter(W3FieldWriter):  # type: ignore[misc]
    """Writes terms without asking for their field's length, for which Whoosh looks at the disk each time."""

    def add_postings(self, schema: fields.Schema, lengths: object, items: Iterable[Any]) -> None:
        """Write `items`; `lengths` are not needed, because the weights of `ranking` account for them."""
        super().add_postings(schema, None, items)


class Codec(W3Codec):  # type: ignore[misc]
    """Whoosh's own file format without compression: it makes an index of short postings little smaller."""

    def __init__(self) -> None:
        super().__init__(compression=0)

    def field_writer(self, storage: Any, segment: Any) -> _FieldWriter:
        """What writes the terms of a segment."""
        return _FieldWriter(self, storage, segment)

    def new_segment(self, storage: Any, indexname: str) -> Segment:
        """A segment that is about to be written."""
        return Segment(self, indexname)


class Segment(W3Segment):  # type: ignore[misc]
    """A segment that is read where it lies. Its name is written into every index.

    Whoosh maps the file of a segment into memory, and then copies what it opens of it, which is nearly all: once for
    each reader, in each process. Of a mapped file only those pages are in memory that are asked for, once for all.
    """

    def open_compound_file(self, storage: Any) -> _MappedSegment:
        """The files that the segment's one file holds."""
        return _MappedSegment(storage.open_file(self.make_filename(self.COMPOUND_EXT)))


class _MappedSegment(CompoundStorage):  # type: ignore[misc]
    """The file of a segment, for one reader."""

    def open_file(self, name: str, *_: Any, **__: Any) -> StructFile:
        """One of the files in it. Where it could not be mapped, Whoosh reads it piece by piece."""
        if not self._source:
            return super().open_file(name)
        offset, length = self.range(name)
        return _MappedFile(self._source, offset, length, name)


class _MappedFile(BufferFile):  # type: ignore[misc]
    """`length` bytes from `offset` of a mapped file. Its readers are one thread's, as are all of Whoosh's."""

    def __init__(self, source: Any, offset: int, length: int, name: str) -> None:
        StructFile.__init__(self, SubFile(source, offset, length), name)
        self._buf = memoryview(source)[offset : offset + length]
        self._source, self._offset = source, offset

    def subset(self, position: int, length: int, name: str | None = None) -> _MappedFile:
        """A part of it."""
        return _MappedFile(self._source, self._offset + position, length, name or self._name)
