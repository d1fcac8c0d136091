"""What tantivy is told of documents: terms cut here, joined by spaces, at which it only has to part them again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import tantivy

from yetan.api import FACETS, SearchDocument
from yetan_search.analysis import Analysis
from yetan_search.candidates import rough_terms, stored_weights
from yetan_search.documents import facets_of, numbers_of, text_of, weights_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What stands for a space among the characters of a text.
_SPACE = "␣"


def schema() -> tantivy.Schema:
    """The fields of an index."""
    fields = tantivy.SchemaBuilder()
    for name in ("key", "numbers"):
        fields.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    fields.add_text_field("scopes", tokenizer_name="raw", index_option="basic")
    for facet in FACETS:
        fields.add_text_field(facet, fast=True, tokenizer_name="raw", index_option="basic")
    fields.add_text_field("terms", tokenizer_name="whitespace", index_option="basic")
    fields.add_text_field("text", tokenizer_name="whitespace", index_option="position")
    fields.add_integer_field("raised_at", indexed=True, fast=True)
    fields.add_bytes_field("weights", stored=True)
    return fields.build()


def document_of(document: SearchDocument, analysis: Analysis) -> tantivy.Document:
    """What tantivy is given of a document."""
    weights = weights_of(document, analysis)
    made = tantivy.Document()
    for name, value in (
        ("key", document.key),
        ("terms", " ".join(rough_terms(weights))),
        ("text", " ".join(letters(text_of(document)))),
        *(("numbers", number) for number in numbers_of(document)),
        *(("scopes", scope) for scope in document.scopes),
        *((facet, value) for facet, values in facets_of(document).items() for value in values),
    ):
        made.add_text(name, value)
    if document.raised_at is not None:
        made.add_integer("raised_at", microseconds(document.raised_at))
    made.add_bytes("weights", stored_weights(weights))
    return made


def letters(folded: str) -> Iterator[str]:
    """Folded text, character by character, so that a phrase is found exactly where it stands."""
    return (_SPACE if character.isspace() else character for character in folded)


def microseconds(moment: datetime) -> int:
    """An aware moment as a number that sorts."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
