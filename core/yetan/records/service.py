"""Keeping records of a declared kind: writing down, changing, publishing, taking down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from yetan.access.scope import granted_units, require, visible
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Conflict, Invalid, NotFound, Refused
from yetan.events.service import emit
from yetan.files.models import Attachment
from yetan.publication.masking import mask
from yetan.publication.models import Publication
from yetan.publication.service import WITHDRAW_FIELDS
from yetan.records.kind import RecordKind
from yetan.records.models import PublicRecord, UnitRecord
from yetan.records.projection import project
from yetan.rules.service import value_of
from yetan.runtime import current
from yetan.units.models import Unit, UnitAncestor
from yetan.web.forms import Field, clean

UNIT_FIELD = Field("unit", "单位", "unit")


def kind_named(name: str) -> RecordKind:
    """The declared kind. Raises `NotFound` where no enabled plugin declares it."""
    found = current().registry.record_kinds.get(name)
    if found is None:
        raise NotFound
    return found


def visible_records(kinds: Sequence[RecordKind], act: Act) -> QuerySet[Any]:
    """The records of kinds that share a model: of each those of the units below the actor's posts that may view it."""
    model = kinds[0].model
    if act.actor.unrestricted:
        return model.all()
    return model.filter(Q(*(_seen(kind, act) for kind in kinds), join_type="OR"))


def _seen(kind: RecordKind, act: Act) -> Q:
    below = UnitAncestor.filter(ancestor_id__in=granted_units(act.actor, kind.permission("view")))
    return Q(unit_id__in=Subquery(below.values("unit_id")), **kind.only)


def published(name: str) -> QuerySet[PublicRecord]:
    """What residents read of the records of a kind now: rows with record_id, unit_id, title, date and face.

    `face` holds the published value of each column, dates in ISO form. Raises `NotFound` for a kind nobody declares.
    """
    return PublicRecord.filter(kind=kind_named(name).name)


async def record_of(act: Act, kind: RecordKind, record_id: int) -> UnitRecord:
    """A record the actor may see. Raises `NotFound`."""
    found: UnitRecord | None = await visible(kind.model, act).get_or_none(id=record_id, **kind.only)
    if found is None:
        raise NotFound
    return found


async def keep(act: Act, name: str, values: Mapping[str, object]) -> UnitRecord:
    """Write a record of the kind `name` down; `values` are of its form, with its "unit".

    Raises `Invalid` naming what is wrong, `Forbidden` where the unit is not the actor's.
    """
    kind = kind_named(name)

    @change(kind.model, action=f"{name}.keep")
    async def keep(act: Act, name: str, values: Mapping[str, object]) -> UnitRecord:
        cleaned = clean((UNIT_FIELD, *kind.form), values)
        unit = await Unit.get_or_none(id=cleaned.pop("unit"), active=True)
        if unit is None:
            raise Invalid.field("unit", "没有这个单位，请从列出的单位里选一个。")
        await require(act, kind.permission("keep"), [unit.id])
        await _check(act, kind, None, cleaned)
        row = await kind.model.create(
            unit_id=unit.id,
            created_at=act.now,
            updated_at=act.now,
            updated_by_id=act.actor.account_id,
            **{**cleaned, **kind.only},
        )
        await emit(act, f"{name}.kept", (name, row.id))
        return row

    return await keep(act, name, values)


async def _check(act: Act, kind: RecordKind, row: UnitRecord | None, values: Mapping[str, Any]) -> None:
    if kind.check is not None:
        await kind.check(act, row, values)


async def alter(act: Act, name: str, record_id: int, values: Mapping[str, object], version: int) -> UnitRecord:
    """Change a record that was read as `version`. What the public reads stays until it is published again.

    Raises `Conflict` where somebody else has changed it since.
    """
    kind = kind_named(name)

    @change(kind.model, action=f"{name}.alter")
    async def alter(act: Act, name: str, record_id: int, values: Mapping[str, object], version: int) -> UnitRecord:
        row = await record_of(act, kind, record_id)
        await require(act, kind.permission("keep"), [row.unit_id])
        cleaned = clean(kind.form, values)
        await _check(act, kind, row, cleaned)
        touched = await kind.model.filter(id=row.id, version=version).update(
            updated_at=act.now, updated_by_id=act.actor.account_id, version=version + 1, **cleaned
        )
        if touched != 1:
            raise Conflict("另一位同事刚刚改过这一条。请对照现在的内容，再提交一次；您写的还在。")
        await emit(act, f"{name}.altered", (name, row.id))
        return await kind.model.get(id=row.id)

    return await alter(act, name, record_id, values, version)


