"""How well the ranking answers judged queries: nDCG@10, on the demo's matters or on any other set.

python -m tests.search.relevance             # the set of this project, with what each part of the ranking earns
YETAN_JUDGED=judged.json YETAN_REAL_DATA=messages.xlsx python -m tests.search.relevance
"""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from openpyxl import load_workbook

from yetan.api import PUBLIC_SCOPE, SearchBackend, SearchDocument, SearchQuery
from yetan_search import concepts, ranking
from yetan_search.analysis import Analysis, Question
from yetan_search.concepts import concepts_of
from yetan_search.documents import weights_of, words_of
from yetan_search.pinyin import Sounds, syllables
from yetan_search.synonyms import Synonyms, synonyms_with

HERE = Path(__file__).parent
DEMONSTRATION = HERE.parents[1] / "deployments" / "sanming" / "demo" / "issues"
CUT = 10
PUBLIC = frozenset({PUBLIC_SCOPE})


@dataclass(frozen=True, slots=True)
class Query:
    """A query, its kind, and how well documents answer it, by their keys: 3, 2, 1; any other 0."""

    kind: str
    text: str
    grades: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """Documents and queries judged on them."""

    documents: Sequence[SearchDocument]
    queries: Sequence[Query]


def demonstration() -> Judged:
    """The matters of the demo city, keyed by their titles."""
    documents = [
        SearchDocument(f"issue:{matter['title']}", "issue", matter["title"], matter["text"], place=matter["place"])
        for path in sorted(DEMONSTRATION.glob("*.toml"))
        for matter in tomllib.loads(path.read_text(encoding="utf-8"))["issue"]
    ]
    queries = tomllib.loads((HERE / "judged.toml").read_text(encoding="utf-8"))["query"]
    return Judged(
        documents,
        [
            Query(q["kind"], q["text"], {f"issue:{title}": grade for title, grade in q["grades"].items()})
            for q in queries
        ],
    )


def elsewhere(judged: Path, messages: Path) -> Judged:
    """A set kept elsewhere: a workbook of messages, and a JSON file of queries with grades by their numbers."""
    with closing(load_workbook(messages, read_only=True)) as workbook:
        rows = iter(list(workbook.active.iter_rows(values_only=True)))
    columns = {name: place for place, name in enumerate(next(rows))}
    number, title, text = columns["留言编号"], columns["留言主题"], columns["留言详情"]
    reply = columns["答复意见"]
    documents = [
        SearchDocument(
            f"issue:{row[number]}", "issue", str(row[title] or ""), str(row[text] or ""), str(row[reply] or "")
        )
        for row in rows
    ]
    queries = json.loads(judged.read_text(encoding="utf-8"))["queries"]
    return Judged(
        documents,
        [Query(q["kind"], q["query"], {f"issue:{key}": grade for key, grade in q["grades"].items()}) for q in queries],
    )


class Index:
    """Documents held in memory as an engine would hold them."""

    def __init__(self, documents: Sequence[SearchDocument], analysis: Analysis) -> None:
        self.keys = [document.key for document in documents]
        self.documents = len(documents)
        self.analysis = analysis
        self._held: dict[str, list[tuple[int, float]]] = defaultdict(list)
        words: set[str] = set()
        for number, document in enumerate(documents):
            words |= words_of(document, analysis)
            for term, weight in weights_of(document, analysis).items():
                self._held[term].append((number, weight))
        self.sounds = Sounds((word, syllables(word)) for word in sorted(words))

    def frequency(self, term: str) -> int:
        return len(self._held.get(term, ()))

    def weights(self, term: str) -> Iterable[tuple[int, float]]:
        return self._held.get(term, ())

    def numbered(self, number: str) -> frozenset[int]:
        return frozenset()

    def best(self, text: str, synonyms: Synonyms, sounds: Sounds) -> list[str]:
        """The keys of the best documents."""
        question = self.analysis.question(text)
        found = concepts_of(question, self.analysis, synonyms, sounds, self.frequency)
        scores = ranking.rank(question, found, self).scores
        return [self.keys[each] for each in sorted(scores, key=lambda each: (-scores[each], -each))[:CUT]]


