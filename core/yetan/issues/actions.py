"""What officials do with an issue beside moving it: each with its form, its right, and the service that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from yetan.access.scope import may
from yetan.act import Act
from yetan.issues.acceptance import (
    FEEDBACK_FIELDS,
    RECORD_FIELDS,
    give_feedback,
    record_acceptance,
    recording_refusal,
    ways_of,
)
from yetan.issues.models import Issue
from yetan.issues.photos import PHOTO_FIELDS, add_issue_photos
from yetan.issues.service import (
    ASSIGN_FIELDS,
    CORRECT_FIELDS,
    LINK_FIELDS,
    PROGRESS_FIELDS,
    RAISER_FIELDS,
    RaiserInput,
    add_progress,
    add_raiser,
    assign,
    correct,
    link_issues,
)
from yetan.plugins.declarations import State
from yetan.web.forms import Field

Run = Callable[[Act, Issue, Mapping[str, Any], int], Awaitable[Issue]]


async def _nothing_in_the_way(act: Act, issue: Issue) -> str:
    return ""


class Action(Struct, frozen=True):
    """Something to do with an issue that is in a state of one of `categories` (of any, where it names none).

    `at` says whose post counts, as with transitions; "either" is both. `refusal` tells why it cannot be done now, or
    "". `run(act, issue, values, version)` calls the service. `lesser` ones touch the register, not the handling.
    """

    name: str
    label: str
    permission: str
    fields: Callable[[Issue], Sequence[Field]]
    run: Run
    at: Literal["responsible", "home", "either"] = "home"
    categories: tuple[str, ...] = ()
    rule: str = ""
    description: str = ""
    refusal: Callable[[Act, Issue], Awaitable[str]] = _nothing_in_the_way
    lesser: bool = False

    def units(self, issue: Issue) -> list[int]:
        """The units the permission is checked against."""
        places = {
            "home": [issue.unit_id],
            "responsible": [issue.responsible_unit_id],
            "either": [issue.unit_id, issue.responsible_unit_id],
        }
        return places[self.at]

    async def is_open(self, act: Act, issue: Issue, state: State) -> bool:
        """Whether the actor has the right to it and the issue is where it makes sense."""
        fits = not self.categories or state.category in self.categories
        return fits and await may(act, self.permission, self.units(issue))


def _always(fields: Sequence[Field]) -> Callable[[Issue], Sequence[Field]]:
    return lambda issue: fields


def _feedback_fields(issue: Issue) -> Sequence[Field]:
    way, *rest = FEEDBACK_FIELDS
    return (replace(way, choices=ways_of(issue)), *rest)


async def _feedback(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await give_feedback(act, issue.id, values, version=version)


async def _acceptance(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await record_acceptance(act, issue.id, values, version=version)


async def _progress(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await add_progress(act, issue.id, values["text"], version=version)


async def _assign(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await assign(act, issue.id, values["owner"], version=version)


async def _correct(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await correct(act, issue.id, values, version=version)


# What only adds something stands beside whatever others do meanwhile: there is nothing to be in conflict with.


async def _raiser(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await add_raiser(act, issue.id, RaiserInput(values["name"], values["phone"]))


async def _photo(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await add_issue_photos(act, issue.id, values["photos"], values["stage"])


async def _link(act: Act, issue: Issue, values: Mapping[str, Any], version: int) -> Issue:
    return await link_issues(act, issue.id, values)


_RUNNING = ("open", "awaiting")

ACTIONS = (
    Action(
        "progress",
        "写进展",
        "issue.handle",
        _always(PROGRESS_FIELDS),
        _progress,
        at="responsible",
        categories=_RUNNING,
        rule="002-B17",
        description="写下的话居民看得到。",
    ),
    Action(
        "feedback",
        "反馈",
        "issue.feed_back",
        _feedback_fields,
        _feedback,
        categories=("awaiting",),
        rule="002-B13、002-B14",
        description="个人的事告诉本人，大家的事张贴公示，记下来。",
    ),
    Action(
        "acceptance",
        "记录居民验收",
        "issue.record_acceptance",
        _always(RECORD_FIELDS),
        _acceptance,
        categories=("awaiting",),
        rule="002-B16",
        description="居民当面或者在纸上表了态，照原话记下来。",
        refusal=recording_refusal,
    ),
    Action(
        "assign",
        "换责任人",
        "issue.assign",
        _always(ASSIGN_FIELDS),
        _assign,
        at="responsible",
        categories=("open",),
        rule="002-B5",
        description="换成责任单位和它上下级里的一位。",
        lesser=True,
    ),
    Action(
        "raiser",
        "又有居民反映",
        "issue.register",
        _always(RAISER_FIELDS),
        _raiser,
        categories=_RUNNING,
        description="同一件事，把这位居民也记上。",
        lesser=True,
    ),
    Action(
        "photo",
        "补充照片",
        "issue.handle",
        _always(PHOTO_FIELDS),
        _photo,
        at="either",
        categories=_RUNNING,
        description="修之前、修好后各拍一张最好。审核以后才公开。",
        lesser=True,
    ),
    Action(
        "correct",
        "更正登记内容",
        "issue.register",
        _always(CORRECT_FIELDS),
        _correct,
        description="改的是登记的原文，公开的内容要另外审核。",
        lesser=True,
    ),
    Action(
        "link",
        "关联另一件",
        "issue.register",
        _always(LINK_FIELDS),
        _link,
        rule="001-23、001-09",
        description="重复反映的，或者对结果不服往上反映的。",
        lesser=True,
    ),
)
