"""Photos of records: added with whom they are of and by, shown with the record once it is published (C27, C50)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anyio import to_thread
from tortoise.expressions import F

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Invalid, NotFound, Refused
from yetan.events.service import emit
from yetan.files.models import Attachment
from yetan.files.service import PHOTOS, StoredPhoto, Upload, attach, prepare_photos, stored_photos
from yetan.publication.models import Publication
from yetan.records.kind import RecordKind
from yetan.records.models import UnitRecord
from yetan.records.projection import project
from yetan.records.service import kind_named, record_of
from yetan.runtime import current
from yetan.web.forms import Field, clean

#: How many a record has at most: its page shows all of them.
MOST = 30
CAPTION = Field(
    "caption", "拍的什么，谁拍的", required=False, max_length=120, hint="例如：大家在凉亭里说路灯的事。摄影：陈小满。"
)
PHOTO_FIELDS = (PHOTOS, CAPTION)


async def photos_of(kind: RecordKind, record_id: int) -> list[Attachment]:
    """The photos of a record, the oldest first, published or not."""
    return await Attachment.filter(subject_kind=kind.name, subject_id=record_id).order_by("id")


async def add_photos(
    act: Act, name: str, record_id: int, uploads: Sequence[Upload] | None, caption: str = ""
) -> UnitRecord:
    """Add photos to a record of the kind `name`; residents see them when the record is published (again).

    Raises `NotFound`, `Forbidden`, `Invalid` naming the field, or `StorageUnavailable`.
    """
    kind = _kind_with_photos(name)
    row = await record_of(act, kind, record_id)
    await require(act, kind.permission("keep"), [row.unit_id])
    cleaned = clean(PHOTO_FIELDS, {"caption": caption})
    prepared = await prepare_photos(uploads)
    if not prepared:
        raise Invalid.field("photos", "还没有选照片，请选一张再提交。")

    @change(kind.model, action=f"{name}.add_photos")
    async def add(act: Act, name: str, record_id: int, photos: Sequence[StoredPhoto], caption: str) -> UnitRecord:
        row = await _touched(act, kind, record_id)
        if len(await photos_of(kind, row.id)) + len(photos) > MOST:
            raise Refused("一条最多放 {most} 张照片，请先删掉几张。", most=MOST)
        await attach(act, name, row.id, photos, caption=caption)
        return row

    async with stored_photos(prepared) as stored:
        return await add(act, name, record_id, stored, cleaned["caption"])


async def remove_photo(act: Act, name: str, record_id: int, photo_id: int) -> UnitRecord:
    """Remove a photo for good, from the public page at once (C50). Raises `NotFound` for none of this record's."""
    kind = _kind_with_photos(name)
    names: list[str] = []

    @change(kind.model, action=f"{name}.remove_photo")
    async def remove(act: Act, name: str, record_id: int, photo_id: int) -> UnitRecord:
        row = await _touched(act, kind, record_id)
        photo = await Attachment.get_or_none(id=photo_id, subject_kind=name, subject_id=row.id)
        if photo is None:
            raise NotFound("没有这张照片，或者它已经删掉了。")
        await photo.delete()
        await _leave_out(kind, row.id, photo.stored_name)
        names.append(photo.stored_name)
        return row

    row = await remove(act, name, record_id, photo_id)
    for each in names:
        await to_thread.run_sync(current().files.delete, each)
    return row


def _kind_with_photos(name: str) -> RecordKind:
    kind = kind_named(name)
    if not kind.photos:
        raise NotFound
    return kind


async def _touched(act: Act, kind: RecordKind, record_id: int) -> UnitRecord:
    """The record, marked as changed: whoever publishes it has to have seen its photos too."""
    row = await record_of(act, kind, record_id)
    await require(act, kind.permission("keep"), [row.unit_id])
    await kind.model.filter(id=row.id).update(
        updated_at=act.now, updated_by_id=act.actor.account_id, version=F("version") + 1
    )
    await emit(act, f"{kind.name}.altered", (kind.name, row.id))
    return await kind.model.get(id=row.id)


async def _leave_out(kind: RecordKind, record_id: int, stored_name: str) -> None:
    """Take a photo out of what residents see of the record, in the transaction of the change."""
    publication = await (
        Publication.filter(subject_kind=kind.name, subject_id=record_id).select_for_update().get_or_none()
    )
    if publication is None:
        return
    publication.approved = _without(publication.approved, stored_name)
    publication.draft = _without(publication.draft, stored_name)
    await publication.save(update_fields=["approved", "draft"])
    await project(kind, [record_id])


def _without(face: dict[str, Any], stored_name: str) -> dict[str, Any]:
    return {**face, "photos": [photo for photo in face.get("photos", ()) if photo["name"] != stored_name]}
