"""The one module plugins, themes and search backends import. Everything stable is re-exported here."""

from yetan.search import (
    PUBLIC_SCOPE,
    SearchBackend,
    SearchDocument,
    SearchHit,
    SearchPage,
    SearchQuery,
    SearchSource,
    SearchUnavailable,
    person_scope,
    unit_scope,
)

__all__ = [
    "PUBLIC_SCOPE",
    "SearchBackend",
    "SearchDocument",
    "SearchHit",
    "SearchPage",
    "SearchQuery",
    "SearchSource",
    "SearchUnavailable",
    "person_scope",
    "unit_scope",
]
