"""What Whoosh is told of documents, and how it writes them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from whoosh import fields, formats
from whoosh.analysis import IDAnalyzer
from whoosh.codec.whoosh3 import W3Codec, W3FieldWriter
from whoosh.columns import NumericColumn, VarBytesColumn

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
