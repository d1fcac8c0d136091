"""What results can be narrowed to, as the pages link it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from yetan.i18n import translate as _
from yetan.search import Facet
from yetan.searching.service import Results

#: A facet, its label, and the field of the page that narrows to it.
Narrowing = tuple[Facet, str, str]


def narrowings(
    results: Results,
    offered: Sequence[Narrowing],
    kept: Mapping[str, object],
    address: Callable[..., str],
) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """Each label with what it leaves: the value's name, how many, and the `address` that keeps all else of the page.

    Left out is what would leave everything, and what was chosen already; of units and categories the next step stays.
    """
    found = []
    for facet, label, field in offered:
        values = results.facets.get(facet, ())
        if kept.get(field) and facet not in ("unit", "category"):
            continue
        if [each.count for each in values] != [results.total]:
            links = [
                (_(each.label), each.count, address(**dict(kept) | {field: each.code or each.value})) for each in values
            ]
            found.append((_(label), links))
    return [each for each in found if each[1]]
