"""How well the ranking answers judged queries, by kind, and what is left without each of its parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.rows import Row
from tests.search.relevance import Judged, ablation, demonstration, elsewhere

PART = "relevance"


def measure() -> list[Row]:
    """The project's own set; and the one that YETAN_JUDGED and YETAN_REAL_DATA name, where they do."""
    judged, messages = os.environ.get("YETAN_JUDGED"), os.environ.get("YETAN_REAL_DATA")
    rows = list(_rows("own set", demonstration()))
    if judged and messages:
        rows += _rows("named set", elsewhere(Path(judged), Path(messages)))
    return rows


def _rows(name: str, judged: Judged) -> Iterator[Row]:
    """nDCG@10: of each kind with everything, and of all queries without each part."""
    for part, marks in ablation(judged).items():
        kinds = marks if part == "everything" else {"all": marks["all"]}
        for kind, mark in kinds.items():
            told = kind if part == "everything" else part
            yield Row(PART, f"{name}: {told}", "", len(judged.documents), mark, "nDCG@10")
