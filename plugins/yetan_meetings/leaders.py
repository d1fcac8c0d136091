"""Which leader was at which talk where, and through which link it counts (002-C5 to C9, 003-06).

What the leaders owe is a rule of its own; here stands what is known of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from starlette.responses import Response
from tortoise.queryset import QuerySet

from yetan.api import (
    LINK_KINDS,
    Field,
    Form,
    Issue,
    Link,
    Page,
    Post,
    Request,
    Unit,
    current,
    listed,
    load,
    today,
    translate,
)
from yetan_activities.api import ROLES, Attendance
from yetan_meetings.units import OVERSEE, Tree, load_tree, overseen

#: In these roles somebody is there for the government.
OFFICIAL_ROLES = ("leader", "official", "department")
#: The role of posts whose holders have to come (002-C5 to C8).
_LEADER = "leader"
_SHOWN = 60
_MOST_EXPORTED = 5000
_FIELDS = (
    Field("unit", "单位", "choice", required=False),
    Field("since", "从哪天起", "date", required=False),
    Field("until", "到哪天止", "date", required=False),
    Field(
        "role", "什么身份", "choice", required=False, choices=tuple(each for each in ROLES if each[0] in OFFICIAL_ROLES)
    ),
)
_SKIP = Field("skip", "从第几个接着看", "number", required=False, minimum=0, maximum=100_000)


class Presence(Struct, frozen=True):
    """Somebody at a talk: for which unit, with which title, and what it counts by, or why it does not."""

    attendance: Attendance
    place: Unit
    title: str
    link: Link | None
    reason: str


class Coverage(Struct, frozen=True):
    """How far the leaders of one level have got in a period (003-06). The rates are derived where they are shown.

    Issues are those raised at the talks that leaders of the level were at; of two levels at one talk, each counts them.
    """

    level: str
    leaders: int
    been: int
    places: int
    problems: int
    suggestions: int
    resolved: int


class View(Struct, frozen=True):
    """What a page or a file is of."""

    tree: Tree
    units: tuple[int, ...]
    since: date
    until: date
    role: str
    form: Form

    def attended(self) -> QuerySet[Attendance]:
        """Who came."""
        return _attended(self.units, self.since, self.until, self.role)


async def _view(request: Request) -> View:
    tree = await load_tree()
    mine = overseen(request.act, tree)
    day = today(request.act)
    form = await request.form(_FIELDS, choices={"unit": tree.offices(mine)})
    typed = form.clean()
    since, until = typed["since"] or day.replace(month=1, day=1), typed["until"] or day
    form.values |= {"since": since, "until": until}
    above = {int(typed["unit"])} if typed["unit"] else mine
    return View(tree, tuple(unit.id for unit in tree.below(above)), since, until, typed["role"], form)


def _attended(units: Collection[int], since: date, until: date, role: str = "") -> QuerySet[Attendance]:
    """Who came for the government to the talks in these units."""
    return Attendance.filter(
        role__in=[role] if role else list(OFFICIAL_ROLES),
        present_at__isnull=False,
        activity__unit_id__in=list(units),
        activity__date__gte=since,
        activity__date__lte=until,
    )


async def _presences(view: View, found: QuerySet[Attendance]) -> list[Presence]:
    rows = await found.order_by("-activity__date", "-id").select_related("activity", "link")
    accounts = {row.account_id for row in rows if row.account_id is not None}
    posts = await Post.filter(account_id__in=accounts).order_by("id") if accounts else []
    return [
        Presence(
            row,
            view.tree.units[row.activity.unit_id],
            _title(row, posts),
            row.link if row.link_id else None,
            _reason(row),
        )
        for row in rows
    ]


def _title(row: Attendance, posts: Sequence[Post]) -> str:
    """What the person was called in that unit on that day."""
    day = row.activity.date
    held = [
        post
        for post in posts
        if post.account_id == row.account_id
        and post.unit_id == row.unit_id
        and post.since <= day
        and (post.until is None or post.until >= day)
    ]
    return held[0].title if held else ""


def _reason(row: Attendance) -> str:
    """Why an attendance does not count for a link, or "" (002-C9)."""
    if row.link_id is not None:
        return ""
    if row.account_id is None:
        return translate("签到时没有用账号，认不出是哪位")
    return translate("那天和这里没有挂包联系")


async def coverage_of(tree: Tree, units: Collection[int], since: date, until: date) -> list[Coverage]:
    """How far the leaders of each level in these units have got in a period, the highest level first."""
    leaders: dict[str, set[int]] = {}
    held = "role = ? AND since <= ? AND (until IS NULL OR until >= ?) ORDER BY id"
    for post in await load(Post, held, [_LEADER, until, since]):
        if post.unit_id in units:
            leaders.setdefault(tree.units[post.unit_id].kind, set()).add(post.account_id)
    columns = ("account_id", "unit_id", "activity_id", "activity__kind", "activity__unit_id")
    came = await _attended(units, since, until).filter(account_id__isnull=False, unit_id__isnull=False).values(*columns)
    issues = await _issues({(row["activity__kind"], row["activity_id"]) for row in came})
    kinds = current().configuration.unit_kinds
    found = []
    for kind in (kind for kind in kinds if kind in leaders):
        rows = [row for row in came if row["account_id"] in leaders[kind] and tree.units[row["unit_id"]].kind == kind]
        raised = [
            issue
            for occasion in {(row["activity__kind"], row["activity_id"]) for row in rows}
            for issue in issues.get(occasion, ())
        ]
        problems = [issue for issue in raised if issue["kind"] != "suggestion"]
        found.append(
            Coverage(
                translate(kinds[kind].label),
                len(leaders[kind]),
                len({row["account_id"] for row in rows}),
                len({row["activity__unit_id"] for row in rows}),
                len(problems),
                len(raised) - len(problems),
                sum(_is_resolved(issue["state"]) for issue in problems),
            )
        )
    return found


async def _issues(occasions: set[tuple[str, int]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """What was raised at each of these activities."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    if occasions:
        rows = Issue.filter(
            origin_kind__in={kind for kind, _id in occasions}, origin_id__in={id_ for _kind, id_ in occasions}
        )
        for row in await rows.values("origin_kind", "origin_id", "kind", "state"):
            found.setdefault((row["origin_kind"], row["origin_id"]), []).append(row)
    return found


