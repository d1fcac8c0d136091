"""A notice in words."""

from __future__ import annotations

from yetan.i18n import translate as _
from yetan.issues.models import Issue
from yetan.notices.models import Notice
from yetan.runtime import current


def text_of(notice: Notice, issue: Issue | None) -> str:
    """What a notice says; `issue` is what it is about as far as its reader may see it.

    Of an issue that may no longer be seen, only that it is so.
    """
    kind = current().registry.notice_kinds.get(notice.kind)
    if kind is None or (notice.subject_kind == "issue" and issue is None):
        return _("这条消息说的事，现在看不到了。")
    named = {"title": issue.title, "number": issue.number} if issue is not None else {}
    return _(kind.text).format(**named, **{name: _(str(value)) for name, value in notice.data.items()})
