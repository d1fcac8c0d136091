"""Registering an issue for residents, at the desk: several of them at once, and how it came to us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.act import Act
from yetan.db.change import change
from yetan.files.service import PHOTOS, StoredPhoto, Upload, attach, prepare_photos, stored_photos
from yetan.i18n import translate as _
from yetan.issues.models import Issue
from yetan.issues.service import REPORT_FIELDS, VIAS, RaiserInput, report_issue
from yetan.web.forms import Field, clean

#: An official cannot raise something "online" for somebody, nor import one.
DESK_VIAS = tuple(via for via in VIAS if via[0] not in ("online", "import"))
REGISTER_FIELDS = (
    Field("via", "怎么反映的", "choice", choices=DESK_VIAS),
    *REPORT_FIELDS,
    PHOTOS,
)
MOST_RAISERS = 20


def raiser_fields(count: int) -> tuple[Field, ...]:
    """Name and phone of `count` residents; a row left empty is nobody."""
    fields: list[Field] = []
    for number in range(1, count + 1):
        fields += [
            Field(f"name_{number}", _("第{number}位的姓名", number=number), required=False, max_length=60),
            Field(f"phone_{number}", _("第{number}位的电话", number=number), "phone", required=False),
        ]
    return tuple(fields)


def raisers_in(values: Mapping[str, Any], count: int) -> list[RaiserInput]:
    """The residents that the first `count` rows name."""
    rows = [(values.get(f"name_{n}") or "", values.get(f"phone_{n}") or "") for n in range(1, count + 1)]
    return [RaiserInput(name, phone) for name, phone in rows if name or phone]


async def register_issue(
    act: Act,
    values: Mapping[str, Any],
    raisers: Sequence[RaiserInput],
    photos: Sequence[Upload] | None = None,
) -> Issue:
    """Register an issue for residents, `values` being REGISTER_FIELDS. It is not there without its photos (F12).

    Raises `Invalid`, `Forbidden` outside the units one registers for, or `StorageUnavailable`.
    """
    cleaned = clean(REGISTER_FIELDS, {**values, "photos": None})
    prepared = await prepare_photos(photos)
    async with stored_photos(prepared) as stored:
        return await _register(act, cleaned, list(raisers), stored)


@change(Issue, action="issues.register")
async def _register(
    act: Act, values: Mapping[str, Any], raisers: Sequence[RaiserInput], photos: Sequence[StoredPhoto]
) -> Issue:
    issue = await report_issue(act, values, raisers, via=values["via"])
    await attach(act, "issue", issue.id, photos, stage="before")
    return issue
