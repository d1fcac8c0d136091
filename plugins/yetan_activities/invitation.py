"""The notice that is put up in the village: what is talked about, when, where, and a code that leads to the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yetan.api import Act, DocumentKind, Unit, current, published
from yetan_activities.models import Activity
from yetan_activities.overview import VIEW
from yetan_activities.scoreboard import face_of


async def _load(act: Act, activity: Activity) -> Mapping[str, Any]:
    """What residents may read of it: the published words, as long as there are any."""
    row = await published(activity.kind).get_or_none(record_id=activity.id)
    return {
        "activity": activity,
        "face": face_of(row),
        "published": row is not None,
        "on": row.date if row is not None else activity.date,
        "label": current().registry.record_kinds[activity.kind].label,
        "unit": await Unit.get(id=activity.unit_id),
    }


async def _is_published(act: Act, activity: Activity) -> bool:
    return await published(activity.kind).filter(record_id=activity.id).exists()


DOCUMENTS = (
    DocumentKind(
        "activity_notice", "张贴的告示", Activity, VIEW, "activities/notice.html", _load, available=_is_published
    ),
)
