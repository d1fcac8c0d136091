"""Photos of an issue, added while it is handled: before the repair, and after it."""

from __future__ import annotations

from collections.abc import Sequence

from yetan.access.scope import require
from yetan.act import Act
from yetan.db.change import change
from yetan.errors import Invalid
from yetan.events.service import emit
from yetan.files.service import PHOTOS, Stage, StoredPhoto, Upload, attach, prepare_photos, stored_photos
from yetan.i18n import message_ids
from yetan.issues.models import Issue
from yetan.issues.service import get_visible
from yetan.web.forms import Field, clean

STAGES = message_ids((("before", "修之前"), ("after", "修好后")))
PHOTO_FIELDS = (PHOTOS, Field("stage", "什么时候拍的", "choice", choices=STAGES))


async def add_issue_photos(act: Act, issue_id: int, uploads: Sequence[Upload] | None, stage: str) -> Issue:
    """Add photos to an issue; they stay off the board until its publication is approved with them.

    Raises `NotFound`, `Forbidden`, `Invalid` naming `photos` or `stage`, or `StorageUnavailable`.
    """
    issue = await get_visible(act, issue_id)
    await require(act, "issue.handle", [issue.responsible_unit_id, issue.unit_id])
    cleaned = clean(PHOTO_FIELDS[1:], {"stage": stage})
    prepared = await prepare_photos(uploads)
    if not prepared:
        raise Invalid.field("photos", "还没有选照片，请选一张再提交。")
    async with stored_photos(prepared) as stored:
        return await _add(act, issue_id, stored, cleaned["stage"])


@change(Issue, action="issues.add_photos")
async def _add(act: Act, issue_id: int, photos: Sequence[StoredPhoto], stage: Stage) -> Issue:
    issue = await get_visible(act, issue_id)
    await attach(act, "issue", issue.id, photos, stage=stage)
    await emit(act, "issue.photo_added", ("issue", issue.id), audience="public", data={"count": len(photos)})
    return issue
