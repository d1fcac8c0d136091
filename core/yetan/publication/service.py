"""The public face of an issue: prepared with personal data masked, approved, corrected, withdrawn.

Nothing is public before somebody approved it. New words (an outcome, a reason) make a new draft that waits for a
reviewer, while what was approved stays shown; the state itself follows at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from yetan.access.scope import granted_units, require
from yetan.act import Act
from yetan.db.bulk import add_new
from yetan.db.change import change
from yetan.db.reading import load
from yetan.db.statements import fetch, locked, marks
from yetan.errors import Conflict, Refused
from yetan.events.service import emit, emit_many, new_event
from yetan.faults import reached
from yetan.files.models import Attachment
from yetan.issues.models import Issue, IssueScope, Remark
from yetan.issues.service import get_visible
from yetan.publication.masking import mask
from yetan.publication.models import Publication
from yetan.publication.projection import project
from yetan.rules.service import value_of
from yetan.web.forms import Field, clean

FACE_FIELDS = (
    Field("title", "公开的标题", max_length=200),
    Field("text", "公开的内容", "long_text", max_length=20000),
    Field("place", "公开的地点", required=False, max_length=200),
    Field("measures", "公开的措施", "long_text", required=False, max_length=4000),
    Field("outcome", "公开的办理结果", "long_text", required=False, max_length=20000),
)
WITHDRAW_FIELDS = (Field("reason", "撤下的原因", "long_text", max_length=1000),)
_FACE = tuple(field.name for field in FACE_FIELDS)
_SHOWN = (*_FACE, "notes", "photos")
_CHUNK = 200
_NAMES = """
SELECT raiser.issue_id, person.name FROM yetan_raiser raiser JOIN yetan_person person ON person.id = raiser.person_id
WHERE raiser.issue_id IN ({issues})"""


async def draft_of(issue: Issue) -> dict[str, Any]:
    """The face an issue would have now: every word masked, the raisers' names with the rest."""
    return (await _drafts([issue]))[issue.id]


async def _drafts(issues: Sequence[Issue]) -> dict[int, dict[str, Any]]:
    ids = [issue.id for issue in issues]
    if not ids:
        return {}
    theirs = marks(len(ids))
    names: dict[int, list[str]] = defaultdict(list)
    remarks: dict[int, list[Remark]] = defaultdict(list)
    photos: dict[int, list[int]] = defaultdict(list)
    for row in await fetch(_NAMES.format(issues=theirs), ids):
        names[row["issue_id"]].append(row["name"])
    for remark in await load(Remark, f"issue_id IN ({theirs}) AND audience = 'public' ORDER BY id", ids):
        remarks[remark.issue_id].append(remark)
    for photo in await load(Attachment, f"subject_kind = 'issue' AND subject_id IN ({theirs}) ORDER BY id", ids):
        photos[photo.subject_id].append(photo.id)
    return {
        issue.id: {
            **{name: masked(getattr(issue, name), names[issue.id]) for name in _FACE},
            "notes": {str(remark.id): masked(remark.text, names[issue.id]) for remark in remarks[issue.id]},
            "photos": photos[issue.id],
        }
        for issue in issues
    }


def masked(text: str, names: Sequence[str]) -> str:
    """The text without personal numbers, and with the raisers' names cut to the surname."""
    if not text:
        return ""
    for name in names:
        if len(name) > 1:
            text = text.replace(name, name[0] + "某" * (len(name) - 1))
    return mask(text).text


async def publish_batch(act: Act, issues: Sequence[Issue]) -> None:
    """Approve the masked faces of many issues in one reviewed batch; the caller projects them after committing."""
    for start in range(0, len(issues), _CHUNK):
        chunk = issues[start : start + _CHUNK]
        faces = await _drafts(chunk)
        await Publication.bulk_create(
            [
                Publication(
                    subject_kind="issue",
                    subject_id=issue.id,
                    state="approved",
                    pending=False,
                    draft={**faces[issue.id], "source": faces[issue.id]},
                    approved=faces[issue.id],
                    prepared_at=act.now,
                    prepared_by_id=act.actor.account_id,
                    approved_at=act.now,
                    approved_by_id=act.actor.account_id,
                )
                for issue in chunk
            ]
        )
        reached("publication.approved")
        await emit_many(
            act,
            [new_event(act, "publication.approved", ("issue", issue.id), audience="public") for issue in chunk],
        )


@change(Publication)
async def prepare(act: Act, issue_id: int) -> Publication:
    """Read the draft of an issue's public face and answer for it, brought up to what the issue says now."""
    issue = await get_visible(act, issue_id)
    await require(act, "publication.prepare", [issue.unit_id])
    publication = await renew_draft(act, issue)
    await Publication.filter(id=publication.id).update(prepared_at=act.now, prepared_by_id=act.actor.account_id)
    return await Publication.get(id=publication.id)


async def renew_draft(act: Act, issue: Issue) -> Publication:
    """Bring one draft up to what its issue says now; see `renew_drafts`."""
    await renew_drafts(act, [issue])
    return await Publication.get(subject_kind="issue", subject_id=issue.id)