def ndcg(found: Sequence[str], grades: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain: 1 where the best documents come first."""

    def gain(marks: Iterable[int]) -> float:
        return sum((2**mark - 1) / math.log2(place + 2) for place, mark in enumerate(marks))

    best = gain(sorted(grades.values(), reverse=True)[:CUT])
    return gain(grades.get(key, 0) for key in found) / best


def figures(queries: Sequence[Query], ask: Callable[[str], Sequence[str]]) -> dict[str, float]:
    """The mean of all queries, and of each kind."""
    marks: dict[str, list[float]] = defaultdict(list)
    for query in queries:
        mark = ndcg(ask(query.text), query.grades)
        marks["all"].append(mark)
        marks[query.kind].append(mark)
    return {kind: sum(each) / len(each) for kind, each in marks.items()}


async def found_by(backend: SearchBackend, judged: Judged) -> dict[str, list[str]]:
    """What an open engine finds for each query, best first: its index is made of the documents."""

    async def documents() -> AsyncIterator[SearchDocument]:
        for document in judged.documents:
            yield replace(document, scopes=PUBLIC)

    await backend.rebuild(documents())
    asked = (SearchQuery(query.text, PUBLIC, limit=CUT) for query in judged.queries)
    return {query.text: [hit.key for hit in (await backend.search(query)).hits] for query in asked}


@contextmanager
def _without(module: object, **values: float) -> Iterator[None]:
    """A part of the ranking switched off."""
    kept = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


class _NoNames(Analysis):
    """Takes nothing between spaces for a name."""

    def question(self, text: str) -> Question:
        question = super().question(text)
        return replace(
            question, chunks=(), pairs=(*question.pairs, *(each for each in question.chunks if len(each) == 2))
        )


def ablation(judged: Judged) -> dict[str, dict[str, float]]:
    """What is left without each part."""
    index = Index(judged.documents, Analysis())
    synonyms, silent = synonyms_with(()), Sounds()

    def measured(synonyms: Synonyms = synonyms, sounds: Sounds | None = None) -> dict[str, float]:
        return figures(
            judged.queries, lambda text: index.best(text, synonyms, index.sounds if sounds is None else sounds)
        )

    found = {
        "everything": measured(),
        "without synonyms": measured(Synonyms()),
        "without pinyin and homophones": measured(sounds=silent),
        "without both": measured(Synonyms(), silent),
    }
    with _without(ranking, PAIR=0.0):
        found["without pairs"] = measured()
    with _without(ranking, CHARACTER=0.0, MISTAKEN=0.0):
        found["without the weight of single characters"] = measured()
    with _without(ranking, _COVERAGE=0.0):
        found["without coverage"] = measured()
    with _without(concepts, SOUNDING=0.0):
        found["without homophones"] = measured()
    index.analysis = _NoNames()
    found["without names set apart by spaces"] = measured()
    with _without(ranking, PARTS={part: (1.0, length) for part, (_, length) in ranking.PARTS.items()}):  # type: ignore[arg-type]
        index = Index(judged.documents, Analysis())
        found["without weights of title, place and reply"] = measured()
    return found


def main() -> None:
    """Print the ablation."""
    judged, messages = os.environ.get("YETAN_JUDGED"), os.environ.get("YETAN_REAL_DATA")
    found = ablation(elsewhere(Path(judged), Path(messages)) if judged and messages else demonstration())
    kinds = list(found["everything"])
    print("| " + " | ".join(("", *kinds)) + " |")
    print("|" + "---|" * (len(kinds) + 1))
    for name, marks in found.items():
        print("| " + " | ".join((name, *(f"{marks[kind]:.3f}".lstrip("0") for kind in kinds))) + " |")


if __name__ == "__main__":
    main()