def _is_resolved(state: str) -> bool:
    known = current().registry.states.get(state)
    return known is not None and known.category in ("awaiting", "closed_good")


# The page


async def page(request: Request) -> Response:
    """How far each level's leaders have got, and who was where."""
    view = await _view(request)
    skip = (await request.form((_SKIP,))).clean()["skip"] or 0
    rows = await _presences(view, view.attended().offset(skip).limit(_SHOWN + 1))
    kept = {name: str(value) for name, value in view.form.values.items() if value}
    path = request.templating.addresses.path
    return request.render(
        "meetings/leaders.html",
        form=view.form,
        coverage=await coverage_of(view.tree, view.units, view.since, view.until),
        rows=rows[:_SHOWN],
        roles=dict(ROLES),
        links=dict(LINK_KINDS),
        more=path("meetings.leaders", **kept, skip=skip + _SHOWN) if len(rows) > _SHOWN else None,
        export=path("meetings.leaders.export", **kept),
    )


async def export(request: Request) -> Response:
    """The same as an Excel file."""
    view = await _view(request)
    roles: Mapping[str, str] = dict(ROLES)
    links: Mapping[str, str] = dict(LINK_KINDS)
    headings = [
        *(translate("哪天"), translate("村（社区）"), translate("夜谈主题"), translate("姓名"), translate("身份")),
        *(translate("单位"), translate("职务"), translate("凭什么联系"), translate("为什么不算")),
    ]
    cells: list[list[Any]] = [
        [
            row.attendance.activity.date,
            row.place.name,
            row.attendance.activity.title,
            row.attendance.name,
            translate(roles[row.attendance.role]),
            view.tree.units[row.attendance.unit_id].name if row.attendance.unit_id else "",
            row.title,
            translate(links[row.link.kind]) if row.link else "",
            row.reason,
        ]
        for row in await _presences(view, view.attended().limit(_MOST_EXPORTED))
    ]
    return await listed(request, "attendances", translate("领导参加夜谈"), headings, cells)


PAGES = (
    Page("/desk/meetings/leaders", page, "meetings.leaders", permission=OVERSEE, sensitive=True),
    Page("/desk/meetings/leaders/export", export, "meetings.leaders.export", permission=OVERSEE, sensitive=True),
)
