"""A paper of one's own: the sheet that is taken along and signed."""

from collections.abc import Mapping
from typing import Any

from yetan.api import Act, DocumentKind, Issue


async def load(act: Act, issue: Issue) -> Mapping[str, Any]:
    """What the template is given."""
    await issue.fetch_related("unit", "responsible_unit")
    return {"issue": issue, "printed_on": act.now}


async def available(act: Act, issue: Issue) -> bool:
    """Only while somebody is to go there."""
    return issue.state == "on_site"


SITE_SHEET = DocumentKind("site_sheet", "踏勘单", Issue, "issue.print", "how_to/site_sheet.html", load, available)