async def renew_drafts(act: Act, issues: Sequence[Issue]) -> Mapping[int, Publication]:
    """Bring drafts up to what their issues say now, keeping a reviewer's own wording where the source did not change.

    A draft that stays the same is left alone: whoever is reading it, or answered for it, goes on. Gives the
    publications that were there before, by issue; on PostgreSQL they stay locked.
    """
    fresh = await _drafts(issues)
    if not fresh:
        return {}
    theirs = f"subject_kind = 'issue' AND subject_id IN ({marks(len(fresh))}) ORDER BY id{locked()}"
    known = {row.subject_id: row for row in await load(Publication, theirs, list(fresh))}
    new = [
        Publication(
            subject_kind="issue",
            subject_id=issue_id,
            state="prepared",
            draft={**face, "source": face},
            prepared_at=act.now,
            prepared_by_id=act.actor.account_id,
        )
        for issue_id, face in fresh.items()
        if issue_id not in known
    ]
    await add_new(new)
    for issue_id, publication in known.items():
        draft = _renewed(publication.draft, fresh[issue_id])
        if draft != publication.draft:
            await Publication.filter(id=publication.id).update(
                draft=draft,
                pending=publication.state != "withdrawn" and _shown(draft) != _shown(publication.approved),
                prepared_at=act.now,
                prepared_by_id=act.actor.account_id,
                version=publication.version + 1,
            )
    return known


def _renewed(draft: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """The draft with what is new in `fresh`.

    Its own wording stays where the source it was made from did not change, and a photo left out stays out.
    """
    source = draft["source"]
    renewed = _kept_where_unchanged(draft, source, {name: fresh[name] for name in _FACE})
    renewed["notes"] = _kept_where_unchanged(draft["notes"], source["notes"], fresh["notes"])
    renewed["photos"] = [
        photo for photo in fresh["photos"] if photo in draft["photos"] or photo not in source["photos"]
    ]
    return {**renewed, "source": dict(fresh)}


def _kept_where_unchanged(
    own: Mapping[str, str], source: Mapping[str, str], fresh: Mapping[str, str]
) -> dict[str, Any]:
    return {name: own[name] if source.get(name) == text else text for name, text in fresh.items()}


def _shown(face: Mapping[str, Any]) -> dict[str, Any]:
    return {name: face.get(name) for name in _SHOWN}


@change(Publication)
async def approve(
    act: Act,
    issue_id: int,
    values: Mapping[str, Any] | None = None,
    *,
    version: int | None = None,
    notes: Mapping[str, str] | None = None,
    photos: list[int] | None = None,
) -> Publication:
    """Put an issue's face on the board, with the reviewer's wording in `values`; correcting it is the same act.

    Raises `Refused` when the deployment wants a second reader and nobody, or this one, prepared it, `Conflict` when
    the draft changed since it was read.
    """
    issue = await get_visible(act, issue_id)
    await require(act, "publication.approve", [issue.unit_id])
    publication = await Publication.get_or_none(subject_kind="issue", subject_id=issue.id)
    if publication is None:
        publication = await renew_draft(act, issue)
    if version is not None and version != publication.version:
        raise Conflict("这份公开稿刚刚有新的内容，请看过最新的稿子再批准。您写的还在。")
    if await value_of("publication.second_reader", issue.unit_id):
        if publication.prepared_by_id is None:
            raise Refused("本地规定公开前要两个人看过：请一位同事先“重新准备一稿”，再由另一位批准。")
        if publication.prepared_by_id == act.actor.account_id:
            raise Refused("本地规定公开前要另一个人审核，您准备的稿子请另一位同事来批准。")
    face = dict(publication.draft)
    source = face.pop("source")
    if values is not None:
        face |= clean(FACE_FIELDS, values)
    face["notes"] = {key: (notes or {}).get(key, text) for key, text in face["notes"].items()}
    if photos is not None:
        # Out of all there are: what was left out once can be let in again.
        face["photos"] = [photo for photo in source["photos"] if photo in photos]
    first = publication.state != "approved"
    touched = await Publication.filter(id=publication.id, version=publication.version).update(
        state="approved",
        pending=False,
        approved=face,
        draft={**face, "source": source},
        approved_at=act.now,
        approved_by_id=act.actor.account_id,
        version=publication.version + 1,
        withdrawn_reason="",
    )
    if touched != 1:
        raise Conflict("另一位同事刚刚处理了这份公开稿，请刷新后再看。")
    reached("publication.approved")
    await Attachment.filter(subject_kind="issue", subject_id=issue.id).update(public=False)
    await Attachment.filter(subject_kind="issue", subject_id=issue.id, id__in=face["photos"]).update(public=True)
    await emit(
        act,
        "publication.approved" if first else "publication.corrected",
        ("issue", issue.id),
        audience="public",
    )
    await project([issue.id])
    return await Publication.get(id=publication.id)


@change(Publication)
async def withdraw(act: Act, issue_id: int, reason: str) -> Publication:
    """Take an issue off every public surface at once (C50). Raises `Invalid` without a reason."""
    issue = await get_visible(act, issue_id)
    await require(act, "publication.withdraw", [issue.unit_id])
    cleaned = clean(WITHDRAW_FIELDS, {"reason": reason})
    publication = await Publication.get_or_none(subject_kind="issue", subject_id=issue.id)
    if publication is None or publication.state == "withdrawn":
        raise Refused("这件事现在没有公开，不用撤下。")
    await Publication.filter(id=publication.id).update(
        state="withdrawn",
        pending=False,
        withdrawn_at=act.now,
        withdrawn_by_id=act.actor.account_id,
        withdrawn_reason=cleaned["reason"],
        version=publication.version + 1,
    )
    await Attachment.filter(subject_kind="issue", subject_id=issue.id).update(public=False)
    await emit(act, "publication.withdrawn", ("issue", issue.id), audience="staff")
    await project([issue.id])
    return await Publication.get(id=publication.id)


def waiting(act: Act) -> QuerySet[Publication]:
    """The drafts that wait for a reviewer, within the reach of the actor's posts."""
    query = Publication.filter(subject_kind="issue", pending=True).exclude(state="withdrawn")
    if act.actor.unrestricted:
        return query
    units = granted_units(act.actor, "publication.approve")
    return query.filter(Q(subject_id__in=Subquery(IssueScope.filter(unit_id__in=units).values("issue_id"))))
