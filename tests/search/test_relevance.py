"""The judged queries of this project are answered at least so well; docs/search.md tells what each part earns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.search.engines import ENGINES, Place, place_of
from tests.search.relevance import Index, demonstration, elsewhere, figures, found_by

from yetan_search.analysis import Analysis
from yetan_search.synonyms import synonyms_with

#: Measured: .857 in all, with every engine.
FLOORS = {"all": 0.845, "place": 0.9, "mistyped": 0.88, "traditional": 0.92, "pinyin": 0.85}


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each engine in turn."""
    return place_of(request, tmp_path / "index")


def test_the_demos_queries_are_answered_well(place: Place) -> None:
    judged = demonstration()
    keys = {document.key for document in judged.documents}
    assert len(judged.queries) >= 25
    assert {key for query in judged.queries for key in query.grades} <= keys, "a matter was renamed"
    found = place.do(lambda backend: found_by(backend, judged))
    assert [text for text, hits in found.items() if not hits] == []
    marks = figures(judged.queries, lambda text: found[text])
    assert {kind: mark for kind, mark in marks.items() if mark < FLOORS.get(kind, 0.0)} == {}


@pytest.mark.skipif(
    not {"YETAN_JUDGED", "YETAN_REAL_DATA"} <= os.environ.keys(),
    reason="no other judged set is named in the environment",
)
def test_real_messages_are_answered_well() -> None:
    judged = elsewhere(Path(os.environ["YETAN_JUDGED"]), Path(os.environ["YETAN_REAL_DATA"]))
    index, synonyms = Index(judged.documents, Analysis()), synonyms_with(())
    marks = figures(judged.queries, lambda text: index.best(text, synonyms, index.sounds))
    assert marks["all"] > 0.86