async def face_of(kind: RecordKind, row: UnitRecord) -> dict[str, Any]:
    """What the public would read of a record now: its public columns and "photos", with personal numbers masked."""
    face: dict[str, Any] = {}
    for field in kind.shown:
        value = getattr(row, field.name)
        if isinstance(value, date):
            value = value.isoformat()
        face[field.name] = mask(value).text if isinstance(value, str) and field.kind != "choice" else value
    if kind.photos:
        photos = Attachment.filter(subject_kind=kind.name, subject_id=row.id).order_by("id")
        face["photos"] = [photo.face | {"caption": mask(photo.caption).text} for photo in await photos]
    return face


async def _show_photos(kind: RecordKind, record_id: int, face: Mapping[str, Any]) -> None:
    """Let residents see the photos of `face`, and no other of the record."""
    own = Attachment.filter(subject_kind=kind.name, subject_id=record_id)
    await own.update(public=False)
    await own.filter(stored_name__in=[photo["name"] for photo in face.get("photos", ())]).update(public=True)


@change(Publication, action="{name}.publish")
async def publish(act: Act, name: str, record_id: int, version: int) -> Publication:
    """Put a record before the public as it was read in `version`; publishing it again corrects what stands there.

    Raises `Conflict` where it has changed since, `Refused` where the town wants a second reader and this is the first.
    """
    kind = kind_named(name)
    row = await record_of(act, kind, record_id)
    await require(act, kind.permission("publish"), [row.unit_id])
    # Whoever changes it meanwhile waits: what is published is what was read.
    row = await kind.model.filter(id=row.id).select_for_update().get()
    if row.version != version:
        raise Conflict("这一条刚刚有人改过，请看过现在的内容再公开。")
    if await value_of("publication.second_reader", row.unit_id) and row.updated_by_id == act.actor.account_id:
        raise Refused("本地规定公开前要另一个人审核，您写的请另一位同事来公开。")
    face = await face_of(kind, row)
    new = {"draft": face, "prepared_at": row.updated_at, "prepared_by_id": row.updated_by_id, "state": "prepared"}
    publication, _ = await Publication.get_or_create(new, subject_kind=name, subject_id=row.id)
    await Publication.filter(id=publication.id).update(
        **{**new, "state": "approved"},
        approved=face,
        pending=False,
        approved_at=act.now,
        approved_by_id=act.actor.account_id,
        withdrawn_reason="",
        version=publication.version + 1,
    )
    await _show_photos(kind, row.id, face)
    await emit(act, f"{name}.published", (name, row.id), audience="public")
    await project(kind, [row.id])
    return await Publication.get(id=publication.id)


@change(Publication, action="{name}.withdraw")
async def withdraw(act: Act, name: str, record_id: int, reason: str) -> Publication:
    """Take a record off every public surface at once (C50). Raises `Invalid` without a reason."""
    kind = kind_named(name)
    row = await record_of(act, kind, record_id)
    await require(act, kind.permission("publish"), [row.unit_id])
    cleaned = clean(WITHDRAW_FIELDS, {"reason": reason})
    touched = await Publication.filter(subject_kind=name, subject_id=row.id, state="approved").update(
        state="withdrawn",
        withdrawn_at=act.now,
        withdrawn_by_id=act.actor.account_id,
        withdrawn_reason=cleaned["reason"],
    )
    if touched != 1:
        raise Refused("这一条现在没有公开，不用撤下。")
    await _show_photos(kind, row.id, {})
    await emit(act, f"{name}.withdrawn", (name, row.id))
    await project(kind, [row.id])
    return await Publication.get(subject_kind=name, subject_id=row.id)
