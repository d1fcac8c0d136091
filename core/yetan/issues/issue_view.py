"""What the desk shows of an issue: the loop, its columns, photos, links, and what residents said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yetan.access.scope import visible
from yetan.act import Act
from yetan.events.models import Event
from yetan.files.models import Attachment
from yetan.i18n import message_ids
from yetan.i18n import translate as _
from yetan.issues.acceptance import COLLECTIVE_WAYS, PERSONAL_WAYS, SCORES
from yetan.issues.contacts import surname
from yetan.issues.lifecycle import state_of
from yetan.issues.models import Acceptance, Feedback, Issue, IssueLink, Rating
from yetan.issues.service import ISSUE_KINDS, VIAS
from yetan.publication.views import LoopFacts, Step, Url, steps_of

#: By kind of link, and whether it leads from this issue (True) or to it.
LINK_LABELS: Mapping[tuple[str, bool], str] = message_ids(
    {
        ("repeat", True): "以前反映过",
        ("repeat", False): "后来又反映",
        ("appeal", True): "不服这一件的结果，往上反映",
        ("appeal", False): "对结果不服，往上反映成",
        ("merged", True): "并入",
        ("merged", False): "并进来的",
        ("same_text", True): "文字相同",
        ("same_text", False): "文字相同",
    }
)


async def loop_of(issue: Issue) -> list[Step] | None:
    """The loop as steps, or None where the issue left it."""
    events = await Event.filter(subject_kind="issue", subject_id=issue.id).order_by("at", "id")
    facts = LoopFacts(
        raised_at=issue.raised_at,
        listed_at=issue.listed_at,
        resolved_at=issue.resolved_at,
        struck_off_at=issue.struck_off_at,
        unit_name=issue.unit.name,
        responsible_unit_name=issue.responsible_unit.name,
        round=issue.round,
    )
    timeline = [{"type": event.type, "at": event.at.isoformat()} for event in events]
    return steps_of(state_of(issue.state), timeline, facts)


def facts_of(issue: Issue) -> list[tuple[str, str | None]]:
    """The issue's columns as names and values; its units, category and accounts have been fetched."""
    return [
        (_("在哪里提的"), issue.unit.name),
        (_("责任单位"), issue.responsible_unit.name),
        (_("责任人"), issue.owner.person.name if issue.owner else None),
        (_("督促人"), issue.supervisor.person.name if issue.supervisor else None),
        (_("地点"), issue.place),
        (_("类别"), issue.category.path if issue.category else None),
        (
            _("性质"),
            _(dict(ISSUE_KINDS).get(issue.kind, issue.kind))
            + _("，")
            + (_("大家的事") if issue.collective else _("个人的事")),
        ),
        (_("怎么来的"), _(dict(VIAS).get(issue.via, issue.via))),
        (_("具体措施"), issue.measures),
        (_("办理结果"), issue.outcome),
        *([(_("来源编号"), issue.source_number)] if issue.source_number else []),
        *((name, str(value)) for name, value in issue.extra.items()),
    ]


async def photos_of(issue: Issue) -> list[dict[str, Any]]:
    """The issue's photos, published or not, for `photo_views`."""
    rows = await Attachment.filter(subject_kind="issue", subject_id=issue.id).order_by("id")
    return [row.face | {"caption": row.caption or ("" if row.public else _("没有公开"))} for row in rows]


async def links_of(act: Act, url: Url, issue: Issue) -> list[tuple[str, str, str | None]]:
    """(what it is, which one, address): of issues beyond one's reach only the number."""
    found = [(row.kind, True, row.other_id) for row in await IssueLink.filter(issue_id=issue.id)]
    found += [(row.kind, False, row.issue_id) for row in await IssueLink.filter(other_id=issue.id)]
    ids = {each for _kind, _outward, each in found}
    numbers = {row.id: row.number for row in await Issue.filter(id__in=ids)}
    seen = {row.id: row.title for row in await visible(Issue, act).filter(id__in=ids)}
    return [
        (
            _(LINK_LABELS.get((kind, outward), "关联")),
            f"{numbers[each]} {seen.get(each, '')}".strip(),
            url("desk.issue", id=each) if each in seen else None,
        )
        for kind, outward, each in found
    ]


async def verdicts_of(issue: Issue, named: bool) -> list[tuple[int, str, str, Any]]:
    """Feedback, acceptance and slips, oldest first: (round, what, words, when). Names as far as one may know them."""
    ways = dict((*PERSONAL_WAYS, *COLLECTIVE_WAYS))
    lines: list[tuple[int, str, str, Any]] = [
        (row.round, _("反馈：") + _(ways[row.way]), row.text, row.at)
        for row in await Feedback.filter(issue_id=issue.id)
    ]
    for row in await Acceptance.filter(issue_id=issue.id).select_related("person"):
        who = str(row.person) if named else surname(row.person)
        verdict = _("同意") if row.accepted else _("没有同意")
        witness = _("（在场：{witness}）", witness=row.witness) if row.witness and named else ""
        told = _("验收：{who}{verdict}", who=who, verdict=verdict) + witness
        lines.append((row.round, told, row.text, row.at))
    for slip in await Rating.filter(issue_id=issue.id):
        lines.append((slip.round, _("测评：") + _(dict(SCORES)[slip.score]), slip.text, slip.at))
    return sorted(lines, key=lambda line: line[3])
