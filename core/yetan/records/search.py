"""What of records can be found: by officials what their units keep, by anybody what is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tortoise.queryset import QuerySet

from yetan.records.kind import RecordKind
from yetan.records.models import PublicRecord
from yetan.records.projection import PROJECTED
from yetan.runtime import current
from yetan.search import PUBLIC_SCOPE, SearchDocument, SearchSource, unit_scope
from yetan.units.models import Unit
from yetan.units.service import ancestors_of


def sources_of(kind: RecordKind) -> tuple[SearchSource, SearchSource]:
    """The two of a kind: its records, and its published records."""

    async def load_kept(ids: Sequence[int]) -> list[SearchDocument]:
        rows = await kind.rows().filter(id__in=list(ids))
        lines, names = await _units({row.unit_id for row in rows})
        tags = kind.model.privacy.tags()
        # Personal columns are for whoever opens the record, not for whoever guesses at them.
        words = [field.name for field in kind.form if tags[field.name] in ("public", "internal")]
        return [
            _document(
                kind,
                f"{kind.name}:{row.id}",
                {name: getattr(row, name) for name in words},
                names[row.unit_id],
                lines[row.unit_id],
                frozenset(unit_scope(each) for each in lines[row.unit_id]),
            )
            for row in rows
        ]

    async def load_public(ids: Sequence[int]) -> list[SearchDocument]:
        rows = await PublicRecord.filter(kind=kind.name, record_id__in=list(ids))
        lines, names = await _units({row.unit_id for row in rows})
        return [
            _document(
                kind,
                f"{kind.public_kind}:{row.record_id}",
                {**row.face, kind.date: row.date},
                names[row.unit_id],
                lines[row.unit_id],
                frozenset({PUBLIC_SCOPE}),
            )
            for row in rows
        ]

    return (
        SearchSource(
            kind.name,
            load_kept,
            lambda after, limit: _ids(kind.rows(), "id", after, limit),
            events=(f"{kind.name}.*",),
        ),
        SearchSource(
            kind.public_kind,
            load_public,
            lambda after, limit: _ids(PublicRecord.filter(kind=kind.name), "record_id", after, limit),
            events=(PROJECTED,),
        ),
    )


async def _units(ids: set[int]) -> tuple[Mapping[int, tuple[int, ...]], Mapping[int, str]]:
    return await ancestors_of(ids), {unit.id: unit.name for unit in await Unit.filter(id__in=ids)}


async def _ids(rows: QuerySet[Any], column: str, after: int, limit: int) -> list[int]:
    page = rows.filter(**{f"{column}__gt": after}).order_by(column).limit(limit)
    return [row[column] for row in await page.values(column)]


def _document(
    kind: RecordKind,
    key: str,
    values: Mapping[str, Any],
    place: str,
    units: tuple[int, ...],
    scopes: frozenset[str],
) -> SearchDocument:
    """The document of a record's values: its words in the order of the form, choices by their labels."""
    on: date = values[kind.date]
    labels = {field.name: dict(field.choices) for field in kind.form}
    words = ((name, value) for name, value in values.items() if name != kind.title and isinstance(value, str))
    return SearchDocument(
        key=key,
        kind=key.partition(":")[0],
        title=values[kind.title],
        text="\n".join(labels[name].get(value, value) for name, value in words if value),
        place=place,
        units=units,
        raised_at=datetime(on.year, on.month, on.day, tzinfo=current().configuration.city.zone),
        year=on.year,
        scopes=scopes,
    )
