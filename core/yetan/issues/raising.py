"""Raising an issue online: what residents leave of themselves, their photos, and how often one address may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yetan.access.throttle import attempt
from yetan.act import Act
from yetan.db.change import change
from yetan.files.service import PHOTOS, StoredPhoto, Upload, attach, prepare_photos, stored_photos
from yetan.issues.models import Issue, Raiser
from yetan.issues.service import REPORT_FIELDS, RaiserInput, report_issue
from yetan.people.service import CONSENT, require_consent
from yetan.web.forms import Field, clean

#: Left by residents without an account. Nothing of it is needed; what is left needs their consent (C71).
CONTACT_FIELDS = (
    Field("name", "怎么称呼您", required=False, max_length=60, hint="写个姓也行。"),
    Field(
        "phone",
        "电话",
        "phone",
        required=False,
        hint="办的人有不清楚的会打给您；以后查进度、验收，写后四位就行。不公开。",
    ),
    CONSENT,
)
SIGNED_IN_FIELDS = (*REPORT_FIELDS, PHOTOS)
RAISE_FIELDS = (*SIGNED_IN_FIELDS, *CONTACT_FIELDS)

#: Matters from one address (or account) in an hour: a whole meeting may share one address.
RAISES, WINDOW_SECONDS = 30, 3600


async def raise_issue(act: Act, values: Mapping[str, Any], photos: Sequence[Upload] | None = None) -> Issue:
    """Raise an issue online with its photos, as whoever is signed in or as somebody who leaves what they like.

    Nobody but staff and the raiser sees it before a reviewer approved it. It is not there without its photos (F12).
    Raises `Invalid`, `TooMany`, or `StorageUnavailable`.
    """
    person_id = act.actor.person_id
    cleaned = clean(SIGNED_IN_FIELDS if person_id is not None else RAISE_FIELDS, values)
    raiser = RaiserInput(person_id=person_id) if person_id is not None else _contact(cleaned)
    subject = act.actor.label if act.actor.signed_in else act.source
    await attempt("issue.raise", subject, limit=RAISES, window_seconds=WINDOW_SECONDS, now=act.now)
    prepared = await prepare_photos(photos)
    report = {field.name: cleaned[field.name] for field in REPORT_FIELDS}
    async with stored_photos(prepared) as stored:
        return await _raise(act, report, raiser, stored)


def _contact(cleaned: Mapping[str, Any]) -> RaiserInput:
    require_consent(cleaned)
    return RaiserInput(cleaned["name"], cleaned["phone"])


@change(Issue, action="issues.raise")
async def _raise(act: Act, values: Mapping[str, Any], raiser: RaiserInput, photos: Sequence[StoredPhoto]) -> Issue:
    issue = await report_issue(act, values, [raiser])
    person_id = (await Raiser.get(issue_id=issue.id)).person_id
    await attach(act, "issue", issue.id, photos, person_id=person_id, stage="before")
    return issue
