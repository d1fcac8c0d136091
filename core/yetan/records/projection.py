"""What the public may read of records: one row for each that is published, and its share of the figures."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from tortoise.transactions import in_transaction

from yetan.events.models import Event
from yetan.events.service import emit_many, new_event
from yetan.plugins.declarations import CounterKey, Metric, Subscription
from yetan.publication.models import Publication
from yetan.records.kind import RecordKind
from yetan.records.models import PublicRecord
from yetan.runtime import current
from yetan.statistics.service import add_to_counters
from yetan.units.service import ancestors_of, subtree_of

PROJECTED = "record.projected"
_CHUNK = 200


def metrics_of(kind: RecordKind) -> tuple[Metric, ...]:
    """The figures of a kind: how many are published, by the month of their date, and its sums."""
    return (
        Metric(
            f"{kind.name}.count",
            kind.label,
            kind.counted_in,
            "已公开的，按日期所在的月份计",
            page=kind.page,
            narrowed=kind.narrowed,
        ),
        *(
            Metric(f"{kind.name}.{each.column}", each.label, each.unit, each.definition or "已公开的加在一起，按月计")
            for each in kind.sums
            if not each.metric
        ),
    )


async def project(kind: RecordKind, ids: Iterable[int]) -> None:
    """Bring the projection of these records up to date: rows of the published, none of the others. Idempotent."""
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _CHUNK):
        async with in_transaction():
            await _project_chunk(kind, wanted[start : start + _CHUNK])


async def _project_chunk(kind: RecordKind, ids: Sequence[int]) -> None:
    # The publications' locks make two projections of one record wait for each other, as its counters demand.
    await Publication.filter(subject_kind=kind.name, subject_id__in=ids).order_by("id").select_for_update()
    new, old = await _new_and_old(kind, ids)
    changed = [each for each in ids if _columns(new.get(each)) != _columns(old.get(each))]
    change: Tally[tuple[Any, ...]] = Tally()
    for each in changed:
        change.subtract(counted_in(old.get(each)))
        change.update(counted_in(new.get(each)))
    await PublicRecord.filter(kind=kind.name, record_id__in=changed).delete()
    await PublicRecord.bulk_create([new[each] for each in changed if each in new])
    await add_to_counters(change)
    act = current().system_act()
    await emit_many(act, [new_event(act, PROJECTED, (kind.public_kind, each)) for each in changed])


async def stale(kind: RecordKind) -> list[int]:
    """The records whose public rows are not what would be projected now. Reads alone."""
    approved = Publication.filter(subject_kind=kind.name, state="approved").values("subject_id")
    shown = PublicRecord.filter(kind=kind.name).values("record_id")
    ids = sorted({row["subject_id"] for row in await approved} | {row["record_id"] for row in await shown})
    found: list[int] = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        new, old = await _new_and_old(kind, chunk)
        found += [each for each in chunk if _columns(new.get(each)) != _columns(old.get(each))]
    return found


async def _new_and_old(kind: RecordKind, ids: Sequence[int]) -> tuple[dict[int, PublicRecord], dict[int, PublicRecord]]:
    """By record: its row as it should be, and as it stands."""
    approved = Publication.filter(subject_kind=kind.name, subject_id__in=list(ids), state="approved")
    faces = {row.subject_id: row.approved for row in await approved}
    units = dict(await kind.model.filter(id__in=list(faces)).values_list("id", "unit_id"))
    lines = await ancestors_of(set(units.values()))
    new = {each: _row(kind, each, unit, faces[each], lines[unit]) for each, unit in units.items()}
    old = {row.record_id: row for row in await PublicRecord.filter(kind=kind.name, record_id__in=list(ids))}
    return new, old


def _row(kind: RecordKind, record_id: int, unit: int, face: Mapping[str, Any], line: Sequence[int]) -> PublicRecord:
    on = date.fromisoformat(face[kind.date])
    amounts = Tally({f"{kind.name}.count": 1})
    for each in kind.sums:
        amounts[each.metric or f"{kind.name}.{each.column}"] += face[each.column] or 0
    return PublicRecord(
        kind=kind.name,
        record_id=record_id,
        unit_id=unit,
        title=face[kind.title],
        date=on,
        face=dict(face),
        counted=[
            [metric, above, 0, period, amount]
            for metric, amount in amounts.items()
            if amount
            for above in line
            for period in ("", f"{on:%Y-%m}")
        ],
    )


def counted_in(row: PublicRecord | None) -> Tally[CounterKey]:
    """What a public row adds to the counters."""
    counted: Tally[CounterKey] = Tally()
    for metric, unit, category, period, amount in row.counted if row is not None else ():
        counted[metric, unit, category, period] += amount
    return counted


def _columns(row: PublicRecord | None) -> dict[str, Any] | None:
    return (
        None if row is None else {name: getattr(row, name) for name in row._meta.fields_db_projection if name != "id"}
    )


async def follow_units(events: Sequence[Event]) -> None:
    """Subscriber: a unit has moved in the tree; its records count for those above it now, and are found by them."""
    units = sorted({each for event in events for each in await subtree_of(event.subject_id)})
    act = current().system_act()
    for kind in current().registry.record_kinds.values():
        kept = await kind.rows().filter(unit_id__in=units).order_by("id").values("id")
        await emit_many(act, [new_event(act, f"{kind.name}.moved", (kind.name, row["id"])) for row in kept])
        rows = await PublicRecord.filter(kind=kind.name, unit_id__in=units).values("record_id")
        await project(kind, [row["record_id"] for row in rows])


SUBSCRIPTION = Subscription("core.records", ("unit.changed",), follow_units, historical=True)
