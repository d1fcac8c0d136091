"""Which rows of a list somebody has ticked: one box a row, named after it, and the list of rows that had a box."""

from __future__ import annotations

import re

from yetan.issues.bulk import MOST_AT_ONCE
from yetan.web.forms import Field
from yetan.web.request import Request

#: The ids of the rows that had a box, joined by dots: nothing that has none can be ticked.
LISTED = Field("listed", "", "hidden", required=False, max_length=1200)

_IDS = re.compile(r"\d{1,9}(\.\d{1,9})*", re.ASCII)


async def chosen_ids(request: Request) -> list[int] | None:
    """The ids that were ticked, in the order of the list; None where the address is of no list at all.

    Every box has a name of its own, so that each is a declared field and comes once (C48, C49).
    """
    listed = str((await request.values((LISTED,)))["listed"] or "")
    if not _IDS.fullmatch(listed):
        return None
    ids = list(dict.fromkeys(int(each) for each in listed.split(".")))[:MOST_AT_ONCE]
    boxes = [Field(f"issue-{each}", "", "boolean", required=False) for each in ids]
    ticked = await request.form(boxes)
    values = ticked.clean()
    return [each for each, box in zip(ids, boxes, strict=True) if values[box.name]]
