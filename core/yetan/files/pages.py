"""Serving photos: approved ones to anybody, the others to those who may see what they belong to (C27)."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from yetan.access.scope import visible
from yetan.errors import NotFound
from yetan.files.models import Attachment
from yetan.issues.following import act_of_raiser, opened_by
from yetan.issues.models import Issue
from yetan.plugins.declarations import NavigationItem, Page
from yetan.runtime import current
from yetan.web.request import Request, cookie_name


async def public_photo(request: Request) -> Response:
    """An approved photo. It is asked for again each time, so that a withdrawn one is gone at once (C50)."""
    row = await Attachment.get_or_none(stored_name=request.path_params["name"], public=True)
    if row is None:
        raise NotFound("没有这张照片，或者它已经撤下。")
    # A stored file never changes under its name.
    tag = f'"{row.stored_name}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    response = _file(row)
    response.headers["ETag"] = tag
    return response


async def photo(request: Request) -> Response:
    """A photo, approved or not, for whoever may see its subject; not found for anybody else."""
    row = await Attachment.get_or_none(stored_name=request.path_params["name"])
    if row is None or not (row.public or await _may_see(request, row)):
        raise NotFound("没有这张照片，或者它还没有公开。")
    return _file(row)


async def _may_see(request: Request, row: Attachment) -> bool:
    kind = current().registry.record_kinds.get(row.subject_kind)
    if kind is not None:
        return bool(await visible(kind.model, request.act).filter(id=row.subject_id, **kind.only).exists())
    if row.subject_kind != "issue":
        return False
    issue = await visible(Issue, request.act).get_or_none(id=row.subject_id)
    if issue is not None:
        return True
    opened = opened_by(request.cookies.get(cookie_name("follow"), ""), request.act.now)
    if opened is None or opened.issue_id != row.subject_id:
        return False
    issue = await Issue.get_or_none(id=row.subject_id)
    return issue is not None and await act_of_raiser(request.act, issue.number, opened) is not None


def _file(row: Attachment) -> FileResponse:
    return FileResponse(current().files.open_path(row.stored_name), media_type=row.media_type)


PAGES: tuple[Page, ...] = (
    Page("/photos/{name:path}", public_photo, "public_photo", public=True, kept=False),
    Page("/files/{name:path}", photo, "photo", public=True, personal=True),
)
NAVIGATION: tuple[NavigationItem, ...] = ()
