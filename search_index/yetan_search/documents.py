"""What an index holds of a document, the same for every engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from yetan.api import Facet, SearchDocument, SearchQuery
from yetan_search import ranking
from yetan_search.analysis import Analysis, fold, fold_number


def weights_of(document: SearchDocument, analysis: Analysis) -> Mapping[str, float]:
    """The document's terms with their weights."""
    return ranking.weigh(
        {
            "title": analysis.terms(document.title, brief=True),
            "place": analysis.terms(document.place, brief=True),
            "text": analysis.terms(document.text),
            "reply": analysis.terms(document.reply),
        }
    )


def words_of(document: SearchDocument, analysis: Analysis) -> set[str]:
    """The words that pinyin and wrong characters lead to, and that are offered while somebody types."""
    return (
        analysis.vocabulary(document.title, brief=True)
        | analysis.vocabulary(document.place, brief=True)
        | analysis.vocabulary(document.text)
    )


def text_of(document: SearchDocument) -> str:
    """All of the document, folded: what phrases are looked for in."""
    return fold("\n".join((document.title, document.place, document.text, document.reply)))


def facets_of(document: SearchDocument) -> Mapping[Facet, tuple[str, ...]]:
    """What the document counts under, by facet."""
    return {
        "unit": tuple(map(str, document.units)),
        "category": tuple(map(str, document.categories)),
        "state": (document.state,) if document.state else (),
        "kind": (document.kind,),
        "matter": (document.matter,) if document.matter else (),
        "year": (str(document.year),) if document.year is not None else (),
    }


def numbers_of(document: SearchDocument) -> list[str]:
    """The numbers the document is known by, as they are matched."""
    return [folded for number in document.numbers if (folded := fold_number(number))]


def wanted_facets(query: SearchQuery) -> Iterator[tuple[Facet, frozenset[str]]]:
    """The facets a query is narrowed by, each with the values of which a document has to have one."""
    if query.kinds:
        yield "kind", query.kinds
    narrowed: Mapping[Facet, int | str | None] = {
        "unit": query.unit,
        "category": query.category,
        "state": query.state,
        "matter": query.matter,
        "year": query.year,
    }
    for facet, value in narrowed.items():
        if value is not None:
            yield facet, frozenset({str(value)})
