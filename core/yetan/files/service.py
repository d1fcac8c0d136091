"""Photos attached to something: made safe first, stored, and kept only if the change they belong to is (F12)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, Protocol

from anyio import CancelScope, to_thread
from msgspec import Struct
from tortoise.transactions import in_transaction

from yetan.act import Act
from yetan.errors import Invalid
from yetan.events.attempts import describe
from yetan.faults import reached
from yetan.files.images import ImageLimits, ImageRefused, PreparedImage, prepare_image_in_thread
from yetan.files.models import Attachment
from yetan.i18n import translate as _
from yetan.runtime import current
from yetan.web.forms import Field

logger = logging.getLogger(__name__)

#: How many photos one form takes.
MOST_PHOTOS = 3
PHOTOS = Field("photos", "照片", "photos", required=False, hint="最多 3 张，每张不超过 10 MB。拍到人脸、车牌的请避开。")
#: The largest body of a form with photos, in bytes: the photos and what else was typed.
BODY_LIMIT = MOST_PHOTOS * ImageLimits().max_bytes + 1024 * 1024

Stage = Literal["", "before", "after"]


class Upload(Protocol):
    """A file somebody sent; Starlette's `UploadFile` is one."""

    size: int | None

    async def read(self) -> bytes:
        """All of it."""


class StoredPhoto(Struct, frozen=True):
    """A photo on the disk that no row names yet."""

    name: str
    digest: str
    media_type: str
    width: int
    height: int

    def __str__(self) -> str:
        """What it shows: a form sent again stores the same picture under another name and is still the same form."""
        return self.digest


async def prepare_photos(uploads: Sequence[Upload] | None, *, most: int = MOST_PHOTOS) -> list[PreparedImage]:
    """The pictures of `uploads`, made safe. Raises `Invalid` naming the field `photos` and which one is at fault."""
    uploads = uploads or ()
    if len(uploads) > most:
        raise Invalid.field(
            "photos", "最多传 {most} 张照片，您选了 {chosen} 张，请重新选。", most=most, chosen=len(uploads)
        )
    prepared: list[PreparedImage] = []
    limits = ImageLimits()
    for number, upload in enumerate(uploads, start=1):
        which = _("第 {number} 张：", number=number) if len(uploads) > 1 else ""
        if upload.size is not None and upload.size > limits.max_bytes:
            size = f"{limits.max_bytes // (1024 * 1024)} MB"
            told = _("照片超过了 {size}，请用手机压缩或截图后再传。", size=size)
            raise Invalid.field("photos", which + told)
        try:
            prepared.append(await prepare_image_in_thread(await upload.read(), limits=limits))
        except ImageRefused as error:
            raise Invalid.field("photos", which + error.message) from error
    return prepared


@asynccontextmanager
async def stored_photos(prepared: Sequence[PreparedImage]) -> AsyncIterator[list[StoredPhoto]]:
    """Store pictures while the block makes the change that names them.

    Afterwards those that no row names are removed: the change failed, or had been made before. Raises
    `StorageUnavailable` before the block where they cannot be stored.
    """
    files = current().files
    stored: list[StoredPhoto] = []
    try:
        for image in prepared:
            name = await to_thread.run_sync(files.save, image.data, image.suffix)
            reached("files.stored")
            digest = hashlib.sha256(image.data).hexdigest()
            stored.append(StoredPhoto(name, digest, image.media_type, image.width, image.height))
        yield stored
    finally:
        # Also when the request is cancelled: a file must not outlive the change that was taken back.
        with CancelScope(shield=True):
            await _remove_unnamed([photo.name for photo in stored])


async def _remove_unnamed(names: Sequence[str]) -> None:
    """Remove the files no row names. Where that cannot be asked now, they stay: a row may name them after all."""
    if not names:
        return
    try:
        rows = await Attachment.filter(stored_name__in=names).values_list("stored_name", flat=True)
    except Exception as error:
        logger.warning("left %s uploads to the daily sweep: %s", len(names), describe(error))
        return
    for name in sorted(set(names) - {str(row) for row in rows}):
        await to_thread.run_sync(current().files.delete, name)


async def attach(
    act: Act,
    subject_kind: str,
    subject_id: int,
    photos: Sequence[StoredPhoto],
    *,
    person_id: int | None = None,
    stage: Stage = "",
    caption: str = "",
) -> list[Attachment]:
    """Write the rows of stored photos, in the transaction of the change. Nobody but staff and raisers sees them yet."""
    return [
        await Attachment.create(
            subject_kind=subject_kind,
            subject_id=subject_id,
            stored_name=photo.name,
            media_type=photo.media_type,
            width=photo.width,
            height=photo.height,
            stage=stage,
            caption=caption,
            person_id=person_id,
            created_at=act.now,
        )
        for photo in photos
    ]


async def add_photos(
    act: Act,
    subject_kind: str,
    subject_id: int,
    uploads: Sequence[Upload],
    *,
    person_id: int | None = None,
    stage: Stage = "",
) -> list[Attachment]:
    """Attach photos to something that exists, all or none. The caller has checked that the actor may.

    Raises `Invalid` for what is no usable picture, `StorageUnavailable` where nothing can be stored.
    """
    prepared = await prepare_photos(uploads)
    async with stored_photos(prepared) as stored, in_transaction():
        return await attach(act, subject_kind, subject_id, stored, person_id=person_id, stage=stage)
